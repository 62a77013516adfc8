import { expect } from "chai";
import fc from "fast-check";
import {
  capacity,
  checkPeerAddress,
  checkPeerAddresses,
  clientKeys,
  generatePrivateKey,
  nextAddresses,
  publicKeyOf,
  TunnelFullError,
} from "../../../modules/wireguard";

const TUNNEL = { ipv4: "10.8.0.0/24", ipv6: "fd53:7469:6e67::/64" };
const host = (number: number) => [`10.8.0.${number}/32`, `fd53:7469:6e67::${number.toString(16)}/128`];
const hosts = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => host(from + at)).flat();

describe("the next addresses", () => {
  it("begin after the server's and are the same number of both networks, in hexadecimal for IPv6", () => {
    expect(nextAddresses(TUNNEL, [])).to.deep.equal(["10.8.0.2/32", "fd53:7469:6e67::2/128"]);
    expect(nextAddresses(TUNNEL, hosts(2, 16))).to.deep.equal(["10.8.0.17/32", "fd53:7469:6e67::11/128"]);
  });

  it("are IPv4 alone in a tunnel without IPv6", () => {
    expect(nextAddresses({ ipv4: "10.8.0.0/24" }, hosts(2, 2))).to.deep.equal(["10.8.0.3/32"]);
  });

  it("fill gaps", () => {
    expect(nextAddresses(TUNNEL, [...hosts(2, 4), ...hosts(6, 9)])).to.deep.equal(host(5));
  });

  it("avoid whatever way an address is written, and networks that are taken whole", () => {
    expect(nextAddresses(TUNNEL, [" 10.8.0.2", "FD53:7469:6E67:0::2/128", "10.8.0.0/29", "nonsense"])).to.deep.equal(
      host(8),
    );
  });

  it("are a later IPv6 address where the same number is taken, so that the next pairs match again", () => {
    const taken = ["fd53:7469:6e67::2/128"];
    const first = nextAddresses(TUNNEL, taken);
    expect(first).to.deep.equal(["10.8.0.2/32", "fd53:7469:6e67::ff/128"]);
    expect(nextAddresses(TUNNEL, [...taken, ...first])).to.deep.equal(host(3));
  });

  it("are 253 pairs in a /24, never one twice and all as the server takes them; then it is full", () => {
    const taken: string[] = [];
    for (let count = 0; count < 253; count++) {
      const pair = nextAddresses(TUNNEL, taken);
      expect(checkPeerAddresses(pair, TUNNEL)).to.equal(undefined);
      taken.push(...pair);
    }
    expect([new Set(taken).size, capacity(TUNNEL), taken.slice(-2)]).to.deep.equal([506, 253n, host(254)]);
    expect(() => nextAddresses(TUNNEL, taken)).to.throw(
      TunnelFullError,
      "The tunnel 10.8.0.0/24 is full: all its 253 addresses for peers are taken. Remove peers that are no longer used, or choose a larger tunnel.ipv4 around it, such as 10.8.0.0/23. A larger tunnel.ipv6 alone does not help, as every peer has an IPv4 address.",
    );
  });

  it("say so where IPv6 alone is full", () => {
    const tunnel = { ipv4: "10.8.0.0/24", ipv6: "fd53::/125" };
    expect(nextAddresses(tunnel, ["fd53::2"])).to.deep.equal(["10.8.0.2/32", "fd53::3/128"]);
    const taken = [2, 3, 4, 5, 6, 7].map((number) => `fd53::${number}`);
    expect(() => nextAddresses(tunnel, taken)).to.throw(
      TunnelFullError,
      "The tunnel's IPv6 network fd53::/125 has no free address left. Remove peers that are no longer used, or choose a larger tunnel.ipv6.",
    );
    expect(() => nextAddresses(TUNNEL, ["fd53:7469:6e67::/64"])).to.throw(TunnelFullError);
  });

  it("are found in a /16 with 5,000 peers", () => {
    const taken = Array.from({ length: 5000 }, (_, at) => `10.9.${(at + 2) >> 8}.${(at + 2) & 255}/32`);
    expect(nextAddresses({ ipv4: "10.9.0.0/16" }, taken)).to.deep.equal(["10.9.19.138/32"]);
  });

  it("are ones that the server takes and nobody has, whatever is taken", () => {
    const tunnel = { ipv4: "10.8.0.0/29", ipv6: "fd53::/64" };
    const address = fc.oneof(
      fc.nat(7).map((number) => `10.8.0.${number}`),
      fc.nat(9).map((number) => `fd53::${number}/128`),
    );
    fc.assert(
      fc.property(fc.array(address), (taken) => {
        const free = [2, 3, 4, 5, 6].filter((number) => !taken.includes(`10.8.0.${number}`));
        if (free.length === 0) {
          expect(() => nextAddresses(tunnel, taken)).to.throw(TunnelFullError);
          return;
        }
        const pair = nextAddresses(tunnel, taken);
        expect(pair[0]).to.equal(`10.8.0.${free[0]}/32`);
        expect(checkPeerAddresses(pair, tunnel)).to.equal(undefined);
        expect(taken).to.not.include(pair[1]);
      }),
    );
  });

  it("need networks", () => {
    expect(() => nextAddresses({ ipv4: "10.8.0.0" }, [])).to.throw("tunnel.ipv4 is 10.8.0.0, which is no IPv4 network");
    expect(() => nextAddresses({ ...TUNNEL, ipv6: "10.8.0.0/24" }, [])).to.throw(
      "tunnel.ipv6 is 10.8.0.0/24, which is no IPv6 network",
    );
  });
});

describe("a peer's address", () => {
  it("is a single one in the tunnel, in any spelling", () => {
    const good = [...host(2), "10.8.0.254", " 10.8.0.7/32 ", "FD53:7469:6E67::/128", "fd53:7469:6e67:0:0:0:0:ff"];
    expect(good.map((address) => checkPeerAddress(address, TUNNEL))).to.deep.equal(good.map(() => undefined));
    expect(checkPeerAddress("fd00::", { ...TUNNEL, ipv6: "fd00::/8" })).to.equal(undefined);
  });

  it("is not the server's, nobody's, outside, a network, or nonsense", () => {
    const reasons = {
      "10.8.0.1/32": "10.8.0.1/32 is the server's own address",
      "fd53:7469:6e67::1": "fd53:7469:6e67::1 is the server's own address",
      "10.8.0.0": "10.8.0.0 is the network's own address",
      "10.8.0.255": "10.8.0.255 is the network's broadcast address",
      "10.8.1.2": "10.8.1.2 is outside of the tunnel's 10.8.0.0/24",
      "10.8.0.2/24": "10.8.0.2/24 is a network, and a peer has single addresses: 10.8.0.2/32",
      "0.0.0.0/0": "0.0.0.0/0 is a network, and a peer has single addresses: 0.0.0.0/32",
      "10.8.0.02": "10.8.0.02 is no address",
      "::ffff:10.8.0.2": "::ffff:10.8.0.2 is no address",
      phone: "phone is no address",
    };
    for (const [address, reason] of Object.entries(reasons)) {
      expect(checkPeerAddress(address, TUNNEL)).to.equal(reason);
    }
  });

  it("may be an IPv6 one beside an IPv4 one where the tunnel has no IPv6, but not alone", () => {
    const tunnel = { ipv4: "10.8.0.0/24" };
    expect(checkPeerAddresses(host(2), tunnel)).to.equal(undefined);
    expect(checkPeerAddresses(host(2).slice(1), tunnel)).to.equal("it has no address in the tunnel");
    expect(checkPeerAddresses([], TUNNEL)).to.equal("it has no address in the tunnel");
    expect(checkPeerAddresses([...host(2), "10.8.0.1"], TUNNEL)).to.equal("10.8.0.1 is the server's own address");
  });
});

describe("client-public-keys", () => {
  const key = publicKeyOf(generatePrivateKey());

  it("have the addresses after the server's by their places, empty ones counted", () => {
    expect(clientKeys(` ${key},, x`, TUNNEL)).to.deep.equal([
      { publicKey: key, addresses: host(2) },
      { publicKey: "x", addresses: host(4) },
    ]);
    expect(clientKeys("", TUNNEL)).to.deep.equal([]);
  });

  it("have no address beyond the tunnel", () => {
    const tunnel = { ipv4: "10.8.0.0/29", ipv6: "fd53::/64" };
    expect(clientKeys(",,,,,a", tunnel)).to.deep.equal([{ publicKey: "a", addresses: ["fd53::7/128"] }]);
  });

  it("keep their addresses from new peers", () => {
    const taken = clientKeys(`${key},${key}`, TUNNEL).flatMap(({ addresses }) => addresses);
    expect(nextAddresses(TUNNEL, taken)).to.deep.equal(host(4));
  });
});
