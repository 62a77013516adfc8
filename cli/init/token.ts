import { Secret } from "../../assets/lambda/shared/secret";
import type { CloudflareSettings, Site } from "../../modules/config";
import { STORE } from "../../modules/store/names";
import { canAsk, confirm, prompt } from "../ask";
import { Aws } from "../aws";
import { explainAwsError } from "../aws-errors";
import { usageError } from "../exit";
import { note, progress } from "../output";
import { Store } from "../store";
import { noNameAtCloudflare } from "./answers";
import { checkToken } from "./cloudflare";
import { attention, type Finding, findingText, fromError, ok } from "./finding";

const TOKEN = /^[\x21-\x7e]{20,300}$/;
/** The key that opens the whole of a Cloudflare account. */
const GLOBAL_KEY = /^[0-9a-f]{37}$/;
const LARGEST_INPUT = 10_000;

/** The token as it was typed or piped. Undefined where the person has none yet. */
export async function readToken(site: Site, fromStdin: boolean): Promise<Secret | undefined> {
  const { zone } = cloudflareOf(site);
  if (!fromStdin) {
    const { password } = await import("@inquirer/prompts");
    const message = `Cloudflare API token that may edit the DNS of ${zone} alone (later: Enter)`;
    const given = await prompt(() =>
      password({ message, mask: true, validate: (text) => tokenProblem(text) ?? true }, { output: process.stderr }),
    );
    return given.trim() === "" ? undefined : new Secret(given.trim());
  }
  if (process.stdin.isTTY) {
    throw usageError(
      "--cloudflare-token-stdin reads a pipe or a file, and this is a terminal, which would show the token.",
      "Leave the option out to be asked for it without showing it.",
    );
  }
  const given = (await standardInput()).trim();
  const problem = given === "" ? "Standard input holds no token." : tokenProblem(given);
  if (problem !== undefined)
    throw usageError(problem, "Pipe the token alone: `npx stingy init --cloudflare-token-stdin < FILE`.");
  return new Secret(given);
}

/** Checks the token with Cloudflare and stores it. Whatever it replaces or widens is asked about first. */
export async function storeToken(site: Site, token: Secret, yes: boolean | undefined): Promise<Finding[]> {
  const dns = cloudflareOf(site);
  const checked = await progress("Asking Cloudflare what the token may do", () => checkToken(token, dns));
  const wide = checked.find(({ state }) => state === "attention");
  if (wide && !yes) {
    note(findingText(wide));
    await confirm("Store this token all the same?", { yes });
  }
  const aws = new Aws(site.region);
  const store = new Store(aws, site.storePrefix);
  const where = `${site.storePrefix}/${STORE.cloudflareToken}`;
  if (await store.create(STORE.cloudflareToken, token.reveal())) {
    return [...checked, ok("cloudflare-token-stored", `it is stored now (${where})`)];
  }
  const before = await store.get(STORE.cloudflareToken);
  if (before?.value.trim() === token.reveal()) {
    return [...checked, ok("cloudflare-token-stored", `it was stored already (${where})`)];
  }
  await confirm(`Replace the other token that is in ${where}?`, { yes });
  await store.replace(STORE.cloudflareToken, token.reveal());
  return [...checked, ok("cloudflare-token-stored", `it is stored now, in place of the one before (${where})`)];
}

/** Whether the store has a token; not whether it is a good one. */
export async function storedFinding(site: Site): Promise<Finding> {
  const id = "cloudflare-token-stored";
  try {
    const found = await new Store(new Aws(site.region), site.storePrefix).get(STORE.cloudflareToken);
    return found
      ? ok(id, "the store has a Cloudflare token")
      : attention(
          id,
          "The store has no Cloudflare token: the name would not follow the server.",
          canAsk()
            ? "Run `npx stingy init` and choose to store it."
            : "Store it: `npx stingy init --cloudflare-token-stdin < FILE`.",
        );
  } catch (error) {
    return fromError("unknown", id, explainAwsError(error, site.region));
  }
}

export function tokenProblem(text: string): string | undefined {
  const given = text.trim();
  if (given === "") return undefined;
  if (GLOBAL_KEY.test(given)) return "This looks like the Global API Key, which may do everything: make an API token.";
  return TOKEN.test(given) ? undefined : "This is no API token: it has 20 or more letters and digits, and no spaces.";
}

function cloudflareOf(site: Site): CloudflareSettings {
  if (site.dns.provider === "cloudflare") return site.dns;
  throw noNameAtCloudflare(site.name);
}

async function standardInput(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    text += chunk;
    if (text.length > LARGEST_INPUT)
      throw usageError("Standard input is too long for a token.", "Pipe the token alone.");
  }
  return text;
}
