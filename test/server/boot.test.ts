import { expect } from "chai";
import { type Site, startSite } from "./harness";

describe("a boot", () => {
  let site: Site;
  before(async () => {
    site = await startSite({ store: "memory", peers: ["phone"] });
  });
  after(() => site?.stop());

  it("of all scripts at once ends with each at work: none takes another's half-written token or credentials", async () => {
    const { a } = site;
    for (let round = 0; round < 5; round++) {
      await a.sh("rm -rf /run/stingy; ip link del wg0 2>/dev/null; nft flush ruleset");
      const [firewall, ...running] = [
        a.run("stingy-firewall"),
        a.start("stingy-watch"),
        a.start("stingy-watch"),
        a.start("stingy-promote"),
        a.start("stingy-promote"),
      ] as const;
      expect((await firewall).code).to.equal(0);
      const sync = await a.run("stingy-sync");
      const events = await Promise.all(
        running.map(async (script) => {
          await script.waitForLog(script.script === "stingy-watch" ? "watching" : "waiting");
          const { log } = script;
          await script.stop();
          return log;
        }),
      );
      const errors = [...(await firewall).log, ...sync.log, ...events.flat()].filter(({ level }) => level === "error");
      expect(errors).to.deep.equal([]);
      expect(sync.code).to.equal(0);
      expect(await a.sh("ls /run/stingy")).not.to.include(".new");
    }
  });
});
