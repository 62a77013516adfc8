import { isInstanceId } from "../../../assets/lambda/shared/instance-id";
import { STORE } from "../../../modules/store/names";
import { ConfigTextError, parseConfig } from "../../../modules/wireguard/config-text";
import { isKey } from "../../../modules/wireguard/keys";
import { knownPeers } from "../../peer/known";
import type { StoredParameter } from "../../store";
import { attention, broken, type Check, ok, seen, skipped } from "../check";
import { aws, deploy, stingy } from "../commands";
import type { Facts } from "../facts";
import { isProbePeer } from "../probe-peer";

const MOST_NAMED = 5;

function parameter(facts: Facts, name: string): string | undefined {
  return seen(facts.parameters).get(name)?.value.trim() || undefined;
}

function pathOf({ site }: Facts, name: string): string {
  return `${site.storePrefix}/${name}`;
}

function shortened(text: string): string {
  return text.slice(0, 40);
}

export const desiredState: Check = {
  id: "store-desired-state",
  group: "Store",
  title: "the site is to run",
  needs: ["deployed"],
  run: (facts) => {
    const desired = parameter(facts, STORE.desiredState);
    const path = pathOf(facts, STORE.desiredState);
    if (desired === "running") return ok("running");
    if (desired === "stopped") {
      const by = facts.site.schedule ? "a person or the schedule" : "a person";
      const since = seen(facts.parameters).get(STORE.desiredState)?.modifiedAt.toISOString().slice(0, 16);
      return {
        ...attention(
          `the site is paused: ${by} has stopped it, ${since}Z. So there is no server, and nobody can connect`,
          `Have it run again: \`${stingy(facts, "server resume")}\`.`,
        ),
        explainsAll: true,
      };
    }
    if (desired === undefined) {
      return broken(
        `${path} is missing, and the controller starts nothing without it`,
        `Have Terraform make it: \`${deploy(facts)}\`.`,
      );
    }
    return broken(
      `${path} says "${shortened(desired)}", and is to say running or stopped`,
      `Say what you want: \`${stingy(facts, "server resume")}\`.`,
    );
  },
};

export const instanceId: Check = {
  id: "store-instance-id",
  group: "Store",
  title: "the store names the server",
  needs: ["store-desired-state"],
  run: (facts) => {
    const said = parameter(facts, STORE.instanceId);
    const path = pathOf(facts, STORE.instanceId);
    if (said === undefined) {
      return broken(`${path} is missing`, `Have Terraform make it: \`${deploy(facts)}\`.`);
    }
    if (said === "initial") {
      return broken(
        "no server has ever been ready",
        `A first server takes about three minutes. \`${stingy(facts, "server logs")}\` says what stands in its way.`,
      );
    }
    return isInstanceId(said)
      ? ok(said)
      : broken(
          `${path} says "${shortened(said)}", which is no instance`,
          `Let the controller find the server anew: \`${aws(facts, `ssm put-parameter --overwrite --name ${path} --value initial`)}\`.`,
        );
  },
};

export const key: Check = {
  id: "store-key",
  group: "Store",
  title: "the server's private key is there",
  needs: ["deployed"],
  run: (facts) => {
    if (parameter(facts, STORE.wireguardConfig) !== undefined) return skipped("wireguard-config brings its own");
    const path = pathOf(facts, STORE.wireguardPrivateKey);
    const stored = parameter(facts, STORE.wireguardPrivateKey);
    if (stored === undefined) {
      const never = !isInstanceId(parameter(facts, STORE.instanceId));
      return never
        ? skipped("the first server makes it")
        : broken(
            `${path} is missing`,
            `A server that runs puts its key back within five minutes. If none does, every device gets a new configuration: \`${stingy(facts, "server replace")}\` makes a new key.`,
          );
    }
    if (isKey(stored)) return ok("there, and a key");
    return broken(
      `${path} is no WireGuard key (32 bytes in base64, 44 characters): servers go on with the last good one, and new ones cannot start`,
      `Take it away: \`${aws(facts, `ssm delete-parameter --name ${path}`)}\`. A server that runs puts its own key back within five minutes; without one, the next makes a new key, and every device needs a new configuration.`,
    );
  },
};

export const byHand: Check = {
  id: "store-by-hand",
  group: "Store",
  title: "nothing hides the devices",
  needs: ["deployed"],
  run: (facts) => {
    const text = parameter(facts, STORE.wireguardConfig);
    if (text === undefined) return ok("no wireguard-config by hand");
    const path = pathOf(facts, STORE.wireguardConfig);
    const problem = configProblem(text);
    if (problem !== undefined) {
      return broken(
        `${path} goes before all else, and the server cannot use it: ${problem}`,
        `Correct it, or take it away: \`${aws(facts, `ssm delete-parameter --name ${path}`)}\`.`,
      );
    }
    const hidden = seen(facts.peers)
      .filter((peer) => !isProbePeer(peer))
      .map(nameOf);
    if (hidden.length === 0) return ok("wireguard-config by hand is used as it is");
    return attention(
      `${path} is used as it is, so ${some(hidden)} under peers/ ${hidden.length === 1 ? "is" : "are"} not`,
      `Move it: \`${stingy(facts, "peer import --from wg0.conf")}\`, then \`${aws(facts, `ssm delete-parameter --name ${path}`)}\`.`,
    );
  },
};

function configProblem(text: string): string | undefined {
  try {
    const { interface: section } = parseConfig(text);
    if (section.privateKey === undefined) return "it has no PrivateKey";
    return section.addresses.length === 0 ? "it has no Address" : undefined;
  } catch (error) {
    if (error instanceof ConfigTextError) return error.message;
    throw error;
  }
}

export const peers: Check = {
  id: "store-peers",
  group: "Store",
  title: "every device can be used",
  needs: ["deployed"],
  run: (facts) => {
    const stored = seen(facts.peers).filter((peer) => !isProbePeer(peer));
    const known = knownPeers(stored, parameter(facts, STORE.clientPublicKeys) ?? "", facts.site);
    const bad = known.filter(({ reason }) => reason !== undefined);
    const count = known.length;
    if (bad.length > 0) {
      const [first] = bad;
      return attention(
        `${bad.length} of ${count} left out by the server: ${some(bad.map(({ name, reason }) => `${name} (${reason})`))}`,
        first?.parameter
          ? `Make ${first.name} anew: \`${stingy(facts, `peer remove ${first.name}`)}\`, then \`${stingy(facts, `peer add ${first.name}`)}\`.`
          : `Correct ${pathOf(facts, STORE.clientPublicKeys)}: public keys, with commas between them.`,
      );
    }
    if (count === 0) return ok(`none yet: \`${stingy(facts, "peer add phone")}\` makes one`);
    return ok(count === 1 ? "1 device" : `${count} devices`);
  },
};

function nameOf({ name }: StoredParameter): string {
  return name.slice(STORE.peers.length + 1);
}

function some(all: readonly string[]): string {
  const more = all.length - MOST_NAMED;
  return `${all.slice(0, MOST_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

export const token: Check = {
  id: "store-token",
  group: "Store",
  title: "Cloudflare's token is there",
  needs: ["deployed"],
  run: (facts) => {
    if (facts.site.dns.provider !== "cloudflare") return skipped("the site has no name at Cloudflare");
    const path = pathOf(facts, STORE.cloudflareToken);
    if (parameter(facts, STORE.cloudflareToken) !== undefined) return ok("there");
    return broken(
      `${path} is missing, so the DNS record is not written`,
      `Put it there: \`${stingy(facts, "init")}\` asks for it and checks it first.`,
    );
  },
};
