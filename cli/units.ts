const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const UNITS = [
  ["d", DAY],
  ["h", HOUR],
  ["min", MINUTE],
  ["s", SECOND],
] as const;

/** The two largest units: "3 d 4 h", "1 min 52 s". */
export function duration(ms: number): string {
  const first = UNITS.findIndex(([, size]) => ms >= size);
  if (first === -1) return "0 s";
  const parts: string[] = [];
  let left = ms;
  for (const [unit, size] of UNITS.slice(first, first + 2)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.join(" ");
}

export function ago(at: Date, now: Date): string {
  return passed(now.getTime() - at.getTime());
}

export function passed(ms: number): string {
  return ms < SECOND ? "just now" : `${duration(ms)} ago`;
}

/** As networks and AWS's bills count: 1 GB is a thousand million bytes. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let left = count;
  let unit = 0;
  // 999.95 would be shown as 1000.0.
  while (left >= 999.95 && unit < units.length - 1) {
    left /= 1000;
    unit++;
  }
  return `${unit === 0 ? left : left.toFixed(1)} ${units[unit]}`;
}
