import { isInstanceId } from "../shared/instance-id";

/** Steps 1 and 2: receive the event, and find in it what it is about. An event is only a hint: what is so, AWS says. */

/** The site's own place: an event from another one is not heeded. */
export interface Home {
  readonly environment: string;
  readonly site: string;
  readonly account?: string | undefined;
  readonly region?: string | undefined;
}

export const COMMANDS = ["pause", "resume", "replace", "status"] as const;
export type Command = (typeof COMMANDS)[number];

export const NOTICES = ["interruption", "rebalance", "replace"] as const;
/** Why an instance has to go: AWS is about to take it, is likely to, or a person wants it. */
export type Notice = (typeof NOTICES)[number];

export type Hint =
  | { readonly kind: "look"; readonly instanceId?: string }
  | { readonly kind: "tick" }
  /** The one-minute tick, which runs only while it is switched on. */
  | { readonly kind: "pending-tick" }
  | { readonly kind: "notice"; readonly notice: Notice; readonly instanceId: string }
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "terraform"; readonly action: "create" | "update" | "delete" }
  /** Nothing it says is believed; the controller looks all the same. */
  | { readonly kind: "rejected"; readonly reason: string };

/** As large as EventBridge lets an event be. */
const LARGEST_EVENT_CHARACTERS = 256 * 1024;
/** What a word this old was about has been seen by many ticks since. */
const LATE_MS = 5 * 60 * 1000;

/** Never throws, whatever it is given. */
export function hintOf(event: unknown, home: Home, now: Date): Hint {
  if (!isRecord(event)) return rejected(`the event is ${describe(event)}, not an object`);
  const size = sizeOf(event);
  if (size === undefined) return rejected("the event cannot be read");
  if (size > LARGEST_EVENT_CHARACTERS) return rejected(`the event has ${size} characters`);
  const { tf, source, account, region, time, "detail-type": type } = event;
  if (tf !== undefined) return ofTerraform(tf);
  if (typeof source !== "string") return rejected(`the event's source is ${describe(source)}, not a text`);
  if (typeof type !== "string") return rejected(`the event's detail-type is ${describe(type)}, not a text`);
  if (isForeign(account, home.account)) return rejected(`the event is of the account ${describe(account)}`);
  if (isForeign(region, home.region)) return rejected(`the event is of the region ${describe(region)}`);
  const detail = isRecord(event.detail) ? event.detail : {};
  const hint = ofSource(source, type, detail, home);
  if (!isLate(time, now)) return hint;
  if (hint.kind === "notice") return { kind: "look", instanceId: hint.instanceId };
  return hint.kind === "command" ? rejected(`the command is of ${describe(time)}`) : hint;
}

function ofTerraform(tf: unknown): Hint {
  const action = isRecord(tf) ? tf.action : undefined;
  if (action === "create" || action === "update" || action === "delete") return { kind: "terraform", action };
  return rejected(`tf.action is ${describe(action)}, not create, update or delete`);
}

function ofSource(source: string, type: string, detail: Record<string, unknown>, home: Home): Hint {
  if (source === "aws.ec2") return ofEc2(type, detail);
  if (source !== "stingy-vpn") return rejected(`the event's source is ${describe(source)}`);
  switch (type) {
    case "Tick":
      return { kind: "tick" };
    case "Pending Tick":
      return { kind: "pending-tick" };
    case "Command": {
      const command = COMMANDS.find((known) => known === detail.command);
      if (command) return { kind: "command", command };
      return rejected(`the command is ${describe(detail.command)}, not one of ${COMMANDS.join(", ")}`);
    }
    case "Server Ready":
    case "Server Notice": {
      if (detail.environment !== home.environment || detail.site !== home.site) {
        return rejected(`the event is of the site ${describe(detail.environment)} ${describe(detail.site)}`);
      }
      return aboutInstance(detail, type === "Server Ready" ? undefined : detail.notice);
    }
    default:
      return rejected(`the event's detail-type is ${describe(type)}`);
  }
}

function ofEc2(type: string, detail: Record<string, unknown>): Hint {
  switch (type) {
    case "EC2 Spot Instance Interruption Warning":
      return aboutInstance(detail, "interruption");
    case "EC2 Instance Rebalance Recommendation":
      return aboutInstance(detail, "rebalance");
    case "EC2 Instance State-change Notification":
      return aboutInstance(detail, undefined);
    default:
      return rejected(`the event's detail-type is ${describe(type)}`);
  }
}

function aboutInstance(detail: Record<string, unknown>, notice: unknown): Hint {
  const { "instance-id": instanceId } = detail;
  if (!isInstanceId(instanceId)) {
    return rejected(`the event's instance-id is ${describe(instanceId)}`);
  }
  if (notice === undefined) return { kind: "look", instanceId };
  if (notice === "interruption" || notice === "rebalance") return { kind: "notice", notice, instanceId };
  return rejected(`the event's notice is ${describe(notice)}, not interruption or rebalance`);
}

/** Ticks and direct invocations name neither account nor region. */
function isForeign(given: unknown, own: string | undefined): boolean {
  return given !== undefined && own !== undefined && given !== own;
}

function isLate(time: unknown, now: Date): boolean {
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return now.getTime() - at > LATE_MS;
}

/** Undefined for what JSON cannot hold, or only nested deeper than can be read. */
function sizeOf(event: Record<string, unknown>): number | undefined {
  try {
    return JSON.stringify(event).length;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function rejected(reason: string): Hint {
  return { kind: "rejected", reason };
}

/** Short, as anything may be in it. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
