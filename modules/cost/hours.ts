/** As AWS counts a month. */
export const HOURS_A_MONTH = 730;

export interface Schedule {
  /** AWS's cron, without the word: "0 22 ? * MON-FRI *". */
  readonly pause: string;
  readonly resume: string;
}

const MINUTES_A_DAY = 24 * 60;
const DAY_MS = MINUTES_A_DAY * 60_000;
/** Any year does: it starts on a Thursday and has 365 days. */
const YEAR = { from: Date.UTC(2026, 0, 1), days: 365 } as const;
const WORDS: Readonly<Record<string, number>> = Object.fromEntries([
  ...["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"].map((word, i) => [
    word,
    i + 1,
  ]),
  ...["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"].map((word, i) => [word, i + 1]),
]);

/**
 * The part of the year in which a site with this schedule runs, from 0 to 1. Absent where the schedule says something
 * that only AWS's calendar knows ("the last weekday"), or only of certain years.
 */
export function partRunning({ pause, resume }: Schedule): number | undefined {
  const pauses = minutesOf(pause);
  const resumes = minutesOf(resume);
  if (!pauses || !resumes) return undefined;
  const events = [
    ...pauses.map((minute) => ({ minute, runs: false })),
    ...resumes.map((minute) => ({ minute, runs: true })),
  ].sort((a, b) => a.minute - b.minute);
  const last = events.at(-1);
  if (!last || pauses.length === 0) return 1;
  let { runs } = last;
  let since = 0;
  let running = 0;
  for (const event of events) {
    if (runs) running += event.minute - since;
    ({ runs, minute: since } = event);
  }
  const all = YEAR.days * MINUTES_A_DAY;
  if (runs) running += all - since;
  return running / all;
}

/** When it fires, in minutes of the year. */
function minutesOf(cron: string): number[] | undefined {
  const [minute = "", hour = "", dayOfMonth = "", month = "", dayOfWeek = "", year = ""] = cron.trim().split(/\s+/);
  if (year !== "*" || /[LW#]/.test(dayOfMonth + dayOfWeek.replace(/[A-Z]{3}/g, ""))) return undefined;
  const minutes = valuesOf(minute, 0, 59);
  const hours = valuesOf(hour, 0, 23);
  const days = {
    ofMonth: valuesOf(dayOfMonth, 1, 31),
    ofWeek: valuesOf(dayOfWeek, 1, 7),
    months: valuesOf(month, 1, 12),
  };
  return Array.from({ length: YEAR.days }, (_, day) => day).flatMap((day) => {
    const date = new Date(YEAR.from + day * DAY_MS);
    const fires =
      days.months.includes(date.getUTCMonth() + 1) &&
      days.ofMonth.includes(date.getUTCDate()) &&
      days.ofWeek.includes(date.getUTCDay() + 1);
    if (!fires) return [];
    return hours.flatMap((at) => minutes.map((past) => day * MINUTES_A_DAY + at * 60 + past));
  });
}

/** A cron field's numbers: "*", "?", "8", "MON-FRI", "0/15", lists of them. */
function valuesOf(field: string, lowest: number, highest: number): number[] {
  return field.split(",").flatMap((item) => {
    const [range = "", step] = item.split("/");
    const [from = "", to] = range.split("-");
    const number = (text: string) => WORDS[text] ?? Number(text);
    const first = range === "*" || range === "?" ? lowest : number(from);
    const last =
      range === "*" || range === "?" || (step !== undefined && to === undefined) ? highest : number(to ?? from);
    const by = Number(step ?? 1);
    return Array.from({ length: Math.max(0, Math.floor((last - first) / by) + 1) }, (_, index) => first + index * by);
  });
}
