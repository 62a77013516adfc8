import type { Context } from "../context";
import { EXIT, type ExitCode, usageError } from "../exit";
import { print, printJson, progress } from "../output";
import { examine, findingsOf } from "./check";
import { CHECKS } from "./checks";
import { handshake } from "./checks/tunnel";
import type { Facts, Probe } from "./facts";
import { gather, looker } from "./gather";
import { jsonOf, treeText } from "./report";

export interface DoctorOptions {
  readonly json?: boolean;
  /** --no-probe */
  readonly probe: boolean;
  readonly wait?: string;
}

export async function doctor(context: Context, options: DoctorOptions): Promise<ExitCode> {
  const waitSeconds = secondsOf(options.wait);
  const facts = await progress("Looking …", async (say): Promise<Facts> => {
    const seen = await gather(context);
    return { ...seen, probe: await probed(context, seen, options, { waitSeconds, say }) };
  });
  const results = examine(CHECKS, facts);
  if (options.json) printJson(jsonOf(results, facts));
  else print(treeText(results, facts, { signs: process.stdout.isTTY === true }));
  return findingsOf(results).length === 0 ? EXIT.ok : EXIT.attention;
}

async function probed(
  context: Context,
  facts: Facts,
  options: DoctorOptions,
  how: { readonly waitSeconds: number | undefined; readonly say: (text: string) => void },
): Promise<Probe> {
  if (!options.probe) return { kind: "none", why: "left out by --no-probe" };
  const reached = examine(CHECKS, facts).find(({ check }) => check === handshake)?.status !== "not-reached";
  if (!reached) return facts.probe;
  const { probe } = require("./probe") as typeof import("./probe");
  const aws = await context.aws();
  const tried = await looker(aws)(() => probe(aws, facts, how));
  return "seen" in tried ? tried.seen : { kind: "failed", why: tried.unseen, fix: tried.fix };
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= 600) return seconds;
  throw usageError(`--wait is ${text}, which is no number of seconds from 1 to 600.`, "For example: --wait 20");
}
