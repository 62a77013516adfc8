import fs, { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { mock } from "node:test";
import { expect } from "chai";
import { CliError } from "../../cli/exit";
import { readSource } from "../../cli/peer/import-files";
import { generatePrivateKey, publicKeyOf } from "../../modules/wireguard";

describe("the files of an import", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "stingy-import-"));
    mkdirSync(path.join(folder, "sub"));
  });
  afterEach(() => {
    mock.restoreAll();
    rmSync(folder, { recursive: true });
  });

  function problem(): string {
    try {
      readSource(folder);
    } catch (error) {
      if (error instanceof CliError) return error.message;
      throw error;
    }
    return "";
  }

  it("are those of folders in it too, but not of links", () => {
    const device = (file: string, address: string) => {
      const key = generatePrivateKey();
      const peer = `[Peer]\nPublicKey = ${publicKeyOf(generatePrivateKey())}\nEndpoint = 203.0.113.7:51820\n`;
      writeFileSync(path.join(folder, file), `[Interface]\nPrivateKey = ${key}\nAddress = ${address}\n${peer}`);
    };
    device("sub/phone.conf", "10.8.0.2");
    device("laptop.CONF", "10.8.0.3");
    device("other.txt", "10.8.0.4");
    symlinkSync(folder, path.join(folder, "sub/round"));
    symlinkSync(path.join(folder, "other.txt"), path.join(folder, "link.conf"));
    expect(readSource(folder).peers.map(({ name }) => name)).to.deep.equal(["laptop", "phone"]);
  });

  // The user root may read every folder.
  for (const at of ["", "sub"]) {
    it(`are refused where one may not read the folder${at && " in the folder"}`, () => {
      const secret = path.join(folder, at);
      const { readdirSync } = fs;
      mock.method(fs, "readdirSync", ((name: string, options: { withFileTypes: true }) => {
        if (name === secret) throw Object.assign(new Error("permission denied"), { code: "EACCES" });
        return readdirSync(name, options);
      }) as typeof readdirSync);
      expect(problem()).to.equal(
        `${secret} cannot be read: you may not read it (wg0.conf is often root's: copy it as root, for yourself alone).`,
      );
    });
  }
});
