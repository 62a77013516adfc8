const SPANS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
] as const;
const SIZES = ["B", "kB", "MB", "GB", "TB"] as const;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** "2 minutes ago" */
export function ago(seconds: number): string {
  const past = Math.max(0, Math.floor(seconds));
  const [unit, length] = SPANS.find(([, length]) => past >= length) ?? SPANS[3];
  return relative.format(-Math.floor(past / length), unit);
}

/** "1.2 MB". Intl writes a billion bytes as "1BB". */
export function bytes(count: number): string {
  const power = count < 1 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), SIZES.length - 1);
  const scaled = count / 1000 ** power;
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${SIZES[power]}`;
}
