/** `npm run bench`: every figure we publish. `--json FILE` writes them to a file too; `--quick` measures less, and less often. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { stringify } from "yaml";
import { sizes as fileSizes, renderUserData, serverBootstrap } from "../../modules/bootstrap";
import { USER_DATA } from "../../test/support/golden";
import { benchBundles } from "./bundles";
import { benchCli } from "./cli";
import { benchController } from "./controller";
import { benchServer } from "./server";
import { type Figure, figure } from "./statistics";

const ROOT = path.resolve(__dirname, "../..");
const MANY = 100;
const LARGEST_FILES = 6;

interface Run {
  readonly seconds: number;
  readonly megabytes: number;
}

/** Runs what `cdktf synth` runs, and measures the whole process from its start to its end. */
function synthesize(configFile: string | undefined, outdir: string): Promise<Run> {
  const [node = "", ...args] = (
    JSON.parse(readFileSync(path.join(ROOT, "cdktf.json"), "utf8")) as { app: string }
  ).app.split(" ");
  const env = { ...process.env, CDKTF_OUTDIR: outdir, STINGY_CONFIG: configFile ?? "" };
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(node, ["-r", path.join(__dirname, "report-usage.cjs"), ...args], {
      cwd: ROOT,
      env,
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    let kilobytes = "";
    child.stdio[3]?.on("data", (chunk) => {
      kilobytes += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const seconds = (performance.now() - started) / 1000;
      if (code === 0) resolve({ seconds, megabytes: Number(kilobytes) / 1024 });
      else reject(new Error(`synth ended with ${code}`));
    });
  });
}

/** A configuration of many sites whose ranges keep apart. */
function manySites(count: number): string {
  const sites = Array.from({ length: count }, (_, index) => [
    `site${index}`,
    {
      storePrefix: `/stingy-vpn/site${index}`,
      network: { vpcCidr: `10.${Math.floor(index / 16)}.${(index % 16) * 16}.0/20` },
      tunnel: { ipv4: `10.200.${index}.0/24`, ipv6: `fd53:7469:6e67:${(index + 1).toString(16)}::/64` },
    },
  ]);
  return stringify({ sites: Object.fromEntries(sites) });
}

async function benchSynth(
  folder: string,
  name: string,
  config: string | undefined,
  runs: number,
  targets: Partial<Run>,
) {
  const file = config === undefined ? undefined : path.join(folder, "stingy.yaml");
  if (file && config !== undefined) writeFileSync(file, config);
  const results: Run[] = [];
  // The first run fills the cache of transpiled files and is not counted.
  await synthesize(file, path.join(folder, "warm-up"));
  for (let run = 0; run < runs; run++) results.push(await synthesize(file, path.join(folder, `out${run}`)));
  return [
    figure(
      `synth, ${name}`,
      "s",
      results.map(({ seconds }) => seconds),
      targets.seconds,
    ),
    figure(
      `synth, ${name}, memory`,
      "MB",
      results.map(({ megabytes }) => megabytes),
      targets.megabytes,
    ),
  ];
}

function sizes(): Figure[] {
  const kilobytes = (bytes: number) => bytes / 1000;
  return [
    ...(["al2023", "debian", "ubuntu"] as const).flatMap((distribution) => {
      const text = renderUserData({ ...USER_DATA, distribution });
      return [
        figure(`user data, ${distribution}`, "kB", [kilobytes(Buffer.byteLength(text))]),
        figure(`user data, ${distribution}, packed`, "kB", [kilobytes(gzipSync(text).length)], 6),
      ];
    }),
    // Alone; together files pack better.
    ...fileSizes(serverBootstrap(USER_DATA))
      .slice(0, LARGEST_FILES)
      .map(({ path: file, gzipBytes }) =>
        figure(`user data, ${path.basename(file)}, packed`, "kB", [kilobytes(gzipBytes)]),
      ),
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: "string" }, runs: { type: "string", default: "7" }, quick: { type: "boolean" } },
  });
  const runs = values.quick ? 3 : Math.max(5, Number(values.runs));
  const fewer = Math.min(5, runs);
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-bench-"));
  try {
    const figures = [
      ...(await benchSynth(folder, "default site", undefined, runs, { seconds: 1, megabytes: 150 })),
      ...(await benchSynth(folder, "1 site", manySites(1), runs, {})),
      ...(await benchSynth(folder, "10 sites", manySites(10), fewer, {})),
      ...(await benchSynth(folder, `${MANY} sites`, manySites(MANY), fewer, { seconds: 10 })),
      ...sizes(),
      ...benchBundles(runs),
      ...(await benchController(runs)),
      ...(await benchCli(runs)),
      ...(process.getuid?.() === 0 ? await benchServer(fewer, { atRest: !values.quick }) : []),
    ];
    if (process.getuid?.() !== 0) console.log("The server's own figures are left out: they need root.");
    console.log(`${os.cpus()[0]?.model}, ${os.availableParallelism()} cores, Node ${process.versions.node}`);
    for (const { name, unit, median, lowest, highest, runs: count, target } of figures) {
      const spread = count === 1 ? "" : `  (${lowest.toFixed(2)} to ${highest.toFixed(2)}, ${count} runs)`;
      const aim = target === undefined ? "" : `  target <= ${target}`;
      console.log(`${name.padEnd(34)} ${median.toFixed(2).padStart(8)} ${unit}${spread}${aim}`);
    }
    if (values.json) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main();
