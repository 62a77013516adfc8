export interface Place {
  readonly environment: string;
  readonly site: string;
  readonly dashboard: string | undefined;
}

/** What is told, whatever service tells it. */
export interface Alert {
  /** Such as ALARM and OK; null where the message is no alarm's, as all that is null. */
  readonly state: string | null;
  readonly alarm: string | null;
  /** One line. */
  readonly title: string;
  readonly text: string;
  readonly reason: string | null;
  readonly at: string | null;
  readonly links: { readonly runbook?: string; readonly dashboard?: string };
  /** As it was published. */
  readonly message: unknown;
}

/** ntfy refuses a title of more than 1 KB. */
const TITLE_BYTES = 300;
/** Together less than the 4096 bytes from which on ntfy makes a file of a message. CloudWatch's own texts are shorter. */
const TEXT_BYTES = 2500;
const REASON_BYTES = 1100;

/** The end of an alarm's description (modules/monitoring/alarms.ts), where the runbook has an address that can be opened. */
const RUNBOOK = /(?:What to do:\s*)?(https?:\/\/\S*docs\/runbook\.md#[\w-]+)/;

/** Makes something to read of any record that SNS may bring: CloudWatch's JSON, the text of AWS Budgets or of a person. */
export function toAlert(record: unknown, { environment, site, dashboard }: Place): Alert {
  const { Subject, Message = record ?? "", Timestamp } = asObject(asObject(record).Sns);
  const message = typeof Message === "string" ? parse(Message) : Message;
  const { AlarmName, AlarmDescription, NewStateValue, NewStateReason, StateChangeTime } = asObject(message);
  const alarm = asText(AlarmName);
  const state = asText(NewStateValue);
  const links = dashboard === undefined ? {} : { dashboard };
  if (alarm === "" || state === "") {
    return {
      state: null,
      alarm: null,
      title: titleOf(asText(Subject) || `stingy-vpn ${environment} ${site}`),
      text: cut(typeof Message === "string" ? Message.trim() : JSON.stringify(Message), TEXT_BYTES),
      reason: null,
      at: toTime(Timestamp),
      links,
      message,
    };
  }
  const description = asText(AlarmDescription);
  const runbook = RUNBOOK.exec(description)?.[1];
  return {
    state,
    alarm,
    title: titleOf(`${state} ${alarm}`),
    text: cut(description.replace(RUNBOOK, "").trim(), TEXT_BYTES),
    reason: cut(asText(NewStateReason), REASON_BYTES) || null,
    at: toTime(StateChangeTime) ?? toTime(Timestamp),
    links: { ...(runbook === undefined ? {} : { runbook }), ...links },
    message,
  };
}

/** CloudWatch tells the first state of an alarm like a change of it. */
export function isFirstOk(record: unknown): boolean {
  const { Message } = asObject(asObject(record).Sns);
  const { NewStateValue, OldStateValue } = asObject(typeof Message === "string" ? parse(Message) : Message);
  return NewStateValue === "OK" && OldStateValue === "INSUFFICIENT_DATA";
}

export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}

function titleOf(text: string): string {
  return cut(oneLine(text), TITLE_BYTES);
}

function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const end = "…";
  const kept = Buffer.from(text).subarray(0, bytes - Buffer.byteLength(end));
  // Half a character becomes a replacement character.
  return `${kept.toString().replace(/\uFFFD+$/, "")}${end}`;
}

/** CloudWatch writes its time zone as +0000. */
function toTime(value: unknown): string | null {
  const time = new Date(asText(value));
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function asText(value: unknown): string {
  return typeof value === "string" ? value.trim() : "";
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
