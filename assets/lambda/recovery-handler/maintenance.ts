export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];

/** When what is in no hurry may be done. */
export interface MaintenanceWindow {
  readonly days: readonly Day[];
  /** HH:MM; a window that ends before it begins crosses midnight and belongs to the day on which it begins. */
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}

/** Making one takes longer than everything else a decision does. */
const formats = new Map<string, Intl.DateTimeFormat>();

export function isOpen(window: MaintenanceWindow, now: Date): boolean {
  const { day, time } = localTime(now, window.timeZone);
  const { days, from, to } = window;
  if (from < to) return days.includes(day) && from <= time && time < to;
  return (days.includes(day) && time >= from) || (days.includes(dayBefore(day)) && time < to);
}

function localTime(now: Date, timeZone: string): { day: Day; time: string } {
  let format = formats.get(timeZone);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", { timeZone, weekday: "short", hour: "2-digit", minute: "2-digit" });
    formats.set(timeZone, format);
  }
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]));
  return { day: parts.get("weekday")?.toLowerCase() as Day, time: `${parts.get("hour")}:${parts.get("minute")}` };
}

function dayBefore(day: Day): Day {
  return DAYS[(DAYS.indexOf(day) + DAYS.length - 1) % DAYS.length] as Day;
}
