import { readFileSync } from "node:fs";
import path from "node:path";
import { EXTRA_ALARMS } from "../modules/config/site-schema";
import { type SiteAlarm, siteAlarms } from "../modules/monitoring/site-alarms";

export const RUNBOOK_FILE = path.resolve(__dirname, "../docs/runbook.md");
const BLOCK = /(<!-- alarms -->\n)[\s\S]*?(<!-- end of alarms -->)/;

/** The runbook, with a table of all alarms as they are in the code. */
export function runbookText(): string {
  return readFileSync(RUNBOOK_FILE, "utf8").replace(BLOCK, (_, begin, end) => `${begin}${table()}${end}`);
}

function table(): string {
  const any = { environment: "prod", site: "tokyo", deadLetterQueue: "" };
  const alarms = siteAlarms({ ...any, controller: "controller", ddnsUpdater: "ddns-updater" }, EXTRA_ALARMS);
  return [
    "| alarm | rings when | no data means |",
    "|---|---|---|",
    ...alarms.map((alarm) => `| [${alarm.id}](#${alarm.id}) | ${condition(alarm)} | ${silence(alarm)} |`),
    "",
  ].join("\n");
}

function condition({ metric, statistic, periodSeconds, periods = 1, bad = periods, threshold }: SiteAlarm): string {
  const words = {
    Average: "average of",
    Maximum: "largest",
    Minimum: "smallest",
    SampleCount: "number of",
    Sum: "sum of",
  };
  const of = metric.dimensions.FunctionName ? ` of the ${metric.dimensions.FunctionName}` : "";
  const bound = "above" in threshold ? `over ${amount(threshold.above)}` : `under ${threshold.below}`;
  const time = duration(periodSeconds);
  const when = periods === 1 ? `in ${time}` : `in ${bad === periods ? "each" : bad} of ${periods} times ${time}`;
  return `${words[statistic]} \`${metric.name}\`${of} ${bound} ${when}`;
}

function amount(value: number): string {
  return value.toLocaleString("en");
}

function duration(seconds: number): string {
  const hours = seconds / 3600;
  return hours >= 1 ? `${hours} h` : `${seconds / 60} min`;
}

function silence({ silence: { is, because } }: SiteAlarm): string {
  return `${is === "bad" ? "it rings" : "it is quiet"}: ${because}`;
}
