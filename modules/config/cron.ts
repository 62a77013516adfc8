interface Field {
  readonly name: string;
  readonly lowest: number;
  readonly highest: number;
  /** Words that stand for numbers, the lowest first, as AWS writes them. */
  readonly words?: readonly string[];
  /** What only this field knows beside numbers, ranges and steps. */
  readonly own?: RegExp;
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const DAY_OF_MONTH: Field = {
  name: "day of the month",
  lowest: 1,
  highest: 31,
  own: /^(L|LW|([1-9]|[12]\d|3[01])W)$/,
};
const DAY_OF_WEEK: Field = {
  name: "day of the week",
  lowest: 1,
  highest: 7,
  words: DAYS,
  own: new RegExp(`^(L|([1-7]|${DAYS.join("|")})(L|#[1-5]))$`),
};

/** https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based */
const FIELDS: readonly Field[] = [
  { name: "minute", lowest: 0, highest: 59 },
  { name: "hour", lowest: 0, highest: 23 },
  DAY_OF_MONTH,
  { name: "month", lowest: 1, highest: 12, words: MONTHS },
  DAY_OF_WEEK,
  { name: "year", lowest: 1970, highest: 2199 },
];

/** What is wrong with the text inside AWS's `cron(…)`, as far as anybody but AWS can know. */
export function cronProblem(text: string): string | undefined {
  if (/^\s*cron\s*\(/i.test(text)) return "is wrapped in cron(…): write only what is inside";
  const parts = text.split(/\s+/).filter(Boolean);
  if (parts.length !== FIELDS.length) {
    return `has ${parts.length === 1 ? "1 field" : `${parts.length} fields`} instead of ${FIELDS.length}`;
  }
  const values = FIELDS.map((field, index) => ({ field, value: parts[index] ?? "" }));
  const wrong = values.find(({ field, value }) => !isValue(field, value));
  if (wrong) return `has the ${wrong.field.name} "${wrong.value}"`;
  const unsaid = values.filter(({ value }) => value === "?").map(({ field }) => field);
  if (unsaid.length === 1) return undefined;
  return `has ? for ${unsaid.length === 0 ? "neither" : "both"} of day of the month and day of the week`;
}

function isValue(field: Field, value: string): boolean {
  const isDay = field === DAY_OF_MONTH || field === DAY_OF_WEEK;
  return (isDay && value === "?") || value.split(",").every((item) => isItem(field, item));
}

/** A star, a number, a range, each with a step or without one; or what the field alone knows. */
function isItem(field: Field, item: string): boolean {
  if (field.own?.test(item)) return true;
  const [, range = "", step] = /^([^/]+)(?:\/(\d+))?$/.exec(item) ?? [];
  if (step !== undefined && (Number(step) < 1 || Number(step) > field.highest)) return false;
  if (range === "*") return true;
  const ends = range.split("-").map((end) => numberOf(field, end));
  const [from = Number.NaN, to = Number.NaN] = ends.length === 1 ? [ends[0], ends[0]] : ends;
  return ends.length <= 2 && from <= to;
}

function numberOf({ lowest, highest, words = [] }: Field, text: string): number | undefined {
  const word = words.indexOf(text);
  const number = word >= 0 ? lowest + word : /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  return number >= lowest && number <= highest ? number : undefined;
}
