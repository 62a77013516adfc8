import { deploy } from "../doctor/commands";
import { type Tone, tone } from "../output";
import { ago, bytes, duration } from "../units";
import { MEASURED_HOURS } from "./facts";
import { dollarsAnHour } from "./prices";
import { explainState, type Report, type ReportedInstance, type Verdict } from "./report";

const LABEL_WIDTH = 11;

const TONES: Readonly<Record<Verdict, Tone>> = {
  serving: "good",
  starting: "warn",
  stopping: "warn",
  paused: "warn",
  unhealthy: "bad",
  down: "bad",
  unknown: "warn",
};

/** The report as a person reads it. */
export function screen(report: Report): string {
  const lines = [
    `${tone("strong", `${report.environment}-${report.site}`)} in ${report.region}: ${tone(TONES[report.verdict], report.verdict)}`,
    "",
    ...line("Address", address(report)),
    ...(report.dns ? line("DNS", dns(report)) : []),
    ...line("Server", server(report)),
    ...line("Spot price", price(report)),
    ...line("Recovery", recovery(report)),
    ...line("Successor", successor(report)),
    ...report.others.flatMap((other) => line("Also there", instance(other, report))),
    ...line("Peers", peers(report)),
    ...line("Traffic", traffic(report)),
    ...line("Alarms", alarms(report)),
    ...line("Told", told(report)),
    ...line("Wanted", wanted(report)),
  ];
  if (report.attention.length === 0) return lines.join("\n");
  const attention = report.attention.flatMap(({ what, fix }) => [`  ${tone("warn", "!")} ${what}`, `    ${fix}`]);
  return [...lines, "", tone("strong", "Needs attention"), ...attention].join("\n");
}

function line(label: string, text: string | readonly string[]): string[] {
  const texts = typeof text === "string" ? [text] : text;
  return texts.map((each, index) => `  ${tone("dim", (index === 0 ? label : "").padEnd(LABEL_WIDTH))} ${each}`);
}

function unknown(report: Report, name: string): string | undefined {
  const why = report.unknown[name];
  return why === undefined ? undefined : tone("warn", why);
}

function address({ address, server, ...report }: Report): string {
  if (!address) return unknown({ address, server, ...report }, "address") ?? "none";
  if (!address.elastic) return `${address.ip}, the server's own: it changes with every server`;
  const on = address.instanceId;
  const place = on === null ? "on nothing" : on === server?.id ? "on the server" : `on ${on}`;
  return `${address.ip}, Elastic IP ${place}`;
}

function dns(report: Report): string | string[] {
  const why = unknown(report, "dns");
  if (!report.dns) return "none";
  const { name, records, agrees } = report.dns;
  if (why !== undefined) return `${name}: ${why}`;
  const answers = records.map(({ type, addresses }) => `${type} ${addresses.join(", ") || "nothing"}`).join(", ");
  const judged =
    agrees === null ? "there is nothing to compare it with" : agrees ? tone("good", "agrees") : tone("bad", "differs");
  return `${name} says ${answers}: ${judged}`;
}

function server(report: Report): string | string[] {
  if (!report.server) return unknown(report, "instances") ?? "none";
  return instance(report.server, report);
}

function instance(shown: ReportedInstance, { at }: Report): string[] {
  const { id, type, zone, spot, launchedAt, state, phase, notice, ending } = shown;
  const said = phase === "running" ? explainState(state) : phase;
  const marks = [
    ...(notice === null ? [] : [explainNotice(notice, at)]),
    ...(ending === null ? [] : ["about to be ended"]),
  ];
  return [
    `${id}, ${type} in ${zone}, ${spot ? "Spot" : "on demand"}`,
    [said, `launched ${ago(launchedAt, at)}`, ...marks].join(", "),
  ];
}

function explainNotice(notice: string, now: Date): string {
  const [kind = "", at = ""] = notice.split(" ");
  const time = new Date(at);
  const when = Number.isNaN(time.getTime()) ? "" : ` (${ago(time, now)})`;
  if (kind === "interruption") return `AWS has warned that it takes it${when}`;
  if (kind === "rebalance") return `AWS recommends to replace it${when}`;
  if (kind === "replace") return `a person wants it replaced${when}`;
  return notice;
}

function price(report: Report): string {
  const { spotPrice, server } = report;
  if (!spotPrice) return unknown(report, "spotPrice") ?? (server ? "AWS names none" : "none without a server");
  const { now, min, median, max } = spotPrice;
  const range = `${dollarsAnHour(min)} / ${dollarsAnHour(median)} / ${dollarsAnHour(max)}`;
  return `${dollarsAnHour(now)} an hour now; last 7 days ${range} (lowest, median, highest)`;
}

function recovery(report: Report): string | string[] {
  const { recovery: last, at } = report;
  if (!last) return unknown(report, "promotions") ?? "no server has been promoted yet";
  const took = last.tookMs === null ? "" : `, ${duration(last.tookMs)} after it was launched`;
  if (last.from === null) return `none yet; the first server took over ${ago(last.at, at)}${took}`;
  return [
    `${ago(last.at, at)}: ${last.from} was replaced by ${last.to}${took}`,
    `${last.inLastWeek} in the last 7 days`,
  ];
}

function successor(report: Report): string | string[] {
  if (!report.successor) return unknown(report, "instances") ?? "none pending";
  return instance(report.successor, report);
}

function peers(report: Report): string {
  const { peers: seen, at } = report;
  if (!seen) return unknown(report, "peers") ?? `no data in the last ${MEASURED_HOURS} hours`;
  return `${seen.active} active of ${seen.configured}, as of ${ago(seen.at, at)}`;
}

function traffic(report: Report): string {
  if (!report.traffic) return unknown(report, "peers") ?? `no data in the last ${MEASURED_HOURS} hours`;
  return `${bytes(report.traffic.out)} left AWS in the last ${MEASURED_HOURS} hours`;
}

function alarms(report: Report): string {
  if (!report.alarms) return unknown(report, "alarms") ?? "none";
  const { total, ringing } = report.alarms;
  if (total === 0) return "none exist: the monitoring stack is not deployed";
  return ringing.length === 0 ? `${total}, all quiet` : tone("bad", `${ringing.length} of ${total} ring`);
}

/** Who hears of an alarm, and what keeps the others from it. */
function told(report: Report): string | string[] {
  const { recipients, environment, site } = report;
  if (!recipients) return unknown(report, "recipients") ?? "none";
  const deployed = deploy({ site: { environment, name: site } });
  const reached = recipients.filter(({ state }) => state === "told").map(({ who }) => who);
  if (recipients.length === 0) {
    return tone("warn", `nobody: put addresses under monitoring.emails in stingy.yaml, then ${deployed}`);
  }
  return [
    reached.length > 0 ? reached.join(", ") : tone("warn", "nobody yet"),
    ...recipients.flatMap(({ who, state }) => {
      if (state === "told") return [];
      const why =
        state === "unconfirmed"
          ? "has to confirm by the link in AWS's mail, which may lie in spam"
          : `is not subscribed: ${deployed}`;
      return [tone("warn", `${who} ${why}`)];
    }),
  ];
}

function wanted(report: Report): string {
  const { desiredState } = report;
  if (desiredState === null) return unknown(report, "store") ?? "nothing: the parameter desired-state is missing";
  return desiredState;
}
