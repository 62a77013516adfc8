import { expect } from "chai";
import { knownPeers } from "../../cli/peer/known";
import type { StoredParameter } from "../../cli/store";
import { generatePrivateKey, publicKeyOf } from "../../modules/wireguard";

const KEYS = Array.from({ length: 6 }, () => publicKeyOf(generatePrivateKey()));
const key = (n: number) => KEYS[n] ?? "";
const SITE = { tunnel: { ipv4: "10.8.0.0/24", ipv6: "fd53::/64", listenPort: 51820 } };

const stored = (name: string, value: unknown): StoredParameter => ({
  name: `peers/${name}`,
  value: typeof value === "string" ? value : JSON.stringify(value),
  version: 1,
  modifiedAt: new Date(0),
});

describe("the peers in the store", () => {
  const reasons = (parameters: readonly StoredParameter[], keys = "") =>
    Object.fromEntries(knownPeers(parameters, keys, SITE).map(({ name, reason }) => [name, reason]));

  it("are all there, by name, those of client-public-keys after the others", () => {
    const known = knownPeers(
      [
        stored("b", { publicKey: key(1), addresses: ["10.8.0.9"] }),
        stored("a", { publicKey: key(0), addresses: ["10.8.0.8/32", "fd53::8"] }),
      ],
      `${key(2)}, ,${key(3)}`,
      SITE,
    );
    expect(known.map(({ name, source, addresses, reason }) => ({ name, source, addresses, reason }))).to.deep.equal([
      { name: "a", source: "peers", addresses: ["10.8.0.8/32", "fd53::8"], reason: undefined },
      { name: "b", source: "peers", addresses: ["10.8.0.9"], reason: undefined },
      {
        name: "client-public-keys, key 1",
        source: "client-public-keys",
        addresses: ["10.8.0.2/32", "fd53::2/128"],
        reason: undefined,
      },
      {
        name: "client-public-keys, key 3",
        source: "client-public-keys",
        addresses: ["10.8.0.4/32", "fd53::4/128"],
        reason: undefined,
      },
    ]);
  });

  it("have a reason where the server leaves them out", () => {
    expect(
      reasons([
        stored("fine", { publicKey: key(0), addresses: ["10.8.0.2"] }),
        stored("g-text", "phone"),
        stored("h-key", { publicKey: "short", addresses: ["10.8.0.3"] }),
        stored("i-group", { publicKey: key(1), addresses: ["10.8.0.4"], group: "guests" }),
        stored("j-outside", { publicKey: key(2), addresses: ["10.9.0.4"] }),
        stored("k-server", { publicKey: key(3), addresses: ["10.8.0.1"] }),
      ]),
    ).to.deep.equal({
      fine: undefined,
      "g-text": "it is no JSON object",
      "h-key": "publicKey is no WireGuard key",
      "i-group": "group is none of full, internet, isolated",
      "j-outside": "10.9.0.4 is outside of the tunnel's 10.8.0.0/24",
      "k-server": "10.8.0.1 is the server's own address",
    });
  });

  it("are left out where an earlier one has the key or the address, however it is written", () => {
    expect(
      reasons(
        [
          stored("a", { publicKey: key(0), addresses: ["10.8.0.2", "fd53:0::2"] }),
          stored("b", { publicKey: key(0), addresses: ["10.8.0.3"] }),
          stored("c", { publicKey: key(1), addresses: ["10.8.0.4", "FD53::0002/128"] }),
        ],
        `${key(2)},no-key`,
      ),
    ).to.deep.equal({
      a: undefined,
      b: "its key or address is that of a",
      c: "its key or address is that of a",
      "client-public-keys, key 1": "its key or address is that of a",
      "client-public-keys, key 2": "publicKey is no WireGuard key",
    });
  });

  it("keep their addresses to themselves while they are broken, as they may be mended", () => {
    const [known] = knownPeers([stored("a", { publicKey: "short", addresses: ["10.8.0.7", 5] })], "", SITE);
    expect(known?.addresses).to.deep.equal(["10.8.0.7"]);
    expect(known?.peer).to.equal(undefined);
  });
});
