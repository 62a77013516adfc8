/**
 * `npm run lab`: the scenarios as tests. `npm run lab -- --report` measures them again and again, and writes docs/failover.json,
 * and from that the tables of docs/failover.md and its picture.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { requireMachine } from "../server/harness/tools";
import { PARTS, writeReport } from "./report";

const HELP = `npm run lab [-- OPTION...]: failovers with real WireGuard, in network namespaces. Needs root.

  --grep TEXT           only the tests whose names have TEXT
  --report              measures instead, and writes docs/failover.json, docs/failover.md and docs/failover.svg
  --only PART           with --report: outages, throughput or boot alone; the others stay as they were
  --runs N              with --report: how often each is measured (10)
  --metadata-delay MS   how much later than the network the metadata service knows of a new address (0)
  --gap MS              how long an address that moves leads nowhere (0)
  --help                this
`;

class UsageError extends Error {}

function amount(name: string, text: string, least: number): number {
  if (/^\d{1,6}$/.test(text) && Number(text) >= least) return Number(text);
  throw new UsageError(`--${name} is "${text}". It takes a whole number from ${least}.`);
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        grep: { type: "string" },
        report: { type: "boolean" },
        only: { type: "string" },
        runs: { type: "string" },
        "metadata-delay": { type: "string", default: "0" },
        gap: { type: "string", default: "0" },
        help: { type: "boolean" },
      },
    });
    const only = PARTS.find((part) => part === values.only);
    if (values.only !== undefined && only === undefined)
      throw new UsageError(`--only is "${values.only}". It takes one of ${PARTS.join(", ")}.`);
    if (!values.report && (values.only !== undefined || values.runs !== undefined))
      throw new UsageError("--only and --runs go with --report.");
    if (values.report && values.grep !== undefined)
      throw new UsageError("--grep chooses tests, and --report runs none.");
    return {
      ...values,
      parts: only === undefined ? PARTS : [only],
      runs: amount("runs", values.runs ?? "10", 1),
      metadataDelayMs: amount("metadata-delay", values["metadata-delay"], 0),
      gapMs: amount("gap", values.gap, 0),
    };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function main(): Promise<number> {
  const { help, report, grep, parts, runs, metadataDelayMs, gapMs } = options();
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  process.env.STINGY_LAB_METADATA_DELAY_MS = `${metadataDelayMs}`;
  process.env.STINGY_LAB_GAP_MS = `${gapMs}`;
  requireMachine("npm run lab");
  if (report) {
    await writeReport(parts, runs);
    return 0;
  }
  const mocha = [require.resolve("mocha/bin/mocha.js"), "--config", "test/lab/.mocharc.json"];
  const { status } = spawnSync(process.execPath, [...mocha, ...(grep === undefined ? [] : ["--fgrep", grep])], {
    stdio: "inherit",
  });
  return status ?? 1;
}

main().then(
  (status) => process.exit(status),
  (error) => {
    if (error instanceof UsageError) console.error(`${error.message.replace(/[.]?$/, ".")} See npm run lab -- --help.`);
    else console.error(error.message);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
