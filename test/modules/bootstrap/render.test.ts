import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { BootstrapError, compose, type Distribution, render } from "../../../modules/bootstrap";
import { DISTRIBUTIONS, hostile, load, role, shortTexts } from "./support";

const everything = role("a", {
  packages: ["wireguard-tools", "nftables"],
  files: [{ path: "/a", content: "A\n" }],
  sysctls: { "vm.swappiness": 10 },
  modules: ["wireguard"],
  units: [
    { name: "a.service", content: "[Install]\nWantedBy=multi-user.target\n" },
    { name: "nftables.service" },
    { name: "b@x.service", content: "[Install]\nWantedBy=multi-user.target\n" },
  ],
  bootcmd: ["first\nsecond\n"],
  runcmd: ["run a"],
});

describe("render", () => {
  for (const distribution of DISTRIBUTIONS) {
    it(`is a cloud-config whose steps follow each other, on ${distribution}`, () => {
      const text = render(compose(distribution, [everything]));
      expect(text.split("\n", 1)).to.deep.equal(["#cloud-config"]);
      const config = load(text);
      const apt = distribution !== "al2023";
      expect(Object.keys(config)).to.deep.equal([
        "locale",
        "bootcmd",
        ...(apt ? ["package_update"] : []),
        "packages",
        "write_files",
        "runcmd",
      ]);
      expect(config.locale).to.equal("C.UTF-8");
      expect(config.package_update).to.equal(apt ? true : undefined);
      expect(config.packages).to.deep.equal(["wireguard-tools", "nftables"]);
      expect(config.bootcmd).to.deep.equal(["first\nsecond\n"]);
      expect(config.runcmd.slice(1)).to.deep.equal([
        "systemctl daemon-reload",
        "systemctl restart systemd-modules-load",
        "systemctl restart systemd-sysctl",
        "run a",
        'for unit in nftables.service; do systemctl enable --now --no-block "$unit"; done',
        "systemctl enable --now --no-block a.service b@x.service",
      ]);
    });
  }

  it("is this text", () => {
    expect(render(compose("al2023", [everything]))).to.equal(`#cloud-config
locale: C.UTF-8
bootcmd:
- |
 first
 second
packages:
- wireguard-tools
- nftables
write_files:
- path: /a
  content: |
   A
- path: /etc/modules-load.d/stingy.conf
  content: |
   wireguard
- path: /etc/sysctl.d/90-stingy.conf
  content: |
   vm.swappiness = 10
- path: /etc/systemd/system/a.service
  content: |
   [Install]
   WantedBy=multi-user.target
- path: /etc/systemd/system/b@x.service
  content: |
   [Install]
   WantedBy=multi-user.target
runcmd:
- set -- wireguard-tools nftables; for _ in 1 2 3 4 5; do rpm -q "$@" && break; sleep 10; dnf -y install "$@"; done
- systemctl daemon-reload
- systemctl restart systemd-modules-load
- systemctl restart systemd-sysctl
- run a
- for unit in nftables.service; do systemctl enable --now --no-block "$unit"; done
- systemctl enable --now --no-block a.service b@x.service
`);
  });

  it("puts what gzip finds alike side by side: scripts, out of whose way is jq's, then settings, then units", () => {
    const unit = "/etc/systemd/system/a.service";
    const paths = [unit, "/etc/b", "/usr/local/sbin/b", "/usr/local/lib/a.jq", "/etc/a", "/usr/local/sbin/a"];
    const files = paths.map((path) => ({ path, content: "" }));
    const config = load(render(compose("debian", [role("a", { files })])));
    expect(config.write_files?.map(({ path }) => path)).to.deep.equal([
      "/usr/local/lib/a.jq",
      "/usr/local/sbin/b",
      "/usr/local/sbin/a",
      "/etc/b",
      "/etc/a",
      unit,
    ]);
  });

  it("writes mode and owner, unless they are cloud-init's own", () => {
    const bootstrap = compose("debian", [
      role("a", {
        files: [
          { path: "/a", content: "", mode: "0755" },
          { path: "/b", content: "", mode: "0600", owner: "nobody:adm" },
          { path: "/c", content: "", mode: "0644", owner: "root:root" },
        ],
      }),
    ]);
    expect(load(render(bootstrap)).write_files).to.deep.equal([
      { path: "/a", permissions: "0755", content: "" },
      { path: "/b", permissions: "0600", owner: "nobody:adm", content: "" },
      { path: "/c", content: "" },
    ]);
  });

  it("leaves out what no role asks for", () => {
    expect(Object.keys(load(render(compose("debian", []))))).to.deep.equal(["locale", "runcmd"]);
  });

  it("carries every text unchanged, whatever is in it", () => {
    const text = hostile.map((value) => value.replaceAll("\0", ""));
    const command = text.filter((value) => value.trim() !== "");
    fc.assert(
      fc.property(fc.array(text, { maxLength: 8 }), fc.array(command, { maxLength: 8 }), (contents, commands) => {
        const files = contents.map((content, index) => ({ path: `/${index}`, content }));
        const config = load(
          render(compose("debian", [role("a", { files, bootcmd: commands, runcmd: commands.toReversed() })])),
        );
        expect(config.write_files?.map(({ content }) => content) ?? []).to.deep.equal(contents);
        expect(config.bootcmd ?? []).to.deep.equal(commands);
        expect(config.runcmd.slice(1)).to.deep.equal(commands.toReversed());
      }),
      { numRuns: 300 },
    );
  });

  it("carries every short text of blanks, breaks and marks unchanged", () => {
    const contents = shortTexts();
    const files = contents.map((content, index) => ({ path: `/${index}`, content }));
    const runcmd = contents.filter((text) => text.trim() !== "");
    const config = load(render(compose("debian", [role("a", { files, runcmd })])));
    expect(config.write_files?.map(({ content }) => content)).to.deep.equal(contents);
    expect(config.runcmd.slice(1)).to.deep.equal(runcmd);
  });

  it("writes no character that YAML 1.1 readers refuse or take for the end of a line", () => {
    fc.assert(
      fc.property(hostile, (value) => {
        const content = value.replaceAll("\0", "");
        const text = render(compose("debian", [role("a", { files: [{ path: "/a", content }] })]));
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
        expect(text).not.to.match(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/);
      }),
    );
  });

  it("quotes a tab in a single line, which cloud-init's reader takes for nothing it knows", () => {
    expect(render(compose("debian", [role("a", { runcmd: ["a\tb", "a\n\tb\n"] })]))).to.include(
      'daemon-reload\n- "a\\U00000009b"\n- |\n a\n \tb\n',
    );
  });

  it("refuses half a character, which no file can hold", () => {
    const broken = compose("debian", [role("a", { files: [{ path: "/a", content: "\ud800" }] })]);
    expect(() => render(broken)).to.throw(
      BootstrapError,
      "A text has half of a character in it: it is no valid Unicode.",
    );
  });
});

describe("installing what is missing", () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-retry-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs the step on a machine where a package is installed after so many attempts, and gives the commands it ran. */
  function attempts(distribution: Distribution, successful: number): string[] {
    const log = path.join(folder, "log");
    const count = path.join(folder, "count");
    rmSync(log, { force: true });
    writeFileSync(count, "0");
    const stub = (name: string, body: string) => {
      const file = path.join(folder, name);
      writeFileSync(file, `#!/bin/sh\n${body}\n`);
      chmodSync(file, 0o755);
    };
    const present = `[ "$(cat ${count})" -ge ${successful} ]`;
    const install = `[ "$1" = update ] || echo $(($(cat ${count}) + 1)) >${count}`;
    stub("rpm", present);
    stub("dpkg-query", `${present} && printf 'ii \\nii \\n' || printf 'ii \\niU \\n'`);
    for (const name of ["dnf", "apt-get"]) stub(name, `echo "${name} $*" >>${log}; ${install}`);
    stub("sleep", `echo "sleep $*" >>${log}`);
    const [step = ""] = load(render(compose(distribution, [role("a", { packages: ["nftables", "json"] })]))).runcmd;
    const { status, stderr } = spawnSync("sh", ["-c", step], {
      env: { PATH: `${folder}:${process.env.PATH}` },
      encoding: "utf8",
    });
    expect({ status, stderr }).to.deep.equal({ status: 0, stderr: "" });
    return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  }

  const again = {
    al2023: ["sleep 10", "dnf -y install nftables jq"],
    debian: [
      "sleep 10",
      "apt-get update",
      "apt-get -y -o DPkg::Lock::Timeout=60 -o Dpkg::Options::=--force-confold install nftables jq",
    ],
  };
  for (const distribution of ["al2023", "debian"] as const) {
    it(`does nothing where nothing is missing, on ${distribution}`, () => {
      expect(attempts(distribution, 0)).to.deep.equal([]);
    });
    it(`stops when all is there, on ${distribution}`, () => {
      expect(attempts(distribution, 2)).to.deep.equal([...again[distribution], ...again[distribution]]);
    });
    it(`gives up after five, on ${distribution}`, () => {
      expect(attempts(distribution, 99)).to.deep.equal(Array.from({ length: 5 }, () => again[distribution]).flat());
    });
  }
});
