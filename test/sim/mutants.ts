import type { Edit } from "./compile";

/** The controller with one mistake in it, as somebody might make it. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
}

const inDecide = (replace: string, by: string): Edit => ({ file: "decide.ts", replace, by });
const inAttempts = (replace: string, by: string): Edit => ({ file: "attempts.ts", replace, by });
const inAct = (replace: string, by: string): Edit => ({ file: "act.ts", replace, by });
const inDrain = (replace: string, by: string): Edit => ({ file: "drain.ts", replace, by });

export const MUTANTS: readonly Mutant[] = [
  {
    name: "moves the address before the successor is ready",
    edits: [
      inDecide(
        "return server ? READY.includes(state) && !isBeingTaken(instance) : READY_OR_STOOD_DOWN.includes(state);",
        "return server ? true : READY_OR_STOOD_DOWN.includes(state);",
      ),
      inAct('states.includes(instance.state ?? "")', "true"),
    ],
  },
  {
    name: "does not look again before it moves the address",
    edits: [
      inAct("const [found] = await cloud.instancesById([instanceId]);", "const found = undefined;"),
      inAct("if (!fit) {", "if (false) {"),
    ],
  },
  {
    name: "ends the server before it launches the successor",
    edits: [
      inDecide(
        'return { actions: [{ do: "launch", reason: reason.why, onDemand, attempt }], problems };',
        'const end = server ? [{ do: "terminate", instanceIds: [server.id], reason: "first" } as const] : [];' +
          'return { actions: [...end, { do: "launch", reason: reason.why, onDemand, attempt }], problems };',
      ),
    ],
  },
  {
    name: "ends what is left over at once, without a mark",
    edits: [inDecide("actions.push(mark(instance, MARKS.ending, now.toISOString(), why))", "done.push(instance.id)")],
  },
  {
    name: "ends what it has marked without waiting",
    edits: [inDecide("export const FENCE_MS = MINUTE_MS;", "export const FENCE_MS = 0;")],
  },
  {
    name: "takes a launch whose answer was lost for refused",
    edits: [
      inDecide(
        "const { last } = seen.launches;",
        'const { last: written } = seen.launches; const last = written?.outcome === "unknown" ? { ...written, outcome: "refused" } as const : written;',
      ),
    ],
  },
  {
    name: "numbers its attempts by the clock instead of the last one",
    edits: [inAttempts("attempt: last.attempt + 1,", "attempt: Math.floor(now.getTime() / 1000),")],
  },
  {
    name: "goes on to another market when it does not know what the token has launched",
    edits: [inAct('if (outcome === "failed") return false;', "")],
  },
  {
    name: "makes a new token for every call",
    edits: [
      inAct(
        "const { environment, site, instanceTypes, subnetIds } = settings;",
        "const { site, instanceTypes, subnetIds } = settings; const environment = tokens++;",
      ),
      inAct("/** 64 characters", "let tokens = 0;\n/** 64 characters"),
    ],
  },
  {
    name: "does not wait between attempts",
    edits: [inAttempts("return waited >= backoff - TICK_SLACK_MS;", "return true;")],
  },
  {
    name: "waits for a successor for ever",
    edits: [inDecide("return since(launchedAt, now) > READY_WITHIN_MS;", "return false;")],
  },
  {
    name: "never gives up beside a healthy server",
    edits: [inAttempts("return !urgent && failures >= GIVES_UP_AFTER;", "return false;")],
  },
  {
    name: "forgets failures as soon as the server has lasted",
    edits: [inAttempts("promotedAt !== undefined && promotedAt > last.at &&", "promotedAt !== undefined &&")],
  },
  {
    name: "ignores that the site is stopped",
    edits: [inDecide('if (desired === "stopped") return', 'if (desired === "paused") return')],
  },
  {
    name: "does not wait for a launch under way when it drains",
    edits: [inDrain("const SETTLED_AFTER_MS = 60_000;", "const SETTLED_AFTER_MS = 0;")],
  },
  { name: "drains without waiting for the end", edits: [inDrain('state !== "terminated"', 'state === "running"')] },
  {
    name: "leaves a promotion half done",
    edits: [
      inDecide(
        'return seen.serverId === server.id ? [] : [{ do: "write-instance-id", instanceId: server.id }];',
        "return [];",
      ),
    ],
  },
  { name: "launches beside a successor", edits: [inDecide("if (successor || beingMarked", "if (beingMarked")] },
  {
    name: "believes that whatever an event is about is ready",
    edits: [
      inDecide(
        "const { seen, marks } = remember(observed, hint, now, policy);",
        "const { seen: unheard, marks } = remember(observed, hint, now, policy);" +
          'const about = hint.kind === "look" ? hint.instanceId : undefined;' +
          'const seen = { ...unheard, instances: unheard.instances.map((i) => (i.id === about && i.phase === "running" ? { ...i, state: "ready" } : i)) };',
      ),
      inAct('states.includes(instance.state ?? "")', "true"),
    ],
  },
  {
    name: "acts on what it saw long ago",
    edits: [inAct("OLDEST_OBSERVATION_MS = 20_000", "OLDEST_OBSERVATION_MS = 1e9")],
  },
  {
    name: "takes any live instance for the server",
    edits: [inDecide("return holder ?? live.find(({ id }) => id === serverId);", "return holder ?? live[0];")],
  },
  {
    name: "takes what the server replaced for its successor",
    edits: [inDecide("!instance.endingSince && (!server || isNewer(instance, server))", "instance !== server")],
  },
  { name: "never watches closely", edits: [inDecide("return needed === on ? []", "return true ? []")] },
  {
    name: "goes on watching closely",
    edits: [inDecide("return needed === on ? []", "return needed === on || !needed ? []")],
  },
  {
    name: "leaves an unhealthy server",
    edits: [inDecide("const UNHEALTHY_FOR_MS = 3 * MINUTE_MS;", "const UNHEALTHY_FOR_MS = 1e12;")],
  },
  {
    name: "leaves a server of an old template",
    edits: [inDecide("template.version < policy.launchTemplateVersion", "template.version < 0")],
  },
  {
    name: "does not repeat the DDNS update",
    edits: [inDecide('const due = hint.kind === "tick" &&', "const due = false &&")],
  },
  {
    name: "says nothing of a call that failed",
    edits: [inAct('log.error("not done", { action, error });', ""), inAct("failures.push(error);", "")],
  },
];
