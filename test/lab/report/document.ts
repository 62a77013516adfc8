/** docs/failover.md's tables and picture, made from docs/failover.json: no figure there is typed by hand. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Figure } from "../../../scripts/bench/statistics";
import { PHASES, type Phases } from "../boot/figures";
import { type Facts, type Outages, type Report, ROWS, seconds, statistics } from "./figures";
import { picture } from "./picture";

const DOCS = path.resolve(__dirname, "../../../docs");
export const FAILOVER_JSON = path.join(DOCS, "failover.json");
export const FAILOVER_FILE = path.join(DOCS, "failover.md");
export const FAILOVER_PICTURE = path.join(DOCS, "failover.svg");

const report = (): Report => JSON.parse(readFileSync(FAILOVER_JSON, "utf8"));

export function writeFailover(): void {
  writeFileSync(FAILOVER_FILE, failoverText());
  writeFileSync(FAILOVER_PICTURE, failoverPicture());
}

export function failoverPicture(): string {
  const { outages } = report();
  return outages === undefined ? "" : picture(outages);
}

/** The document, with its tables as they follow from the measurements. */
export function failoverText(): string {
  const { outages, throughput, boot } = report();
  const blocks: Readonly<Record<string, readonly string[]>> = {
    ...(outages === undefined
      ? {}
      : {
          outages: [...outageTable(outages), "", measuredOn(outages.facts)],
          slower: slowerTable(outages),
        }),
    ...(throughput === undefined ? {} : { throughput: throughputTable(throughput), groups: groupTable(throughput) }),
    ...(boot === undefined ? {} : { boot: bootTable(boot) }),
  };
  return Object.entries(blocks).reduce(
    (text, [name, lines]) => {
      const block = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- end of ${name} -->)`);
      if (!block.test(text)) throw new Error(`docs/failover.md has no <!-- ${name} --> … <!-- end of ${name} -->.`);
      return text.replace(block, (_, begin, end) => `${begin}${lines.join("\n")}\n${end}`);
    },
    readFileSync(FAILOVER_FILE, "utf8"),
  );
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  `| ${head.join(" | ")} |`,
  `|${head.map((_, index) => (index === 0 ? "---" : "---:")).join("|")}|`,
  ...rows.map((row) => `| ${row.join(" | ")} |`),
];

function outageTable({ rows }: Outages): string[] {
  const cells = ROWS.flatMap(({ id, title, targetMs }) => {
    const row = rows.find((other) => other.id === id);
    if (row === undefined) return [];
    const [ours, plain] = [statistics(row.stingy), statistics(row.plain)];
    const met = targetMs === undefined || (ours.median !== null && ours.median <= targetMs);
    const target = targetMs === undefined ? "" : `≤ ${targetMs / 1000} s${met ? "" : ", missed"}`;
    const text = (value: number | null): string => seconds(value, row.waitedMs);
    return [
      [title, text(ours.median), text(ours.worst), target, text(plain.median), text(plain.worst), `${ours.runs}`],
    ];
  });
  return table(["what", "stingy-vpn", "worst", "target", "plain WireGuard", "worst", "runs"], cells);
}

function slowerTable({ slower }: Outages): string[] {
  return table(
    ["AWS takes longer", "device in use", "worst", "runs"],
    slower.map(({ delays, busy }) => {
      const { median, worst, runs } = statistics(busy);
      const late = `the metadata service knows of the address ${delays.metadataMs / 1000} s later than the network`;
      const nowhere = `the address leads nowhere for ${delays.gapMs / 1000} s`;
      return [delays.gapMs > 0 ? nowhere : late, seconds(median, 0), seconds(worst, 0), `${runs}`];
    }),
  );
}

const measuredOn = ({ processor, cores, memoryGb, kernel, wireguard, node, day }: Facts): string =>
  `Measured ${day} on ${cores} cores of ${processor}, ${memoryGb} GB, Linux ${kernel}, WireGuard: ${wireguard}, Node.js ${node}.`;

const amount = (value: number, digits: number): string =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const spread = ({ median, lowest, highest }: Figure, digits: number): string =>
  `${amount(median, digits)} (${amount(lowest, digits)} to ${amount(highest, digits)})`;

function throughputTable({ tunnel, conditions }: NonNullable<Report["throughput"]>): string[] {
  const directions = ["up", "down"] as const;
  const { processors, processor, wireguard, busyPercentAtRest } = conditions;
  return [
    ...table(
      ["through the tunnel, median (lowest to highest)", "stingy-vpn", "plain WireGuard", "cost, by pairs", "runs"],
      directions.flatMap((direction) => {
        const { mbits, processorSecondsPerGigabyte, costPercent, processorCostPercent } = tunnel.servers[direction];
        const { stingy, plain } = processorSecondsPerGigabyte;
        const runs = `${costPercent.runs}`;
        return [
          [
            `TCP ${direction}, Mbit/s`,
            spread(mbits.stingy, 0),
            spread(mbits.plain, 0),
            `${spread(costPercent, 1)} %`,
            runs,
          ],
          [
            `TCP ${direction}, seconds of processor for a GB`,
            spread(stingy, 1),
            spread(plain, 1),
            `${spread(processorCostPercent, 1)} %`,
            runs,
          ],
        ];
      }),
    ),
    "",
    ...table(
      [
        "the rules alone, switched four times a second on one server",
        "processor for a GB, more",
        "plain against plain: the noise",
        "runs",
      ],
      directions.map((direction) => {
        const { processorCostPercent, controlPercent } = tunnel.rulesSwitched[direction];
        return [
          `TCP ${direction}`,
          `${spread(processorCostPercent, 1)} %`,
          `${spread(controlPercent, 1)} %`,
          `${processorCostPercent.runs}`,
        ];
      }),
    ),
    "",
    `Measured on ${processors} cores of ${processor}, ${wireguard === "kernel" ? "WireGuard in the kernel" : "wireguard-go"}; with nothing to do, the machine was ${busyPercentAtRest.map((percent) => amount(percent, 0)).join(" % busy before and ")} % after.`,
  ];
}

function groupTable({ groups, forwarding }: NonNullable<Report["throughput"]>): string[] {
  return [
    ...table(
      ["packets a second, thousands, forwarded without WireGuard", "1 peer", "100 peers", "1,000 peers", "1,000 to 1"],
      groups.map(({ group, packetsPerSecond, thousandToOne }) => [
        `a peer of the group ${group}`,
        ...([1, 100, 1000] as const).map((count) => amount(packetsPerSecond[count].median / 1000, 0)),
        spread(thousandToOne, 2),
      ]),
    ),
    "",
    ...table(
      [
        "nanoseconds a packet, forwarded without WireGuard",
        "stingy-vpn",
        "one rule that masquerades",
        "ours more, by pairs",
      ],
      (["up", "down", "in"] as const).map((direction) => {
        const { stingy, plain, cost } = forwarding[direction];
        return [
          { up: "from a peer to the internet", down: "from the internet to a peer", in: "WireGuard's own" }[direction],
          spread(stingy, 0),
          spread(plain, 0),
          spread(cost, 0),
        ];
      }),
    ),
  ];
}

function bootTable({ boots, memory, units, longestGapMs, host }: NonNullable<Report["boot"]>): string[] {
  const phases = Object.entries(PHASES) as [keyof Phases, string][];
  const text = (value: number | undefined): string => (value === undefined ? "" : value.toFixed(1));
  const { processor, cores, memoryMiB, kernel, qemu } = host;
  return [
    ...table(
      ["seconds since power-on, one run", ...boots.map(({ name }) => name)],
      phases.map(([phase, title]) => [title, ...boots.map(({ phases: reached }) => text(reached[phase]))]),
    ),
    "",
    ...table(
      ["memory, MiB", "at most", "of"],
      [
        ...memory.map(({ name, peakMiB, totalMiB }) => [name, amount(peakMiB, 0), amount(totalMiB, 0)]),
        ...Object.entries(units).map(([unit, peakMiB]) => [`\`${unit}\``, amount(peakMiB, 1), "96"]),
      ],
    ),
    "",
    ...(longestGapMs === undefined
      ? []
      : [`The longest time that the device's pings went without an answer: ${seconds(longestGapMs, 0)}.`, ""]),
    `Measured on ${cores} cores of ${processor}, ${Math.round(memoryMiB / 1024)} GB, Linux ${kernel}, QEMU ${qemu} without KVM.`,
  ];
}
