import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import path from "node:path";
import type { Config, Site } from "../../../modules/config";
import { LAYERS, stackId } from "../../../modules/names";
import { ROOT } from "../../context";
import type { StackState } from "../facts";

const ANSWER_MS = 5_000;

export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
}

/** How many seconds this computer's clock is ahead of AWS's, by the head of any answer. */
export async function clockAhead(region: string): Promise<number> {
  const endpoint =
    process.env.AWS_ENDPOINT_URL_STS || process.env.AWS_ENDPOINT_URL || `https://sts.${region}.amazonaws.com`;
  const asked = Date.now();
  const { host } = new URL(endpoint);
  // STS leads whoever has no question to a page of the web, whose date may be one of a cache.
  const { headers } = await fetch(endpoint, {
    method: "HEAD",
    redirect: "manual",
    signal: AbortSignal.timeout(ANSWER_MS),
  }).catch((error) => {
    throw new Error(`${host} does not answer (${error?.cause?.code ?? error?.name})`);
  });
  // Half way between the question and the answer; the head has whole seconds.
  const here = (asked + Date.now()) / 2;
  const there = Date.parse(headers.get("date") ?? "");
  if (Number.isNaN(there)) throw new Error(`${host} does not say what time it is`);
  return Math.round((here - there) / 1000);
}

/** What Terraform's states on this computer say; undefined where they are somewhere else. */
export async function localStates({ backend }: Config, site: Site): Promise<StackState[] | undefined> {
  if (backend.type !== "local") return undefined;
  const layers = LAYERS.filter((layer) => layer !== "dns" || site.dns.provider !== "none");
  return Promise.all(
    layers.map(async (layer) => {
      const stack = stackId(site, layer);
      const file = path.join(backend.path, `${stack}.tfstate`);
      const text = await readFile(path.join(ROOT, file), "utf8").catch(() => undefined);
      return { stack, file, ...readState(text) };
    }),
  );
}

export function readState(text: string | undefined): Pick<StackState, "outputs" | "accounts"> {
  if (text === undefined) return { outputs: undefined, accounts: [] };
  const accounts = [...text.matchAll(/"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}):/g)].map(([, id = ""]) => id);
  return { outputs: outputsOf(text), accounts: [...new Set(accounts)] };
}

function outputsOf(text: string): Record<string, unknown> {
  try {
    const { outputs = {} } = JSON.parse(text) as { outputs?: Record<string, { value?: unknown }> };
    return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, output?.value]));
  } catch {
    return {};
  }
}
