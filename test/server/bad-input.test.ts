import { expect } from "chai";
import {
  codeOf,
  type FaultKind,
  keyPair,
  type LogLine,
  type RunningScript,
  type ScriptResult,
  type Server,
  type Service,
  type Site,
  type SiteOptions,
  startSite,
} from "./harness";
import { together } from "./together";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Every script, and what it calls beside what every system has. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  "stingy-firewall": ["curl", "ip", "nft"],
  "stingy-sync": ["chronyc", "curl", "flock", "ip", "jq", "nft", "wg"],
  "stingy-watch": ["awk", "curl", "flock", "ip", "jq", "wg"],
  "stingy-health": ["awk", "curl", "flock", "ip", "jq", "nft", "wg"],
  "stingy-promote": ["curl", "flock", "ip", "jq", "nft", "wg"],
  "stingy-journal": ["curl", "flock", "journalctl", "jq"],
};
const SCRIPTS = Object.keys(NEEDED);
const SETTINGS = ["ENVIRONMENT", "SITE", "STORE_PREFIX", "LISTEN_PORT", "TUNNEL_IPV4", "MTU", "DEFAULT_GROUP"];
const ROLE = "meta-data/iam/security-credentials/stingy-server";

const PEER = keyPair();
const WAITS = 60_000;

/** A server in step, with a peer whose endpoint it knows. What health proves is health's own test. */
async function startServing(options: SiteOptions = {}): Promise<Site> {
  const checks = { path: "/etc/stingy/checks", content: "check always unfit true ''\n", mode: "0644" };
  const bootstrap = { logGroup: "/stingy-vpn/prod-tokyo/server" };
  const site = await startSite({ store: "memory", files: [checks], bootstrap, ...options });
  await site.store.put("peers/anna", { publicKey: PEER.publicKey, addresses: ["10.8.0.2"] });
  await site.store.put("peer-endpoints", `${PEER.publicKey.slice(0, 10)} 198.18.1.2:40000`);
  for (const script of ["stingy-firewall", "stingy-sync"]) {
    const { code, stderr } = await site.a.run(script);
    expect(code, stderr).to.equal(0);
  }
  await site.a.sh(`wg set wg0 peer ${PEER.publicKey} endpoint 198.18.1.2:40000`);
  return site;
}

/** All that traffic depends on. Where promote expects peers to come from is no part of it. */
async function stateOf(server: Server): Promise<string> {
  const parts = [
    "wg showconf wg0 | sort",
    "ip -o address show dev wg0",
    "ip -o link show dev wg0",
    "ip route",
    "nft -s list ruleset",
  ];
  return (await server.sh(parts.join("; "))).replace(/set endpoints[46] \{[\s\S]*?\n\t\}/g, "");
}

/** @returns the fields of the only line that a script has said, which is an error with that event */
function onlyError({ code, stderr, log }: ScriptResult, event: string): LogLine["fields"] {
  expect(stderr.trimEnd().split("\n"), "lines").to.have.length(1);
  expect(
    log.map((line) => `${line.level} ${line.event}`),
    stderr,
  ).to.deep.equal([`error ${event}`]);
  expect(code).to.equal(1);
  return log[0]?.fields ?? {};
}

const reasons = (log: readonly LogLine[], event: string): (string | undefined)[] =>
  log.filter((line) => line.event === event).map(({ fields }) => fields.reason);

describe("every script", () => {
  describe("on a machine that is not as it should be", () => {
    let site: Site;
    let server: Server;
    let was: string;
    const settings = "/etc/stingy/server.env";
    let good: string;
    before(async () => {
      site = await startServing();
      server = site.a;
      good = server.file(settings);
    });
    after(() => site.stop());
    beforeEach(async () => {
      was = await stateOf(server);
    });
    afterEach(async () => {
      expect(await stateOf(server), "wg0 and the firewall").to.equal(was);
    });

    it("names the tool that is missing", async () => {
      await server.sh(`
        mkdir /run/machine/tools
        for folder in ${PATH.replaceAll(":", " ")}; do
          for tool in $folder/*; do [ -e "/run/machine/tools/\${tool##*/}" ] || ln -s "$tool" /run/machine/tools/; done
        done`);
      for (const script of SCRIPTS) {
        for (const tool of NEEDED[script] ?? []) {
          await server.sh(`mv /run/machine/tools/${tool} /run/machine/tool`);
          const result = await server.run(script, { env: { PATH: "/run/machine/tools" } });
          await server.sh(`mv /run/machine/tool /run/machine/tools/${tool}`);
          expect(onlyError(result, "missing-dependency"), script).to.deep.equal({ tool });
        }
      }
    });

    it("names the settings' file when it is absent or not to be read", async () => {
      await server.sh(`chmod 000 ${settings}`);
      for (const script of SCRIPTS)
        expect(onlyError(await server.run(script), "unreadable")).to.deep.equal({ file: settings });
      await server.sh(`rm ${settings}`);
      for (const script of SCRIPTS)
        expect(onlyError(await server.run(script), "unreadable")).to.deep.equal({ file: settings });
      server.machine.write(settings, good);
    });

    it("names the setting that is missing or empty", async () => {
      for (const [n, setting] of SETTINGS.entries()) {
        const line = new RegExp(`^${setting}=.*$`, "m");
        server.machine.write(settings, good.replace(line, n % 2 === 0 ? "" : `${setting}=''`));
        for (const script of SCRIPTS)
          expect(onlyError(await server.run(script), "missing-setting"), script).to.deep.equal({
            setting,
            file: settings,
          });
      }
      server.machine.write(settings, good);
    });

    it("fails on settings that were cut off", async () => {
      server.machine.write(settings, good.slice(0, good.indexOf("prod") + 2));
      for (const script of SCRIPTS) {
        expect(onlyError(await server.run(script), "unreadable")).to.deep.equal({ file: settings });
      }
      server.machine.write(settings, good);
    });

    it("names the folder that it cannot write to", async () => {
      await server.sh("mv /run/stingy /run/machine/stingy && touch /run/stingy");
      for (const script of SCRIPTS)
        expect(onlyError(await server.run(script), "no-working-directory")).to.deep.equal({ path: "/run/stingy" });
      await server.sh("rm /run/stingy && mv /run/machine/stingy /run/stingy");
    });

    it("names the file of its own that it cannot read", async () => {
      const files = { "stingy-firewall": "/etc/stingy/firewall.nft", "stingy-health": "/etc/stingy/checks" };
      for (const [script, file] of Object.entries(files)) {
        await server.sh(`chmod 000 ${file}`);
        expect(onlyError(await server.run(script), "unreadable")).to.deep.equal({ file });
        await server.sh(`chmod 644 ${file}`);
      }
    });

    it("says so when nft refuses the firewall, and leaves the one that is loaded", async () => {
      const rules = server.file("/etc/stingy/firewall.nft");
      server.machine.write("/etc/stingy/firewall.nft", `${rules}\nadd rule inet stingy nowhere accept\n`);
      expect(onlyError(await server.run("stingy-firewall"), "firewall-refused").reason).to.include("No such file");
      server.machine.write("/etc/stingy/firewall.nft", rules);
    });

    it("does without a route to the internet what it can: nothing of the firewall, no promotion", async () => {
      await server.sh(
        "ip route save default >/run/machine/route && ip route del default && ip route add 169.254.0.0/16 via 10.0.1.1",
      );
      for (const script of ["stingy-firewall", "stingy-promote"])
        onlyError(await server.run(script), "no-default-route");
      await server.sh("ip route del 169.254.0.0/16 && ip route add default via 10.0.1.1 dev ens5");
    });
  });

  describe("with a metadata service that does not know the region", () => {
    let site: Site;
    let server: Server;
    before(async () => {
      site = await startServing();
      server = site.a;
    });
    after(() => site.stop());

    const region = /\/placement\/region$/;
    const cases: readonly [what: string, begin: () => void, reason: RegExp][] = [
      [
        "answers with a page",
        () => {
          server.imds.fault = { kind: "html", path: region };
        },
        /^the metadata service gives no placement\/region, but '<\?xml version=.*'$/,
      ],
      [
        "answers 200 and nothing",
        () => {
          server.imds.fault = { kind: "empty", path: region };
        },
        /^the metadata service gives no placement\/region, but ''$/,
      ],
      [
        "knows none",
        () => {
          server.imds.more["meta-data/placement/region"] = undefined;
        },
        /^the metadata service gives no placement\/region, but ''$/,
      ],
      [
        "gives one that is none",
        () => {
          server.imds.more["meta-data/placement/region"] = "mars\nevent=fake";
        },
        /^the metadata service gives no placement\/region, but 'mars event=fake'$/,
      ],
      [
        "gives a domain that is none",
        () => {
          server.imds.more["meta-data/services/domain"] = "amazonaws.com/?";
        },
        /^the metadata service gives no services\/domain, but 'amazonaws\.com\/\?'$/,
      ],
      [
        "gives a page for a token",
        () => {
          server.imds.fault = { kind: "html", path: /\/api\/token$/ };
        },
        /^the metadata service gives no placement\/region, but ''$/,
      ],
      [
        "takes no token",
        () => {
          server.imds.tokens.set = () => server.imds.tokens;
        },
        /^the metadata service gives no placement\/region, but ''$/,
      ],
    ];
    for (const [what, begin, reason] of cases) {
      it(`says so when it ${what}, and goes on with what there is`, async () => {
        const before = await stateOf(server);
        const forget = "rm -f /run/stingy/identity /run/stingy/imds-token";
        await server.sh(forget);
        server.imds.forgetTokens();
        begin();
        try {
          for (const script of ["stingy-watch", "stingy-health", "stingy-promote", "stingy-journal"])
            expect(onlyError(await server.run(script), "unidentified").reason, script).to.match(reason);
          const { code, log } = await server.run("stingy-sync");
          expect(code).to.equal(1);
          expect(log.map(({ event }) => event)).to.deep.equal(["not-in-step", "last-good-serves"]);
          expect(log[0]?.fields.reason).to.match(reason);
          expect(await stateOf(server)).to.equal(before);
        } finally {
          server.imds.fault = undefined;
          for (const path of Object.keys(server.imds.more)) delete server.imds.more[path];
          // @ts-expect-error the map's own is there again
          delete server.imds.tokens.set;
        }
        // It was nothing that stays.
        expect((await server.run("stingy-sync")).code).to.equal(0);
      });
    }

    it("loads the firewall without the VPC's ranges, which it keeps if it had them, and says which it lacks", async () => {
      const before = await stateOf(server);
      server.imds.fault = { kind: "html", path: /vpc-ipv4-cidr-blocks$/ };
      const one = await server.run("stingy-firewall");
      server.imds.fault = { kind: "empty", path: /vpc-ipv[46]-cidr-blocks$/ };
      const both = await server.run("stingy-firewall");
      server.imds.fault = undefined;
      for (const [result, versions] of [
        [one, "IPv4"],
        [both, "IPv4 IPv6"],
      ] as const) {
        expect(result.code).to.equal(1);
        expect(result.log.map(({ event }) => event)).to.deep.equal(["firewall-loaded", "vpc-ranges-unknown"]);
        expect(result.log[1]?.fields).to.deep.equal({ versions });
      }
      expect(await stateOf(server)).to.equal(before);
      expect((await server.run("stingy-firewall")).code).to.equal(0);
    });

    it("renews credentials that AWS calls expired, within the same run", async () => {
      site.aws.expireCredentials();
      server.renewCredentials();
      site.aws.calls.length = 0;
      const { code, stderr } = await server.run("stingy-sync");
      expect(code, stderr).to.equal(0);
      expect(site.aws.calls.map(({ action, status, refused }) => `${action} ${status} ${refused ?? ""}`)).to.deep.equal(
        ["GetParameters 400 expired", "GetParameters 200 ", "GetParametersByPath 200 "],
      );
    });

    it("renews credentials before they end, and keeps them until then", async () => {
      const asked = () => server.imds.asked(/security-credentials\/stingy-server$/);
      const before = asked();
      for (let n = 0; n < 2; n++) expect((await server.run("stingy-sync")).code).to.equal(0);
      expect(asked()).to.equal(before);
      server.renewCredentials(200);
      await server.sh("rm /run/stingy/credentials");
      for (let n = 0; n < 2; n++) expect((await server.run("stingy-sync")).code).to.equal(0);
      // As often as there was a call: it hoped for better ones.
      expect(asked()).to.equal(before + 4);
      server.renewCredentials();
      for (let n = 0; n < 2; n++) expect((await server.run("stingy-sync")).code).to.equal(0);
      expect(asked()).to.equal(before + 5);
    });
  });

  describe("that systemd starts again", () => {
    let site: Site;
    let server: Server;
    const env = { INVOCATION_ID: "1", JOURNAL_STREAM: "0:0" };
    before(async () => {
      site = await startServing();
      server = site.a;
    });
    after(() => site.stop());

    async function waits(script: string, failures: number): Promise<LogLine["fields"]> {
      await server.sh(`echo ${failures} >/run/stingy/${script}.failures`);
      const running = server.start(script, { env });
      const { fields } = await running.waitForLog("backoff", { timeoutMs: WAITS });
      await running.stop("SIGKILL");
      await server.sh(`rm /run/stingy/${script}.failures`);
      return fields;
    }

    it("waits twice as long after each failure, up to a minute; health, which a minute is for, up to ten seconds", async () => {
      const seconds = async (script: string, failures: readonly number[]) => {
        const found: string[] = [];
        for (const n of failures) found.push((await waits(script, n)).seconds ?? "");
        return found.join(" ");
      };
      for (const script of SCRIPTS.filter((name) => name !== "stingy-health"))
        expect(await seconds(script, [1, 2, 3, 4, 5, 1000]), script).to.equal("5 10 20 40 60 60");
      expect(await seconds("stingy-health", [1, 2, 3, 1000])).to.equal("5 10 10 10");
    });

    it("counts failures until one run succeeds, and does not wait when somebody starts it by hand", async () => {
      server.imds.more["meta-data/placement/region"] = "";
      await server.sh("rm /run/stingy/identity");
      for (const script of SCRIPTS.filter((name) => name !== "stingy-firewall")) {
        await server.run(script);
        await server.run(script);
        expect(server.file(`/run/stingy/${script}.failures`), script).to.equal("2\n");
      }
      delete server.imds.more["meta-data/placement/region"];
      expect((await server.run("stingy-sync")).code).to.equal(0);
      expect(server.file("/run/stingy/stingy-sync.failures")).to.equal("");
      const { code, log } = await server.run("stingy-sync", { env });
      expect(code).to.equal(0);
      expect(log.map(({ event }) => event)).to.deep.equal(["in-step"]);
    });

    it("ends at once when stopped while it waits, which is no failure", async () => {
      for (const script of SCRIPTS) {
        await server.sh(`echo 9 >/run/stingy/${script}.failures`);
        const running = server.start(script, { env });
        await running.waitForLog("backoff", { timeoutMs: WAITS });
        expect(await running.stop("SIGTERM"), script).to.equal(0);
        expect(server.file(`/run/stingy/${script}.failures`)).to.equal("");
      }
    });

    it("gives each line the priority that journald is to show", async () => {
      const { stderr } = await server.run("stingy-sync", { env });
      expect(stderr).to.match(/^<6>stingy-sync: level=info event=in-step /);
      await site.store.put("peers/bad", "");
      expect((await server.run("stingy-sync", { env })).stderr).to.match(
        /^<4>stingy-sync: level=warning event=peer-skipped /m,
      );
      await site.aws.fail({ kind: "denied", service: "ssm" });
      expect((await server.run("stingy-sync", { env })).stderr).to.match(
        /^<3>stingy-sync: level=error event=not-in-step /m,
      );
    });
  });

  describe("with faults outside that come while it works", () => {
    const ALL: readonly Service[] = ["ssm", "ec2", "events", "monitoring"];

    interface Running {
      readonly watch: RunningScript;
      readonly promote: RunningScript;
    }

    /** Promote waits for the address, then watch has a notice to pass on and endpoints to save. */
    async function startBoth(site: Site): Promise<Running> {
      const server = site.a;
      // Neither here nor gone: nobody can say.
      server.imds.fault = { kind: "error", path: /public-ipv4$/ };
      const promote = server.start("stingy-promote");
      await promote.waitForLog("waiting", { timeoutMs: WAITS });
      // Health has something to publish only when it has seen the counters before.
      await server.sh("touch /run/stingy/serving; echo 1 0 0 0 0 >/run/stingy/published");
      const watch = server.start("stingy-watch");
      await watch.waitForLog("watching", { timeoutMs: WAITS });
      return { watch, promote };
    }

    /** Both have lived through it, and do what they are for. */
    async function bothGoOn(site: Site, { watch, promote }: Running): Promise<void> {
      const server = site.a;
      expect(watch.alive, "watch").to.equal(true);
      expect(promote.alive, "promote").to.equal(true);
      server.imds.fault = undefined;
      server.imds.publicIpv4 = site.address;
      expect((await promote.waitForLog("primed", { timeoutMs: WAITS })).fields).to.deep.equal({ peers: "1" });
      await watch.waitForLog("event-sent", { timeoutMs: WAITS });
      await watch.waitForLog("endpoints-saved", { timeoutMs: WAITS });
      expect(site.aws.events.filter(({ detailType }) => detailType === "Server Notice")).to.have.length(1);
      for (const running of [watch, promote]) expect(await running.stop()).to.equal(0);
    }

    /** What the scripts say of each service while AWS fails in one way. */
    async function surviveAws(
      begin: (site: Site) => Promise<unknown>,
      said: (service: Service) => string | RegExp,
      heal: (site: Site) => Promise<unknown>,
    ): Promise<void> {
      const site = await startServing();
      const server = site.a;
      try {
        await begin(site);
        const before = await stateOf(server);
        const running = await startBoth(site);
        server.imds.interruption = { action: "terminate", time: new Date(Date.now() + 120_000) };
        const matches = (reason: string | undefined, service: Service, what: string): void => {
          const expected = said(service);
          if (typeof expected === "string") expect(reason, what).to.equal(expected);
          else expect(reason, what).to.match(expected);
        };
        const [sync, health] = await Promise.all([
          server.run("stingy-sync", { timeoutMs: 2 * WAITS }),
          server.run("stingy-health", { timeoutMs: 3 * WAITS }),
          running.watch.waitForLog("event-not-sent", { timeoutMs: 2 * WAITS }),
          running.promote.waitForLog("endpoints-not-read", { timeoutMs: WAITS }),
        ]);
        expect(sync.code, sync.stderr).to.equal(1);
        expect(sync.log.map(({ level, event }) => `${level} ${event}`)).to.deep.equal([
          "error not-in-step",
          "warning last-good-serves",
        ]);
        matches(sync.log[0]?.fields.reason, "ssm", "sync");
        expect(health.code, health.stderr).to.equal(1);
        expect(health.log.map(({ level, event }) => `${level} ${event}`)).to.deep.equal([
          "info verdict",
          "error state-not-tagged",
          // What its tag does not say it does not announce.
          "error metrics-not-published",
        ]);
        for (const [n, service] of (["ec2", "monitoring"] as const).entries())
          matches(health.log[n + 1]?.fields.reason, service, "health");
        matches(reasons(running.watch.log, "endpoints-not-saved")[0], "ssm", "watch");
        matches(reasons(running.watch.log, "event-not-sent")[0], "events", "watch");
        matches(reasons(running.promote.log, "endpoints-not-read")[0], "ssm", "promote");
        expect(await stateOf(server)).to.equal(before);
        expect(await server.state(), "the tag").to.equal(undefined);

        await heal(site);
        await bothGoOn(site, running);
        expect((await server.run("stingy-sync")).code).to.equal(0);
        const healed = await server.run("stingy-health");
        expect(healed.code, healed.stderr).to.equal(0);
        expect(await server.state()).to.equal("serving");
        expect(site.aws.metrics.length).to.be.greaterThan(0);
        expect(site.aws.events.filter(({ detailType }) => detailType === "Server Ready")).to.have.length(1);
      } finally {
        await site.stop();
      }
    }
    const failing =
      (kind: FaultKind) =>
      async (site: Site): Promise<void> => {
        for (const service of ALL) await site.aws.fail({ kind, service });
      };
    const heal = (site: Site): Promise<void> => site.aws.heal();
    const answered =
      (kind: Parameters<typeof codeOf>[1], statuses: Readonly<Partial<Record<Service, number>>>) =>
      (service: Service) =>
        `${service} answered ${statuses[service]} ${codeOf(service, kind)}`;
    const all = (status: number) => ({ ssm: status, ec2: status, events: status, monitoring: status });

    /** A metadata service that fails: nothing can be known, and nothing is lost. */
    async function surviveMetadata(
      begin: (site: Site) => Promise<unknown>,
      end: (site: Site) => Promise<unknown>,
    ): Promise<void> {
      const site = await startServing();
      const server = site.a;
      try {
        const before = await stateOf(server);
        const running = await startBoth(site);
        await begin(site);
        await server.sh("rm -f /run/stingy/identity /run/stingy/imds-token");
        const scripts = ["stingy-firewall", "stingy-sync", "stingy-health", "stingy-watch", "stingy-promote"];
        const [firewall, sync, ...others] = await Promise.all(
          scripts.map((script) => server.run(script, { timeoutMs: 2 * WAITS })),
        );
        expect(firewall?.code).to.equal(1);
        expect(firewall?.log.map(({ event }) => event)).to.deep.equal(["firewall-loaded", "vpc-ranges-unknown"]);
        const reason = "the metadata service gives no placement/region, but ''";
        expect(sync?.code).to.equal(1);
        expect(sync?.log.map(({ event, fields }) => [event, fields.reason])).to.deep.equal([
          ["not-in-step", reason],
          ["last-good-serves", undefined],
        ]);
        for (const result of others) expect(onlyError(result, "unidentified")).to.deep.equal({ reason });
        expect(await stateOf(server)).to.equal(before);
        await end(site);
        server.imds.interruption = { action: "terminate", time: new Date(Date.now() + 120_000) };
        await bothGoOn(site, running);
        expect((await server.run("stingy-sync")).code).to.equal(0);
      } finally {
        await site.stop();
      }
    }
    const metadataRule = (site: Site, verdict: string): Promise<string> =>
      site.outside.machine.sh(`nft add rule ip elastic services ip daddr 169.254.169.254 tcp dport 80 ${verdict}`);
    const noRule = (site: Site): Promise<string> =>
      site.outside.machine.sh(
        "nft delete rule ip elastic services handle $(nft -a list chain ip elastic services | sed -n 's/.*dport 80 .*handle //p')",
      );

    together({
      "says so, changes nothing and goes on when AWS refuses connections": () =>
        surviveAws(failing("refuse"), (service) => `${service} cannot be reached (curl's status 7)`, heal),
      "… when AWS cuts connections": () =>
        surviveAws(
          failing("reset"),
          (service) => new RegExp(`^${service} cannot be reached \\(curl's status (35|52|56)\\)$`),
          heal,
        ),
      "… when AWS fails inside": () => surviveAws(failing("internal"), answered("internal", all(500)), heal),
      "… when AWS throttles for long": () =>
        surviveAws(failing("throttled"), answered("throttled", { ...all(400), ec2: 503 }), heal),
      "… when AWS denies everything": () =>
        surviveAws(failing("denied"), answered("denied", { ssm: 400, events: 400, ec2: 403, monitoring: 403 }), heal),
      "… when a page comes instead of AWS's answer": () =>
        surviveAws(
          failing("html"),
          (service) => new RegExp(`^${service} answered with nonsense: '<!DOCTYPE html> <html><head><title>`),
          heal,
        ),
      "… when AWS answers 200 and nothing": () =>
        surviveAws(failing("empty"), (service) => `${service} answered with nonsense: ''`, heal),
      "… when its credentials have expired and there are no new ones": () =>
        surviveAws(
          async (site) => site.aws.expireCredentials(),
          answered("expired", { ssm: 400, events: 400, ec2: 400, monitoring: 403 }),
          async (site) => site.a.renewCredentials(),
        ),
      "… when the metadata service has no credentials": () =>
        surviveAws(
          async (site) => {
            await site.a.sh("rm /run/stingy/credentials");
            site.a.imds.more[ROLE] = '{"Code": "AssumeRoleUnauthorizedAccess"}';
          },
          () => "the metadata service gives no credentials",
          async (site) => {
            delete site.a.imds.more[ROLE];
          },
        ),
      "gives up in time when the store swallows what is sent to it, and goes on when it is back": async () => {
        const site = await startServing();
        try {
          const before = await stateOf(site.a);
          const running = await startBoth(site);
          site.a.imds.interruption = { action: "terminate", time: new Date(Date.now() + 120_000) };
          await site.aws.fail({ kind: "blackhole", service: "ssm" });
          await site.aws.fail({ kind: "blackhole", service: "ec2" });
          await site.a.sh("touch /run/stingy/announced; echo $(($(date +%s) + 600)) 0 0 0 0 >/run/stingy/published");
          const [sync, health] = await Promise.all([
            site.a.run("stingy-sync", { timeoutMs: 2 * WAITS }),
            site.a.run("stingy-health", { timeoutMs: 2 * WAITS }),
          ]);
          const reason = (service: Service): string => `${service} cannot be reached (curl's status 28)`;
          expect(sync.log.map(({ event, fields }) => [event, fields.reason])).to.deep.equal([
            ["not-in-step", reason("ssm")],
            ["last-good-serves", undefined],
          ]);
          expect(reasons(health.log, "state-not-tagged")).to.deep.equal([reason("ec2")]);
          expect([sync.code, health.code]).to.deep.equal([1, 1]);
          expect(await stateOf(site.a)).to.equal(before);
          await site.aws.heal();
          await bothGoOn(site, running);
        } finally {
          await site.stop();
        }
      },
      "gives a service that takes a request and says nothing another chance": async () => {
        const site = await startServing();
        try {
          await site.aws.fail({ kind: "hang", service: "ssm", times: 1 });
          await site.aws.fail({ kind: "hang", service: "ec2", times: 1 });
          const results = await Promise.all(
            ["stingy-sync", "stingy-health"].map((script) => site.a.run(script, { timeoutMs: 2 * WAITS })),
          );
          for (const { code, stderr } of results) expect(code, stderr).to.equal(0);
          expect(site.aws.calls.filter(({ fault }) => fault === "hang")).to.have.length(2);
        } finally {
          await site.stop();
        }
      },
      "serves what it has when the metadata service is not there": () =>
        surviveMetadata((site) => metadataRule(site, "reject with tcp reset"), noRule),
      "… when the metadata service says nothing": () => surviveMetadata((site) => metadataRule(site, "drop"), noRule),
      "… when the metadata service fails inside": () =>
        surviveMetadata(
          async (site) => {
            site.a.imds.fault = { kind: "error", path: /./ };
          },
          async (site) => {
            site.a.imds.fault = { kind: "error", path: /public-ipv4$/ };
          },
        ),
      "goes on when an answer is cut off": async () => {
        const site = await startServing();
        try {
          const { backend } = site.store;
          const answer = backend.answer.bind(backend);
          backend.answer = async (action, input) => {
            const { body, ...rest } = await answer(action, input);
            return { ...rest, body: body.slice(0, -20) };
          };
          const { watch, promote } = await startBoth(site);
          const { fields } = await promote.waitForLog("endpoints-not-read", { timeoutMs: WAITS });
          expect(fields).to.deep.equal({ reason: "the store's answer makes no sense" });
          const sync = await site.a.run("stingy-sync");
          expect(reasons(sync.log, "not-in-step")).to.deep.equal(["the store's answer makes no sense"]);
          expect(sync.code).to.equal(1);
          backend.answer = answer;
          site.a.imds.interruption = { action: "terminate", time: new Date(Date.now() + 120_000) };
          await bothGoOn(site, { watch, promote });
        } finally {
          await site.stop();
        }
      },
    });
  });
});
