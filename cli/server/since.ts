import { usageError } from "../exit";

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const EXAMPLES = "Give 30s, 15m, 2h or 3d, or a time such as 2026-11-21T09:00Z.";

/** The moment that `--since` means. */
export function sinceOf(text: string, now: Date): Date {
  const [, count, unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const time =
    count !== undefined
      ? new Date(now.getTime() - Number(count) * (UNITS[unit] ?? 0))
      : new Date(/^\d{4}-\d\d-\d\d/.test(text) ? text : Number.NaN);
  if (Number.isNaN(time.getTime())) throw usageError(`--since ${text} is no time.`, EXAMPLES);
  if (time > now) throw usageError(`--since ${text} is in the future.`, EXAMPLES);
  // AWS knows no time before 1970.
  return new Date(Math.max(0, time.getTime()));
}
