import { STORE } from "../../../modules/store/names";
import type { LiveInstance } from "../../live";
import { attention, broken, type Check, ifSeen, ok, seen, skipped } from "../check";
import { aws, stingy } from "../commands";
import type { Facts } from "../facts";

const MINUTE_MS = 60_000;
/** A successor that takes longer does not come any more (assets/lambda/recovery-handler/attempts.ts). */
const STARTS_WITHIN_MS = 10 * MINUTE_MS;
/** A promoted server notices its address within seconds; the controller gives it a minute. */
const BEGINS_TO_SERVE_MS = 2 * MINUTE_MS;
/** What the controller does not act upon in three ticks, it does not act upon. */
const MARK_IS_OLD_MS = 15 * MINUTE_MS;
const CLOCK_OFF_S = 30;

const isLive = ({ phase }: LiveInstance) => phase === "pending" || phase === "running";

function ageMs(at: Date, facts: Facts): number {
  return facts.now.getTime() - at.getTime();
}

function minutes(ms: number): string {
  return ms < 2 * 60 * MINUTE_MS ? `${Math.max(0, Math.round(ms / MINUTE_MS))} min` : `${Math.round(ms / 3_600_000)} h`;
}

function serverId(facts: Facts): string {
  return seen(facts.parameters).get(STORE.instanceId)?.value.trim() ?? "";
}

/** The instance that the store names. Those who ask need `server-running`. */
function serverOf(facts: Facts): LiveInstance {
  const id = serverId(facts);
  const found = seen(facts.instances).find((instance) => instance.id === id);
  if (!found) throw new TypeError(`${id} is not there`);
  return found;
}

export const one: Check = {
  id: "server-one",
  group: "Server",
  title: "there is one server, and no stray",
  needs: ["store-desired-state"],
  run: (facts) => {
    const live = seen(facts.instances).filter(isLive);
    const id = ifSeen(facts.parameters)?.get(STORE.instanceId)?.value.trim();
    const others = live.filter((instance) => instance.id !== id);
    if (live.length === 0) {
      return broken(
        "no instance of this site runs or starts",
        `The controller starts one at its next look, within five minutes. If none comes, \`${stingy(facts, "server logs")}\` says what stands in the way.`,
      );
    }
    const old = others.filter(({ launchedAt }) => ageMs(launchedAt, facts) > STARTS_WITHIN_MS);
    if (old.length > 0 && live.length > 1) {
      const ids = old.map((instance) => instance.id).join(" ");
      return attention(
        `${live.length} instances: beside the server, ${ids} for more than ten minutes`,
        `The controller ends what it does not need. If it does not: \`${aws(facts, `ec2 terminate-instances --instance-ids ${ids}`)}\`.`,
      );
    }
    const [other] = others;
    return ok(other && live.length > 1 ? `two, as ${other.id} is about to take over` : "one");
  },
};

export const running: Check = {
  id: "server-running",
  group: "Server",
  title: "the server runs",
  needs: ["store-instance-id"],
  run: (facts) => {
    const id = serverId(facts);
    const found = seen(facts.instances).find((instance) => instance.id === id);
    const next = `The controller replaces it, within five minutes. If it does not, \`${stingy(facts, "server logs")}\` says why.`;
    if (!found) return broken(`${id}, which the store names, has ended`, next);
    if (found.phase === "running") {
      return ok(`${id}, ${found.type} in ${found.zone}, for ${minutes(ageMs(found.launchedAt, facts))}`);
    }
    return broken(`${id} is ${found.phase}`, next);
  },
};

export const statusChecks: Check = {
  id: "server-checks",
  group: "Server",
  title: "AWS's own checks of it pass",
  needs: ["server-running"],
  run: (facts) => {
    const checks = seen(facts.statusChecks).get(serverId(facts));
    if (!checks) return skipped("AWS has made none yet");
    const failing = Object.entries(checks)
      .filter(([, status]) => status === "impaired")
      .map(([what]) => what);
    if (failing.length > 0) {
      return broken(
        `AWS's check of its ${failing.join(" and ")} fails`,
        `The controller replaces it after three minutes; at once: \`${stingy(facts, "server replace")}\`.`,
      );
    }
    const initializing = [checks.system, checks.instance].includes("initializing");
    return initializing ? skipped("AWS is still making them") : ok("they pass");
  },
};

/** The checks of modules/bootstrap that make a server unfit, in words. */
const UNFIT: Readonly<Record<string, string>> = {
  forwarding: "its kernel does not forward packets",
  "clock-in-sync": "its clock is not in sync",
  "disk-space": "its disk is full",
  masquerade: "its firewall's rule for masquerading is gone",
  "forward-policy": "its firewall's rules for forwarding are gone",
  "wg0-up": "WireGuard is not up on it",
  "wg0-key": "its WireGuard has another key than the store",
  egress: "it does not reach the internet",
};

export const state: Check = {
  id: "server-state",
  group: "Server",
  title: "the server serves",
  needs: ["server-running"],
  run: (facts) => {
    const { tags, launchedAt } = serverOf(facts);
    const said = tags.get("state") ?? "";
    const promotedAt = seen(facts.parameters).get(STORE.instanceId)?.modifiedAt ?? launchedAt;
    const replace = `The controller replaces it after three minutes; at once: \`${stingy(facts, "server replace")}\`. What it says itself: \`${stingy(facts, "server logs")}\`.`;
    if (said === "serving") return ok("serving");
    if (said.startsWith("unhealthy:")) {
      const check = said.slice("unhealthy:".length);
      return broken(`it says ${said}: ${UNFIT[check] ?? `its check ${check} fails`}`, replace);
    }
    if (said === "stood-down") {
      return broken("it says stood-down: it has seen the address leave it, and has taken WireGuard down", replace);
    }
    if (said === "ready") {
      if (ageMs(promotedAt, facts) < BEGINS_TO_SERVE_MS) {
        return attention("it says ready, and has just become the server", "Wait a minute and run the doctor again.");
      }
      return broken("it says ready, but has not noticed that the address is on it", replace);
    }
    if (said === "") {
      if (ageMs(launchedAt, facts) < STARTS_WITHIN_MS) {
        return attention(
          "it says nothing yet: it is still setting itself up",
          "Wait two minutes and run the doctor again.",
        );
      }
      return broken(
        "it has never said anything: it did not get through its setup",
        `Its console says why: \`${aws(facts, `ec2 get-console-output --latest --output text --instance-id ${serverId(facts)}`)}\`.`,
      );
    }
    return broken(`its tag state says "${said.slice(0, 40)}", which no server says`, replace);
  },
};

const MARKS: Readonly<Record<string, (value: string) => string>> = {
  notice: (value) =>
    value.startsWith("interruption")
      ? "AWS is about to take it back"
      : value.startsWith("rebalance")
        ? "AWS recommends to replace it"
        : "a person wants it replaced",
  "unhealthy-since": () => "it has not been well",
  ending: () => "it was about to be ended",
};

export const marks: Check = {
  id: "server-marks",
  group: "Server",
  title: "the controller has nothing against the server",
  needs: ["server-running"],
  run: (facts) => {
    const { tags } = serverOf(facts);
    const found = Object.entries(MARKS).flatMap(([tag, explain]) => {
      const value = tags.get(tag);
      if (!value) return [];
      const at = new Date(value.split(" ").at(-1) ?? "");
      return [{ text: explain(value), age: Number.isNaN(at.getTime()) ? 0 : ageMs(at, facts) }];
    });
    if (found.length === 0) return ok("no mark");
    const text = found.map((mark) => `${mark.text}, since ${minutes(mark.age)}`).join("; ");
    if (found.some(({ age }) => age > MARK_IS_OLD_MS)) {
      return attention(
        `${text}: it should have been replaced by now`,
        `See what keeps the controller: \`${stingy(facts, "server logs")}\`, or \`controller-problems\` below.`,
      );
    }
    return attention(text, "The controller is at it. Run the doctor again in a few minutes.");
  },
};

export const template: Check = {
  id: "server-template",
  group: "Server",
  title: "the server is made from the newest launch template",
  needs: ["server-running"],
  run: (facts) => {
    const newest = seen(facts.template);
    const { tags } = serverOf(facts);
    const id = tags.get("aws:ec2launchtemplate:id");
    const version = Number(tags.get("aws:ec2launchtemplate:version"));
    if (!newest) return skipped("there is no launch template");
    if (id === undefined) return skipped("it says of no template that it is from it");
    if (id === newest.id && version >= newest.version) return ok(`version ${version}`);
    return attention(
      id === newest.id
        ? `it is from version ${version}, and the newest is ${newest.version}`
        : `it is from ${id}, and the site's template is ${newest.id}`,
      `The controller replaces it by itself. If it does not: \`${stingy(facts, "server replace")}\`.`,
    );
  },
};

export const agent: Check = {
  id: "server-agent",
  group: "Server",
  title: "the server answers Systems Manager",
  needs: ["server-running"],
  run: (facts) => {
    const { status } = seen(facts.report);
    if (status === "Success") return ok("it answers");
    return attention(
      `it does not run what it is asked to (${status}): changes of devices reach it within five minutes only, and no shell opens`,
      `A server that has just started takes a minute. If it stays so: \`${stingy(facts, "server replace")}\`.`,
    );
  },
};

export const serverClock: Check = {
  id: "server-clock",
  group: "Server",
  title: "the server's clock is right",
  needs: ["server-agent"],
  run: (facts) => {
    const { status, clockAhead } = seen(facts.report);
    if (status !== "Success" || clockAhead === undefined) return skipped("it has not said what time it has");
    const ahead = clockAhead + (ifSeen(facts.clockAhead) ?? 0);
    if (Math.abs(ahead) <= CLOCK_OFF_S) return ok(`within ${CLOCK_OFF_S} s of AWS's`);
    return attention(
      `it is ${Math.abs(ahead)} s ${ahead > 0 ? "fast" : "slow"}: its calls to AWS fail at five minutes, and a successor may refuse devices for as long`,
      `Replace it: \`${stingy(facts, "server replace")}\`. Or look at it: \`${stingy(facts, "server shell")}\`, then \`chronyc sources\`.`,
    );
  },
};
