import type { ChildProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { generatePrivateKey, parseConfig, publicKeyOf } from "../../modules/wireguard";
import { Emulator } from "./support/emulator";
import { FaultyAws } from "./support/faulty-aws";
import { storedPeers } from "./support/peers";
import { folderWith, stingy } from "./support/stingy";

const NOTHING_FOUND = { says: { Parameters: [], InvalidParameters: [] } };

describe("stingy peer, when AWS fails in the middle", () => {
  let emulator: Emulator;
  let aws: FaultyAws;
  before(async () => {
    emulator = await Emulator.start();
    aws = await FaultyAws.start(emulator);
  });
  after(() => aws.stop());
  beforeEach(async () => {
    await emulator.freshSite(generatePrivateKey());
    aws.reset();
  });

  const run = (args: readonly string[], during: (child: ChildProcess) => void = () => undefined) =>
    stingy(["peer", ...args], { env: aws.env, during });
  const keyIn = (config: string) => publicKeyOf(parseConfig(config).interface.privateKey ?? "");

  it("add takes back what it stored where it cannot see that nobody else has the address", async () => {
    const folder = folderWith();
    aws.fate = (operation) =>
      operation === "GetParametersByPath" && aws.count("PutParameter") > 0
        ? { error: "AccessDeniedException" }
        : "answered";
    for (const more of [[], ["--out", path.join(folder, "phone.conf")]]) {
      aws.calls = [];
      const { code, stdout, stderr } = await run(["add", "phone", ...more]);
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
      expect(stderr).to.match(/^error: AWS refuses this to your role: said by the test/);
      expect(aws.count("PutParameter")).to.equal(1);
      expect(await storedPeers(emulator)).to.deep.equal({});
      expect(readdirSync(folder)).to.deep.equal([]);
    }
  });

  it("add takes back also what a read does not show yet", async () => {
    aws.fate = (operation) => {
      if (aws.count("PutParameter") === 0) return "answered";
      if (operation === "GetParametersByPath") return { error: "AccessDeniedException" };
      return operation === "GetParameters" ? NOTHING_FOUND : "answered";
    };
    expect((await run(["add", "phone"])).code).to.equal(1);
    expect(await storedPeers(emulator)).to.deep.equal({});
  });

  it("add takes back a device whose configuration nobody got", async () => {
    const { code, stderr } = await run(["add", "phone"], (child) => child.stdout?.destroy());
    expect(stderr).to.equal(
      "error: Standard output cannot be written: nobody reads it.\nChoose another place for it.\n",
    );
    expect(code).to.equal(1);
    expect(await storedPeers(emulator)).to.deep.equal({});
  });

  it("rotate says what to do where nobody got the new keys", async () => {
    await run(["add", "phone"]);
    const { code, stderr } = await run(["rotate", "phone"], (child) => child.stdout?.destroy());
    expect(stderr).to.match(/^The new keys of phone may be stored, and nobody has them: .*\nerror: Standard output/);
    expect(code).to.equal(1);
  });

  it("rotate speaks of no new keys of a device that is not there any more", async () => {
    await run(["add", "phone"]);
    aws.calls = [];
    aws.fate = (operation) => {
      if (operation === "PutParameter") return { error: "AccessDeniedException" };
      return aws.count("PutParameter") > 0 && operation === "GetParameters" ? NOTHING_FOUND : "answered";
    };
    expect((await run(["rotate", "phone"])).stderr).to.match(/^error: AWS refuses this to your role/);
  });

  it("add knows its own device where the answer to storing it was lost", async () => {
    aws.fate = (operation, before) => (operation === "PutParameter" && before === 0 ? "lost" : "answered");
    const { code, stdout, stderr } = await run(["add", "phone"]);
    expect(code, stderr).to.equal(0);
    expect(aws.count("PutParameter")).to.equal(2);
    expect((await storedPeers(emulator)).phone?.publicKey).to.equal(keyIn(stdout));
  });

  it("add stores nothing and leaves no file where AWS asks for fewer calls, and says so", async () => {
    const folder = folderWith();
    aws.fate = (operation) => (operation === "PutParameter" ? { error: "ThrottlingException" } : "answered");
    const { code, stdout, stderr } = await run(["add", "phone", "--out", path.join(folder, "phone.conf")]);
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
    expect(stderr).to.match(/^error: AWS asks for fewer calls \(ThrottlingException, after \d+ attempts\)\./);
    expect(await storedPeers(emulator)).to.deep.equal({});
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it("rotate goes on where the answer to storing the keys was lost", async () => {
    await run(["add", "phone"]);
    aws.calls = [];
    aws.fate = (operation, before) => (operation === "PutParameter" && before === 0 ? "lost" : "answered");
    const { code, stdout, stderr } = await run(["rotate", "phone"]);
    expect(code, stderr).to.equal(0);
    expect((await storedPeers(emulator)).phone?.publicKey).to.equal(keyIn(stdout));
  });

  it("rotate leaves the old keys where the new ones cannot be stored", async () => {
    await run(["add", "phone"]);
    const stored = await storedPeers(emulator);
    aws.fate = (operation) => (operation === "PutParameter" ? { error: "AccessDeniedException" } : "answered");
    const { code, stdout, stderr } = await run(["rotate", "phone"]);
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
    expect(stderr).to.match(/^error: AWS refuses this to your role/);
    expect(await storedPeers(emulator)).to.deep.equal(stored);
  });

  it("rotate says what to do where it cannot know whether the new keys are stored", async () => {
    await run(["add", "phone"]);
    aws.calls = [];
    aws.fate = (operation) => {
      if (operation === "PutParameter") return "lost";
      return aws.count("PutParameter") > 0 ? { error: "AccessDeniedException" } : "answered";
    };
    const { code, stdout, stderr } = await run(["rotate", "phone"]);
    expect({ code, stdout }).to.deep.equal({ code: 1, stdout: "" });
    expect(stderr).to.include("may be stored, and nobody has them: run `npx stingy peer rotate phone` again.");
  });

  it("import goes on where it was stopped, and ends as if it had not been", async () => {
    const peers = Array.from({ length: 6 }, (_, n) => ({ n: n + 2, key: publicKeyOf(generatePrivateKey()) }));
    const text = `[Interface]\nAddress = 10.8.0.1/24\n${peers
      .map(({ n, key }) => `# Client: p${n}\n[Peer]\nPublicKey = ${key}\nAllowedIPs = 10.8.0.${n}/32\n`)
      .join("")}`;
    const from = path.join(folderWith({ "wg0.conf": text }), "wg0.conf");
    aws.fate = (operation, before) =>
      operation === "PutParameter" && before >= 3 ? { error: "AccessDeniedException" } : "answered";
    expect((await run(["import", "--from", from])).code).to.equal(1);
    expect(Object.keys(await storedPeers(emulator))).to.have.length(3);
    aws.fate = () => "answered";
    expect((await run(["import", "--from", from])).stdout).to.equal("3 stored, 3 there already.\n");
    expect(await storedPeers(emulator)).to.deep.equal(
      Object.fromEntries(peers.map(({ n, key }) => [`p${n}`, { publicKey: key, addresses: [`10.8.0.${n}/32`] }])),
    );
  });
});
