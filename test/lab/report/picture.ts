/** The picture of docs/failover.md: the outage by scenario, ours against plain WireGuard, on a logarithmic scale. */
import { type Outages, ROWS, seconds, statistics } from "./figures";

const WIDTH = 800;
const LEFT = 190;
const RIGHT = 110;
const TOP = 56;
const ROW = 46;
const BAR = 15;
const BOTTOM = 34;
const LOWEST_MS = 10;
const HIGHEST_MS = 200_000;
const TICKS_MS = [10, 100, 1000, 10_000, 100_000];
const OURS = "#2f7d4f";
const PLAIN = "#b9722d";

const x = (milliseconds: number): number => {
  const share = Math.log(Math.max(milliseconds, LOWEST_MS) / LOWEST_MS) / Math.log(HIGHEST_MS / LOWEST_MS);
  return LEFT + Math.min(1, share) * (WIDTH - LEFT - RIGHT);
};
const text = (at: number, y: number, content: string, more = ""): string =>
  `<text x="${at.toFixed(1)}" y="${y}" ${more}>${content}</text>`;

export function picture({ rows }: Outages): string {
  const shown = ROWS.flatMap((row) => {
    const found = rows.find(({ id }) => id === row.id);
    return found === undefined ? [] : [{ ...row, ...found }];
  });
  const height = TOP + shown.length * ROW + BOTTOM;
  const bar = (y: number, values: readonly (number | null)[], waitedMs: number, color: string): string[] => {
    const { median } = statistics(values);
    const end = x(median ?? HIGHEST_MS);
    // What did not come back has no end.
    const fill = median === null ? `fill="none" stroke="${color}" stroke-dasharray="4 3"` : `fill="${color}"`;
    return [
      `<rect x="${LEFT}" y="${y}" width="${(end - LEFT).toFixed(1)}" height="${BAR}" ${fill}/>`,
      text(end + 5, y + BAR - 3, seconds(median, waitedMs)),
    ];
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" fill="#222">`,
    "<title>Outage by scenario, median, stingy-vpn against plain WireGuard</title>",
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(10, 20, "Outage at a failover, median, logarithmic scale", 'font-size="14" font-weight="bold"'),
    `<rect x="${LEFT}" y="30" width="12" height="12" fill="${OURS}"/>`,
    text(LEFT + 18, 40, "stingy-vpn"),
    `<rect x="${LEFT + 110}" y="30" width="12" height="12" fill="${PLAIN}"/>`,
    text(LEFT + 128, 40, "plain WireGuard, the same failover"),
    ...TICKS_MS.flatMap((tick) => [
      `<line x1="${x(tick).toFixed(1)}" x2="${x(tick).toFixed(1)}" y1="${TOP}" y2="${height - BOTTOM}" stroke="#ddd"/>`,
      text(x(tick), height - BOTTOM + 16, tick < 1000 ? `${tick} ms` : `${tick / 1000} s`, 'text-anchor="middle"'),
    ]),
    ...shown.flatMap(({ short, stingy, plain, waitedMs }, index) => {
      const y = TOP + index * ROW + 6;
      return [
        text(LEFT - 8, y + BAR + 4, short, 'text-anchor="end"'),
        ...bar(y, stingy, waitedMs, OURS),
        ...bar(y + BAR + 2, plain, waitedMs, PLAIN),
      ];
    }),
    "</svg>",
    "",
  ].join("\n");
}
