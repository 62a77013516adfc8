import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { CliError } from "../../cli/exit";
import { knownPeers } from "../../cli/peer/known";
import { freeAddresses, settle } from "../../cli/peer/settle";
import type { Store, StoredParameter } from "../../cli/store";
import { generatePrivateKey, publicKeyOf, type StoredPeer, writePeer } from "../../modules/wireguard";

/** Small numbers in an order that a seed decides. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

/** A store whose every answer takes a while, so that others come in between. */
class SlowStore {
  readonly versions = new Map<string, string[]>();
  /** What happens just before a write. */
  before: (() => void) | undefined;

  constructor(private readonly next: () => number = () => 0) {}

  private async wait(): Promise<void> {
    for (let turns = Math.floor(this.next() * 6); turns > 0; turns--) await turn();
  }

  private stored(name: string, version: number): StoredParameter | undefined {
    const value = this.versions.get(name)?.[version - 1];
    return value === undefined ? undefined : { name, value, version, modifiedAt: new Date(0) };
  }

  put(name: string, value: string): number {
    const versions = [...(this.versions.get(name) ?? []), value];
    this.versions.set(name, versions);
    return versions.length;
  }

  async get(name: string): Promise<StoredParameter | undefined> {
    await this.wait();
    return this.stored(name, this.versions.get(name)?.length ?? 0);
  }

  async getAll(names: readonly string[]): Promise<Map<string, StoredParameter>> {
    await this.wait();
    return new Map(
      names.flatMap((given) => {
        const [name = "", version] = given.split(":");
        const found = this.stored(name, Number(version ?? this.versions.get(name)?.length ?? 0));
        return found ? [[name, found]] : [];
      }),
    );
  }

  async peers(): Promise<StoredParameter[]> {
    await this.wait();
    const found = [...this.versions].flatMap(([name, { length }]) => this.stored(name, length) ?? []);
    await this.wait();
    return found;
  }

  async replace(name: string, value: string): Promise<number> {
    await this.wait();
    this.before?.();
    this.before = undefined;
    const version = this.put(name, value);
    await this.wait();
    return version;
  }

  async remove(names: readonly string[]): Promise<string[]> {
    await this.wait();
    return names.filter((name) => this.versions.delete(name));
  }

  get asStore(): Store {
    return this as unknown as Store;
  }
}

const KEYS = Array.from({ length: 60 }, () => publicKeyOf(generatePrivateKey()));
const key = (n: number) => KEYS[n] ?? "";

async function message(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "",
    (error) => {
      if (error instanceof CliError) return error.message;
      throw error;
    },
  );
}

describe("devices added at the same time", () => {
  const site = { tunnel: { ipv4: "10.8.0.0/26", ipv6: "fd53::/64", listenPort: 51820 } };

  /** As `peer add` does it, by somebody who looks at the store before anybody writes. */
  async function add(store: SlowStore, tunnel: typeof site.tunnel, number: number, publicKey = key(number)) {
    const name = `device-${number}`;
    const found = { store: store.asStore, site: { tunnel }, clientPublicKeys: "" };
    const first: StoredPeer = {
      publicKey,
      addresses: freeAddresses(tunnel, knownPeers(await store.peers(), "", found.site)),
    };
    store.put(`peers/${name}`, writePeer(first));
    try {
      return await settle(found, name, first, 1);
    } catch (error) {
      await store.remove([`peers/${name}`]);
      throw error;
    }
  }

  it("never get one address, and each is told the one that is stored for it", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const store = new SlowStore(random(seed));
      const given = await Promise.all(Array.from({ length: 12 }, (_, n) => add(store, site.tunnel, n)));
      const addresses = given.flatMap((peer) => peer.addresses);
      expect(new Set(addresses).size, `seed ${seed}`).to.equal(24);
      for (const [n, peer] of given.entries()) {
        expect((await store.get(`peers/device-${n}`))?.value, `seed ${seed}`).to.equal(writePeer(peer));
      }
    }
  });

  it("share out what is left of a tunnel: one gets the last address, the others hear that it is full", async () => {
    const tunnel = { ...site.tunnel, ipv4: "10.8.0.0/30" };
    for (let seed = 1; seed <= 20; seed++) {
      const store = new SlowStore(random(seed));
      const ends = await Promise.allSettled(Array.from({ length: 2 }, (_, n) => add(store, tunnel, n)));
      const got = ends.filter(({ status }) => status === "fulfilled");
      expect(got, `seed ${seed}`).to.have.length(1);
      expect(store.versions.size, `seed ${seed}`).to.equal(1);
      const [refused] = ends.flatMap((end) => (end.status === "rejected" ? [String(end.reason.message)] : []));
      expect(refused).to.match(/^The tunnel 10\.8\.0\.0\/30 is full: all its 1 addresses for peers are taken\./);
    }
  });

  it("cannot share a key", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const store = new SlowStore(random(seed));
      const ends = await Promise.allSettled([add(store, site.tunnel, 1, key(0)), add(store, site.tunnel, 2, key(0))]);
      expect(ends.filter(({ status }) => status === "fulfilled").length, `seed ${seed}`).to.equal(1);
    }
  });

  it("do not come back where somebody removed them at once", async () => {
    const store = new SlowStore();
    const peer = { publicKey: key(0), addresses: ["10.8.0.2/32"] };
    const found = { store: store.asStore, site, clientPublicKeys: "" };
    expect(await message(settle(found, "phone", peer, 1))).to.equal(
      "The peer phone was removed by somebody else in the meantime.",
    );
    expect(store.versions.size).to.equal(0);
  });

  it("trust no list that does not show what was just written", async () => {
    const store = new SlowStore();
    const peer = { publicKey: key(0), addresses: ["10.8.0.2/32"] };
    store.put("peers/phone", writePeer(peer));
    const list = store.peers.bind(store);
    // Nor may a single read show it yet.
    store.get = async () => undefined;
    let looks = 0;
    store.peers = async () => {
      looks++;
      return looks < 3 ? [] : list();
    };
    expect(await settle({ store: store.asStore, site, clientPublicKeys: "" }, "phone", peer, 1)).to.equal(peer);
    expect(looks).to.equal(3);
  });
});
