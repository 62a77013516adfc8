import type { ChildProcess } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { generatePrivateKey, parseConfig, publicKeyOf } from "../../modules/wireguard";
import { Emulator } from "./support/emulator";
import { FaultyAws } from "./support/faulty-aws";
import { decoded, decodedScreen, storedPeers, strip } from "./support/peers";
import { folderWith, inTerminal, stingy } from "./support/stingy";

describe("stingy peer in a terminal", () => {
  let emulator: Emulator;
  before(async () => {
    emulator = await Emulator.start();
  });
  beforeEach(async () => {
    await emulator.freshSite(generatePrivateKey());
  });

  /** The configuration among what is on the screen. A spinner may have stood where it begins. */
  function configOn(screen: string): string {
    const [config = ""] = /\[Interface\].*?\nPersistentKeepalive[^\n]*\n/s.exec(screen.replaceAll("\r", "")) ?? [];
    return config;
  }

  for (const [how, env] of [
    ["in black on white", {}],
    ["without colours", { NO_COLOR: "1" }],
  ] as const) {
    it(`shows a QR code ${how} that another program reads as the configuration above it`, async () => {
      const ran = await inTerminal(["peer", "add", "phone"], [], { env: { ...emulator.env, ...env } });
      expect(ran.code, ran.screen).to.equal(0);
      const config = configOn(ran.screen);
      strip(config);
      const { phone } = await storedPeers(emulator);
      expect(publicKeyOf(parseConfig(config).interface.privateKey ?? "")).to.equal(phone?.publicKey);
      expect(decodedScreen(ran.stdout)).to.equal(config);
      expect(ran.stdout.includes("\x1b[48;5;231m")).to.equal(!("NO_COLOR" in env));
      expect(ran.screen).to.include('in the WireGuard app tap +, "Scan from QR code".');
      expect(ran.screen).to.include("It stands on this screen until you clear it.");
    });
  }

  it("draws the QR code with --qr where there is no terminal, beside the configuration", async () => {
    const { code, stdout, stderr } = await stingy(["peer", "add", "phone", "--qr"], { env: emulator.env });
    expect(code, stderr).to.equal(0);
    expect(decodedScreen(stderr)).to.equal(stdout);
  });

  it("writes the QR code as a picture that only its owner can read, and then shows nothing", async () => {
    const folder = folderWith();
    const png = path.join(folder, "phone.png");
    const out = path.join(folder, "phone.conf");
    const { code, screen } = await inTerminal(["peer", "add", "phone", "--png", png, "--out", out], [], {
      env: emulator.env,
    });
    expect(code, screen).to.equal(0);
    const config = readFileSync(out, "utf8");
    expect(decoded(png)).to.equal(config);
    expect(statSync(png).mode & 0o777).to.equal(0o600);
    expect(screen).not.to.include(parseConfig(config).interface.privateKey);
    expect(screen).not.to.match(/[█▀▄]/);
    const second = path.join(folder, "second.png");
    const alone = await stingy(["peer", "add", "second", "--png", second], { env: emulator.env });
    expect({ code: alone.code, stdout: alone.stdout }).to.deep.equal({ code: 0, stdout: "" });
    const key = parseConfig(decoded(second)).interface.privateKey ?? "";
    expect(publicKeyOf(key)).to.equal((await storedPeers(emulator)).second?.publicKey);
    expect(alone.stderr).not.to.include(key);
  });

  it("takes a device back whose configuration stood on a terminal that was closed", async () => {
    const aws = await FaultyAws.start(emulator);
    try {
      let terminal: ChildProcess | undefined;
      aws.fate = (operation) => {
        if (operation === "PutParameter") terminal?.kill("SIGKILL");
        return "answered";
      };
      await inTerminal(["peer", "add", "phone"], [], {
        env: aws.env,
        during: (child) => {
          terminal = child;
        },
      });
      // The command outlives its terminal.
      for (let tries = 0; aws.count("DeleteParameters") === 0 && tries < 100; tries++) await sleep(100);
      expect([aws.count("PutParameter"), aws.count("DeleteParameters")]).to.deep.equal([1, 1]);
      for (let tries = 0; Object.keys(await storedPeers(emulator)).length > 0 && tries < 100; tries++) await sleep(100);
      expect(await storedPeers(emulator)).to.deep.equal({});
    } finally {
      aws.stop();
    }
  });

  it("asks before it removes, and takes no for an answer", async () => {
    await stingy(["peer", "add", "phone"], { env: emulator.env });
    const question = "Remove the peer phone? Its device can no longer connect.";
    const remove = (type: string) =>
      inTerminal(["peer", "remove", "phone"], [{ on: question, type }], { env: emulator.env });
    for (const type of ["n\r", "\r", "\x03"]) {
      const { code, screen, answered } = await remove(type);
      expect({ code, answered }, screen).to.deep.equal({ code: 1, answered: 1 });
      expect(screen).to.include("Nothing was changed.");
      expect(await storedPeers(emulator)).to.have.property("phone");
    }
    const { code, screen } = await remove("y\r");
    expect(code, screen).to.equal(0);
    expect(await storedPeers(emulator)).to.deep.equal({});
  });
});
