import { execFileSync } from "node:child_process";
import path from "node:path";
import type { Cloud } from "../../assets/lambda/recovery-handler/cloud";
import { decide, type Instance, type Observation, type Policy } from "../../assets/lambda/recovery-handler/decide";
import { createController } from "../../assets/lambda/recovery-handler/run";
import type { Settings } from "../../assets/lambda/recovery-handler/settings";
import { createLog } from "../../assets/lambda/shared/log";
import { createMetrics } from "../../assets/lambda/shared/metrics";
import { type Figure, figure } from "./statistics";

/** Not at the beginning of an hour, when the DNS updater is called too. */
const NOW = new Date("2026-11-21T12:30:00Z");
const HOUR_MS = 3600_000;
const DECISIONS = 20_000;
const SCHEDULES = 2_000;
const ROOT = path.resolve(__dirname, "../..");

const POLICY: Policy = {
  launchTemplateId: "lt-1",
  launchTemplateVersion: 3,
  maxAgeDays: 14,
  onDemandFallback: "after-failures",
  spotAttempts: 2,
  rebalance: "replace",
  maintenanceWindow: { days: ["sun"], from: "03:00", to: "05:00", timeZone: "Asia/Tokyo" },
};

const SETTINGS: Settings = {
  ...POLICY,
  environment: "prod",
  site: "tokyo",
  storePrefix: "/stingy-vpn/prod",
  subnetIds: ["subnet-1"],
  instanceTypes: ["t4g.nano"],
  spotMaxPrice: undefined,
  allocationId: "eipalloc-1",
  imageParameter: "/aws/service/image",
  ddnsFunction: "ddns",
  pendingTickRule: "pending-tick",
};

const SERVER = "i-0000000000000001";

function instance(id: string, hours: number, fields: Partial<Instance> = {}): Instance {
  return {
    id,
    phase: "running",
    state: "serving",
    impaired: false,
    launchedAt: new Date(NOW.getTime() - hours * HOUR_MS),
    spot: true,
    imageId: "ami-1",
    template: { id: "lt-1", version: 3 },
    ...fields,
  };
}

/** A decision that goes the whole way: everything is well, and every reason to replace the server is looked at. */
function benchDecide(runs: number): Figure {
  const seen: Observation = {
    desiredState: "running",
    serverId: SERVER,
    promotedAt: new Date(NOW.getTime() - HOUR_MS),
    garbage: {},
    instances: [instance(SERVER, 20), instance("i-0000000000000000", 21, { phase: "ended" })],
    address: { kind: "instance", instanceId: SERVER },
    newestImage: "ami-1",
    launches: { last: undefined },
  };
  const results: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const started = performance.now();
    for (let index = 0; index < DECISIONS; index++) decide(seen, { kind: "tick" }, NOW, POLICY);
    // The first run warms the compiler up.
    if (run > 0) results.push(((performance.now() - started) * 1000) / DECISIONS);
  }
  return figure("controller, a decision", "µs", results, 50);
}

/** Every call counts, and all that a look at a site where all is well needs is answered. */
async function benchIdleTick(): Promise<Figure> {
  let calls = 0;
  const at = new Date(NOW.getTime() - HOUR_MS);
  const tags = new Map([
    ["state", "serving"],
    ["aws:ec2launchtemplate:id", "lt-1"],
    ["aws:ec2launchtemplate:version", "3"],
  ]);
  const answers: Partial<Cloud> = {
    instances: async () => [{ id: SERVER, state: "running", launchedAt: at, spot: true, imageId: "ami-1", tags }],
    impairedInstances: async () => [],
    parameters: async () =>
      new Map([
        ["/stingy-vpn/prod/instance-id", { value: SERVER, modifiedAt: at }],
        ["/stingy-vpn/prod/desired-state", { value: "running", modifiedAt: at }],
        ["/stingy-vpn/prod/launches", { value: "none", modifiedAt: at }],
        ["/aws/service/image", { value: "ami-1", modifiedAt: at }],
      ]),
    addressHolder: async () => ({ kind: "instance", instanceId: SERVER }),
  };
  const cloud = new Proxy(answers, {
    get(target, name) {
      calls++;
      return Reflect.get(target, name);
    },
  }) as Cloud;
  const silent = () => {};
  const controller = createController({
    settings: SETTINGS,
    cloud,
    log: createLog("error", silent),
    metrics: createMetrics({}, silent),
    now: () => NOW,
    sleep: async () => {},
  });
  await controller({ source: "stingy-vpn", "detail-type": "Tick" });
  return figure("controller, calls of an idle tick", "calls", [calls], 4);
}

/** 20,000 a minute on one core are 3 ms each. */
function benchSimulation(runs: number): Figure {
  const milliseconds = Array.from({ length: runs }, (_, run) => {
    const args = ["--schedules", String(SCHEDULES), "--seed", String(1 + run * SCHEDULES)];
    const output = execFileSync("npm", ["run", "--silent", "sim", "--", ...args], { cwd: ROOT, encoding: "utf8" });
    return 60_000 / Number(/, (\d+) a minute/.exec(output)?.[1]);
  });
  return figure("simulation, a schedule", "ms", milliseconds, 3);
}

export async function benchController(runs: number): Promise<Figure[]> {
  return [benchDecide(runs), await benchIdleTick(), benchSimulation(5)];
}
