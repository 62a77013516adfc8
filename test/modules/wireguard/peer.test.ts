import { expect } from "chai";
import fc from "fast-check";
import {
  GROUPS,
  generatePresharedKey,
  generatePrivateKey,
  isPeerName,
  parsePeer,
  publicKeyOf,
  type StoredPeer,
  writePeer,
} from "../../../modules/wireguard";

const publicKey = publicKeyOf(generatePrivateKey());
const presharedKey = generatePresharedKey();
const least = { publicKey, addresses: ["10.8.0.2/32"] };

describe("a stored peer", () => {
  it("is read as it was written, with what we do not know", () => {
    const anything = fc.dictionary(
      fc
        .string()
        .filter((key) => !["__proto__", ...Object.keys(least), "presharedKey", "group", "keepalive"].includes(key)),
      fc.jsonValue(),
    );
    const settings = fc.record(
      { presharedKey: fc.constant(presharedKey), group: fc.constantFrom(...GROUPS), keepalive: fc.nat(65535) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anything, settings, (others, known) => {
        const peer: StoredPeer = { ...others, ...least, ...known };
        const written = writePeer(peer);
        expect(parsePeer(written)).to.deep.equal({ peer: JSON.parse(written) });
        const edited = { ...parsePeer(written).peer, ...least, group: "isolated" as const };
        expect(JSON.parse(writePeer(edited))).to.deep.equal({ ...JSON.parse(written), group: "isolated" });
      }),
    );
  });

  it("needs a key and addresses, and the server takes null, false and an empty preshared key for none", () => {
    expect(parsePeer(JSON.stringify(least))).to.deep.equal({ peer: least });
    expect(parsePeer(JSON.stringify({ ...least, presharedKey: "", group: null, keepalive: false }))).to.deep.equal({
      peer: least,
    });
    for (const keepalive of [0, 65535]) {
      expect(parsePeer(JSON.stringify({ ...least, keepalive }))).to.deep.equal({ peer: { ...least, keepalive } });
    }
  });

  it("is refused for what the server would refuse, without its keys", () => {
    const reasons: [unknown, string][] = [
      [[least], "it is no JSON object"],
      [null, "it is no JSON object"],
      [{ addresses: least.addresses }, "publicKey is no WireGuard key"],
      [{ ...least, publicKey: publicKey.slice(0, -1) }, "publicKey is no WireGuard key"],
      [{ ...least, presharedKey: `${presharedKey}x` }, "presharedKey is no WireGuard key"],
      [{ publicKey }, 'addresses is no list of addresses such as ["10.8.0.2/32"]'],
      [{ publicKey, addresses: [] }, 'addresses is no list of addresses such as ["10.8.0.2/32"]'],
      [{ publicKey, addresses: ["10.8.0.2", "phone"] }, 'addresses has "phone", which is no address'],
      [{ publicKey, addresses: [null] }, "addresses has null, which is no address"],
      [{ ...least, group: "admin" }, "group is none of full, internet, isolated"],
      [{ ...least, keepalive: 65536 }, "keepalive is no number of seconds from 0 to 65535"],
      [{ ...least, keepalive: 1.5 }, "keepalive is no number of seconds from 0 to 65535"],
      [{ ...least, keepalive: "25" }, "keepalive is no number of seconds from 0 to 65535"],
    ];
    for (const [value, reason] of reasons) expect(parsePeer(JSON.stringify(value))).to.deep.equal({ reason });
    expect(parsePeer(`{"presharedKey":"${presharedKey}"`)).to.deep.equal({ reason: "it is no JSON object" });
  });
});

describe("a peer's name", () => {
  it("is of letters, digits, dots, dashes and underscores, up to 63", () => {
    const good = ["a", "phone", "Bob.s-phone_2", "_x", "7", "a".repeat(63)];
    expect(good.filter(isPeerName)).to.deep.equal(good);
  });

  it("is nothing else, and begins neither with a dot nor with a dash", () => {
    const bad = ["", ".", "..", "-rf", ".conf", "a/b", "a b", "téléphone", "a\n", "a".repeat(64), "$(id)"];
    expect(bad.filter(isPeerName)).to.deep.equal([]);
  });
});
