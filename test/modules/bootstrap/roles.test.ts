import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import {
  adminSsh,
  BootstrapError,
  base,
  cloudwatchAgent,
  type Fragment,
  firewall,
  journal,
  type Role,
  type SiteOptions,
  site,
  ssmAgent,
  stingy,
  wireguard,
} from "../../../modules/bootstrap";
import { DISTRIBUTIONS as FACTS } from "../../../modules/bootstrap/distribution";
import { DISTRIBUTIONS } from "./support";

const on = (distribution: (typeof DISTRIBUTIONS)[number], role: Role): Fragment => role(FACTS[distribution]);
const contentOf = (fragment: Fragment, file: string) => fragment.files?.find(({ path }) => path === file)?.content;
const commandOf = (fragment: Fragment, check: string) =>
  fragment.checks?.find(({ name }) => name === check)?.command ?? "";

const SITE: SiteOptions = {
  environment: "prod",
  site: "tokyo",
  storePrefix: "/stingy-vpn/prod",
  tunnelIpv4: "10.8.0.1/24",
  tunnelIpv6: "fd53::1/64",
  listenPort: 51820,
  address: "198.51.100.10",
  defaultGroup: "full",
};

/** Runs a check on a machine whose tools say this. `ran` holds each call of them. */
function runCheck(command: string, tools: Readonly<Record<string, { says?: string; status?: number | string }>>) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "stingy-check-"));
  try {
    const log = path.join(folder, "log");
    writeFileSync(log, "");
    for (const [name, { says = "", status = 0 }] of Object.entries(tools)) {
      const file = path.join(folder, name);
      writeFileSync(file, `#!/bin/sh\necho "${name} $*" >>${log}\ncat <<'END'\n${says}\nEND\nexit ${status}\n`);
      chmodSync(file, 0o755);
    }
    const env = { PATH: `${folder}:${process.env.PATH}`, region: "eu-west-1", domain: "amazonaws.com" };
    const { status } = spawnSync("bash", ["-c", command], { env });
    return { passes: status === 0, ran: readFileSync(log, "utf8").trim().split("\n") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const succeeds = (...args: Parameters<typeof runCheck>) => runCheck(...args).passes;

describe("base", () => {
  const timeSync = { al2023: "chronyd.service", debian: "chrony.service", ubuntu: "chrony.service" };
  const updates = {
    al2023: ["dnf-automatic.timer"],
    debian: ["apt-daily.timer", "apt-daily-upgrade.timer"],
    ubuntu: ["apt-daily.timer", "apt-daily-upgrade.timer"],
  };
  const amazonClock = {
    path: "/etc/chrony/sources.d/amazon.sources",
    content: "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\n",
  };
  const aptUpdates = {
    path: "/etc/apt/apt.conf.d/52stingy",
    content: 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n',
  };
  const files = {
    al2023: [
      {
        path: "/etc/dnf/automatic.conf",
        content: "[commands]\nupgrade_type = security\napply_updates = yes\n[emitters]\nemit_via = stdio\n",
      },
      { path: "/etc/dnf/vars/releasever", content: "latest\n" },
    ],
    debian: [amazonClock, aptUpdates],
    ubuntu: [amazonClock, aptUpdates],
  };

  for (const distribution of DISTRIBUTIONS) {
    it(`keeps the time, the journal and the packages in order on ${distribution}`, () => {
      const fragment = on(distribution, base({ ipv6: true }));
      expect(fragment.packages).to.deep.equal(["time-sync", "automatic-updates"]);
      expect(fragment.units).to.deep.equal(
        [timeSync[distribution], ...updates[distribution]].map((name) => ({ name })),
      );
      expect(fragment.files).to.deep.equal([
        {
          path: "/etc/systemd/journald.conf.d/50-stingy.conf",
          content: "[Journal]\nSystemMaxUse=50M\nRuntimeMaxUse=16M\n",
        },
        ...files[distribution],
      ]);
      expect(fragment.runcmd).to.deep.equal([
        "systemctl restart systemd-journald",
        ...(distribution === "al2023" ? [] : ["chronyc reload sources"]),
      ]);
      expect(fragment.provides).to.deep.equal(["forwarding", "time-sync"]);
      const running = updates[distribution].map((timer) => `systemctl is-active --quiet ${timer}`).join(" && ");
      expect(fragment.checks?.map(({ name, severity = "unfit", repair }) => [name, severity, repair])).to.deep.equal([
        ["forwarding", "unfit", "systemctl restart systemd-sysctl"],
        ["clock-in-sync", "unfit", `systemctl restart ${timeSync[distribution]} && chronyc waitsync 10 0.5 0 1`],
        ["disk-space", "unfit", "journalctl --vacuum-size=20M"],
        ["swap", "report", "systemd-run --quiet --wait --collect swapon /swapfile"],
        ["automatic-updates", "report", `systemctl start ${updates[distribution].join(" ")}`],
      ]);
      expect(commandOf(fragment, "automatic-updates")).to.equal(running);
    });
  }

  it("forwards, and takes and gives no redirects", () => {
    const fragment = on("al2023", base({ ipv6: true }));
    expect(fragment.sysctls).to.deep.equal({
      "net.ipv4.ip_forward": 1,
      "net.ipv6.conf.all.forwarding": 1,
      "-net.ipv6.conf.*.accept_ra": 2,
      "net.ipv4.conf.all.rp_filter": 1,
      "net.ipv4.conf.default.rp_filter": 1,
      "-net.ipv4.conf.*.rp_filter": 1,
      "-net.ipv4.conf.*.accept_redirects": 0,
      "-net.ipv4.conf.*.send_redirects": 0,
      "-net.ipv6.conf.*.accept_redirects": 0,
      "net.netfilter.nf_conntrack_max": 65536,
      "net.netfilter.nf_conntrack_tcp_loose": 1,
      "-net.core.default_qdisc": "fq",
      "-net.ipv4.tcp_congestion_control": "bbr",
      "vm.swappiness": 10,
    });
    expect(fragment.modules).to.deep.equal(["nf_conntrack", "tcp_bbr", "sch_fq"]);
    expect(commandOf(fragment, "forwarding")).to.equal(
      "grep -qx 1 /proc/sys/net/ipv4/ip_forward && grep -qx 1 /proc/sys/net/ipv6/conf/all/forwarding",
    );
  });

  it("leaves IPv6 as it is where the tunnel has none", () => {
    const fragment = on("al2023", base({ ipv6: false }));
    expect(Object.keys(fragment.sysctls ?? {})).not.to.include.members([
      "net.ipv6.conf.all.forwarding",
      "-net.ipv6.conf.*.accept_ra",
    ]);
    expect(commandOf(fragment, "forwarding")).to.equal("grep -qx 1 /proc/sys/net/ipv4/ip_forward");
  });

  it("makes swap before anything else, once, of at most a quarter of the free disk", () => {
    expect(on("al2023", base({ ipv6: true })).bootcmd).to.deep.equal([
      [
        "if [ ! -e /swapfile ]; then",
        "  size=$(($(df -m --output=avail / | tail -n 1) / 4))",
        '  [ "$size" -le 1024 ] || size=1024',
        '  fallocate -l "$size"M /swapfile && chmod 600 /swapfile && mkswap /swapfile',
        "fi",
        "grep -q ^/swapfile /proc/swaps || swapon /swapfile",
        "",
      ].join("\n"),
    ]);
  });

  describe("checks, against what the tools say", () => {
    const passes = (check: string, tool: string, says: string, status = 0) =>
      succeeds(commandOf(on("debian", base({ ipv6: true })), check), { [tool]: { says, status } });

    const tracking = (offset: string, leap = "Normal") =>
      `A9FEA97B,169.254.169.123,4,1700000000.1,${offset},0.1,0.2,-10.1,0.1,0.2,0.0003,0.0002,16.1,${leap}`;
    it("clock-in-sync: half a second is too much, either way", () => {
      expect(passes("clock-in-sync", "chronyc", tracking("0.000001"))).to.equal(true);
      expect(passes("clock-in-sync", "chronyc", tracking("-0.499"))).to.equal(true);
      expect(passes("clock-in-sync", "chronyc", tracking("0.501"))).to.equal(false);
      expect(passes("clock-in-sync", "chronyc", tracking("-3"))).to.equal(false);
    });
    it("clock-in-sync: a clock without a source is not in sync, nor one that nobody answers for", () => {
      expect(passes("clock-in-sync", "chronyc", tracking("0", "Not synchronised"))).to.equal(false);
      expect(passes("clock-in-sync", "chronyc", "506 Cannot talk to daemon", 1)).to.equal(false);
      expect(passes("clock-in-sync", "chronyc", "", 1)).to.equal(false);
    });
    it("disk-space: 50 MB must be free", () => {
      expect(passes("disk-space", "df", "    Avail\n    51200")).to.equal(true);
      expect(passes("disk-space", "df", "    Avail\n    51199")).to.equal(false);
      expect(passes("disk-space", "df", "", 1)).to.equal(false);
    });
  });
});

describe("wireguard", () => {
  for (const distribution of DISTRIBUTIONS) {
    it(`is tool and module on ${distribution}`, () => {
      expect(on(distribution, wireguard())).to.deep.equal({
        role: "wireguard",
        packages: ["wireguard-tools"],
        modules: ["wireguard"],
        checks: [{ name: "wireguard-tool", command: "command -v wg" }],
        provides: ["wireguard"],
      });
    });
  }
});

describe("site", () => {
  it("says what the server is, without secrets", () => {
    const fragment = on("al2023", site(SITE));
    expect(contentOf(fragment, "/etc/stingy/server.env")).to.equal(`ENVIRONMENT='prod'
SITE='tokyo'
STORE_PREFIX='/stingy-vpn/prod'
LISTEN_PORT='51820'
TUNNEL_IPV4='10.8.0.1/24'
TUNNEL_IPV6='fd53::1/64'
MTU='1420'
ADDRESS='198.51.100.10'
DEFAULT_GROUP='full'
`);
    expect(fragment.files?.map(({ path, mode }) => [path, mode])).to.deep.equal([
      ["/etc/stingy/server.env", undefined],
      ["/usr/local/lib/stingy/common.sh", undefined],
      ["/etc/systemd/system/stingy-.service.d/50-sandbox.conf", undefined],
    ]);
    expect(fragment.provides).to.deep.equal(["site"]);
  });

  it("says where what the units say is sent, where it is", () => {
    const env = contentOf(on("al2023", site({ ...SITE, logGroup: "/vpn/server" })), "/etc/stingy/server.env");
    expect(env).to.match(/\nDEFAULT_GROUP='full'\nLOG_GROUP='\/vpn\/server'\n$/);
  });

  it("leaves empty what the site has not", () => {
    const { tunnelIpv6: _, address: __, ...without } = SITE;
    const env = contentOf(on("al2023", site(without)), "/etc/stingy/server.env");
    expect(env).to.include("TUNNEL_IPV6=''\n").and.to.include("ADDRESS=''\n");
  });
});

describe("firewall", () => {
  const OPTIONS = {
    listenPort: 51820,
    betweenPeers: true,
    isolatedNetworks: [],
    open: [{ protocol: "udp", port: 51820 }],
  } as const;
  const rules = (options: Partial<Parameters<typeof firewall>[0]> = {}) =>
    (contentOf(on("al2023", firewall({ ...OPTIONS, ...options })), "/etc/stingy/firewall.nft") ?? "")
      .split("\n")
      .map((line) => line.trim());
  const accepts = (lines: readonly string[]) => lines.filter((line) => /dport \d+ accept$/.test(line));

  it("is rules, the script that loads them, its unit, and proofs", () => {
    for (const distribution of DISTRIBUTIONS) {
      const fragment = on(distribution, firewall(OPTIONS));
      expect(fragment.packages).to.include("nftables");
      expect(fragment.files?.map(({ path, mode }) => [path, mode])).to.deep.equal([
        ["/etc/stingy/firewall.nft", undefined],
        ["/usr/local/sbin/stingy-firewall", "0755"],
      ]);
      expect(fragment.units?.map(({ name, enable }) => [name, enable])).to.deep.equal([
        ["stingy-firewall.service", true],
      ]);
      expect(fragment.checks?.map(({ name }) => name)).to.deep.equal(["masquerade", "forward-policy"]);
      expect([fragment.requires, fragment.provides]).to.deep.equal([["site"], ["firewall"]]);
    }
  });

  it("opens what other roles listen on, and only that", () => {
    expect(accepts(rules())).to.deep.equal([
      "udp dport 51820 accept",
      "udp sport 67 udp dport 68 accept",
      "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
    ]);
    expect(accepts(rules({ listenPort: 443, open: [] }))).to.deep.equal(accepts(rules()).slice(1));
  });

  it("opens a port to networks of each family apart, merged, as nft refuses what overlaps", () => {
    const from = ["192.0.2.0/24", "192.0.2.128/25", "198.51.100.7/32", "2001:db8::/32"];
    expect(accepts(rules({ open: [{ protocol: "tcp", port: 22, from }] })).slice(0, 2)).to.deep.equal([
      "ip saddr { 192.0.2.0/24, 198.51.100.7/32 } tcp dport 22 accept",
      "ip6 saddr { 2001:db8::/32 } tcp dport 22 accept",
    ]);
    expect(accepts(rules({ open: [{ protocol: "tcp", port: 22, from: ["2001:db8::/32"] }] }))[0]).to.equal(
      "ip6 saddr { 2001:db8::/32 } tcp dport 22 accept",
    );
  });

  it("lets isolated peers reach their networks only", () => {
    const isolated = (lines: readonly string[]) => lines.slice(lines.indexOf("chain isolated {") + 1).join("\n");
    expect(isolated(rules())).to.match(/^}/);
    expect(isolated(rules({ isolatedNetworks: ["10.1.0.0/16", "fd00:1::/64", "10.1.2.0/24"] }))).to.match(
      /^oifname \$interface ip daddr { 10\.1\.0\.0\/16 } accept\noifname \$interface ip6 daddr { fd00:1::\/64 } accept\n}/,
    );
  });

  it("lets peers reach each other only where they may", () => {
    const between = (line: string) => line.startsWith('oifname "wg0" ip');
    expect(rules().filter(between)).to.deep.equal([
      'oifname "wg0" ip daddr @full4 accept',
      'oifname "wg0" ip6 daddr @full6 accept',
    ]);
    expect(rules({ betweenPeers: false }).filter(between)).to.deep.equal([]);
  });

  it("refuses what is no network", () => {
    expect(() => firewall({ ...OPTIONS, isolatedNetworks: ["10.0.0.0/16 }; flush ruleset"] })).to.throw(
      BootstrapError,
      'isolatedNetworks: "10.0.0.0/16 }; flush ruleset" is no network; give one such as 10.0.0.0/24 or fd00::/64.',
    );
    expect(() => firewall({ ...OPTIONS, open: [{ protocol: "tcp", port: 22, from: ["home"] }] })).to.throw(
      BootstrapError,
      'What tcp/22 is open to: "home" is no network; give one such as 10.0.0.0/24 or fd00::/64.',
    );
  });
});

describe("stingy", () => {
  for (const distribution of DISTRIBUTIONS) {
    it(`is the scripts and what runs them, on ${distribution}`, () => {
      const fragment = on(distribution, stingy({ listenPort: 51820 }));
      expect(fragment.packages).to.deep.equal(["http-client", "json"]);
      expect(fragment.files?.map(({ path, mode }) => [path, mode])).to.deep.equal([
        ["/usr/local/lib/stingy/store.jq", undefined],
        ["/usr/local/sbin/stingy-sync", "0755"],
        ["/usr/local/sbin/stingy-watch", "0755"],
        ["/usr/local/sbin/stingy-health", "0755"],
        ["/usr/local/sbin/stingy-promote", "0755"],
      ]);
      expect(fragment.units?.map(({ name, enable }) => [name, enable])).to.deep.equal([
        ["stingy-sync.service", true],
        ["stingy-sync.timer", true],
        ["stingy-watch.service", true],
        ["stingy-health.service", true],
        ["stingy-health.timer", true],
        ["stingy-promote.service", true],
      ]);
      expect(fragment.checks?.map(({ name, severity = "unfit" }) => [name, severity])).to.deep.equal([
        ["wg0-up", "unfit"],
        ["wg0-key", "unfit"],
        ["egress", "unfit"],
      ]);
      expect(fragment.ports).to.deep.equal([{ protocol: "udp", port: 51820 }]);
      expect(fragment.requires).to.deep.equal(["site", "forwarding", "time-sync", "wireguard", "firewall"]);
    });
  }
});

describe("journal", () => {
  it("is a script that a timer runs, and nothing at boot", () => {
    for (const distribution of DISTRIBUTIONS) {
      const fragment = on(distribution, journal());
      expect(fragment.packages).to.deep.equal(["http-client", "json"]);
      expect(fragment.files?.map(({ path, mode }) => [path, mode])).to.deep.equal([
        ["/usr/local/sbin/stingy-journal", "0755"],
      ]);
      expect(fragment.units?.map(({ name, enable }) => [name, enable])).to.deep.equal([
        ["stingy-journal.service", false],
        ["stingy-journal.timer", true],
      ]);
      expect(fragment.requires).to.deep.equal(["site"]);
      // That it fails is no reason to replace a server.
      expect(fragment.checks).to.equal(undefined);
    }
  });
});

describe("the server's units", () => {
  const [firewallUnit] =
    on("debian", firewall({ listenPort: 51820, betweenPeers: true, isolatedNetworks: [], open: [] })).units ?? [];
  const units = [
    firewallUnit,
    ...(on("debian", stingy({ listenPort: 51820 })).units ?? []),
    ...(on("debian", journal()).units ?? []),
  ];
  const settings = (text = "") => text.split("\n").filter((line) => /^\w+=/.test(line));
  const unit = (name: string) => settings(units.find((candidate) => candidate?.name === name)?.content);

  it("may do nothing but change the network and write two folders, in little memory", () => {
    const sandbox = settings(
      contentOf(on("debian", site(SITE)), "/etc/systemd/system/stingy-.service.d/50-sandbox.conf"),
    );
    expect(sandbox).to.deep.equal([
      "RestartSec=1",
      "KillMode=mixed",
      "TimeoutStopSec=30",
      "RuntimeDirectory=stingy",
      "RuntimeDirectoryMode=0700",
      // One unit that stops must not take the others' state away.
      "RuntimeDirectoryPreserve=yes",
      "StateDirectory=stingy",
      "StateDirectoryMode=0700",
      "UMask=0077",
      "CapabilityBoundingSet=CAP_NET_ADMIN",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "ProtectHome=yes",
      "ProtectClock=yes",
      "ProtectControlGroups=yes",
      "ProtectHostname=yes",
      "ProtectKernelLogs=yes",
      "ProtectKernelModules=yes",
      "ProtectKernelTunables=yes",
      "PrivateDevices=yes",
      "PrivateTmp=yes",
      "LockPersonality=yes",
      "MemoryDenyWriteExecute=yes",
      "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
      "RestrictNamespaces=yes",
      "RestrictRealtime=yes",
      "RestrictSUIDSGID=yes",
      "SystemCallArchitectures=native",
      "SystemCallFilter=@system-service",
      "MemoryMax=96M",
      "TasksMax=64",
    ]);
    const own = units.flatMap((candidate) => settings(candidate?.content));
    const keys = new Set(own.map((line) => line.slice(0, line.indexOf("="))));
    // Nothing else, so that no unit loosens what is said above.
    expect([...keys].sort().join(" ")).to.equal(
      "AccuracySec After ExecStart OnActiveSec OnUnitActiveSec RandomizedDelaySec ReadWritePaths RemainAfterExit Restart StartLimitIntervalSec TimeoutStartSec Type WantedBy Wants",
    );
    // What frees the disk has to write where the journals are.
    expect(own.filter((line) => line.startsWith("ReadWritePaths"))).to.deep.equal(["ReadWritePaths=-/var/log/journal"]);
  });

  it("start in the order in which each needs the one before: firewall, wg0, health; and time before wg0", () => {
    expect(unit("stingy-firewall.service")).to.include("After=network-online.target");
    expect(unit("stingy-sync.service")).to.include(
      "After=network-online.target time-sync.target stingy-firewall.service",
    );
    expect(unit("stingy-promote.service")).to.include("After=network-online.target stingy-firewall.service");
    expect(unit("stingy-health.service")).to.include("After=network-online.target stingy-sync.service");
  });

  it("are tried again when they fail, for ever, and those that watch whatever ends them", () => {
    for (const name of ["stingy-firewall", "stingy-sync", "stingy-health", "stingy-journal"]) {
      expect(unit(`${name}.service`), name).to.include.members(["Restart=on-failure", "StartLimitIntervalSec=0"]);
    }
    for (const name of ["stingy-watch", "stingy-promote"]) {
      expect(unit(`${name}.service`), name).to.include.members(["Restart=always", "StartLimitIntervalSec=0"]);
    }
  });

  it("look at the store every five minutes, at themselves and at the journal every minute", () => {
    expect(unit("stingy-sync.timer")).to.include("OnUnitActiveSec=5min");
    for (const name of ["stingy-health", "stingy-journal"])
      expect(unit(`${name}.timer`)).to.include.members(["OnUnitActiveSec=1min", "AccuracySec=1s"]);
  });
});

describe("stingy's checks, against what the tools say", () => {
  const check = (name: string) => commandOf(on("debian", stingy({ listenPort: 51820 })), name);
  const UP = "wg0              UNKNOWN        10.8.0.1/24 10.8.0.9/24 ";

  it("wg0-up: it is there and up", () => {
    expect(succeeds(check("wg0-up"), { ip: { says: "5: wg0: <POINTOPOINT,NOARP,UP,LOWER_UP> mtu 1420" } })).to.equal(
      true,
    );
    expect(succeeds(check("wg0-up"), { ip: { says: "" } })).to.equal(false);
    expect(succeeds(check("wg0-up"), { ip: { says: 'Device "x" does not exist.', status: 1 } })).to.equal(false);
  });

  it("egress: goes out from the server's address in the tunnel", () => {
    const { passes, ran } = runCheck(check("egress"), { ip: { says: UP }, curl: {} });
    expect(passes).to.equal(true);
    expect(ran.filter((call) => call.startsWith("curl"))).to.deep.equal([
      "curl --silent --insecure --output /dev/null --max-time 5 --noproxy * --interface 10.8.0.1 https://ssm.eu-west-1.amazonaws.com/",
    ]);
    expect(succeeds(check("egress"), { ip: { says: UP }, curl: { status: 28 } })).to.equal(false);
  });

  it("egress: is proved by either of two services, as one may be down", () => {
    const ssmDown = '$(case "$*" in *//ssm.*) echo 28 ;; *) echo 0 ;; esac)';
    expect(succeeds(check("egress"), { ip: { says: UP }, curl: { status: ssmDown } })).to.equal(true);
  });

  it("egress: is not proved by what leaves from the machine's own address", () => {
    for (const ip of [{ says: "" }, { says: "", status: 1 }, { says: "wg0              UNKNOWN" }]) {
      const { passes, ran } = runCheck(check("egress"), { ip, curl: {} });
      expect(passes).to.equal(false);
      expect(ran.filter((call) => call.startsWith("curl"))).to.deep.equal([]);
    }
  });
});

describe("firewall's checks, against what nft says", () => {
  const options = { listenPort: 51820, betweenPeers: true, isolatedNetworks: [], open: [] };
  const check = (name: string) => commandOf(on("debian", firewall(options)), name);

  it("masquerade and forward-policy: the rules are loaded", () => {
    const nft = {
      says: 'oifname "ens5" ip saddr @tunnel4 masquerade\ntype filter hook forward priority filter; policy drop;',
    };
    for (const name of ["masquerade", "forward-policy"]) {
      expect(succeeds(check(name), { nft }), name).to.equal(true);
      expect(succeeds(check(name), { nft: { says: "policy accept;" } }), name).to.equal(false);
      expect(succeeds(check(name), { nft: { says: "", status: 1 } }), name).to.equal(false);
    }
  });
});

describe("ssm-agent", () => {
  const units = {
    al2023: "amazon-ssm-agent.service",
    debian: "amazon-ssm-agent.service",
    ubuntu: "snap.amazon-ssm-agent.amazon-ssm-agent.service",
  };
  for (const distribution of DISTRIBUTIONS) {
    it(`runs the agent of ${distribution}, and fetches it only where there is none`, () => {
      const unit = units[distribution];
      expect(on(distribution, ssmAgent())).to.deep.equal({
        role: "ssm-agent",
        packages: ["http-client"],
        units: [{ name: unit }],
        runcmd:
          distribution === "debian"
            ? [
                'curl -fsSL --connect-timeout 10 --max-time 300 --retry 5 --retry-connrefused -o /run/agent.deb "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/latest/debian_$(dpkg --print-architecture)/amazon-ssm-agent.deb" && dpkg -i /run/agent.deb; rm -f /run/agent.deb',
              ]
            : [],
        checks: [
          {
            name: "ssm-agent",
            command: `systemctl is-active --quiet ${unit}`,
            repair: `systemctl restart ${unit}`,
            severity: "report",
          },
        ],
      });
    });
  }
});

describe("cloudwatch-agent", () => {
  const START =
    "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s -c file:/etc/stingy/cloudwatch-agent.json";
  const fetch = (distribution: string) =>
    `curl -fsSL --connect-timeout 10 --max-time 300 --retry 5 --retry-connrefused -o /run/agent.deb "https://amazoncloudwatch-agent.s3.amazonaws.com/${distribution}/$(dpkg --print-architecture)/latest/amazon-cloudwatch-agent.deb" && dpkg -i /run/agent.deb; rm -f /run/agent.deb`;
  const role = cloudwatchAgent({ namespace: "StingyVPN", dimensions: { Site: "tokyo" } });

  for (const distribution of DISTRIBUTIONS) {
    it(`is fetched, configured and started by its own tool on ${distribution}`, () => {
      const fragment = on(distribution, role);
      expect(fragment.packages).to.deep.equal(["cloudwatch-agent", "http-client"]);
      expect(FACTS[distribution].packages["cloudwatch-agent"]).to.deep.equal(
        distribution === "al2023" ? ["amazon-cloudwatch-agent"] : [],
      );
      expect(fragment.runcmd).to.deep.equal([...(distribution === "al2023" ? [] : [fetch(distribution)]), START]);
    });
  }

  it("measures memory, swap and disk every five minutes, as nobody in particular, in little memory", () => {
    const fragment = on("al2023", role);
    const each = { measurement: ["used_percent"], append_dimensions: { Site: "tokyo" } };
    expect(JSON.parse(contentOf(fragment, "/etc/stingy/cloudwatch-agent.json") ?? "")).to.deep.equal({
      agent: { metrics_collection_interval: 300, run_as_user: "cwagent", omit_hostname: true },
      metrics: {
        namespace: "StingyVPN",
        metrics_collected: { mem: each, swap: each, disk: { ...each, resources: ["/"], drop_device: true } },
      },
    });
    expect(contentOf(fragment, "/etc/systemd/system/amazon-cloudwatch-agent.service.d/50-stingy.conf")).to.equal(
      "[Service]\nMemoryMax=64M\n",
    );
    expect(fragment.checks?.map(({ severity }) => severity)).to.deep.equal(["report"]);
  });
});

describe("admin-ssh", () => {
  it("is a port to open to some", () => {
    expect(on("debian", adminSsh(["192.0.2.0/24"]))).to.deep.equal({
      role: "admin-ssh",
      ports: [{ protocol: "tcp", port: 22, from: ["192.0.2.0/24"] }],
    });
  });
});
