import { expect } from "chai";
import { changePeer } from "../../cli/peer/change";
import type { Store, StoredParameter } from "../../cli/store";

/** One parameter with all its versions, as Systems Manager keeps them. */
class Versions {
  written: string[] = ["old"];
  removed = false;
  /** What happens just before our next write. */
  before: () => void = () => undefined;
  /** How often our next write is made: twice where the answer to the first is lost. */
  times = 1;

  readonly store = {
    replace: async (_: string, value: string) => {
      this.before();
      this.before = () => undefined;
      for (; this.times > 0; this.times--) this.written.push(value);
      this.times = 1;
      return this.written.length;
    },
    getAll: async ([selector = ""]: readonly string[]) => {
      const version = Number(selector.split(":")[1]);
      const value = this.written[version - 1];
      return new Map<string, StoredParameter>(
        value === undefined ? [] : [[selector, { name: selector, value, version, modifiedAt: new Date(0) }]],
      );
    },
    remove: async (names: readonly string[]) => {
      this.removed = true;
      return [...names];
    },
  } as unknown as Store;
}

describe("a change of a peer", () => {
  const before = { name: "peers/phone", value: "old", version: 1, modifiedAt: new Date(0) };
  const change = (value: string) => `${value}+mine`;
  const changed = (versions: Versions) => changePeer(versions.store, "phone", before, change);

  it("is one write where nobody else writes", async () => {
    const versions = new Versions();
    expect(await changed(versions)).to.equal("old+mine");
    expect(versions.written).to.deep.equal(["old", "old+mine"]);
  });

  it("is made to what somebody else wrote in between", async () => {
    const versions = new Versions();
    versions.before = () => versions.written.push("theirs");
    expect(await changed(versions)).to.equal("theirs+mine");
    expect(versions.written.at(-1)).to.equal("theirs+mine");
  });

  it("takes its own write for nobody else's, where the answer to it was lost and it was repeated", async () => {
    const versions = new Versions();
    versions.times = 2;
    expect(await changed(versions)).to.equal("old+mine");
    expect(versions.written).to.deep.equal(["old", "old+mine", "old+mine"]);
  });

  it("sees what somebody else wrote also behind its own repeated write", async () => {
    const versions = new Versions();
    versions.before = () => versions.written.push("theirs");
    versions.times = 2;
    expect(await changed(versions)).to.equal("theirs+mine");
  });

  it("does not bring back what somebody removed in between", async () => {
    const versions = new Versions();
    versions.before = () => {
      versions.written = [];
    };
    const error = await changed(versions).catch((thrown) => thrown);
    expect(error.message).to.equal("The peer phone was removed by somebody else in the meantime.");
    expect(versions.removed).to.equal(true);
  });

  it("gives up where others do not stop", async () => {
    const versions = new Versions();
    let n = 0;
    versions.store.replace = async (_: string, value: string) => versions.written.push(`theirs ${n++}`, value);
    const error = await changed(versions).catch((thrown) => thrown);
    expect(error.message).to.equal("Others keep changing the peer phone at the same time.");
  });
});
