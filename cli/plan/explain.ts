import { maskText } from "./hidden";
import { joined, type Sentence, say } from "./sentence";

export interface Diagnostic {
  readonly severity: string;
  readonly summary: string;
  readonly detail?: string;
  readonly address?: string;
}

export interface Explained {
  readonly problem: Sentence;
  readonly fix?: string;
  /** It would be the same for every stack: one message is enough. */
  readonly everywhere?: true;
}

const LONGEST = 800;

const KNOWN: readonly { readonly pattern: RegExp; readonly explain: (found: RegExpExecArray) => Explained }[] = [
  {
    pattern:
      /ExpiredToken|RequestExpired|token (?:included in the request )?(?:is|has) expired|SSO session .*expired|InvalidGrantException/i,
    explain: () => ({
      everywhere: true,
      problem: say`The AWS credentials have expired.`,
      fix: "Renew them (`aws sso login`, or new keys) and run it again.",
    }),
  },
  {
    pattern:
      /InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch|AuthFailure|security token included in the request is invalid/,
    explain: () => ({
      everywhere: true,
      problem: say`AWS does not accept the credentials.`,
      fix: "Check AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` says whose they are.",
    }),
  },
  {
    pattern:
      /No valid credential sources found|no EC2 IMDS role found|failed to refresh cached credentials|NoCredentialProviders|failed to get shared config profile/,
    explain: () => ({
      everywhere: true,
      problem: say`There are no AWS credentials.`,
      fix: "Set AWS_PROFILE, or log in with `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
    }),
  },
  {
    pattern: /Required token could not be found|terraform login|tofu login|401 Unauthorized.*app\.terraform\.io/i,
    explain: () => ({
      everywhere: true,
      problem: say`There is no token for HCP Terraform.`,
      fix: "Run `terraform login`, or set TF_TOKEN_app_terraform_io.",
    }),
  },
  {
    pattern:
      /Failed to (?:query available provider packages|install provider)[\s\S]*?(?:provider\s+|install\s+)([\w.-]+\/[\w.-]+)/,
    explain: ([, provider]) => ({
      problem: say`Terraform could not get the provider ${provider ?? ""}.`,
      fix: "Check the network and `providers` in stingy.yaml. Where no registry can be reached, name a mirror's configuration with TF_CLI_CONFIG_FILE.",
    }),
  },
  {
    pattern: /Failed to (?:query available provider packages|install provider)/,
    explain: () => ({
      problem: say`Terraform could not get its providers.`,
      fix: "Check the network and `providers` in stingy.yaml. Where no registry can be reached, name a mirror's configuration with TF_CLI_CONFIG_FILE.",
    }),
  },
  {
    pattern: /Error acquiring the state lock|state (?:is )?already locked/i,
    explain: () => ({
      problem: say`The state is locked: somebody is deploying.`,
      fix: "Wait until that deploy has ended and run it again. `terraform force-unlock` removes a lock that was left behind.",
    }),
  },
  {
    pattern: /Resource (\S+) has\s+lifecycle\.prevent_destroy set/,
    explain: ([, address]) => ({
      problem: say`${address ?? "Something"} is protected, and this change would destroy it: Terraform refuses.`,
      fix: "Take the change back, or set `protect: false` for the site if it is to be lost.",
    }),
  },
  {
    pattern: /NoSuchBucket|S3 bucket "?([\w.-]+)"? does not exist/,
    explain: () => ({
      everywhere: true,
      problem: say`The bucket of the states does not exist.`,
      fix: "Make it, or correct `backend.bucket` in stingy.yaml.",
    }),
  },
  {
    pattern: /(?:AccessDenied\w*|UnauthorizedOperation|not authorized to perform)[\s\S]*?perform:?\s+([a-z0-9-]+:\w+)/i,
    explain: ([, action]) => ({
      problem: say`The credentials may not do ${action ?? ""}, which a plan needs.`,
      fix: "docs/plan-review.md has the policy of a role that may do all that a plan needs, and nothing else.",
    }),
  },
  {
    pattern:
      /CLOUDFLARE_API_TOKEN|"api_token"|Missing (?:Cloudflare )?(?:API )?(?:credentials|token)[\s\S]*cloudflare/i,
    explain: () => ({
      problem: say`There is no token for Cloudflare.`,
      fix: "Set CLOUDFLARE_API_TOKEN; for a plan, one that may read the zone is enough.",
    }),
  },
  {
    pattern:
      /https:\/\/([\w.-]+)[^\n]*(?:no such host|connection refused|i\/o timeout|handshake timeout|network is unreachable)/,
    explain: ([, host]) => ({
      everywhere: true,
      problem: say`${host ?? "The service"} cannot be reached.`,
      fix: "Check the network, a proxy (HTTPS_PROXY) and the region in stingy.yaml.",
    }),
  },
];

/** What Terraform's errors mean, and what to do. Secrets never pass. */
export function explain(diagnostics: readonly Diagnostic[], text = ""): Explained {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const said = [...errors.map(({ summary, detail = "" }) => `${summary}\n${detail}`), plainText(text)]
    .filter(Boolean)
    .join("\n");
  for (const { pattern, explain } of KNOWN) {
    // Lines are broken anywhere.
    const found = pattern.exec(said) ?? pattern.exec(said.replace(/\s+/g, " "));
    if (found) return explain(found);
  }
  const own = errors.map(
    ({ summary, detail = "", address }): Sentence =>
      say`${address === undefined ? [] : say`${address}: `}${shorten(`${summary}. ${detail}`)}`,
  );
  return { problem: own.length > 0 ? joined(own, "\n") : say`Terraform failed: ${shorten(firstError(said))}` };
}

/** Without colours and without the frame that Terraform draws. */
function plainText(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
      .replace(/\u001b\[[0-9;]*m/g, "")
      .replace(/^[│╷╵ ]+/gm, "")
      .trim()
  );
}

function firstError(text: string): string {
  const start = text.indexOf("Error: ");
  return start < 0 ? text : text.slice(start + "Error: ".length);
}

function shorten(text: string): string {
  const line = maskText(text.replace(/\s+/g, " ").trim());
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST)}…`;
}

/** The diagnostics in what `terraform … -json` prints, a JSON object a line. */
export function diagnosticsOf(stdout: string): Diagnostic[] {
  return stdout.split("\n").flatMap((line) => {
    if (!line.includes('"diagnostic"')) return [];
    try {
      const { diagnostic } = JSON.parse(line) as { diagnostic?: Diagnostic };
      return diagnostic ? [diagnostic] : [];
    } catch {
      return [];
    }
  });
}
