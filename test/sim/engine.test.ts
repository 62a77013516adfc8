import { expect } from "chai";
import { Engine, outsidePromises, requireOutsidePromises } from "./engine";
import { Past } from "./past";
import { between, happens, mix, Random } from "./random";

describe("virtual time", () => {
  it("does what is due in the order of time, and together in the order it was asked for", () => {
    const engine = new Engine(1000);
    const done: string[] = [];
    for (const [time, name] of [
      [3000, "d"],
      [1500, "a"],
      [2000, "b"],
      [2000, "c"],
      [500, "at once"],
    ] as const) {
      engine.at(time, () => done.push(`${name} ${engine.now}`));
    }
    engine.run(2500);
    expect(done).to.deep.equal(["at once 1000", "a 1500", "b 2000", "c 2000"]);
    expect(engine.now).to.equal(2500);
    engine.run(3000);
    expect(done.at(-1)).to.equal("d 3000");
  });

  it("keeps many in order", () => {
    const random = new Random(7);
    const engine = new Engine(0);
    const done: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const time = random.between(0, 300);
      engine.at(time, () => done.push(engine.now * 1000 + i));
    }
    engine.run(300);
    expect(done).to.have.length(1000);
    expect(done).to.deep.equal([...done].sort((a, b) => a - b));
  });

  it("lets everything that waits for a step go on before the next step", async () => {
    const done = await outsidePromises(() => {
      const engine = new Engine(0);
      const order: string[] = [];
      const answer = new Promise<void>((resolve) => engine.at(10, resolve));
      (async () => {
        await answer;
        for (let i = 0; i < 50; i++) await undefined;
        order.push("went on");
      })();
      engine.at(10, () => order.push("next step"));
      engine.run(10);
      return order;
    });
    expect(done).to.deep.equal(["went on", "next step"]);
  });

  it("ends when it is stopped", () => {
    const engine = new Engine(0);
    engine.at(5, () => engine.stop());
    engine.at(6, () => expect.fail("goes on"));
    engine.run(10);
    expect(engine.now).to.equal(5);
  });

  it("refuses to run inside a promise", async () => {
    const error = await Promise.resolve().then(() => {
      try {
        requireOutsidePromises();
        return undefined;
      } catch (caught) {
        return caught as Error;
      }
    });
    expect(error?.message).to.equal("The simulation cannot run inside a promise: wrap it in outsidePromises().");
    await outsidePromises(requireOutsidePromises);
  });
});

describe("draws", () => {
  it("are the same for the same key, and as frequent as their rate says", () => {
    const keys = Array.from({ length: 10_000 }, (_, i) => mix(mix(1, 2), i));
    expect(keys).to.deep.equal(Array.from({ length: 10_000 }, (_, i) => mix(mix(1, 2), i)));
    expect(keys.filter((key) => happens(key, 0.1)).length).to.be.within(900, 1100);
    expect(keys.filter((key) => happens(key, 0))).to.deep.equal([]);
    expect(keys.filter((key) => !happens(key, 1))).to.deep.equal([]);
    const numbers = keys.map((key) => between(key, 3, 7));
    for (const number of [3, 4, 5, 6, 7]) {
      expect(numbers.filter((drawn) => drawn === number).length).to.be.within(1800, 2200);
    }
  });
});

describe("the past", () => {
  it("is what was so at that time, and at the earliest what was there first", () => {
    const past = new Past(100, "a");
    past.set(200, "b");
    past.set(300, "c");
    expect([50, 100, 199, 200, 299, 300, 400].map((then) => past.at(then))).to.deep.equal([
      "a",
      "a",
      "a",
      "b",
      "b",
      "c",
      "c",
    ]);
    expect(past.now).to.equal("c");
  });
});
