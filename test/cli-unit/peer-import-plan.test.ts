import { expect } from "chai";
import { planImport } from "../../cli/peer/import-plan";
import { knownPeers } from "../../cli/peer/known";
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from "../../modules/wireguard";

const KEYS = Array.from({ length: 4 }, () => publicKeyOf(generatePrivateKey()));
const key = (n: number) => KEYS[n] ?? "";
const PSK = generatePresharedKey();
const SITE = { tunnel: { ipv4: "10.8.0.0/24", listenPort: 51820 } };

describe("peers to be taken over", () => {
  const plan = (peers: readonly object[], stored: Readonly<Record<string, object>> = {}, keys = "") => {
    const parameters = Object.entries(stored).map(([name, value]) => ({
      name: `peers/${name}`,
      value: JSON.stringify(value),
      version: 1,
      modifiedAt: new Date(0),
    }));
    const given = peers as Parameters<typeof planImport>[0]["peers"];
    const { create, ...rest } = planImport({ peers: given }, knownPeers(parameters, keys, SITE), SITE);
    return { create: create.map(({ name }) => name), ...rest };
  };
  const phone = { name: "phone", publicKey: key(0), presharedKey: PSK, addresses: ["10.8.0.2/32"] };

  it("are stored where nothing is in the way", () => {
    expect(plan([phone])).to.deep.equal({ create: ["phone"], there: [], conflicts: [], outside: false });
  });

  it("are there already where the store has them just so, whatever group they were given since", () => {
    const { name: _, ...value } = phone;
    expect(plan([phone], { phone: { ...value, addresses: ["10.8.0.2"], group: "internet" } })).to.deep.equal({
      create: [],
      there: ["phone"],
      conflicts: [],
      outside: false,
    });
  });

  it("are in conflict with another of the same name, key or address, also one of client-public-keys", () => {
    const { name: _, ...value } = phone;
    const conflicts = (stored: Readonly<Record<string, object>>, keys = "") => plan([phone], stored, keys).conflicts;
    expect(conflicts({ phone: { ...value, presharedKey: undefined } })).to.deep.equal([
      "phone: the store has another peer of this name",
    ]);
    expect(conflicts({ other: { ...value, addresses: ["10.8.0.9"] } })).to.deep.equal([
      "phone: its key is that of other in the store",
    ]);
    expect(conflicts({ other: { ...value, publicKey: key(1) } })).to.deep.equal([
      "phone: its address is that of other in the store",
    ]);
    expect(conflicts({}, key(2))).to.deep.equal([
      "phone: its address is that of client-public-keys, key 1 in the store",
    ]);
  });

  it("cannot have an address outside the tunnel", () => {
    expect(plan([{ ...phone, addresses: ["10.7.0.2/32"] }])).to.deep.equal({
      create: [],
      there: [],
      conflicts: ["phone: 10.7.0.2/32 is outside of the tunnel's 10.8.0.0/24"],
      outside: true,
    });
  });
});
