import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { generatePrivateKey, parseConfig, publicKeyOf } from "../../modules/wireguard";
import { Emulator } from "./support/emulator";
import { FaultyAws } from "./support/faulty-aws";
import { storedPeers } from "./support/peers";
import { folderWith, type Ran, stingy } from "./support/stingy";

const SERVER_KEY = generatePrivateKey();

describe("stingy peer, when others do the same or somebody stops it", () => {
  let emulator: Emulator;
  before(async () => {
    emulator = await Emulator.start();
  });
  beforeEach(async () => {
    await emulator.freshSite(SERVER_KEY);
  });
  const run = (args: readonly string[], during?: (child: ChildProcess, said: () => string) => void) =>
    stingy(["peer", ...args], { env: emulator.env, ...(during ? { during } : {}) });

  it("two admins who add fifty devices each at the same time lose none and double no address", async function () {
    this.timeout(600_000);
    const given: [string, Ran][] = [];
    const admin = async (who: string) => {
      for (let n = 0; n < 50; n++) given.push([`${who}-${n}`, await run(["add", `${who}-${n}`])]);
    };
    await Promise.all([admin("ann"), admin("bob")]);
    const stored = await storedPeers(emulator);
    expect(Object.keys(stored)).to.have.length(100);
    for (const [name, { code, stdout, stderr }] of given) {
      expect(code, `${name}: ${stderr}`).to.equal(0);
      const { interface: own } = parseConfig(stdout);
      expect(stored[name]?.publicKey, name).to.equal(publicKeyOf(own.privateKey ?? ""));
      expect(stored[name]?.addresses, name).to.deep.equal(own.addresses);
    }
    const addresses = Object.values(stored).flatMap((peer) => peer.addresses as string[]);
    expect(new Set(addresses).size).to.equal(200);
  });

  it("two admins who add one name end with one device and one refusal", async () => {
    for (let n = 0; n < 3; n++) {
      const ends = await Promise.all([run(["add", `phone-${n}`]), run(["add", `phone-${n}`])]);
      expect(ends.map(({ code }) => code).sort()).to.deep.equal([0, 1]);
      const winner = ends.find(({ code }) => code === 0);
      const key = publicKeyOf(parseConfig(winner?.stdout ?? "").interface.privateKey ?? "");
      expect((await storedPeers(emulator))[`phone-${n}`]?.publicKey).to.equal(key);
    }
  });

  describe("Ctrl-C", () => {
    let aws: FaultyAws;
    before(async () => {
      aws = await FaultyAws.start(emulator);
    });
    after(() => aws.stop());

    /** Runs it, and stops it when it makes its n-th call, if it makes so many. */
    async function stoppedAt(call: number, args: readonly string[]): Promise<Ran & { stopped: boolean }> {
      aws.reset();
      let child: ChildProcess | undefined;
      let stopped = false;
      aws.fate = () => {
        if (aws.calls.length === call) stopped = child?.kill("SIGINT") ?? false;
        return "answered";
      };
      const ran = await stingy(["peer", ...args], {
        env: aws.env,
        during: (started) => {
          child = started;
        },
      });
      return { ...ran, stopped };
    }

    /** At every call that the command makes, and at moments before, between and after. */
    async function everywhere(
      args: (moment: string) => readonly string[],
      check: (ran: Ran, moment: string) => Promise<void>,
    ) {
      for (let call = 1; ; call++) {
        const moment = `call-${call}`;
        const ran = await stoppedAt(call, args(moment));
        await check(ran, moment);
        if (!ran.stopped) break;
      }
      for (let n = 0; n < 6; n++) {
        const moment = `moment-${n}`;
        const stop = (child: ChildProcess) => {
          setTimeout(() => child.kill("SIGINT"), 100 + Math.random() * 1_500);
        };
        await check(await run(args(moment), stop), moment);
      }
    }

    it("in add leaves either no device, or one whose configuration was given out", async () => {
      const finished: string[] = [];
      await everywhere(
        (moment) => ["add", moment],
        async ({ stdout, stderr, code }, moment) => {
          const peer = (await storedPeers(emulator))[moment];
          if (peer === undefined) {
            expect(stdout, `${moment}: ${stderr}`).to.equal("");
            return;
          }
          const { interface: own } = parseConfig(stdout);
          expect(publicKeyOf(own.privateKey ?? ""), moment).to.equal(peer.publicKey);
          expect(own.addresses, moment).to.deep.equal(peer.addresses);
          // At any moment, it may also have come after all was done, as the process was about to end.
          if (code !== null || !moment.startsWith("call-")) return;
          finished.push(moment);
          expect(stderr).to.include("Finishing what was begun, so that nothing is left half done");
        },
      );
      // The three before these only read.
      expect(finished).to.include.members(["call-4", "call-5"]);
      expect(finished).not.to.include("call-3");
    });

    it("in add leaves no file without its device, and no device without its file", async () => {
      const folder = folderWith();
      await everywhere(
        (moment) => ["add", moment, "--out", `${folder}/${moment}.conf`],
        async (_, moment) => {
          const peer = (await storedPeers(emulator))[moment];
          const file = `${folder}/${moment}.conf`;
          expect(existsSync(file), moment).to.equal(peer !== undefined);
          if (!peer) return;
          expect(publicKeyOf(parseConfig(readFileSync(file, "utf8")).interface.privateKey ?? "")).to.equal(
            peer.publicKey,
          );
        },
      );
    });

    it("in rotate leaves the old keys, or new ones that were given out", async () => {
      await run(["add", "phone"]);
      let before = (await storedPeers(emulator)).phone;
      const rotated: string[] = [];
      await everywhere(
        () => ["rotate", "phone"],
        async ({ stdout, stderr }, moment) => {
          const after = (await storedPeers(emulator)).phone;
          if (stdout === "") expect(after, `${moment}: ${stderr}`).to.deep.equal(before);
          else {
            rotated.push(moment);
            expect(after?.publicKey, moment).to.equal(publicKeyOf(parseConfig(stdout).interface.privateKey ?? ""));
          }
          before = after;
        },
      );
      expect(rotated).to.include.members(["call-3", "call-4"]);
      expect(rotated).not.to.include("call-2");
    });
  });

  it("no secret stands in the arguments or the environment of any process", async () => {
    const seen = new Set<string>();
    let running = true;
    const watch = (async () => {
      while (running) {
        for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
          for (const file of ["cmdline", "environ"]) {
            try {
              seen.add(readFileSync(`/proc/${pid}/${file}`, "utf8"));
            } catch {
              // It has ended.
            }
          }
        }
        await sleep(20);
      }
    })();
    const added = await run(["add", "phone"]);
    const rotated = await run(["rotate", "phone"]);
    running = false;
    await watch;
    const secrets = [added, rotated].flatMap(({ stdout }) => {
      const config = parseConfig(stdout);
      return [config.interface.privateKey ?? "", config.peers[0]?.presharedKey ?? ""];
    });
    expect(secrets.filter((secret) => secret.length === 44)).to.have.length(4);
    const all = [...seen].join("\n");
    expect(all).to.include("stingy.cjs");
    for (const secret of [...secrets, SERVER_KEY]) expect(all.includes(secret)).to.equal(false);
  });
});
