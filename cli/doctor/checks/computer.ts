import { parseRange, rangeContains } from "../../../modules/network/planner";
import { attention, broken, type Check, ok, seen, skipped } from "../check";
import { deploy } from "../commands";
import type { Facts } from "../facts";

const CLOCK_ATTENTION_S = 30;
/** AWS refuses what was signed longer ago, or is to come. */
const CLOCK_BROKEN_S = 300;

export const configuration: Check = {
  id: "configuration",
  group: "This computer",
  title: "the configuration can be read",
  needs: [],
  run: ({ configFile, site }) =>
    ok(`${configFile ?? "no stingy.yaml, so the defaults"}: site ${site.environment}-${site.name} in ${site.region}`),
};

export const reachable: Check = {
  id: "aws-reachable",
  group: "This computer",
  title: "AWS can be reached from here",
  needs: [],
  run: ({ clockAhead, caller }) => {
    if ("seen" in clockAhead || "seen" in caller) return ok("it answers");
    return broken(
      clockAhead.unseen,
      "Check this computer's network, its name servers and a proxy, and the setting `region`. If this computer is in the VPN that is broken, turn that off first.",
    );
  },
};

export const clock: Check = {
  id: "clock",
  group: "This computer",
  title: "the clock agrees with AWS's",
  needs: ["aws-reachable"],
  run: ({ clockAhead }) => {
    const ahead = seen(clockAhead);
    const off = Math.abs(ahead);
    if (off <= CLOCK_ATTENTION_S) return ok(`within ${CLOCK_ATTENTION_S} s`);
    const saw = `this computer's clock is ${off} s ${ahead > 0 ? "fast" : "slow"}`;
    const fix =
      "Have the system set it: `sudo timedatectl set-ntp true` on Linux, `sudo sntp -sS time.apple.com` on macOS, `w32tm /resync` on Windows.";
    return off > CLOCK_BROKEN_S
      ? broken(`${saw}, and AWS refuses signatures that are five minutes off`, fix)
      : attention(saw, fix);
  },
};

export const behindVpn: Check = {
  id: "behind-vpn",
  group: "This computer",
  title: "nothing here is looked at through the VPN that is looked for",
  needs: [],
  run: (facts) => {
    const own = tunnelAddress(facts);
    if (own === undefined) return ok("this computer is not in the VPN");
    const works = "seen" in facts.caller && facts.probe.kind === "answered";
    if (works || facts.probe.kind === "none") return ok(`this computer is in the VPN, as ${own}`);
    return attention(
      `this computer is in the VPN, as ${own}: what it asks may go through the very tunnel that does not work`,
      "Turn the VPN off on this computer (`wg-quick down wg0`, or in the app) and run the doctor again.",
    );
  },
};

/** This computer's own address in the tunnel. */
export function tunnelAddress({
  ownAddresses,
  site: { tunnel },
}: Pick<Facts, "ownAddresses" | "site">): string | undefined {
  const network = parseRange(tunnel.ipv4);
  return ownAddresses.find((address) => {
    const own = parseRange(`${address}/32`);
    return network && own && rangeContains(network, own);
  });
}

export const credentials: Check = {
  id: "credentials",
  group: "AWS",
  title: "AWS knows who you are",
  needs: ["aws-reachable"],
  run: ({ caller }) => {
    if ("unseen" in caller) return broken(caller.unseen, caller.fix ?? "Run `aws sts get-caller-identity` to see why.");
    return ok(`${caller.seen.arn} in account ${caller.seen.account}`);
  },
};

export const account: Check = {
  id: "account",
  group: "AWS",
  title: "it is the account that the site was deployed to",
  needs: ["credentials"],
  run: ({ states, caller }) => {
    const known = [...new Set((states ?? []).flatMap(({ accounts }) => accounts))];
    if (known.length === 0) return skipped("no state of Terraform's on this computer says which account it is");
    const { account: here } = seen(caller);
    if (known.includes(here)) return ok(here);
    return broken(
      `your credentials are of account ${here}, and the site was deployed to ${known.join(", ")}`,
      `Use credentials of account ${known[0]}: another AWS_PROFILE, or \`aws sso login --profile …\`.`,
    );
  },
};

export const outputs: Check = {
  id: "outputs",
  group: "Deployment",
  title: "Terraform's states are here and complete",
  needs: ["deployed"],
  run: (facts) => {
    const { states, config } = facts;
    if (!states) return skipped(`the states are in the backend "${config.backend.type}"`);
    const missing = states.filter((state) => state.outputs === undefined);
    if (missing.length > 0) {
      return attention(
        `the site is deployed, but ${missing.map(({ file }) => file).join(", ")} ${missing.length === 1 ? "is" : "are"} not here: a deploy from here would try to make it all again`,
        "Deploy from the computer that has these files, or copy them here. For several people, keep them in a shared backend (docs/configuration.md#backend).",
      );
    }
    const empty = states.filter((state) => Object.keys(state.outputs ?? {}).length === 0);
    if (empty.length > 0) {
      return attention(
        `${empty.map(({ stack }) => stack).join(", ")} ${empty.length === 1 ? "has" : "have"} no outputs: the last deploy did not end`,
        `Deploy again: \`${deploy(facts)}\`.`,
      );
    }
    const said = states.find(({ outputs: values }) => values?.address !== undefined)?.outputs?.address;
    const live = "seen" in facts.address ? facts.address.seen?.publicIp : undefined;
    if (said !== undefined && live !== undefined && said !== live) {
      return attention(
        `Terraform's state says that the address is ${said}, and AWS has ${live}`,
        `Have Terraform look again: \`${deploy(facts)}\`.`,
      );
    }
    return ok(`${states.length} states`);
  },
};
