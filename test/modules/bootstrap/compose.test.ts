import { expect } from "chai";
import { BootstrapError, compose, type Fragment, type Role, render } from "../../../modules/bootstrap";
import { content, DISTRIBUTIONS, load, role } from "./support";

const SERVICE = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n";
const TIMER = "[Timer]\nOnActiveSec=1min\n[Install]\nWantedBy=timers.target\n";
const startsAfter = (unit: string) => `[Unit]\nAfter=${unit}\n${SERVICE}`;

/** Fails unless composing these throws exactly this. */
function refuses(roles: readonly Role[], message: string): void {
  expect(() => compose("debian", roles))
    .to.throw(BootstrapError)
    .with.property("message", message);
}

const refusesOne = (fragment: Partial<Fragment>, message: string) => refuses([role("a", fragment)], message);
const refusesTwo = (first: Partial<Fragment>, second: Partial<Fragment>, message: string) =>
  refuses([role("a", first), role("b", second)], message);

describe("compose", () => {
  it("makes nothing of nothing", () => {
    expect(load(render(compose("al2023", [])))).to.deep.equal({
      locale: "C.UTF-8",
      runcmd: ["systemctl daemon-reload"],
    });
  });

  it("merges in the roles' order", () => {
    const bootstrap = compose("debian", [
      role("a", {
        packages: ["nftables", { debian: ["own", "nftables"], ubuntu: ["other"] }],
        files: [{ path: "/a", content: "A" }],
        sysctls: { "net.ipv4.ip_forward": 1, "-net.core.default_qdisc": "fq" },
        modules: ["wireguard"],
        units: [{ name: "a.service", content: SERVICE }, { name: "chrony.service" }],
        bootcmd: ["boot a"],
        runcmd: ["run a"],
        checks: [{ name: "a-works", command: "true" }],
        ports: [{ protocol: "udp", port: 53 }],
        provides: ["a"],
      }),
      role("b", {
        packages: ["json", "nftables"],
        files: [{ path: "/b", content: "B", mode: "0600", owner: "nobody:adm" }],
        sysctls: { "vm.swappiness": "10" },
        modules: ["tcp_bbr", "wireguard"],
        units: [
          { name: "b.timer", content: TIMER },
          { name: "b.service", content: SERVICE, enable: false },
        ],
        bootcmd: ["boot b"],
        runcmd: ["run b"],
        checks: [{ name: "b-works", command: "false", repair: "fix b", severity: "report" }],
        ports: [{ protocol: "tcp", port: 53, from: ["192.0.2.0/24"] }],
        requires: ["a"],
      }),
    ]);
    const { distribution, ...rest } = bootstrap;
    expect(distribution.name).to.equal("debian");
    const plain = { mode: "0644", owner: "root:root" };
    expect(rest).to.deep.equal({
      roles: ["a", "b"],
      packages: ["nftables", "own", "jq"],
      files: [
        { path: "/a", content: "A", ...plain },
        { path: "/etc/systemd/system/a.service", content: SERVICE, ...plain },
        { path: "/b", content: "B", mode: "0600", owner: "nobody:adm" },
        { path: "/etc/systemd/system/b.timer", content: TIMER, ...plain },
        { path: "/etc/systemd/system/b.service", content: SERVICE, ...plain },
        { path: "/etc/modules-load.d/stingy.conf", content: "wireguard\ntcp_bbr\n", ...plain },
        {
          path: "/etc/sysctl.d/90-stingy.conf",
          content: "net.ipv4.ip_forward = 1\n-net.core.default_qdisc = fq\nvm.swappiness = 10\n",
          ...plain,
        },
        {
          path: "/etc/stingy/checks",
          content: "check a-works unfit 'true' ''\ncheck b-works report 'false' 'fix b'\n",
          ...plain,
        },
      ],
      modulesFile: "/etc/modules-load.d/stingy.conf",
      sysctlsFile: "/etc/sysctl.d/90-stingy.conf",
      bootcmd: ["boot a", "boot b"],
      runcmd: ["run a", "run b"],
      start: { distribution: ["chrony.service"], own: ["a.service", "b.timer"] },
      checks: [
        { name: "a-works", command: "true" },
        { name: "b-works", command: "false", repair: "fix b", severity: "report" },
      ],
      ports: [
        { protocol: "udp", port: 53 },
        { protocol: "tcp", port: 53, from: ["192.0.2.0/24"] },
      ],
    });
  });

  it("calls merged files after the composition", () => {
    const bootstrap = compose(
      "debian",
      [role("a", { modules: ["m"], sysctls: { "vm.swappiness": 1 }, checks: [{ name: "c", command: "true" }] })],
      { name: "edge" },
    );
    expect(bootstrap.files.map(({ path }) => path)).to.deep.equal([
      "/etc/modules-load.d/edge.conf",
      "/etc/sysctl.d/90-edge.conf",
      "/etc/edge/checks",
    ]);
    expect(() => compose("debian", [], { name: "../edge" })).to.throw(
      BootstrapError,
      'The composition\'s name is "../edge": use small letters and digits, with single hyphens between words.',
    );
  });

  it("refuses a distribution that is not in the table", () => {
    expect(() => compose("gentoo" as "debian", [])).to.throw(
      BootstrapError,
      'There is no distribution "gentoo": use one of al2023, debian, ubuntu.',
    );
  });

  describe("roles", () => {
    it("have a name each", () => {
      refuses([role("a"), role("b"), role("a")], 'Two roles are called "a": leave one out, or give it another name.');
    });
    it("have names in kebab case", () => {
      for (const name of ["", "A", "a_b", "a--b", "-a", "a-", "1a", "a b", "a\n"]) {
        refuses(
          [role(name)],
          `A role's name is ${JSON.stringify(name)}: use small letters and digits, with single hyphens between words.`,
        );
      }
      compose("debian", [role("a1-b2")]);
    });
  });

  describe("capabilities", () => {
    it("must be provided by a role", () => {
      refusesTwo({ requires: ["c"] }, {}, 'Role "a" requires "c", which no role provides: add a role that does.');
    });
    it("must be provided before they are required", () => {
      refusesTwo(
        { requires: ["c"] },
        { provides: ["c"] },
        'Role "a" requires "c", which role "b" provides only after it: put "b" before "a".',
      );
      compose("debian", [role("b", { provides: ["c"] }), role("a", { requires: ["c"] })]);
    });
    it("are not a role's own to require", () => {
      refusesOne(
        { requires: ["c"], provides: ["c"] },
        'Role "a" requires "c" and is the first to provide it: take it out of its `requires`.',
      );
    });
    it("have names in kebab case", () => {
      const message =
        'A capability of role "a" is "C d": use small letters and digits, with single hyphens between words.';
      refusesOne({ provides: ["C d"] }, message);
      refusesOne({ requires: ["C d"] }, message);
    });
  });

  describe("packages", () => {
    it("are known to the table by their logical names", () => {
      refusesOne(
        { packages: ["nginx" as "json"] },
        'Role "a" wants the package "nginx", which the table of distributions does not know: use one of automatic-updates, cloudwatch-agent, http-client, json, nftables, time-sync, wireguard-tools, or name it for each distribution: { debian: ["nginx"] }.',
      );
      refusesOne(
        { packages: ["constructor" as "json"] },
        'Role "a" wants the package "constructor", which the table of distributions does not know: use one of automatic-updates, cloudwatch-agent, http-client, json, nftables, time-sync, wireguard-tools, or name it for each distribution: { debian: ["constructor"] }.',
      );
    });
    it("are nothing that breaks out of a command line", () => {
      for (const name of ["", "-y", "a b", "a;id", "$(id)", "A", "a\n"]) {
        refusesOne(
          { packages: [{ debian: [name] }] },
          `Role "a" wants the package ${JSON.stringify(name)}: that is no package's name on debian.`,
        );
      }
    });
    it("are left out where a distribution has none", () => {
      expect(compose("al2023", [role("a", { packages: ["http-client", { debian: ["x"] }] })]).packages).to.deep.equal(
        [],
      );
    });
  });

  describe("files", () => {
    const file = (path: string) => ({ path, content: "" });
    it("are written by one role", () => {
      refusesTwo(
        { files: [file("/etc/x")] },
        { files: [file("/etc/x")] },
        'Roles "a" and "b" both write /etc/x: leave it to one of them, or write another file, such as a drop-in.',
      );
    });
    it("are written once", () => {
      refusesOne({ files: [file("/etc/x"), file("/etc/x")] }, 'Role "a" writes /etc/x twice: leave one out.');
    });
    it("are not a unit's file, too", () => {
      refusesTwo(
        { units: [{ name: "x.service", content: SERVICE }] },
        { files: [file("/etc/systemd/system/x.service")] },
        'Roles "a" and "b" both write /etc/systemd/system/x.service: leave it to one of them, or write another file, such as a drop-in.',
      );
    });
    it("are not one that is made of all roles", () => {
      const cases = [
        ["/etc/sysctl.d/90-stingy.conf", "sysctls"],
        ["/etc/modules-load.d/stingy.conf", "modules"],
        ["/etc/stingy/checks", "checks"],
      ] as const;
      for (const [path, field] of cases) {
        refusesOne(
          { files: [file(path)] },
          `Role "a" writes ${path}, which is made of all roles' ${field}: say it in \`${field}\` instead.`,
        );
      }
    });
    it("are not where another needs a folder", () => {
      refusesTwo(
        { files: [file("/etc/x/y/z")] },
        { files: [file("/etc/x")] },
        'Role "b" writes /etc/x as a file, and role "a" writes /etc/x/y/z below it: give one another path.',
      );
    });
    it("have absolute and normal paths of one line", () => {
      for (const path of [
        "",
        "etc/x",
        "./x",
        "/etc/../x",
        "/etc//x",
        "/etc/./x",
        "/etc/",
        "/",
        "/a\nb",
        "/a\0b",
        "/a\x7f",
      ]) {
        refusesOne(
          { files: [file(path)] },
          `Role "a" writes ${JSON.stringify(path)}: give an absolute path without \`.\`, \`..\`, doubled slashes or control characters, such as /etc/a.conf.`,
        );
      }
      compose("debian", [role("a", { files: [file("/etc/ö x/$(id)'\"")] })]);
    });
    it("have a mode of four octal digits", () => {
      for (const mode of ["644", "0o644", "0888", "u+x", "", "00644", "0644\n"]) {
        refusesOne(
          { files: [{ ...file("/x"), mode }] },
          `Role "a" writes "/x" with mode ${JSON.stringify(mode)}: give four octal digits, such as "0644".`,
        );
      }
    });
    it("have user and group", () => {
      for (const owner of ["root", "root:", ":root", "root:root:root", "a b:c", "root:root\n", ""]) {
        refusesOne(
          { files: [{ ...file("/x"), owner }] },
          `Role "a" writes "/x" with owner ${JSON.stringify(owner)}: give user and group, such as "root:root".`,
        );
      }
    });
    it("are text", () => {
      refusesOne(
        { files: [{ path: "/x", content: "a\0b" }] },
        'Role "a" writes "/x" with a NUL in its content: write text only.',
      );
    });
  });

  describe("sysctls", () => {
    it("have one value", () => {
      refusesTwo(
        { sysctls: { "net.ipv4.ip_forward": 1 } },
        { sysctls: { "net.ipv4.ip_forward": 0 } },
        'Role "a" sets the sysctl net.ipv4.ip_forward to 1, role "b" to 0: leave it to one of them.',
      );
    });
    it("are the same however they are written", () => {
      refusesTwo(
        { sysctls: { "-net.ipv4.ip_forward": 1 } },
        { sysctls: { "net/ipv4/ip_forward": 0 } },
        'Role "a" sets the sysctl net.ipv4.ip_forward to 1, role "b" to 0: leave it to one of them.',
      );
      refusesOne(
        { sysctls: { "-net.ipv4.ip_forward": 1, "net.ipv4.ip_forward": 0 } },
        'Role "a" sets the sysctl net.ipv4.ip_forward to 1 and to 0: decide for one.',
      );
    });
    it("may be set by two roles to one value", () => {
      const bootstrap = compose("debian", [
        role("a", { sysctls: { "vm.swappiness": 10 } }),
        role("b", { sysctls: { "vm.swappiness": "10" } }),
      ]);
      expect(content(bootstrap, "/etc/sysctl.d/90-stingy.conf")).to.equal("vm.swappiness = 10\n");
    });
    it("have keys and values that are no other line of the file", () => {
      for (const key of ["", "swappiness", "vm.swap piness", "vm.a=1\nvm.b", "vm..a", "#vm.a", "vm.a;"]) {
        refusesOne(
          { sysctls: { [key]: 1 } },
          `Role "a" sets the sysctl ${JSON.stringify(key)}: write it as net.ipv4.ip_forward.`,
        );
      }
      for (const value of ["", " ", "1\nvm.b = 2", "\0"]) {
        refusesOne(
          { sysctls: { "vm.a": value } },
          `Role "a" sets the sysctl vm.a to ${JSON.stringify(value)}: give a value of one line.`,
        );
      }
    });
  });

  describe("modules", () => {
    it("have plain names", () => {
      for (const name of ["", "a b", "a\nb", "../a", "#a"]) {
        refusesOne(
          { modules: [name] },
          `Role "a" loads the module ${JSON.stringify(name)}: use letters, digits, hyphens and underscores.`,
        );
      }
    });
  });

  describe("units", () => {
    const unit = (name: string, text = SERVICE) => ({ units: [{ name, content: text }] });
    it("belong to one role", () => {
      refusesTwo(
        { units: [{ name: "chrony.service" }] },
        { units: [{ name: "chrony.service" }] },
        'Roles "a" and "b" both have the unit chrony.service: leave it to one of them.',
      );
      refusesOne(
        { units: [{ name: "chrony.service" }, { name: "chrony.service" }] },
        'Role "a" has the unit chrony.service twice: leave one out.',
      );
    });
    it("have full names", () => {
      for (const name of [
        "",
        "x",
        "x.conf",
        "../x.service",
        "-x.service",
        "a b.service",
        "x.service\n",
        "$(id).service",
      ]) {
        refusesOne(
          { units: [{ name }] },
          `Role "a" has a unit ${JSON.stringify(name)}: give its full name, such as a.service or a.timer.`,
        );
      }
    });
    for (const setting of [
      "After",
      "Before",
      "BindsTo",
      "OnFailure",
      "OnSuccess",
      "PartOf",
      "RequiredBy",
      "Requires",
      "Requisite",
      "WantedBy",
      "Wants",
    ]) {
      it(`name in ${setting}= what is there`, () => {
        refusesOne(
          unit("x.service", `[Unit]\n${setting}=network-online.target stingy-gone.service\n${SERVICE}`),
          `Role "a": x.service says ${setting}=stingy-gone.service, but no role has the unit stingy-gone.service and debian is not known to have it: add the role that has it, correct the name, or add it to the distribution's known units.`,
        );
      });
    }
    it("may name units of any role, the distribution's, and instances", () => {
      compose("debian", [
        role("a", unit("x.service", startsAfter("y.service chrony.service network-online.target z@1.service"))),
        role("b", unit("y.service")),
        role("c", { units: [{ name: "z@.service", content: SERVICE, enable: false }] }),
      ]);
    });
    it("are read as systemd does: continued lines, comments, several values", () => {
      refusesOne(
        unit("x.service", `[Unit]\nAfter = network.target \\\n# Not the end.\n  gone.service\n${SERVICE}`),
        'Role "a": x.service says After=gone.service, but no role has the unit gone.service and debian is not known to have it: add the role that has it, correct the name, or add it to the distribution\'s known units.',
      );
      compose("debian", [
        role("a", unit("x.service", `[Unit]\n# After=gone.service\n; Wants=gone.service\nAfter=\n${SERVICE}`)),
      ]);
    });
    it("of another distribution's are not there", () => {
      const chronyd = [role("a", unit("x.service", startsAfter("chronyd.service")))];
      compose("al2023", chronyd);
      refuses(
        chronyd,
        'Role "a": x.service says After=chronyd.service, but no role has the unit chronyd.service and debian is not known to have it: add the role that has it, correct the name, or add it to the distribution\'s known units.',
      );
    });
    it("are no timer without its service", () => {
      refusesOne(
        unit("x.timer", TIMER),
        'Role "a": the timer x.timer has no x.service to start: add the unit x.service, or name another with Unit=.',
      );
      refusesOne(
        unit("x.timer", TIMER.replace("[Install]", "Unit=y.service\n[Install]")),
        'Role "a": the timer x.timer has no y.service to start: add the unit y.service, or name another with Unit=.',
      );
      compose("debian", [role("a", unit("x.timer", TIMER)), role("b", unit("x.service"))]);
      compose("debian", [role("a", { units: [{ name: "apt-daily.timer" }] })]);
    });
    it("would start again at the next boot", () => {
      refusesOne(
        unit("x.service", "[Service]\nExecStart=/bin/true\n"),
        'Role "a": x.service is to be enabled but has no [Install] section, so it would not start at the next boot: add WantedBy=, or say enable: false.',
      );
      compose("debian", [
        role("a", { units: [{ name: "x.service", content: "[Service]\nExecStart=/bin/true\n", enable: false }] }),
      ]);
    });
  });

  describe("commands", () => {
    it("do something", () => {
      for (const field of ["bootcmd", "runcmd"] as const) {
        for (const command of ["", " \n", "a\0"]) {
          refusesOne(
            { [field]: [command] },
            `Role "a" has a ${field} of ${JSON.stringify(command)}: write a shell command, or leave it out.`,
          );
        }
      }
    });
  });

  describe("checks", () => {
    const check = (name: string, command = "true") => ({ checks: [{ name, command }] });
    it("have a name each", () => {
      refusesTwo(check("c"), check("c"), 'Roles "a" and "b" both have a check "c": give one another name.');
      refusesOne(
        { checks: [...check("c").checks, ...check("c").checks] },
        'Role "a" has a check "c" twice: leave one out.',
      );
    });
    it("have short names in kebab case", () => {
      refusesOne(
        check("It works"),
        'A check of role "a" is "It works": use small letters and digits, with single hyphens between words.',
      );
      refusesOne(
        check("c".repeat(41)),
        `Role "a" has a check "${"c".repeat(41)}" of 41 characters: use at most 40, because the name goes into the instance's tag.`,
      );
      compose("debian", [role("a", check("c".repeat(40)))]);
    });
    it("have a command", () => {
      refusesOne(check("c", " "), 'Role "a" has a check "c" without a command: give one.');
    });
    it("are unfit or report", () => {
      refusesOne(
        { checks: [{ name: "c", command: "true", severity: "fatal" as "unfit" }] },
        'Role "a" has a check "c" of severity "fatal": use "unfit" or "report".',
      );
    });
  });

  describe("ports", () => {
    const port = (number: number, protocol: "udp" | "tcp" = "tcp") => ({ ports: [{ protocol, port: number }] });
    it("are one role's", () => {
      refusesTwo(port(80), port(80), 'Roles "a" and "b" both listen on tcp/80: give one another port.');
      refusesOne({ ports: [...port(80).ports, ...port(80).ports] }, 'Role "a" listens on tcp/80 twice: leave one out.');
      compose("debian", [role("a", port(53, "tcp")), role("b", port(53, "udp"))]);
    });
    it("are ports", () => {
      for (const number of [0, 65536, 1.5, Number.NaN]) {
        refusesOne(port(number), `Role "a" listens on tcp/${number}: use a port from 1 to 65535.`);
      }
      refusesOne(port(1, "icmp" as "udp"), 'Role "a" listens on "icmp"/1: use "udp" or "tcp".');
    });
    it("are open to networks", () => {
      refusesOne(
        { ports: [{ protocol: "tcp", port: 22, from: ["192.0.2.0/24", "home"] }] },
        'Role "a" listens on tcp/22 for "home": give a network such as 192.0.2.0/24.',
      );
      refusesOne(
        { ports: [{ protocol: "tcp", port: 22, from: [] }] },
        'Role "a" listens on tcp/22 for nobody: give networks, or leave `from` out to listen for all.',
      );
    });
  });

  it("gives every role the distribution's facts", () => {
    for (const distribution of DISTRIBUTIONS) {
      const seen: string[] = [];
      compose(distribution, [
        ({ name, services }) => {
          seen.push(name, services.timeSync);
          return { role: "a" };
        },
      ]);
      expect(seen).to.deep.equal([distribution, distribution === "al2023" ? "chronyd.service" : "chrony.service"]);
    }
  });
});
