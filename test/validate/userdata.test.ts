import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { parse } from "yaml";
import {
  type Bootstrap,
  compose,
  render,
  renderUserData,
  type ServerBootstrapOptions,
  serverBootstrap,
  terraformText,
} from "../../modules/bootstrap";
import { DISTRIBUTIONS, hostile, role, shortTexts } from "../modules/bootstrap/support";
import { ref } from "../support/alone";
import { USER_DATA } from "../support/golden";
import { ROOT } from "../support/synth";
import { runTool } from "../support/tools";

const { tunnelIpv6: _, ...IPV4 } = USER_DATA;
const EVERYTHING: Partial<ServerBootstrapOptions> = {
  cloudwatchAgent: true,
  logGroup: "/stingy-vpn/prod-tokyo/server",
  adminCidrs: ["192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32"],
  isolatedNetworks: ["10.1.0.0/16", "10.1.2.0/24", "fd00:1::/64"],
};

const VARIANTS = DISTRIBUTIONS.flatMap((distribution): { name: string; options: ServerBootstrapOptions }[] => [
  { name: `${distribution}, IPv6`, options: { ...USER_DATA, distribution } },
  { name: `${distribution}, no IPv6`, options: { ...IPV4, distribution } },
  { name: `${distribution}, IPv6, everything on`, options: { ...USER_DATA, ...EVERYTHING, distribution } },
  {
    name: `${distribution}, no IPv6, everything on`,
    options: { ...IPV4, ...EVERYTHING, distribution, betweenPeers: false },
  },
]);

describe("rendered user data, before the tools that will read it", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-userdata-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;

  /** Puts the files of a bootstrap, but for those of programs that are not ours, below a folder. */
  function extract({ files }: Bootstrap): string {
    const root = path.join(folder, `root${count++}`);
    for (const { path: name, content, mode } of files) {
      const file = path.join(root, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
      chmodSync(file, Number.parseInt(mode, 8));
    }
    return root;
  }

  describe("cloud-init", () => {
    const schema = (text: string) => {
      const file = path.join(folder, "config.yaml");
      writeFileSync(file, text);
      return runTool("cloud-init", ["schema", "--config-file", file]);
    };

    for (const { name, options } of VARIANTS) {
      it(`finds it valid: ${name}`, () => {
        const { status, stdout, stderr } = schema(renderUserData(options));
        expect(`${stdout}${stderr}`).to.match(/^Valid (cloud-config|schema)\b.*\n$/);
        expect(status).to.equal(0);
      });
    }

    it("finds what is wrong", () => {
      const text = renderUserData(USER_DATA)
        .replace("package_update", "package_updates")
        .replace(/^runcmd:/m, "runcmd: 1\nx:");
      expect(schema(text).status).not.to.equal(0);
    });

    it("reads every text as it was written, with its own YAML", () => {
      const random = fc.sample(
        hostile.map((text) => text.replaceAll("\0", "")),
        { numRuns: 400, seed: 4 },
      );
      const contents = [...shortTexts(), ...random];
      const texts = contents.filter((text) => text.trim() !== "");
      const text = render(
        compose("debian", [
          role("a", {
            files: contents.map((content, index) => ({ path: `/${index}`, content })),
            bootcmd: texts,
            runcmd: texts,
          }),
        ]),
      );
      const { status, stdout, stderr } = runTool(
        "/usr/bin/python3",
        ["-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)"],
        { input: text },
      );
      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      const config = JSON.parse(stdout);
      expect(config.write_files.map(({ content }: { content: string }) => content)).to.deep.equal(contents);
      expect(config.bootcmd).to.deep.equal(texts);
      expect(config.runcmd.slice(1)).to.deep.equal(texts);
    });

    it("reads modes as text, not as numbers", () => {
      const { stdout } = runTool(
        "/usr/bin/python3",
        ["-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)"],
        { input: renderUserData(USER_DATA) },
      );
      expect(JSON.parse(stdout)).to.deep.equal(parse(renderUserData(USER_DATA), { version: "1.1" }));
    });
  });

  describe("shellcheck", () => {
    // SC1090, SC2317: settings and checks, and thereby the calls of what they call, are only there on a server.
    const shellcheck = (shell: string, file: string) =>
      runTool("shellcheck", ["-x", "-s", shell, "-e", "SC1090,SC2317", file]).stdout;

    for (const distribution of DISTRIBUTIONS) {
      const bootstrap = serverBootstrap({ ...USER_DATA, ...EVERYTHING, distribution });
      const scripts = bootstrap.files.filter(({ content }) => content.startsWith("#!"));

      it(`knows the scripts of ${distribution}`, () => {
        expect(scripts.map(({ path: name }) => path.basename(name))).to.deep.equal([
          "stingy-firewall",
          "stingy-sync",
          "stingy-watch",
          "stingy-health",
          "stingy-promote",
          "stingy-journal",
        ]);
      });

      if (distribution === "al2023") {
        it("has nothing to say of the scripts and what they share", () => {
          const root = extract(bootstrap);
          const library = path.join(root, "usr/local/lib/stingy/common.sh");
          expect(shellcheck("bash", library)).to.equal("");
          for (const { path: name } of scripts) {
            const file = path.join(root, name);
            // The library lies in the same folder as here.
            writeFileSync(file, readFileSync(file, "utf8").replace("/usr/local/lib/stingy/common.sh", library));
            expect(shellcheck("bash", file), name).to.equal("");
          }
        });
      }

      it(`has nothing to say of the commands and checks of ${distribution}`, () => {
        const { bootcmd, runcmd } = parse(render(bootstrap), { version: "1.1" });
        const file = path.join(folder, "commands.sh");
        for (const commands of [bootcmd, runcmd]) {
          writeFileSync(file, `#!/bin/sh\n${commands.join("\n")}\n`);
          expect(shellcheck("sh", file)).to.equal("");
        }
        for (const { command, repair = "" } of bootstrap.checks) {
          // Settings and what health knows of the machine are in the environment.
          writeFileSync(file, `#!/bin/bash\nregion=$1 domain=$2\n: "$region" "$domain"\n${command}\n${repair}\n`);
          expect(shellcheck("bash", file), command).to.equal("");
        }
      });
    }
  });

  describe("systemd", () => {
    const verify = (root: string, units: readonly string[]) => {
      // What the distribution has, for our units to name.
      cpSync("/lib/systemd/system", path.join(root, "lib/systemd/system"), { recursive: true, verbatimSymlinks: true });
      const { status, stdout, stderr } = runTool("systemd-analyze", [
        "verify",
        "--man=no",
        "--recursive-errors=one",
        `--root=${root}`,
        ...units.map((name) => path.join(root, "etc/systemd/system", name)),
      ]);
      return { status, output: `${stdout}${stderr}` };
    };
    const bootstrap = serverBootstrap({ ...USER_DATA, distribution: "debian" });

    it("has nothing to say of the units", () => {
      expect(verify(extract(bootstrap), bootstrap.start.own)).to.deep.equal({ status: 0, output: "" });
    });

    it("finds what is wrong", () => {
      for (const [name, from, to, message] of [
        ["stingy-sync.service", "sbin/stingy-sync", "sbin/gone", "/usr/local/sbin/gone"],
        ["stingy-sync.service", "[Service]\n", "[Service]\nRestartSecs=5\n", "RestartSecs"],
        ["stingy-.service.d/50-sandbox.conf", "[Service]\n", "[Service]\nNoNewPrivilege=yes\n", "NoNewPrivilege"],
      ] as const) {
        const root = extract(bootstrap);
        const file = path.join(root, "etc/systemd/system", name);
        const text = readFileSync(file, "utf8");
        expect(text).to.include(from);
        writeFileSync(file, text.replace(from, to));
        expect(verify(root, ["stingy-sync.service"]).output).to.include(message);
      }
    });
  });

  describe("nft", () => {
    before(() => {
      if (process.getuid?.() !== 0) throw new Error("nft checks rules as root only: run npm run validate as root");
    });
    /** Checks rules as stingy-firewall loads them, in a network of their own. */
    const check = (rules: string) => {
      const file = path.join(folder, "rules.nft");
      writeFileSync(file, rules);
      runTool("nft", ["--version"]);
      return runTool("unshare", ["--net", "nft", "-c", "-D", "interface=lo", "-f", file]);
    };
    const rulesOf = (options: ServerBootstrapOptions) =>
      serverBootstrap(options).files.find(({ path: name }) => name === "/etc/stingy/firewall.nft")?.content ?? "";

    for (const { name, options } of VARIANTS) {
      it(`takes the firewall: ${name}`, () => {
        const { status, stderr } = check(rulesOf(options));
        expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
      });
    }

    it("takes networks of any size", () => {
      const everywhere = {
        adminCidrs: ["0.0.0.0/0", "10.0.0.1/32", "::/0"],
        isolatedNetworks: ["0.0.0.0/0", "::1/128"],
      };
      const { status, stderr } = check(rulesOf({ ...USER_DATA, ...everywhere }));
      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
    });

    it("finds what is wrong", () => {
      expect(check(`${rulesOf(USER_DATA)}add rule inet stingy gone drop\n`).status).not.to.equal(0);
    });
  });

  describe("jq", () => {
    it("makes the same program of the store's program without its comments", () => {
      const program = (file: string) => {
        const { status, stdout, stderr } = runTool("jq", ["-n", "--debug-dump-disasm", ...arguments_, "-f", file]);
        return { status, stderr, code: stdout.split(/\n\n/)[0] };
      };
      const names = ["prefix", "ipv4", "ipv6", "port", "mtu", "group"];
      const arguments_ = names
        .flatMap((name) => ["--arg", name, name === "ipv4" ? "10.8.0.1/24" : ""])
        .concat(["parameters", "peers"].flatMap((name) => ["--argjson", name, '[{"Parameters":[]}]']));
      const original = program(path.join(ROOT, "assets/userdata/store.jq"));
      expect(original.status).to.equal(0);
      expect(original.code?.length).to.be.greaterThan(1000);
      const rendered = path.join(extract(serverBootstrap(USER_DATA)), "usr/local/lib/stingy/store.jq");
      expect(program(rendered)).to.deep.equal(original);
    });
  });

  describe("Terraform", () => {
    /** What Terraform makes of outputs. */
    function outputs(values: readonly string[], locals: Record<string, string> = {}): string[] {
      const work = mkdtempSync(path.join(folder, "terraform-"));
      const output = Object.fromEntries(values.map((value, index) => [`o${index}`, { value }]));
      writeFileSync(path.join(work, "main.tf.json"), JSON.stringify({ locals, output }));
      const terraform = (...args: string[]) => {
        const env = { ...process.env, CHECKPOINT_DISABLE: "1", TF_IN_AUTOMATION: "1" };
        const { status, stdout, stderr } = runTool("terraform", args, { cwd: work, env });
        expect({ status, stderr: status === 0 ? "" : stderr }).to.deep.equal({ status: 0, stderr: "" });
        return stdout;
      };
      terraform("apply", "-auto-approve", "-no-color", "-input=false");
      const result = JSON.parse(terraform("output", "-json"));
      return values.map((_, index) => result[`o${index}`].value);
    }

    it("gives every text back as it was", () => {
      const signs = ["$", "%", "$$", "{", "}", `\${`, "%{", '"', "\\", "\n", "a", "é"];
      const arbitrary = fc.oneof(
        hostile.map((text) => text.normalize("NFC").replace(/^\ufeff+/, "")),
        fc.array(fc.constantFrom(...signs), { maxLength: 8 }).map((pieces) => pieces.join("")),
      );
      const texts = fc.sample(arbitrary, { numRuns: 400, seed: 4 });
      expect(outputs(texts.map((text) => terraformText(text)))).to.deep.equal(texts);
    });

    it("puts references in, whatever stands around them", () => {
      const befores = ["", "$", "$$", "$$$", "%", "%%", "%$", "$%", "a", "{", `\${`, "%{", "\n", '"', "\\"];
      const texts = befores.flatMap((before) =>
        ["", "{", "}", "$", `\${x}`, "a"].map((after) => `${before}@A@${after}`),
      );
      expect(
        outputs(
          texts.map((text) => terraformText(text, { "@A@": ref("local.a") })),
          { a: "198.51.100.10" },
        ),
      ).to.deep.equal(texts.map((text) => text.replace("@A@", "198.51.100.10")));
    });

    it("packs the user data, address and all, so that what comes out is what was rendered", () => {
      for (const distribution of DISTRIBUTIONS) {
        const text = renderUserData({ ...USER_DATA, ...EVERYTHING, distribution });
        const [packed = ""] = outputs([ref("base64gzip(local.text)")], {
          text: terraformText(text, { "@ADDRESS@": ref("local.address") }),
          address: "198.51.100.10",
        });
        const bytes = Buffer.from(packed, "base64");
        expect(gunzipSync(bytes).toString()).to.equal(text.replace("@ADDRESS@", "198.51.100.10"));
        expect(bytes.length).to.be.at.most(16384);
      }
    });
  });
});
