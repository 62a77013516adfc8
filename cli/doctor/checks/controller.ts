import { attention, broken, type Check, ifSeen, ok, seen, skipped } from "../check";
import { aws, deploy, stingy } from "../commands";
import type { Facts } from "../facts";

const NONE = skipped("there is none");

export const controller: Check = {
  id: "controller",
  group: "Controller",
  title: "the controller can run",
  needs: ["deployed"],
  run: (facts) => {
    const found = seen(facts.controller);
    const fix = `Deploy it again: \`${deploy(facts)}\`.`;
    if (!found) return broken(`there is no function ${facts.names.controller}`, fix);
    const { state, lastUpdate, reason } = found;
    const why = reason ? `: ${reason}` : "";
    if (state === "Failed") return broken(`its state is ${state}${why}`, fix);
    if (lastUpdate === "Failed") return attention(`its last update failed${why}, so it runs as it was before`, fix);
    return ok(state === "Active" ? "active" : `${state.toLowerCase()}, and active with the next call`);
  },
};

/** The pending tick is off unless something is under way. */
function switchedRule({ names }: Facts): string {
  return names.rules["pending-tick"];
}

export const rules: Check = {
  id: "controller-rules",
  group: "Controller",
  title: "EventBridge's rules wake the controller",
  needs: ["controller"],
  run: (facts) => {
    const found = seen(facts.rules);
    const off = found.filter(({ name, enabled }) => !enabled && name !== switchedRule(facts));
    if (off.length > 0) {
      const [first] = off;
      return broken(
        `${off.map(({ name }) => name).join(", ")} ${off.length === 1 ? "is" : "are"} off: ${lost(
          facts,
          off.map(({ name }) => name),
        )}`,
        `Turn ${off.length === 1 ? "it" : "each"} on: \`${aws(facts, `events enable-rule --name ${first?.name}`)}\`.`,
      );
    }
    const own = Object.values(facts.names.rules);
    const idle = found.filter(
      ({ name, targets }) => own.includes(name) && !targets.some((arn) => arn.endsWith(`:${facts.names.controller}`)),
    );
    if (idle.length > 0) {
      return broken(
        `${idle.map(({ name }) => name).join(", ")} ${idle.length === 1 ? "does" : "do"} not call the controller`,
        `Have Terraform mend it: \`${deploy(facts)}\`.`,
      );
    }
    return found.length === 0 ? NONE : ok(`${found.length} rules`);
  },
};

function lost({ names }: Facts, off: readonly string[]): string {
  if (off.includes(names.rules.tick)) return "a server that died without a word is not replaced";
  if (off.includes(names.rules.interruption)) return "a server that AWS takes back is replaced too late";
  if (off.every((name) => name === names.syncDocument))
    return "changes of devices reach the server within five minutes only";
  return "what they tell comes with the next tick only";
}

export const permission: Check = {
  id: "controller-permission",
  group: "Controller",
  title: "EventBridge may call the controller",
  needs: ["controller"],
  run: (facts) => {
    const allowed = seen(facts.permitted);
    const refused = (ifSeen(facts.rules) ?? [])
      .map(({ name }) => name)
      .filter((name) => Object.values(facts.names.rules).includes(name) && !allowed.includes(name));
    if (refused.length === 0) return ok("each rule may");
    return broken(
      `the function's policy does not let ${refused.join(", ")} call it`,
      `Have Terraform mend it: \`${deploy(facts)}\`.`,
    );
  },
};

export const runs: Check = {
  id: "controller-runs",
  group: "Controller",
  title: "the controller runs",
  needs: ["controller", "controller-rules", "controller-permission"],
  run: (facts) => {
    const { runs: count } = seen(facts.metrics);
    if (count > 0) return ok(`${count} runs in the last half hour`);
    return broken(
      "it has not run for half an hour, and is to look every five minutes",
      `If the site was deployed just now, wait ten minutes. Else see whether the account may run functions at all: \`${aws(facts, "lambda get-account-settings")}\`, and call it by hand: \`${aws(facts, `lambda invoke --function-name ${facts.names.controller} /dev/stdout`)}\`.`,
    );
  },
};

export const errors: Check = {
  id: "controller-errors",
  group: "Controller",
  title: "its runs succeed",
  needs: ["controller"],
  run: (facts) => {
    const { failures } = seen(facts.metrics);
    if (failures === 0) return ok("no failure in the last hour");
    return attention(
      `${failures} ${failures === 1 ? "run" : "runs"} of the last hour failed`,
      `Its log says why: \`${stingy(facts, "server logs --source controller")}\`.`,
    );
  },
};

export const problems: Check = {
  id: "controller-problems",
  group: "Controller",
  title: "the controller needs nobody",
  needs: ["controller"],
  run: (facts) => {
    const { problems: found } = seen(facts.controllerSays);
    if (!Array.isArray(found)) {
      return attention(
        "its answer makes no sense: it is of another version",
        `Deploy the version of this clone: \`${deploy(facts)}\`.`,
      );
    }
    if (found.length === 0) return ok("it sees nothing that needs a person");
    return broken(
      found.map(({ code, message }) => `${code}: ${message}`).join(" "),
      "Do what the message says; docs/recovery.md tells what the controller does in each failure.",
    );
  },
};

export const deadLetters: Check = {
  id: "dead-letters",
  group: "Controller",
  title: "no event was given up",
  needs: ["deployed"],
  run: (facts) => {
    const count = seen(facts.deadLetters);
    if (count === undefined) return NONE;
    if (count === 0) return ok("the dead-letter queue is empty");
    const url = `$(${aws(facts, `sqs get-queue-url --queue-name ${facts.names.deadLetterQueue} --query QueueUrl --output text`)})`;
    return attention(
      `${count} ${count === 1 ? "event lies" : "events lie"} in ${facts.names.deadLetterQueue}`,
      `Read what they say: \`${aws(facts, `sqs receive-message --queue-url ${url}`)}\`. The ticks have seen to the site since; when the cause is mended: \`${aws(facts, `sqs purge-queue --queue-url ${url}`)}\`.`,
    );
  },
};
