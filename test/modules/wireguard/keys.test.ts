import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { generatePresharedKey, generatePrivateKey, isKey, KeyError, publicKeyOf } from "../../../modules/wireguard";

const base64 = (hex: string) => Buffer.from(hex, "hex").toString("base64");
const PAIRS = readFileSync(path.join(__dirname, "wg-keys.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(" "));

describe("keys", () => {
  it("has the public keys of RFC 7748, section 6.1", () => {
    expect([
      publicKeyOf(base64("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")),
      publicKeyOf(base64("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")),
    ]).to.deep.equal([
      base64("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
      base64("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
    ]);
  });

  it("has the public keys that wg has, for 1,000 of its private keys", () => {
    expect(PAIRS).to.have.length(1000);
    expect(PAIRS.filter(([priv = "", pub]) => publicKeyOf(priv) !== pub).length).to.equal(0);
  });

  it("makes private keys as wg does, with the bits of RFC 7748 set, and never one twice", () => {
    const keys = Array.from({ length: 500 }, generatePrivateKey);
    for (const key of keys) {
      const bytes = Buffer.from(key, "base64");
      expect([isKey(key), bytes.readUInt8(0) & 0x07, bytes.readUInt8(31) & 0xc0]).to.deep.equal([true, 0, 0x40]);
    }
    expect(new Set(keys).size).to.equal(500);
  });

  it("makes preshared keys of 32 bytes, with no bit always the same", () => {
    const keys = Array.from({ length: 200 }, generatePresharedKey);
    expect(keys.every(isKey)).to.equal(true);
    const bytes = keys.map((key) => Buffer.from(key, "base64"));
    for (let bit = 0; bit < 256; bit++) {
      const ones = bytes.filter((key) => (key.readUInt8(bit >> 3) >> (bit & 7)) & 1).length;
      expect(ones, `bit ${bit}`).to.be.within(1, 199);
    }
  });

  it("takes 32 bytes in their only spelling for a key, and nothing else", () => {
    const zeros = `${"A".repeat(43)}=`;
    expect([zeros, ...PAIRS.flat()].every(isKey)).to.equal(true);
    const no = ["", "key", zeros.slice(0, -1), `${zeros}=`, `${zeros}\n`, ` ${zeros}`, `${"A".repeat(42)}B=`];
    expect(
      [...no, `${"-".repeat(43)}=`, Buffer.alloc(31).toString("base64"), undefined, 7].filter(isKey),
    ).to.deep.equal([]);
  });

  it("says how long a text is that should be a key, and not what it is", () => {
    const message = (key: string) => {
      try {
        return publicKeyOf(key);
      } catch (error) {
        return error instanceof KeyError && error.message;
      }
    };
    const rest =
      'and a key is 32 bytes in base64, 44 characters with "=" at the end. Copy the whole of what "wg genkey" or "wg pubkey" prints.';
    expect(message(Buffer.alloc(31, 7).toString("base64"))).to.equal(
      `The private key is no WireGuard key: it has 31 bytes, ${rest}`,
    );
    expect(message("my secret!")).to.equal(`The private key is no WireGuard key: it has 10 characters, ${rest}`);
    expect(message(`${"A".repeat(42)}B=`)).to.equal(
      `The private key is no WireGuard key: it has 32 bytes but not written as wg writes it, ${rest}`,
    );
  });
});
