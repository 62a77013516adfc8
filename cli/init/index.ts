import type { Site } from "../../modules/config";
import { parseYaml } from "../../modules/config";
import { canAsk, confirm, prompt } from "../ask";
import { explainAwsError } from "../aws-errors";
import type { InitOptions } from "../commands/init";
import type { Context } from "../context";
import { CliError, EXIT, type ExitCode, usageError } from "../exit";
import { note, print, printJson, progress, tone } from "../output";
import { type Answers, answersFrom, choosesSettings, noNameAtCloudflare } from "./answers";
import { type ConfigFile, configFile, schemaPathFrom, writeConfigFile } from "./file";
import { attention, type Finding, findingText, fromError, type State, worthKnowing } from "./finding";
import { answersProblem, configText } from "./text";

type Task = "write" | "check" | "token";
type Options = InitOptions & { readonly site?: string };

export async function init(context: Context, options: Options): Promise<ExitCode> {
  refuseContradictions(options);
  const file = configFile(context);
  const task = await chooseTask(file, options);
  const wrote = task === "write" && (await write(file, options));
  const site = file.text === undefined && task === "check" ? siteOf(answersFrom(options)) : await context.site();
  if (wrote && !options.json) print(`${tone("good", "Wrote")} ${file.shown}: the site ${site.name} in ${site.region}.`);
  const findings = await look(site, task, options);
  if (options.json) printJson({ file: file.shown, wrote, site: site.name, region: site.region, findings });
  else say(site, task, findings, options);
  return findings.some(({ state }) => state === "attention") ? EXIT.attention : EXIT.ok;
}

function refuseContradictions(options: Options): void {
  const { check, offline, force, cloudflareTokenStdin: token } = options;
  const both = (one: string, other: string) => usageError(`${one} and ${other} do not go together.`, "Leave one out.");
  if (check && offline) throw both("--check", "--offline");
  if (check && force) throw both("--check", "--force");
  if (check && token) throw both("--check", "--cloudflare-token-stdin");
  if (offline && token) throw both("--offline", "--cloudflare-token-stdin");
}

async function chooseTask({ shown, text }: ConfigFile, options: Options): Promise<Task> {
  if (options.check) return "check";
  if (text === undefined || options.force || choosesSettings(options)) return "write";
  if (options.cloudflareTokenStdin) return "token";
  if (!canAsk() || options.yes) {
    throw new CliError(`${shown} is there already; nothing was written.`, {
      fix: "Add --check to look at the account, or --force to write the file anew.",
    });
  }
  const { select } = await import("@inquirer/prompts");
  return prompt(() =>
    select<Task>(
      {
        message: `${shown} is there already. What should be done?`,
        choices: [
          { value: "check", name: "look at the account, change nothing" },
          { value: "token", name: "check a Cloudflare token and store it" },
          { value: "write", name: "write the file anew" },
        ],
      },
      { output: process.stderr },
    ),
  );
}

/** False where the file says it already. */
async function write(file: ConfigFile, options: Options): Promise<boolean> {
  const given = answersFrom(options);
  refuseBad(given);
  const asks = canAsk() && !options.yes;
  const answers = asks ? await (require("./ask") as typeof import("./ask")).askFor(options) : given;
  refuseBad(answers);
  if (options.cloudflareTokenStdin && !answers.dns) throw noNameAtCloudflare(answers.site);
  const text = configText(answers, schemaPathFrom(file));
  parseYaml(text, file.shown);
  if (file.text === text) {
    note(`${file.shown} says this already.`);
    return false;
  }
  if (file.text !== undefined) await mayReplace(file, file.text, text, options, asks);
  writeConfigFile(file, text);
  return true;
}

function refuseBad(answers: Answers): void {
  const problem = answersProblem(answers);
  if (problem) throw new CliError(problem.message, { exit: EXIT.usage, cause: problem });
}

async function mayReplace(
  { shown }: ConfigFile,
  before: string,
  after: string,
  { force }: Options,
  asks: boolean,
): Promise<void> {
  if (force) return;
  const { createTwoFilesPatch } = await import("diff");
  note(createTwoFilesPatch(shown, `${shown} (new)`, before, after).replace(/^=+\n/, "").trimEnd());
  if (asks) return confirm(`Replace ${shown}?`, { yes: undefined });
  throw new CliError(`${shown} is there and says something else; nothing was written.`, {
    fix: "Add --force to replace it.",
  });
}

function siteOf(answers: Answers): Site {
  refuseBad(answers);
  const [site] = parseYaml(configText(answers, ""), "The settings given").sites;
  if (!site) throw new Error("a configuration without a site was accepted");
  return site;
}

async function look(site: Site, task: Task, options: Options): Promise<Finding[]> {
  if (options.offline) return [];
  const { accountFindings, identityFinding } = require("./account") as typeof import("./account");
  const { nodeFinding, terraformFinding } = require("./machine") as typeof import("./machine");
  const machine = [nodeFinding(process.versions.node), await terraformFinding(), ...deployTokenFindings(site)];
  let identity: Finding;
  try {
    identity = await progress("Asking AWS who you are", identityFinding);
  } catch (error) {
    if (task !== "write" || options.cloudflareTokenStdin) throw error;
    return [...machine, withoutAccount(error, site)];
  }
  const token = site.dns.provider === "cloudflare" || task === "token" ? await tokenFindings(site, task, options) : [];
  if (task === "token") return [identity, ...token];
  const account = await progress("Looking at the account", () => accountFindings(site));
  return [...machine, identity, ...account, ...token];
}

async function tokenFindings(site: Site, task: Task, options: Options): Promise<Finding[]> {
  const { readToken, storedFinding, storeToken } = require("./token") as typeof import("./token");
  const { cloudflareTokenStdin: piped, yes } = options;
  const asks = canAsk() && !yes && task !== "check";
  const token = piped || asks ? await readToken(site, piped ?? false) : undefined;
  return token === undefined ? [await storedFinding(site)] : storeToken(site, token, yes);
}

/** Terraform's provider has a token of its own: the one in the store is the DDNS updater's. */
function deployTokenFindings(site: Site): Finding[] {
  if (site.dns.provider !== "cloudflare" || process.env.CLOUDFLARE_API_TOKEN) return [];
  return [
    attention(
      "cloudflare-api-token",
      "CLOUDFLARE_API_TOKEN is not set: Terraform needs it to make the DNS record.",
      "Set it where you deploy. It may be the same token as the one in the store.",
    ),
  ];
}

/** Whoever has no account yet gets a file all the same. */
function withoutAccount(thrown: unknown, site: Site): Finding {
  const error = explainAwsError(thrown, site.region);
  const none = (thrown as Error).name === "CredentialsProviderError" && !process.env.AWS_PROFILE;
  const { says, fix } = fromError("attention", "account", error);
  const text = `The account was not looked at. ${says}`;
  return none
    ? worthKnowing("account", text, fix)
    : attention("account", text, fix ?? "Run it with --debug to see where.");
}

function say(site: Site, task: Task, findings: readonly Finding[], { offline }: Options): void {
  if (findings.length > 0) print(`${task === "write" ? "\n" : ""}${findings.map(findingText).join("\n")}`);
  const count = (of: State) => findings.filter(({ state }) => state === of).length;
  const inTheWay = count("attention");
  if (inTheWay > 0) {
    print(`\n${inTheWay === 1 ? "1 thing needs" : `${inTheWay} things need`} attention before you deploy.`);
  } else if (task === "check") {
    print(
      count("unknown") > 0
        ? "\nNothing that could be looked at is in the way of a deploy."
        : "\nNothing is in the way of a deploy.",
    );
  }
  if (task !== "write") return;
  const again = offline || inTheWay > 0 ? ["npx stingy init --check"] : [];
  const next = [...again, "npx cdktf deploy '*'", "npx stingy status", "npx stingy peer add phone"];
  print(`\nNext:\n${next.map((command) => `  ${command}`).join("\n")}`);
  if (site.monitoring.emails.length > 0) print("After the deploy, confirm the mail that AWS sends to each address.");
}
