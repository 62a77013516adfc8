export const TIME_OF_DAY = /^([01]\d|2[0-3]):[0-5]\d$/;

const DAY_MINUTES = 24 * 60;

/** How long a window of every day is open; one that ends before it begins goes on past midnight. */
export function windowMinutes(from: string, to: string): number {
  return (minutesOf(to) - minutesOf(from) + DAY_MINUTES) % DAY_MINUTES;
}

function minutesOf(timeOfDay: string): number {
  const [hours = 0, minutes = 0] = timeOfDay.split(":").map(Number);
  return hours * 60 + minutes;
}

/** Intl takes offsets ("+09:00"), abbreviations ("JST") and any letters ("asia/tokyo") too; EventBridge Scheduler does not. */
const ZONE_NAME = /^(UTC|GMT|[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)+)$/;

/** What is wrong with the name of a time zone. */
export function timeZoneProblem(text: string): string | undefined {
  let known: string;
  try {
    known = new Intl.DateTimeFormat("en", { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    return "is no time zone";
  }
  const otherLetters = known !== text && known.toLowerCase() === text.toLowerCase();
  if (ZONE_NAME.test(text) && !otherLetters) return undefined;
  return ZONE_NAME.test(known) ? `is called ${known}` : "is no time zone";
}
