import { expect } from "chai";
import { SERVER_METRICS } from "../../modules/metrics";
import { ADDRESSES, type Client, eventually, type ScriptResult, type Server, type Site, startSite } from "./harness";

describe("stingy-health", () => {
  let site: Site;
  let a: Server;

  const health = (): Promise<ScriptResult> => a.run("stingy-health");
  const repaired = ({ log }: ScriptResult): string[] =>
    log.filter(({ event }) => event === "repaired").map(({ fields }) => fields.check ?? "");
  /** What was said of a server, in order, with AWS's answer. */
  const tagged = (server = a): [string, number][] =>
    site.aws
      .called("ec2", "CreateTags")
      .filter(({ instance }) => instance === server.instanceId)
      .map(({ body, status }) => [body["Tag.1.Value"], status]);
  const announced = (server = a) =>
    site.aws.events
      .filter(({ detail }) => detail["instance-id"] === server.instanceId)
      .map((event) => event.detailType);
  const mark = (name: string): Promise<string> => a.sh(`touch /run/stingy/${name}`);
  const unmark = (name: string): Promise<string> => a.sh(`rm -f /run/stingy/${name}`);
  /** A new session, as the old one has ended with the server's interface. */
  const reconnect = async (name: string): Promise<void> => {
    await site.client(name).sh("ip link del wg0 2>/dev/null || true");
    await site.client(name).up();
    await site.client(name).reaches();
  };
  /** Packets from the tunnel that nobody has given the server's address are refused, not dropped: so nobody waits. */
  const refuseTunnel = (): Promise<string> =>
    site.outside.machine.sh(
      "ip route add 10.8.0.0/24 via 10.0.1.10; nft 'add element ip elastic public { 10.8.0.1 }; add rule ip elastic ssm ip saddr 10.8.0.1 reject with tcp reset'",
    );
  const letTunnel = (): Promise<string> =>
    site.outside.machine.sh(
      "ip route del 10.8.0.0/24; nft 'delete element ip elastic public { 10.8.0.1 }; flush chain ip elastic ssm'",
    );
  const start = async (): Promise<void> => {
    await health();
    expect(await a.state()).to.equal("ready");
  };

  before(async () => {
    site = await startSite({
      servers: 2,
      peers: ["alice", { name: "bob", group: "internet" }, "carol", "dora"],
    });
    a = site.a;
  });
  beforeEach(() => {
    site.aws.calls.length = 0;
  });
  afterEach(() => {
    // The check of egress asks without a signature.
    expect(site.aws.refused.filter(({ refused }) => refused !== "missing")).to.deep.equal([]);
  });
  after(async () => {
    await site?.stop();
  });

  describe("at the start", () => {
    it("is ready only with the clock in sync, then the firewall, then wg0", async () => {
      const { b } = site;
      await b.clock.lose();
      const booting = b.boot();
      await eventually("sync waits for the clock", () => b.sh("pgrep -f '[c]hronyc waitsync'"), 30_000);
      expect(await b.sh("nft list chain inet stingy forward")).to.include("policy drop");
      expect(await b.sh("ls /sys/class/net")).not.to.include("wg0");
      expect(tagged(b)).to.deep.equal([]);
      expect(announced(b)).to.deep.equal([]);

      await b.clock.sync();
      await booting;
      expect(await b.publicKey()).to.equal(site.keys.publicKey);
      const said = site.aws.calls.filter(({ instance, service }) => instance === b.instanceId && service !== "ssm");
      expect(said.map(({ action, body }) => [action, body["Tag.1.Value"] ?? body.Entries[0].DetailType])).to.deep.equal(
        [
          ["CreateTags", "ready"],
          ["PutEvents", "Server Ready"],
        ],
      );
      expect(await b.state()).to.equal("ready");
    });

    it("brings up firewall, groups and wg0 by itself before it says ready", async () => {
      const { code, log } = await health();
      expect(code).to.equal(0);
      expect(log.filter(({ event }) => event === "repairing").map(({ fields }) => fields.check)).to.include.members([
        "masquerade",
      ]);
      expect(await a.publicKey()).to.equal(site.keys.publicKey);
      expect(tagged()).to.deep.equal([["ready", 200]]);
      expect(site.aws.events.map(({ time, instance, ...event }) => event)).to.deep.equal([
        {
          source: "stingy-vpn",
          detailType: "Server Ready",
          detail: { environment: "prod", site: "tokyo", "instance-id": a.instanceId },
        },
      ]);
      await site.client("alice").up();
      await site.client("alice").reaches();
      await site.client("bob").up();
      await site.client("bob").reaches();
    });

    it("says nothing again as long as nothing changes", async () => {
      const first = await health();
      const second = await health();
      expect([first.code, second.code]).to.deep.equal([0, 0]);
      expect([...first.log, ...second.log]).to.deep.equal([]);
      expect(site.aws.calls.filter(({ service }) => service !== "ssm")).to.deep.equal([]);
    });
  });

  describe("with a clock that is wrong", () => {
    it("says so, whether nobody keeps it or it is two seconds off, until it is right", async () => {
      const servers = [a, site.b];
      await Promise.all(servers.map((server) => server.run("stingy-health")));
      await a.clock.lose();
      await site.b.clock.sync(2);
      await site.b.clock.waitForSync();
      // Both at once, as the repair gives chrony ten seconds.
      const unfit = await Promise.all(servers.map((server) => server.run("stingy-health")));
      expect(unfit.map(({ code }) => code)).to.deep.equal([1, 1]);
      for (const server of servers) {
        expect(await server.state()).to.equal("unhealthy:clock-in-sync");
        await server.clock.sync();
        await server.clock.waitForSync();
        expect((await server.run("stingy-health")).code).to.equal(0);
        expect(await server.state()).to.equal("ready");
      }
    });
  });

  describe("repairs", () => {
    before(async () => {
      await start();
      await reconnect("alice");
      await reconnect("bob");
    });
    afterEach(async () => {
      // Whatever was repaired, nobody was told.
      expect(tagged()).to.deep.equal([]);
      expect(announced()).to.deep.equal([]);
      expect(await a.state()).to.equal("ready");
    });

    it("wg0 that is down", async () => {
      await a.sh("ip link set dev wg0 down");
      const result = await health();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["wg0-up"]);
      expect(await a.sh("ip link show up dev wg0")).to.include("wg0");
      await reconnect("alice");
    });

    it("wg0 that is gone", async () => {
      await a.sh("ip link del wg0");
      const result = await health();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["wg0-up"]);
      await reconnect("alice");
      await reconnect("bob");
    });

    it("wg0 with a wrong key", async () => {
      await a.sh("wg genkey | wg set wg0 private-key /dev/stdin");
      expect(await a.publicKey()).not.to.equal(site.keys.publicKey);
      const result = await health();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["wg0-key"]);
      expect(await a.publicKey()).to.equal(site.keys.publicKey);
    });

    for (const key of ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
      it(`${key} that is off`, async () => {
        await a.sh(`sysctl -qw ${key}=0`);
        const result = await health();
        expect(result.code).to.equal(0);
        expect(repaired(result)).to.deep.equal(["forwarding"]);
        expect(await a.sh(`sysctl -n ${key}`)).to.equal("1");
      });

    it("masquerade that was removed", async () => {
      await a.sh("nft flush chain inet stingy postrouting");
      const result = await health();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["masquerade"]);
      await reconnect("alice");
      expect((await site.client("alice").http(`http://${ADDRESSES.web}/`)).stdout.trim()).to.equal(site.address);
    });

    it("masquerade that is there, but not for peers: egress is proved from an address in the tunnel", async () => {
      await refuseTunnel();
      await a.sh(
        "nft 'flush chain inet stingy postrouting; add rule inet stingy postrouting oifname ens5 ip saddr 10.8.0.128/25 masquerade'",
      );
      const result = await health();
      await letTunnel();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["egress"]);
      await site.client("alice").reaches();
    });

    it("a firewall that lets everything through", async () => {
      await a.sh("nft 'add chain inet stingy forward { policy accept; }'");
      const result = await health();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["forward-policy"]);
      expect(await a.sh("nft list chain inet stingy forward")).to.include("policy drop");
    });

    it("a firewall that is gone, with every peer's group", async () => {
      const groups =
        "for set in full4 full6 internet4 internet6 tunnel4 tunnel6; do nft list set inet stingy $set; done";
      const before = await a.sh(groups);
      await a.sh("nft delete table inet stingy");
      const result = await health();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["masquerade"]);
      expect(await a.sh(groups)).to.equal(before);
      await site.client("alice").reaches();
      await site.client("bob").reaches();
    });

    it("a firewall that is gone, with every peer's group, when the store cannot be read", async () => {
      await site.aws.fail({ kind: "denied", service: "ssm", action: "GetParameters" });
      await a.sh("nft delete table inet stingy");
      const result = await health();
      await site.aws.heal();
      // Otherwise its next start waits.
      await a.run("stingy-sync");
      expect(result.code).to.equal(0);
      await site.client("alice").reaches();
      await site.client("bob").reaches();
    });
  });

  describe("reports", () => {
    /** Of the tunnel only: the server itself still reaches AWS. What the repair loads again is as wrong. */
    const breakEgress = async (): Promise<() => Promise<void>> => {
      const rules = a.file("/etc/stingy/firewall.nft");
      a.machine.write("/etc/stingy/firewall.nft", rules.replace("@tunnel4 masquerade", "10.8.0.128/25 masquerade"));
      await a.run("stingy-firewall");
      await refuseTunnel();
      return async () => {
        a.machine.write("/etc/stingy/firewall.nft", rules);
        await a.run("stingy-firewall");
        await letTunnel();
      };
    };

    before(start);
    afterEach(async () => {
      await site.aws.heal();
      await a.freeDisk();
      expect((await health()).code).to.equal(0);
      expect(await a.state()).to.equal("ready");
      expect(announced()).to.deep.equal([]);
    });

    it("egress that is broken, and that it works again", async () => {
      const putRight = await breakEgress();
      const { code, log } = await health();
      expect(code).to.equal(1);
      expect(log.filter(({ event }) => event === "check-fails")).to.deep.equal([
        {
          script: "stingy-health",
          level: "error",
          event: "check-fails",
          fields: { check: "egress", severity: "unfit" },
        },
      ]);
      expect(await a.state()).to.equal("unhealthy:egress");
      await putRight();
      const healed = await health();
      expect(healed.code).to.equal(0);
      expect(healed.log.filter(({ event }) => event === "check-passes").map(({ fields }) => fields)).to.deep.equal([
        { check: "egress" },
      ]);
      expect(tagged()).to.deep.equal([
        ["unhealthy:egress", 200],
        ["ready", 200],
      ]);
    });

    it("nothing, when it is one service of AWS that cannot be reached", async () => {
      await site.aws.fail({ kind: "refuse", service: "ssm" });
      const { code, log } = await health();
      expect(code).to.equal(0);
      expect(log).to.deep.equal([]);
    });

    it("a full disk", async () => {
      await a.fillDisk();
      expect((await health()).code).to.equal(1);
      expect(await a.state()).to.equal("unhealthy:disk-space");
    });

    it("the first of what fails, then what is left of it, and each only once", async () => {
      const putRight = await breakEgress();
      await a.fillDisk();
      const first = await health();
      expect(first.log.filter(({ event }) => event === "check-fails").map(({ fields }) => fields.check)).to.deep.equal([
        "disk-space",
        "egress",
      ]);
      const second = await health();
      expect(second.code).to.equal(1);
      expect(second.log.map(({ event }) => event)).not.to.include("check-fails");
      await a.freeDisk();
      expect((await health()).code).to.equal(1);
      expect(tagged()).to.deep.equal([
        ["unhealthy:disk-space", 200],
        ["unhealthy:egress", 200],
      ]);
      await putRight();
    });

    it("what is no reason to be replaced in the log only", async () => {
      await a.sh("cp /run/machine/swaps /run/swaps; : >/run/machine/swaps");
      const first = await health();
      const second = await health();
      await a.sh("cat /run/swaps >/run/machine/swaps");
      expect([first.code, second.code]).to.deep.equal([0, 0]);
      const fails = [first, second].map(({ log }) => log.filter(({ event }) => event === "check-fails"));
      expect(fails.map((lines) => lines.map(({ fields }) => fields))).to.deep.equal([
        [{ check: "swap", severity: "report" }],
        [],
      ]);
      expect(tagged()).to.deep.equal([]);
    });

    it("its state again after a try that failed", async () => {
      await site.aws.fail({ kind: "denied", service: "ec2", action: "CreateTags" });
      await a.fillDisk();
      expect((await health()).code).to.equal(1);
      expect(await a.state()).to.equal("ready");
      await site.aws.heal();
      expect((await health()).code).to.equal(1);
      expect(await a.state()).to.equal("unhealthy:disk-space");
      await health();
      expect(tagged()).to.deep.equal([
        ["unhealthy:disk-space", 403],
        ["unhealthy:disk-space", 200],
      ]);
    });

    it("its state although only that failed: the run has not succeeded", async () => {
      await site.aws.fail({ kind: "denied", service: "ec2", action: "CreateTags" });
      await mark("serving");
      const { code, log } = await health();
      expect(code).to.equal(1);
      expect(log.map(({ event }) => event)).to.include("state-not-tagged");
      await site.aws.heal();
      await unmark("serving");
    });

    it("no answer that is none as success", async () => {
      await site.aws.fail({ kind: "html", service: "ec2", action: "CreateTags", times: 1 });
      await a.fillDisk();
      await health();
      expect(await a.state()).to.equal("unhealthy:disk-space");
      expect(tagged()).to.deep.equal([
        ["unhealthy:disk-space", 200],
        ["unhealthy:disk-space", 200],
      ]);
    });
  });

  describe("stood down", () => {
    before(start);
    it("says so, and neither checks nor repairs nor publishes", async () => {
      const calls = a.systemctlCalls.length;
      await a.sh("ip link set dev wg0 down; sysctl -qw net.ipv4.ip_forward=0");
      await mark("stood-down");
      const { code, log } = await health();
      expect(code).to.equal(0);
      expect(log.map(({ event }) => event)).to.deep.equal(["state-tagged"]);
      expect(await a.state()).to.equal("stood-down");
      expect(a.systemctlCalls.slice(calls)).to.deep.equal([]);
      expect(await a.sh("sysctl -n net.ipv4.ip_forward")).to.equal("0");
      expect(await a.sh("ip link show up dev wg0")).to.equal("");
      const own = site.aws.calls.filter(({ instance }) => instance === a.instanceId);
      expect(own.map(({ action }) => action)).to.deep.equal(["CreateTags"]);
    });

    it("is fit again when the address has come back", async () => {
      await unmark("stood-down");
      await mark("serving");
      const result = await health();
      expect(result.code).to.equal(0);
      expect(repaired(result)).to.deep.equal(["forwarding", "wg0-up"]);
      expect(await a.state()).to.equal("serving");
      await unmark("serving");
      await health();
      expect(await a.state()).to.equal("ready");
    });
  });

  describe("publishes metrics", () => {
    const published = (): number => site.aws.called("monitoring").length;
    /** What has left the machine so far. */
    const sent = async (): Promise<number> => Number(await a.sh("cat /sys/class/net/ens5/statistics/tx_bytes"));
    /** What it saw the last time: when, initiations, bytes sent, the processor's whole and idle time. */
    const noted = (): number[] => a.file("/run/stingy/published").trim().split(" ").map(Number);
    const note = (...fields: readonly number[]): void => {
      a.machine.write("/run/stingy/published", `${fields.join(" ")}\n`);
    };
    /** As if so much time had passed since then. */
    const wait = (seconds: number): void => {
      const [at = 0, ...rest] = noted();
      note(at - seconds, ...rest);
    };
    const values = (): Record<string, number> =>
      Object.fromEntries(site.aws.metrics.map(({ name, value }) => [name, value]));

    /** Has a tool say something else, or itself again. */
    const pretend = async (tool: string, script?: string): Promise<void> => {
      await a.sh(`rm -f /usr/local/bin/${tool}`);
      if (script !== undefined) a.machine.write(`/usr/local/bin/${tool}`, `#!/bin/bash\n${script}\n`, 0o755);
    };
    /** How many seconds ago peers were last heard of, as nobody can wait for that. */
    const handshakes = async (ages: Readonly<Record<string, number>>): Promise<void> => {
      // Fixed here: health reads its clock before that, a second may begin in between.
      const now = Number(await a.sh("echo $EPOCHSECONDS"));
      const changes = Object.entries(ages).map(
        ([name, age]) => `$1 == "${site.client(name).peer.publicKey}" { $2 = ${now - age} }`,
      );
      await pretend(
        "wg",
        `[ "$*" = "show wg0 latest-handshakes" ] || exec /usr/bin/wg "$@"
/usr/bin/wg "$@" | awk -F '\\t' -v OFS='\\t' '${changes.join(" ")} { print }'`,
      );
    };

    before(async () => {
      await start();
      await reconnect("alice");
      await mark("serving");
    });
    afterEach(async () => {
      await pretend("wg");
      await pretend("chronyc");
    });

    it("of a server that serves: all that there are in one call, each with its unit and dimensions", async () => {
      await handshakes({ bob: 170, carol: 300 });
      const [, , before = 0] = noted();
      wait(50);
      const low = (await sent()) - before;
      const { code } = await health();
      const high = (await sent()) - before;
      expect(code).to.equal(0);
      expect(published()).to.equal(1);
      const { metrics } = site.aws;
      expect(Object.fromEntries(metrics.map(({ name, unit }) => [name, unit]))).to.deep.equal(SERVER_METRICS);
      expect(metrics).to.have.length(Object.keys(SERVER_METRICS).length);
      for (const { namespace, dimensions } of metrics) {
        expect(namespace).to.equal("StingyVPN");
        expect(dimensions).to.deep.equal({ Site: "tokyo", Environment: "prod" });
      }
      const { NetworkOut, CpuUsed, MemoryUsed, DiskUsed, ClockOffset, ...exact } = values();
      expect(exact).to.deep.equal({ PeersConfigured: 4, PeersActive: 2, HandshakesUnanswered: 0 });
      expect(NetworkOut).to.be.within(low, high);
      expect(CpuUsed).to.be.within(0, 100);
      expect(MemoryUsed).to.be.within(1, 99);
      expect(DiskUsed).to.equal(Number.parseInt(await a.sh("df --output=pcent / | tail -n 1"), 10));
      // It is half a second that health lets pass.
      expect(ClockOffset).to.be.within(0, 500);
    });

    it("at most once in 50 seconds", async () => {
      wait(40);
      expect((await health()).code).to.equal(0);
      expect(published()).to.equal(0);
      wait(10);
      expect((await health()).code).to.equal(0);
      expect(published()).to.equal(1);
    });

    it("with what has left it since the last ones", async () => {
      const [, , before = 0] = noted();
      await site.client("alice").sh("ping -q -c 10 -i 0.02 -s 1000 10.8.0.1");
      wait(50);
      const low = (await sent()) - before;
      await health();
      expect(low).to.be.greaterThan(10 * 1000);
      expect(values().NetworkOut).to.be.within(low, (await sent()) - before);
      expect(noted()[2]).to.equal(before + (values().NetworkOut ?? 0));
    });

    it("with what has left it since the counter began anew", async () => {
      const [, packets = 0, bytes = 0, ...rest] = noted();
      note(1, packets, bytes + 1e9, ...rest);
      const low = await sent();
      await health();
      expect(values().NetworkOut).to.be.within(low, await sent());
    });

    it("with the time that the processor was not idle: that which the host stole, too; not that of waiting for the disk", async () => {
      const [, packets = 0, bytes = 0] = noted();
      // user nice system idle iowait irq softirq steal guest guest_nice
      a.machine.write(
        "/run/machine/stat",
        "cpu 1010 102 1030 9400 3100 1004 1005 1050 77 88\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
      );
      await a.machine.sh("mount --bind /run/machine/stat /proc/stat");
      note(1, packets, bytes, 17_100, 9000 + 3000);
      await health();
      await a.machine.sh("umount /proc/stat");
      // 101 of 601, or what 500 leave of a hundred percent
      expect(values().CpuUsed).to.equal(17);
      expect(noted().slice(3)).to.deep.equal([17_701, 12_500]);
    });

    it("with how far the clock is off, whichever way, as long as somebody keeps it", async () => {
      const tracking = (offset: string, leap = "Normal"): string =>
        `[ "$*" = "-c tracking" ] || exec /usr/bin/chronyc "$@"
echo 'A9FEA97B,169.254.169.123,4,1700000000.1,${offset},0.1,0.2,-10.1,0.1,0.2,0.0003,0.0002,16.1,${leap}'`;
      const offset = async (script: string): Promise<number | undefined> => {
        site.aws.calls.length = 0;
        await pretend("chronyc", script);
        wait(50);
        await health();
        expect(values()).to.include.keys("PeersConfigured", "NetworkOut", "DiskUsed");
        return values().ClockOffset;
      };
      expect(await offset(tracking("0.012345678"))).to.equal(12.346);
      expect(await offset(tracking("-0.250000000"))).to.equal(250);
      expect(await offset(tracking("0.000000000"))).to.equal(0);
      expect(await offset(tracking("0.000000000", "Insert second"))).to.equal(0);
      expect(await offset(tracking("0.000000000", "Not synchronised"))).to.equal(undefined);
      expect(await offset("echo '506 Cannot talk to daemon'; exit 1")).to.equal(undefined);
      await pretend("chronyc");
      await health();
      expect(await a.state()).to.equal("serving");
    });

    it("without a peer heard of, where none has been", async () => {
      await site.client("alice").down();
      await a.sh("ip link del wg0");
      await a.run("stingy-sync");
      wait(50);
      await health();
      const { PeersConfigured, PeersActive } = values();
      expect([PeersConfigured, PeersActive]).to.deep.equal([4, 0]);
      await site.client("alice").up();
      await site.client("alice").reaches();
    });

    it("with a handshake that has just been, or even a little later by a clock that was set back", async () => {
      await handshakes({ alice: -2, bob: -2 });
      wait(50);
      expect((await health()).code).to.equal(0);
      expect(values().PeersActive).to.equal(2);
    });

    it("of a server that serves though it is unfit", async () => {
      await a.fillDisk();
      wait(50);
      expect((await health()).code).to.equal(1);
      expect(await a.state()).to.equal("unhealthy:disk-space");
      expect(values().DiskUsed).to.equal(100);
      await a.freeDisk();
      await health();
      expect(await a.state()).to.equal("serving");
    });

    it("again, when the answer was empty", async () => {
      await site.aws.fail({ kind: "empty", service: "monitoring", times: 1 });
      wait(50);
      expect((await health()).code).to.equal(0);
      expect(published()).to.equal(2);
      expect(site.aws.metrics.filter(({ name }) => name === "NetworkOut")).to.have.length(1);
    });

    describe("of handshakes", () => {
      let stranger: Client;
      const arrived = async (): Promise<number> =>
        Number(/packets (\d+)/.exec(await a.sh("nft list counter inet stingy initiations"))?.[1]);
      /** The first message of a handshake, from a device with a key that the server does not know. */
      const knock = async (times = 1): Promise<void> => {
        for (let n = 0; n < times; n++) {
          const before = await arrived();
          await stranger.up({ keepalive: 25 });
          await eventually("its first message has arrived", async () => (await arrived()) > before);
          await stranger.down();
        }
      };

      before(async () => {
        stranger = await site.startClient(site.newPeer("stranger"));
        await site.client("alice").down();
        await site.client("bob").sh("ip link del wg0 2>/dev/null || true");
        await mark("serving");
      });
      beforeEach(async () => {
        // Nobody has been heard of: what is set back to pass for a minute ago would find the handshakes before it again.
        await a.sh("ip link del wg0");
        await a.run("stingy-sync");
        await unmark("published");
        await health();
        site.aws.calls.length = 0;
      });
      after(async () => {
        await unmark("serving");
        await health();
      });

      it("that nobody answered, as many as there were", async () => {
        const before = await arrived();
        await knock(3);
        wait(50);
        await health();
        expect(values().HandshakesUnanswered).to.equal((await arrived()) - before);
        expect(values().HandshakesUnanswered).to.be.within(3, 5);
        wait(50);
        site.aws.calls.length = 0;
        await health();
        expect(values().HandshakesUnanswered).to.equal(0);
      });

      it("none, where a device connects", async () => {
        const before = await arrived();
        await site.client("carol").up();
        await site.client("carol").reaches();
        expect(await arrived()).to.equal(before + 1);
        wait(50);
        await health();
        expect(values()).to.include({ HandshakesUnanswered: 0, PeersActive: 1 });
        await site.client("carol").down();
      });

      it("only those of strangers, where a device connects meanwhile", async () => {
        await site.client("carol").up();
        await site.client("carol").reaches();
        await knock(2);
        wait(50);
        const [, before = 0] = noted();
        const all = (await arrived()) - before;
        await health();
        expect(all).to.be.within(3, 5);
        expect(values().HandshakesUnanswered).to.equal(all - 1);
        await site.client("carol").down();
      });

      it("not less than none, as when the server itself called", async () => {
        await handshakes({ bob: 1, carol: 1 });
        wait(50);
        await health();
        expect(values().HandshakesUnanswered).to.equal(0);
      });

      it("from the start, where the firewall began to count anew", async () => {
        await knock(3);
        await unmark("published");
        await health();
        await a.sh("nft delete table inet stingy");
        await a.run("stingy-firewall");
        await a.run("stingy-sync");
        await knock();
        const all = await arrived();
        expect(all).to.be.within(1, 2);
        wait(50);
        await health();
        expect(values().HandshakesUnanswered).to.equal(all);
      });

      it("from when it began to serve, and bytes as well: not those of a server that waited", async () => {
        await unmark("serving");
        await knock(3);
        await a.sh(`curl --silent --max-time 5 --data-binary @/usr/bin/jq http://${ADDRESSES.web}/ || true`);
        await health();
        expect(published()).to.equal(0);
        await mark("serving");
        const [, packets, bytes = 0] = noted();
        expect(packets).to.equal(await arrived());
        await knock();
        const all = (await arrived()) - (packets ?? 0);
        wait(50);
        await health();
        expect(published()).to.equal(1);
        expect(values().HandshakesUnanswered).to.equal(all);
        expect(values().NetworkOut).to.be.within(1, (await sent()) - bytes);
      });

      it("from the next minute, where it serves and has seen nothing before", async () => {
        await knock(2);
        await unmark("published");
        await health();
        expect(published()).to.equal(0);
        wait(50);
        await health();
        expect(published()).to.equal(1);
        expect(values().HandshakesUnanswered).to.equal(0);
      });

      it("in the next run, when they were refused, with nothing lost", async () => {
        await site.aws.fail({ kind: "denied", service: "monitoring", times: 1 });
        const [, packets = 0, bytes = 0] = noted();
        wait(50);
        await knock();
        const { code, log } = await health();
        expect(code).to.equal(1);
        expect(log.map(({ event }) => event)).to.deep.equal(["metrics-not-published"]);
        expect(site.aws.metrics).to.deep.equal([]);
        await knock();
        const low = (await sent()) - bytes;
        expect((await health()).code).to.equal(0);
        expect(values().HandshakesUnanswered).to.equal((await arrived()) - packets);
        expect(values().HandshakesUnanswered).to.be.within(2, 4);
        expect(values().NetworkOut).to.be.within(low, (await sent()) - bytes);
        expect(tagged()).to.deep.equal([]);
      });
    });

    it("not of a server that only waits", async () => {
      await unmark("serving");
      wait(50);
      expect((await health()).code).to.equal(0);
      expect(published()).to.equal(0);
      expect(await a.state()).to.equal("ready");
    });
  });

  describe("runs", () => {
    before(start);
    it("not while another does", async () => {
      await site.aws.fail({ kind: "hang", service: "ec2", action: "CreateTags", times: 1 });
      await mark("serving");
      const first = health();
      await eventually("the first is at its tag", () => tagged().length > 0, 20_000);
      const calls = site.aws.calls.length;
      const second = await health();
      expect(second.code).to.equal(1);
      expect(second.log.map(({ event }) => event)).to.deep.equal(["another-health-runs"]);
      expect(site.aws.calls.length).to.equal(calls);
      await site.aws.heal();
      expect((await first).code).to.equal(0);
      expect(tagged()).to.deep.equal([
        ["serving", 0],
        ["serving", 200],
      ]);
    });

    it("not without its checks, and leaves the tag alone", async () => {
      await a.sh("mv /etc/stingy/checks /run/checks");
      const { code, log } = await health();
      await a.sh("mv /run/checks /etc/stingy/checks");
      expect(code).to.equal(1);
      expect(log).to.deep.equal([
        { script: "stingy-health", level: "error", event: "unreadable", fields: { file: "/etc/stingy/checks" } },
      ]);
      expect(site.aws.calls).to.deep.equal([]);
    });

    it("on, when a check hangs", async () => {
      // Not beside other tests, though it takes twenty seconds: its calls would meet their faults.
      const checks = site.b.file("/etc/stingy/checks");
      site.b.machine.write(
        "/etc/stingy/checks",
        `check hangs unfit 'sleep 1234; true' ''\ncheck later report 'false' ''\n${checks}`,
      );
      const { code, log } = await site.b.run("stingy-health");
      expect(code).to.equal(1);
      expect(log.filter(({ event }) => event === "check-fails").map(({ fields }) => fields.check)).to.deep.equal([
        "hangs",
        "later",
      ]);
      expect(await site.b.state()).to.equal("unhealthy:hangs");
      expect(await site.b.sh("pgrep -f '[s]leep 1234' || true")).to.equal("");
    });
  });

  describe("after a reboot", () => {
    it("announces itself once, and then serves", async () => {
      await a.reboot();
      await eventually("it serves", async () => (await a.state()) === "serving");
      await health();
      expect(announced()).to.deep.equal(["Server Ready"]);
      expect(tagged()).to.deep.equal([
        ["ready", 200],
        ["serving", 200],
      ]);
    });

    it("announces itself only when it is fit, though it has the address, and until the event has been taken", async () => {
      await a.fillDisk();
      await a.reboot();
      await eventually("it has the address", () => a.marked("serving"));
      expect((await health()).code).to.equal(1);
      expect(announced()).to.deep.equal([]);
      expect(tagged()).to.deep.equal([["unhealthy:disk-space", 200]]);

      await a.freeDisk();
      await site.aws.fail({ kind: "denied", service: "events", times: 1 });
      const { code, log } = await health();
      expect(code).to.equal(1);
      expect(log.map(({ event }) => event)).to.include("event-not-sent");
      expect(announced()).to.deep.equal([]);
      expect(await a.state()).to.equal("serving");

      await site.aws.fail({ kind: "entryFailed", service: "events", times: 1 });
      expect((await health()).code).to.equal(0);
      await health();
      expect(announced()).to.deep.equal(["Server Ready"]);
    });

    it("announces itself only when its tag says so, by which the controller goes", async () => {
      await a.fillDisk();
      await a.reboot();
      await eventually("it has the address", () => a.marked("serving"));
      await a.freeDisk();
      await site.aws.fail({ kind: "denied", service: "ec2", action: "CreateTags", times: 1 });
      const { code, log } = await health();
      expect(code).to.equal(1);
      expect(log.map(({ event }) => event)).to.include("state-not-tagged");
      expect(announced()).to.deep.equal([]);
      expect((await health()).code).to.equal(0);
      expect(announced()).to.deep.equal(["Server Ready"]);
    });

    it("announces nothing when it has stood down", async () => {
      await a.fillDisk();
      await a.reboot();
      await a.systemctl("stop", "stingy-promote.service", "stingy-watch.service");
      await a.freeDisk();
      await unmark("serving");
      await mark("stood-down");
      expect((await health()).code).to.equal(0);
      expect(announced()).to.deep.equal([]);
      await unmark("stood-down");
      expect((await health()).code).to.equal(0);
      expect(announced()).to.deep.equal(["Server Ready"]);
      expect(await a.state()).to.equal("ready");
    });
  });
});
