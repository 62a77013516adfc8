import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import * as fc from "fast-check";
import { knownPeers } from "../../cli/peer/known";
import { hostAddress } from "../../modules/network/planner";
import { generatePrivateKey, publicKeyOf } from "../../modules/wireguard";
import { folderWith, ROOT } from "./support/stingy";

const PREFIX = "/stingy-vpn/prod";
const SERVER_KEY = generatePrivateKey();
const KEYS = Array.from({ length: 4 }, () => publicKeyOf(generatePrivateKey()));

const key = fc.constantFrom(...KEYS, "", "short", `${"A".repeat(43)}B`);
const address = fc.constantFrom(
  "10.8.0.2",
  "10.8.0.2/32",
  " 10.8.0.3/32",
  "10.8.0.4/31",
  "10.8.0.0",
  "10.8.0.1",
  "10.8.0.255/32",
  "10.9.0.2",
  "10.8.0.256",
  "fd53::2",
  "FD53::0002/128",
  "fd53::3/128",
  "fd54::3",
  "fd53::/64",
  "x",
);
const peer = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        publicKey: key,
        presharedKey: fc.constantFrom(KEYS[0], "", "short", null),
        addresses: fc.array(address, { maxLength: 3 }),
        group: fc.constantFrom("full", "internet", "isolated", "guests", null, ""),
        keepalive: fc.constantFrom(0, 25, 65_536, -1, 1.5, "25", null),
        note: fc.constant("ours"),
      },
      { requiredKeys: ["publicKey", "addresses"] },
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<unknown>("text", [], null, 5) },
);
const store = fc.record({
  peers: fc.dictionary(fc.constantFrom("a", "b", "c", "d-1", "Z"), peer, { maxKeys: 5 }),
  clientPublicKeys: fc.array(key, { maxLength: 3 }).map((keys) => keys.join(",")),
  ipv6: fc.constantFrom(undefined, "fd53::/64"),
});

describe("what is listed as broken", () => {
  const folder = folderWith();

  /** What the server's own program makes of it: the names of those it leaves out, and of those it lets in. */
  function byServer({
    peers,
    clientPublicKeys,
    ipv6,
  }: {
    peers: Record<string, unknown>;
    clientPublicKeys: string;
    ipv6: string | undefined;
  }) {
    const page = (parameters: Record<string, string>) =>
      JSON.stringify({
        Parameters: Object.entries(parameters).map(([name, Value]) => ({ Name: `${PREFIX}/${name}`, Value })),
      });
    const named = Object.entries(peers).map(([name, value]) => [`peers/${name}`, JSON.stringify(value)]);
    writeFileSync(
      path.join(folder, "parameters"),
      page({ "wireguard-private-key": SERVER_KEY, "client-public-keys": clientPublicKeys }),
    );
    writeFileSync(path.join(folder, "peers"), page(Object.fromEntries(named)));
    const values = {
      prefix: PREFIX,
      port: "51820",
      ipv4: hostAddress("10.8.0.0/24", 1),
      ipv6: ipv6 === undefined ? "" : hostAddress(ipv6, 1),
      mtu: "1420",
      group: "full",
    };
    const answer = execFileSync(
      "jq",
      [
        "-n",
        ...["parameters", "peers"].flatMap((file) => ["--slurpfile", file, path.join(folder, file)]),
        ...Object.entries(values).flatMap(([name, value]) => ["--arg", name, value]),
        "-f",
        path.join(ROOT, "assets/userdata/store.jq"),
      ],
      { encoding: "utf8" },
    );
    const { peers: good, problems } = JSON.parse(answer) as Record<"peers" | "problems", { name: string }[]>;
    return { good: good.map(({ name }) => name).sort(), broken: problems.map(({ name }) => name).sort() };
  }

  it("is what the server leaves out, and nothing else", () => {
    fc.assert(
      fc.property(store, (stored) => {
        const parameters = Object.entries(stored.peers).map(([name, value]) => ({
          name: `peers/${name}`,
          value: JSON.stringify(value),
          version: 1,
          modifiedAt: new Date(0),
        }));
        const tunnel = {
          ipv4: "10.8.0.0/24",
          listenPort: 51820,
          ...(stored.ipv6 === undefined ? {} : { ipv6: stored.ipv6 }),
        };
        const known = knownPeers(parameters, stored.clientPublicKeys, { tunnel });
        const names = (broken: boolean) =>
          known
            .filter(({ reason }) => (reason !== undefined) === broken)
            .map(({ name }) => name)
            .sort();
        expect({ good: names(false), broken: names(true) }).to.deep.equal(byServer(stored));
      }),
      { numRuns: 100 },
    );
  });
});
