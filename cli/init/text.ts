import { parse, stringify } from "yaml";
import { ConfigError, parseConfig } from "../../modules/config";
import type { Answers, BackendAnswer } from "./answers";

type Line = string | undefined;

/** The file, with a reason at each setting. What nobody chose is not in it. */
export function configText(answers: Answers, schemaPath: string): string {
  const { site, region, environment, dns, emails, backend } = answers;
  const lines: Line[] = [
    `# yaml-language-server: $schema=${schemaPath}`,
    "# The settings of your VPN. What is not here has its default: docs/configuration.md has every setting, with its reason.",
    "# After a change, `npx stingy plan` tells what it would do, and `npx cdktf deploy '*'` does it.",
    ...(environment === undefined
      ? []
      : [
          "",
          "# Part of every name: another environment is another set of servers.",
          setting("environment", environment),
        ]),
    ...(backend === undefined ? [] : ["", ...backendLines(backend)]),
    "",
    "sites:",
    "  # Part of every name, too: a site with another name is another VPN, with another address.",
    `  ${scalar(site)}:`,
    "    # Where the server is. The nearest to you is the fastest; prices differ a little.",
    `    ${setting("region", region)}`,
    ...(dns === undefined
      ? []
      : [
          "    # The name that devices know the server by. Its token lives in the store: `npx stingy init` puts it there.",
          "    dns:",
          "      provider: cloudflare",
          `      ${setting("zone", dns.zone)}`,
          `      ${setting("name", dns.name)}`,
        ]),
    ...(emails.length === 0
      ? []
      : [
          "    # Who is told when a person is needed. AWS asks each address to confirm.",
          "    monitoring:",
          "      emails:",
          ...emails.map((email) => `        - ${scalar(email)}`),
        ]),
  ];
  return `${lines.join("\n")}\n`;
}

/** What is wrong with these answers, if anything. The file's lines are not in it, as there is no file yet. */
export function answersProblem(answers: Answers): ConfigError | undefined {
  try {
    parseConfig(parse(configText(answers, "")), "The settings given");
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

function backendLines(backend: BackendAnswer): Line[] {
  const of = {
    local: "# Where Terraform keeps what it has made: the folder state/ here. Keep a copy of it.",
    s3: "# Where Terraform keeps what it has made. The bucket has to be there; turn its versioning on.",
    cloud: "# Where Terraform keeps what it has made: one workspace a stack at HCP Terraform.",
  };
  const { type, ...rest } = backend;
  return [
    of[type],
    "backend:",
    `  type: ${type}`,
    ...Object.entries(rest).map(([key, value]) => `  ${setting(key, value)}`),
  ];
}

function setting(key: string, value: string): string {
  return `${key}: ${scalar(value)}`;
}

/** With quotes where YAML needs them. */
function scalar(value: string): string {
  return stringify(value, { lineWidth: 0, blockQuote: false }).trimEnd();
}
