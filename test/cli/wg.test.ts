import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { generatePrivateKey, isKey, publicKeyOf } from "../../modules/wireguard";

const wg = (command: string, input = "") => execFileSync("wg", [command], { input, encoding: "utf8" }).trim();

describe("keys, against the real wg", () => {
  before("wg is there", () => {
    try {
      execFileSync("wg", ["--version"]);
    } catch (cause) {
      throw new Error("wg is missing: apt-get install wireguard-tools", { cause });
    }
  });

  it("wg has the public keys that we have, for 1,000 of our private keys", function () {
    this.timeout(60_000);
    for (let count = 0; count < 1000; count++) {
      const key = generatePrivateKey();
      expect(wg("pubkey", key)).to.equal(publicKeyOf(key));
    }
  });

  it("we have the public keys that wg has, for 1,000 of its private keys", function () {
    this.timeout(60_000);
    for (let count = 0; count < 1000; count++) {
      const key = wg("genkey");
      expect([isKey(key), publicKeyOf(key)]).to.deep.equal([true, wg("pubkey", key)]);
    }
  });

  it("wg takes a text for a key where we do, and nowhere else", () => {
    const zeros = "A".repeat(42);
    for (const last of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_") {
      const text = `${zeros}${last}=`;
      let taken = true;
      try {
        execFileSync("wg", ["pubkey"], { input: text, stdio: ["pipe", "ignore", "ignore"] });
      } catch {
        taken = false;
      }
      expect([last, isKey(text)]).to.deep.equal([last, taken]);
    }
  });
});
