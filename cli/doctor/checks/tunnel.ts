import { attention, broken, type Check, ifSeen, ok, seen, skipped, type Verdict } from "../check";
import { stingy } from "../commands";
import type { Facts } from "../facts";
import { tunnelAddress } from "./computer";

/** WireGuard's usual one: what is left of 1500 bytes. */
export const FULL_MTU = 1420;
export const LEAST_MTU = 1280;

export const handshake: Check = {
  id: "tunnel-handshake",
  group: "Tunnel",
  title: "WireGuard answers a handshake from here",
  needs: [
    "store-key",
    "address-elsewhere",
    "server-running",
    "server-checks",
    "server-state",
    "firewall",
    "route",
    "network-acl",
  ],
  run: (facts) => {
    const { probe } = facts;
    if (probe.kind === "none") return skipped(probe.why);
    if (probe.kind === "failed") return seen<Verdict>({ unseen: probe.why, fix: probe.fix });
    if (probe.kind === "answered") return ok(`${probe.endpoint} answers in ${probe.ms} ms`);
    const { listenPort } = facts.site.tunnel;
    const onServer = `\`${stingy(facts, "server shell")}\`, then \`sudo wg show wg0\` and \`systemctl status 'stingy-*'\``;
    const silence = `no answer from ${probe.endpoint} in ${probe.seconds} s`;
    if (probe.refused) {
      return broken(
        `${probe.endpoint} is reached, and says that nothing listens there`,
        `Look at the server: ${onServer}. Or have it replaced: \`${stingy(facts, "server replace")}\`.`,
      );
    }
    const elsewhere = `Try from another network, such as a phone's hotspot: networks of hotels, offices and schools often let no UDP out, or not to port ${listenPort}.`;
    const active = ifSeen(facts.report)?.active ?? 0;
    if (active > 0) {
      return broken(
        `${silence}, while ${active} other ${active === 1 ? "device talks" : "devices talk"} to the server: the network here blocks udp/${listenPort}`,
        elsewhere,
      );
    }
    if (!probe.known) {
      return broken(
        `${silence}; the server may not have read the doctor's key, as it could not be asked to`,
        `Wait five minutes, and run \`${stingy(facts, "doctor")}\` again. If it stays so: ${onServer}.`,
      );
    }
    return broken(
      `${silence}, though all that AWS says is well: the network here may block udp/${listenPort}`,
      `${elsewhere} If it is the same there, it is the server: ${onServer}.`,
    );
  },
};

export const ping: Check = {
  id: "tunnel-ping",
  group: "Tunnel",
  title: "the server answers a ping inside the tunnel",
  needs: ["tunnel-handshake"],
  run: (facts) => {
    const { probe } = facts;
    if (probe.kind !== "answered") return skipped(noProbe(probe));
    if (probe.serverMs !== undefined) return ok(`in ${probe.serverMs} ms`);
    return broken(
      "the handshake is answered, but nothing comes back through the tunnel",
      `The server's firewall or its peers are not as they should be: \`${stingy(facts, "server replace")}\`, or look at it first: \`${stingy(facts, "server shell")}\`, then \`sudo nft list ruleset\`.`,
    );
  },
};

export const internet: Check = {
  id: "tunnel-internet",
  group: "Tunnel",
  title: "the internet is reached through the tunnel",
  needs: ["tunnel-ping"],
  run: (facts) => {
    const { probe } = facts;
    if (probe.kind !== "answered") return skipped(noProbe(probe));
    if (probe.internetMs !== undefined) return ok(`1.1.1.1 answers in ${probe.internetMs} ms`);
    return broken(
      "the server answers, but 1.1.1.1 does not through it: the server does not forward, or has no way out",
      `Look at it: \`${stingy(facts, "server shell")}\`, then \`sysctl net.ipv4.ip_forward\` and \`sudo nft list ruleset\`. Or have it replaced: \`${stingy(facts, "server replace")}\`.`,
    );
  },
};

export const mtu: Check = {
  id: "tunnel-mtu",
  group: "Tunnel",
  title: "packets of full size pass",
  needs: ["tunnel-ping"],
  run: (facts) => {
    const { probe } = facts;
    if (probe.kind !== "answered") return skipped(noProbe(probe));
    if (tunnelAddress(facts) !== undefined)
      return skipped("this computer is in the VPN, and a tunnel in a tunnel has less room");
    if (probe.mtu === undefined) {
      return attention(
        `not even packets of ${LEAST_MTU} bytes come back: large downloads and some pages hang on this network`,
        `Put \`MTU = ${LEAST_MTU}\` under [Interface] into the device's configuration; if that does not help, use another network.`,
      );
    }
    if (probe.mtu >= FULL_MTU) return ok(`${probe.mtu} bytes`);
    return attention(
      `packets of at most ${probe.mtu} bytes come back on this network: larger ones, and pages with them, hang`,
      `Put \`MTU = ${probe.mtu}\` under [Interface] into the device's configuration.`,
    );
  },
};

function noProbe(probe: Exclude<Facts["probe"], { kind: "answered" }>): string {
  return probe.kind === "none" ? probe.why : "there was no answer";
}
