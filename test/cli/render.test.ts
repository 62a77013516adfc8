import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { serverBootstrap } from "../../modules/bootstrap";
import { loadConfig, parseYaml } from "../../modules/config";
import { bootstrapOptions } from "../../modules/server/bootstrap-options";
import { ref } from "../support/alone";
import { EXAMPLES, synthesizeExample } from "../support/synth";
import { folderWith, ROOT, stingy } from "./support/stingy";

const ADDRESS_EXPLAINED = "@ADDRESS@ stands for the Elastic IP: Terraform puts it there.\n";
const example = (name: string) => path.join(ROOT, "examples", `${name}.yaml`);

describe("stingy render", () => {
  it("userdata prints the user data that the server stack carries, with a word in place of the address", async () => {
    const { code, stdout, stderr } = await stingy(["render", "userdata", "-c", example("minimal")]);
    const { server_user_data } = synthesizeExample("minimal")["prod-tokyo-server"].locals;
    const text = server_user_data.replace(ref("aws_eip.address_elastic-ip.public_ip"), "@ADDRESS@");
    expect(code).to.equal(0);
    // Terraform takes a doubled sign for one.
    expect(stdout).to.equal(text.replace(/([$%])\1\{/g, "$1{"));
    expect(stderr).to.equal(ADDRESS_EXPLAINED);
  });

  it("userdata leaves the address empty on a site without one", async () => {
    const settings = {
      sites: {
        tokyo: { elasticIp: false, dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" } },
      },
    };
    const file = path.join(folderWith({ "stingy.yaml": JSON.stringify(settings) }), "stingy.yaml");
    const { stdout, stderr } = await stingy(["render", "userdata", "-c", file, "--json"]);
    expect(JSON.parse(stdout).userData).to.include("ADDRESS=''").and.not.include("@ADDRESS@");
    expect(stderr).to.equal("");
  });

  it("config prints every setting as it is used, which is a configuration itself", async () => {
    for (const name of EXAMPLES.filter((one) => one !== "two-sites")) {
      const { code, stdout } = await stingy(["render", "config", "-c", example(name)]);
      expect(code, name).to.equal(0);
      expect(parseYaml(stdout, "stdout"), name).to.deep.equal(loadConfig(ROOT, example(name)));
    }
  });

  it("config prints the site that is asked for, and asks which where there are two", async () => {
    const { code, stderr } = await stingy(["render", "config", "-c", example("two-sites")]);
    expect(code).to.equal(64);
    expect(stderr).to.include("has several sites.");
    const { stdout } = await stingy(["render", "config", "-c", example("two-sites"), "--site", "frankfurt", "--json"]);
    expect(Object.keys(JSON.parse(stdout).sites)).to.deep.equal(["frankfurt"]);
  });

  describe("scripts", () => {
    const [site] = loadConfig(ROOT, example("minimal")).sites;
    if (!site) throw new Error("the example has no site");
    const { files } = serverBootstrap(bootstrapOptions(site, "@ADDRESS@"));

    it("prints every file with its path", async () => {
      const { stdout } = await stingy(["render", "scripts", "-c", example("minimal")]);
      const shown = [...stdout.matchAll(/^==> (\S+) \((\d+), \S+\) <==$/gm)].map(([, name, mode]) => [name, mode]);
      expect(shown).to.deep.equal(files.map(({ path, mode }) => [path, mode]).sort());
      expect(stdout).to.include("==> /usr/local/sbin/stingy-sync (0755, root:root) <==\n#!/bin/bash");
    });

    it("writes them below a folder, as they are on the server", async () => {
      const out = folderWith();
      const { code, stderr } = await stingy(["render", "scripts", "-c", example("minimal"), "--out", out]);
      expect(code).to.equal(0);
      expect(stderr).to.equal(`Written: ${files.length} files below ${out}\n${ADDRESS_EXPLAINED}`);
      const written = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      expect(written.map(({ parentPath, name }) => path.join(parentPath, name)).sort()).to.deep.equal(
        files.map(({ path: name }) => path.join(out, name)).sort(),
      );
      for (const { path: name, content, mode } of files) {
        const file = path.join(out, name);
        expect(readFileSync(file, "utf8")).to.equal(content);
        expect(statSync(file).mode & 0o777, name).to.equal(Number.parseInt(mode, 8));
      }
    });

    it("does not write and print JSON at once", async () => {
      const folder = path.join(folderWith(), "server");
      const { code, stderr } = await stingy(["render", "scripts", "--out", folder, "--json"]);
      expect(code).to.equal(64);
      expect(stderr).to.include("'--out <folder>' cannot be used with option '--json'");
      expect(existsSync(folder)).to.equal(false);
    });

    it("says where it cannot write", async () => {
      const file = path.join(folderWith({ taken: "" }), "taken");
      const { code, stderr } = await stingy(["render", "scripts", "--out", file]);
      expect(code).to.equal(1);
      expect(stderr).to.include(file).and.include("cannot be written").and.include("--out");
    });
  });

  it("needs neither AWS nor the libraries that build the stacks", async () => {
    const { code } = await stingy(["render", "userdata", "-c", example("minimal")], {
      env: { NODE_OPTIONS: `--require ${path.join(folderWith({ "no-cdktf.cjs": REFUSE }), "no-cdktf.cjs")}` },
    });
    expect(code).to.equal(0);
  });
});

/** Ends a process that loads what it must not. */
const REFUSE = `
const Module = require("node:module");
const load = Module._load;
Module._load = function (request, ...rest) {
  if (/^(cdktf|@cdktf|@aws-sdk)(\\/|$)/.test(request)) {
    process.stderr.write("loaded " + request);
    process.exit(9);
  }
  return load.call(this, request, ...rest);
};
`;
