import { spawn } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { ADDRESSES, codeOf, eventually, type FaultKind, type Server, type Site, sleep, startSite } from "./harness";
import { Machine, namespaceOf, networkNamespaces, processesOf, removeLeftOvers } from "./harness/machine";
import { parseLog } from "./harness/server";
import { missingTools } from "./harness/tools";

/** Calls AWS as the scripts do. @returns curl's status, then the HTTP status and the body */
async function call(
  server: Server,
  service: string,
  target: string,
  input: object,
  change: Record<string, string> = {},
) {
  const { accessKeyId, secretAccessKey, sessionToken } = server.renewCredentials();
  const {
    secret = secretAccessKey,
    token = sessionToken,
    id = accessKeyId,
    scope = "ap-northeast-1",
    more = "",
  } = change;
  const command = `curl -sS --connect-timeout 1 --max-time 2 --write-out '\\n%{http_code}' ${more} \
    --aws-sigv4 "aws:amz:${scope}:${service}" --user "${id}:${secret}" -H "X-Amz-Security-Token: ${token}" \
    -H "X-Amz-Target: ${target}" -H 'Content-Type: application/x-amz-json-1.1' \
    --data-binary '${JSON.stringify(input)}' https://${service}.ap-northeast-1.amazonaws.com/`;
  const { code, stdout } = await server.machine.run(["bash", "-c", command]);
  const [body = "", status = ""] = stdout.split(/\n(?=\d+$)/);
  return { curl: code, status: Number(status), body, type: /"__type": ?"([^"]*)"/.exec(body)?.[1] };
}
const read = (server: Server, change?: Record<string, string>) =>
  call(server, "ssm", "AmazonSSM.GetParameter", { Name: "/stingy-vpn/prod/greeting", WithDecryption: true }, change);

describe("the harness: a site", () => {
  let site: Site;
  before(async () => {
    site = await startSite({ servers: 2, peers: ["laptop"] });
    await site.a.boot();
    await site.a.run("stingy-health");
    await site.client("laptop").up();
  });
  after(() => site?.stop());

  it("runs the rendered scripts until the server serves", async () => {
    await eventually("a serves", async () => (await site.a.state()) === "serving");
    expect(site.aws.refused).to.deep.equal([]);
    expect(site.aws.events.map(({ source, detailType, instance }) => [source, detailType, instance])).to.deep.equal([
      ["stingy-vpn", "Server Ready", site.a.instanceId],
    ]);
    expect(site.a.journal("stingy-sync").map(({ event }) => event)).to.include.members(["wg0-made", "in-step"]);
    expect(site.a.systemctlCalls).to.include("start stingy-sync.service");
    expect(await site.a.peers()).to.deep.equal([site.client("laptop").peer.publicKey]);
  });

  it("leads clients through the tunnel to the internet, where they have the server's address", async () => {
    const client = site.client("laptop");
    await client.reaches();
    expect((await client.http(`http://${ADDRESSES.web}/`)).stdout.trim()).to.equal("198.51.100.10");
    expect((await client.http(`http://[${ADDRESSES.webIpv6}]/`)).stdout.trim()).to.equal(site.a.attachment.ipv6);
    expect((await client.http(`http://${ADDRESSES.web}/bytes/1000000`)).stdout).to.have.lengthOf(1_000_000);
  });

  it("gives clients no way around the tunnel", async () => {
    const machine = site.client("laptop").machine;
    const { code } = await machine.run(["ping", "-c", "1", "-W", "1", "-I", "eth0", ADDRESSES.web]);
    expect(code).not.to.equal(0);
  });

  it("counts what a flood of pings loses", async () => {
    const client = site.client("laptop");
    await client.reaches();
    const whole = client.flood();
    await sleep(300);
    const nothing = await whole.stop();
    expect(nothing.lost).to.equal(0);
    expect(nothing.received).to.be.greaterThan(20);

    const broken = client.flood();
    await sleep(300);
    await site.outside.machine.sh("ip link set server-a down; sleep 0.4; ip link set server-a up");
    // What was down has lost its route to the internet's IPv6.
    await site.outside.machine.sh("ip addr replace 2001:db8:a:1::1/64 dev server-a nodad");
    await sleep(300);
    const { lost, longestGapMs } = await broken.stop();
    expect(lost).to.be.greaterThan(20);
    expect(longestGapMs).to.be.within(350, 2000);
  });

  it("moves the address, and what the metadata service says of it", async () => {
    const seen = async (server: Server) =>
      (await server.sh(`curl -s --max-time 2 http://${ADDRESSES.web}/ || true`)).trim();
    expect([await seen(site.a), await seen(site.b)]).to.deep.equal(["198.51.100.10", "198.51.100.101"]);

    await site.moveAddress(site.b);
    expect([await seen(site.a), await seen(site.b)]).to.deep.equal(["198.51.100.102", "198.51.100.10"]);
    expect([site.a.imds.publicIpv4, site.b.imds.publicIpv4]).to.deep.equal(["198.51.100.102", "198.51.100.10"]);

    await site.moveAddress(site.a, { regains: false, metadataDelayMs: 200 });
    expect(site.b.imds.publicIpv4).to.equal("198.51.100.10");
    expect([await seen(site.a), await seen(site.b)]).to.deep.equal(["198.51.100.10", ""]);
    await eventually("the metadata knows", () => site.b.imds.publicIpv4 === undefined);
    // Without a public address: neither AWS nor the internet, but its own metadata.
    expect((await read(site.b)).curl).to.equal(28);
    expect(await site.b.sh("curl -s -o /dev/null --max-time 2 -w '%{http_code}' http://169.254.169.254/")).to.equal(
      "401",
    );

    await site.moveAddress(undefined);
    expect(await seen(site.a)).to.equal("198.51.100.103");
    await site.moveAddress(site.a);
    await site.client("laptop").reaches();
  });

  it("leaves this machine's own settings alone", async () => {
    const { code } = await site.a.machine.run(["sysctl", "-w", "vm.swappiness=1"]);
    expect(code).not.to.equal(0);
    expect(existsSync("/etc/stingy/server.env")).to.equal(false);
    expect(existsSync("/usr/local/sbin/stingy-sync")).to.equal(false);
  });

  it("loses the time, and has a wrong one", async () => {
    const offset = async () => Number((await site.b.sh("chronyc -c tracking")).split(",")[4]);
    expect(Math.abs(await offset())).to.be.lessThan(0.1);
    await site.b.clock.lose();
    await eventually("it is lost", async () => (await site.b.sh("chronyc -c tracking")).includes("Not synchronised"));
    await site.b.clock.sync(20);
    await site.b.clock.waitForSync();
    expect(Math.abs(await offset())).to.be.within(19, 21);
    await site.b.clock.sync();
    await site.b.clock.waitForSync();
  });

  it("fills a server's disk, not this machine's", async () => {
    await site.b.fillDisk();
    const { code } = await site.b.machine.run(["bash", "-c", "head -c 100000 /dev/zero >/var/lib/more"]);
    expect(code).not.to.equal(0);
    await site.b.freeDisk();
    await site.b.sh("head -c 100000 /dev/zero >/var/lib/more");
    expect(existsSync("/var/lib/more")).to.equal(false);
  });

  it("ends a script that takes too long, and says so", async () => {
    const { code, timedOut, milliseconds } = await site.b.machine.run(["sleep", "60"], { timeoutMs: 200 });
    expect({ code, timedOut }).to.deep.equal({ code: null, timedOut: true });
    expect(milliseconds).to.be.lessThan(2000);
  });

  it("measures what a running script takes", async () => {
    await site.b.run("stingy-firewall");
    const watch = site.b.start("stingy-watch");
    await watch.waitForLog("watching");
    const { cpuSeconds, memoryKb } = await site.b.usage("stingy-watch");
    expect(cpuSeconds).to.be.within(0.01, 5);
    expect(memoryKb).to.be.within(500, 50_000);
    await watch.stop();
    expect(watch.alive).to.equal(false);
  });

  it("stops a script as systemd does, and says how it ended", async () => {
    const content = "#!/bin/bash\ntrap 'exit 7' TERM\necho 'x: level=info event=begun' >&2\nsleep 1000 & wait\n";
    site.b.install([{ path: "/usr/local/sbin/x", content, mode: "0755" }]);
    const running = site.b.start("x");
    await running.waitForLog("begun");
    expect(await running.stop()).to.equal(7);
    expect(await site.b.sh("pgrep -c sleep || true")).to.equal("0");
  });

  it("starts again what a restart of the machine would", async () => {
    await site.a.reboot();
    expect(site.a.journal("stingy-sync").map(({ event }) => event)).to.include.members(["wg0-made", "in-step"]);
    const client = site.client("laptop");
    // Its session with the server before would take 15 s to give up.
    await client.down();
    await client.up();
    await client.reaches();
  });
});

describe("the harness: the metadata service", () => {
  let site: Site;
  before(async () => {
    site = await startSite();
  });
  after(() => site?.stop());
  const base = "http://169.254.169.254/latest";
  const get = (path: string, token: string) =>
    site.a.sh(`curl -s --max-time 2 -w ' %{http_code}' -H 'X-aws-ec2-metadata-token: ${token}' ${base}/${path}`);
  const newToken = (seconds: number | string, more = "") =>
    site.a.sh(
      `curl -s -X PUT -w ' %{http_code}' -H 'X-aws-ec2-metadata-token-ttl-seconds: ${seconds}' ${more} ${base}/api/token`,
    );
  const token = async () => (await newToken(60)).split(" ")[0] ?? "";

  it("refuses version 1 with 401 and a page", async () => {
    const said = await site.a.sh(`curl -s -w ' %{http_code}' ${base}/meta-data/placement/region`);
    expect(said).to.match(/ 401$/).and.include("<html");
    expect(await get("meta-data/placement/region", "made-up")).to.match(/ 401$/);
  });

  it("gives tokens for 1 to 21,600 seconds, to whoever asks for himself, and forgets them", async () => {
    for (const seconds of ["0", "21601", "x"]) expect(await newToken(seconds)).to.match(/ 400$/);
    expect(await newToken(60, "-H 'X-Forwarded-For: 10.8.0.2'")).to.match(/ 403$/);
    const short = (await newToken(1)).split(" ")[0] ?? "";
    expect(await get("meta-data/placement/region", short)).to.equal("ap-northeast-1 200");
    await sleep(1100);
    expect(await get("meta-data/placement/region", short)).to.match(/ 401$/);
    expect(site.a.imds.tokens.size).to.equal(1);
    expect(site.a.imds.asked(/placement\/region/)).to.be.greaterThan(1);
  });

  it("says what it is told to, and 404 to the rest", async () => {
    const mine = await token();
    const network = `meta-data/network/interfaces/macs/${await site.a.sh("cat /sys/class/net/ens5/address")}`;
    expect(await get("meta-data/instance-id", mine)).to.equal(`${site.a.instanceId} 200`);
    expect(await get("meta-data/services/domain", mine)).to.equal("amazonaws.com 200");
    expect(await get("meta-data/public-ipv4", mine)).to.equal("198.51.100.10 200");
    expect(await get(`${network}/vpc-ipv4-cidr-blocks`, mine)).to.equal("10.0.0.0/16 200");
    expect(await get(`${network}/vpc-ipv6-cidr-blocks`, mine)).to.equal("2001:db8:a::/56 200");
    expect(await get("meta-data/spot/instance-action", mine)).to.match(/ 404$/);
    expect(await get("meta-data/events/recommendations/rebalance", mine)).to.match(/ 404$/);

    const time = new Date("2026-11-21T10:00:00Z");
    site.a.imds.publicIpv4 = undefined;
    site.a.imds.interruption = { action: "terminate", time };
    site.a.imds.rebalance = time;
    expect(await get("meta-data/public-ipv4", mine)).to.match(/ 404$/);
    expect(await get("meta-data/spot/instance-action", mine)).to.equal(
      '{"action":"terminate","time":"2026-11-21T10:00:00Z"} 200',
    );
    expect(await get("meta-data/events/recommendations/rebalance", mine)).to.equal(
      '{"noticeTime":"2026-11-21T10:00:00Z"} 200',
    );
    site.a.imds.publicIpv4 = "198.51.100.10";
  });

  it("hands out the credentials that AWS takes", async () => {
    const mine = await token();
    const given = site.a.renewCredentials();
    const said = await get("meta-data/iam/security-credentials/stingy-server", mine);
    expect(JSON.parse(said.replace(/ 200$/, ""))).to.deep.include({
      Code: "Success",
      AccessKeyId: given.accessKeyId,
      SecretAccessKey: given.secretAccessKey,
      Token: given.sessionToken,
    });
  });

  it("fails as it is told to", async () => {
    const mine = await token();
    const fails = async (kind: "hang" | "html" | "empty" | "error") => {
      site.a.imds.fault = { kind, path: /region/ };
      return get("meta-data/placement/region", mine).catch((error) => /status \d+/.exec(`${error}`)?.[0]);
    };
    expect(await fails("html")).to.match(/Welcome.* 200$/s);
    expect(await fails("empty")).to.equal(" 200");
    expect(await fails("error")).to.match(/ 500$/);
    expect(await fails("hang")).to.equal("status 28");
    expect(await get("meta-data/instance-id", mine)).to.match(/ 200$/);
    site.a.imds.fault = undefined;
    expect(await get("meta-data/placement/region", mine)).to.match(/ 200$/);
  });

  it("answers no further than the hop limit", async () => {
    const ttl = async () => (await site.a.sh("ping -c 1 -W 1 169.254.169.254")).match(/ttl=(\d+)/)?.[1];
    expect(await ttl()).to.equal("1");
    await site.outside.setHopLimit(64);
    expect(await ttl()).to.equal("64");
    expect(await site.a.sh(`curl -gs -o /dev/null -w '%{http_code}' 'http://[fd00:ec2::254]/latest/'`)).to.equal("401");
  });
});

for (const store of ["moto", "memory"] as const) {
  describe(`the harness: the edge of AWS, with the parameters in ${store}`, () => {
    let site: Site;
    before(async () => {
      site = await startSite({ store });
      await site.store.put("greeting", "hello");
    });
    after(() => site?.stop());
    afterEach(() => site?.aws.heal());

    it("answers what is signed rightly, and notes the call", async () => {
      const { status, body } = await read(site.a);
      expect(status).to.equal(200);
      expect(JSON.parse(body).Parameter).to.deep.include({ Value: "hello", Type: "SecureString", Version: 1 });
      const [noted] = site.aws.called("ssm", "GetParameter");
      expect(noted).to.deep.include({ status: 200, instance: site.a.instanceId, refused: undefined });
      expect(noted?.body.Name).to.equal("/stingy-vpn/prod/greeting");
    });

    it("stores create-only, counts versions, and limits values to 4 KB", async () => {
      const put = (Value: string, Overwrite: boolean) =>
        call(site.a, "ssm", "AmazonSSM.PutParameter", {
          Name: "/stingy-vpn/prod/new",
          Type: "SecureString",
          Value,
          Overwrite,
        });
      expect(JSON.parse((await put("one", false)).body).Version).to.equal(1);
      expect((await put("two", false)).type).to.equal("ParameterAlreadyExists");
      expect(await site.store.get("new")).to.equal("one");
      expect(JSON.parse((await put("three", true)).body).Version).to.equal(2);
      expect((await put("x".repeat(4096), true)).status).to.equal(200);
      const { status, type } = await put("x".repeat(4097), true);
      expect({ status, type }).to.deep.equal({ status: 400, type: "ValidationException" });
    });

    it("pages by ten", async () => {
      for (let n = 0; n < 12; n++) await site.store.put(`peers/p${n}`, { n });
      const page = async (more: object) =>
        JSON.parse(
          (await call(site.a, "ssm", "AmazonSSM.GetParametersByPath", { Path: "/stingy-vpn/prod/peers", ...more }))
            .body,
        );
      const first = await page({});
      const second = await page({ NextToken: first.NextToken, WithDecryption: true });
      expect([first.Parameters.length, second.Parameters.length, second.NextToken]).to.deep.equal([10, 2, undefined]);
      for (const { Value } of second.Parameters) expect(Value).to.match(/^\{"n":\d+\}$/);
      for (const { Value } of first.Parameters) expect(Value, "not decrypted").not.to.match(/^\{/);
      expect((await site.store.names()).filter((name) => name.startsWith("peers/"))).to.have.lengthOf(12);
      await site.store.delete("peers/p0");
      expect(await site.store.get("peers/p0")).to.equal(undefined);
    });

    if (store === "memory") return;

    const post = (service: string, form: Record<string, string>) => {
      const { accessKeyId, secretAccessKey, sessionToken } = site.a.renewCredentials();
      return site.a.sh(`curl -s --aws-sigv4 aws:amz:ap-northeast-1:${service} --user ${accessKeyId}:${secretAccessKey} \
        -H 'X-Amz-Security-Token: ${sessionToken}' --data-binary '${new URLSearchParams(form)}' \
        https://${service}.ap-northeast-1.amazonaws.com/`);
    };

    it("refuses what is signed wrongly", async () => {
      const refusals: [Record<string, string>, string, string][] = [
        [{ secret: "wrong" }, "InvalidSignatureException", "signature"],
        [{ token: "wrong" }, "UnrecognizedClientException", "token"],
        [{ id: "ASIAWRONG" }, "UnrecognizedClientException", "unknown"],
        [{ scope: "eu-west-1" }, "InvalidSignatureException", "scope"],
      ];
      for (const [change, type, why] of refusals) {
        const said = await read(site.a, change);
        expect([said.status, said.type]).to.deep.equal([400, type]);
        expect(site.aws.calls.at(-1)).to.deep.include({ refused: why, status: 400 });
      }
      site.aws.expireCredentials();
      const { accessKeyId, secretAccessKey, sessionToken } = site.a.renewCredentials(-1);
      const ended = await read(site.a, { id: accessKeyId, secret: secretAccessKey, token: sessionToken });
      expect(ended.type).to.equal("ExpiredTokenException");
    });

    it("fails as it is told to, as often as it is told to", async () => {
      const fails = async (kind: FaultKind) => {
        await site.aws.fail({ service: "ssm", action: "GetParameter", kind });
        const { curl, status, type, body } = await read(site.a);
        await site.aws.heal();
        return curl === 0 ? [status, type ?? body.slice(0, 9)] : [curl];
      };
      expect(await fails("refuse")).to.deep.equal([7]);
      expect(await fails("blackhole")).to.deep.equal([28]);
      expect(await fails("hang")).to.deep.equal([28]);
      expect((await fails("reset"))[0]).to.be.oneOf([52, 56]);
      expect(await fails("internal")).to.deep.equal([500, "InternalServerError"]);
      expect(await fails("throttled")).to.deep.equal([400, "ThrottlingException"]);
      expect(await fails("html")).to.deep.equal([200, "<!DOCTYPE"]);
      expect(await fails("empty")).to.deep.equal([200, ""]);
      expect(await fails("expired")).to.deep.equal([400, "ExpiredTokenException"]);
      expect(await fails("denied")).to.deep.equal([400, "AccessDeniedException"]);

      await site.aws.fail({ service: "ssm", kind: "throttled", times: 2 });
      const statuses = [await read(site.a), await read(site.a), await read(site.a)].map(({ status }) => status);
      expect(statuses).to.deep.equal([400, 400, 200]);
      await site.aws.fail({ service: "ssm", action: "PutParameter", kind: "throttled" });
      await site.aws.fail({ service: "ec2", kind: "refuse" });
      expect((await read(site.a)).status).to.equal(200);
    });

    it("reads the metrics of a call", async () => {
      const member = { MetricName: "PeersActive", Value: "2", Unit: "Count" };
      const dimension = { "Dimensions.member.1.Name": "Site", "Dimensions.member.1.Value": "tokyo" };
      const fields = Object.entries({ ...member, ...dimension }).map(([name, value]) => [
        `MetricData.member.1.${name}`,
        value,
      ]);
      const action = { Action: "PutMetricData", Version: "2010-08-01", Namespace: "StingyVPN" };
      expect(await post("monitoring", { ...action, ...Object.fromEntries(fields) })).to.include(
        "<PutMetricDataResponse",
      );
      expect(site.aws.metrics).to.deep.equal([
        { namespace: "StingyVPN", name: "PeersActive", value: 2, unit: "Count", dimensions: { Site: "tokyo" } },
      ]);
    });

    it("words an error as the service does", async () => {
      const tag = { Action: "CreateTags", Version: "2016-11-15", "ResourceId.1": site.a.instanceId };
      const create = () => post("ec2", { ...tag, "Tag.1.Key": "state", "Tag.1.Value": "ready" });
      expect(await create()).to.include("<return>true</return>");
      expect(await site.a.state()).to.equal("ready");
      await site.aws.fail({ service: "ec2", kind: "denied" });
      expect(await create()).to.include("<Code>UnauthorizedOperation</Code>");
      expect(codeOf("ec2", "throttled")).to.equal("RequestLimitExceeded");
      expect(codeOf("monitoring", "throttled")).to.equal("Throttling");
    });
  });
}

describe("the harness: a site of another kind", () => {
  it("has no Elastic IP and no IPv6", async () => {
    const site = await startSite({ address: null, ipv6: false, peers: ["laptop"] });
    try {
      expect(site.a.file("/etc/stingy/server.env")).to.include("ADDRESS=''").and.include("TUNNEL_IPV6=''");
      expect(site.a.imds.publicIpv4).to.equal("198.51.100.101");
      await site.a.run("stingy-firewall");
      expect((await site.a.run("stingy-sync")).code).to.equal(0);
      const client = site.client("laptop");
      await client.up();
      await client.reaches();
      expect((await client.http(`http://${ADDRESSES.web}/`)).stdout.trim()).to.equal("198.51.100.101");
      expect(await site.a.sh("ip -6 address show")).to.equal("");
      site.a.configure({ ADDRESS: "198.51.100.77" });
      expect(site.a.file("/etc/stingy/server.env")).to.include("ADDRESS='198.51.100.77'");
    } finally {
      await site.stop();
    }
  });
});

describe("the harness: what it leaves", () => {
  it("nothing, when it stops a site", async () => {
    const processes = processesOf(process.pid);
    const others = new Set(Machine.running);
    const site = await startSite({ peers: ["laptop"] });
    await site.a.boot();
    const made = Machine.running.filter((machine) => !others.has(machine)).map(({ pid }) => namespaceOf(`${pid}`));
    expect([...networkNamespaces()]).to.include.members(made);
    expect(made).to.have.lengthOf(4);
    await site.stop();
    expect([...networkNamespaces()].filter((namespace) => made.includes(namespace))).to.deep.equal([]);
    expect(processesOf(process.pid)).to.deep.equal(processes);
    expect(existsSync(site.outside.folder)).to.equal(false);
  });

  for (const signal of ["SIGKILL", "SIGTERM", "SIGINT"] as const) {
    it(`nothing, when ${signal} ends the run`, async () => {
      const program = `
        require("./test/server/hooks.ts");
        const { Machine } = require("./test/server/harness");
        Machine.start("x", { disk: "8m" }).then(async (machine) => {
          machine.spawn(["sleep", "1000"]);
          await machine.sh("wireguard-go wg0 </dev/null >/dev/null 2>&1; setsid sleep 1000 </dev/null >/dev/null 2>&1 &");
          console.log("started", machine.pid);
        });
        setInterval(() => {}, 1000);`;
      const runner = spawn(process.execPath, ["-r", "tsx/cjs", "-e", program], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const pid = await new Promise<string>((resolve, reject) => {
        runner.stdout.on("data", (text) => resolve(/started (\d+)/.exec(`${text}`)?.[1] ?? ""));
        runner.on("exit", () => reject(new Error("it has ended")));
      });
      const namespace = namespaceOf(pid) ?? "";
      const isThere = () => networkNamespaces().has(namespace);
      expect(isThere()).to.equal(true);
      process.kill(runner.pid as number, signal);
      await eventually("all is gone", () => processesOf(runner.pid as number).length === 0 && !isThere());
    });
  }

  it("removes at the next start what a killed run has left", async () => {
    const gone = spawn("true");
    await new Promise((resolve) => gone.on("exit", resolve));
    const name = `stingy-t-${gone.pid}-x`;
    const folder = path.join(os.tmpdir(), name);
    mkdirSync(folder);
    writeFileSync(path.join(folder, "aws"), "");
    const stray = spawn("bash", ["-c", "sleep 1000; true", name], { stdio: "ignore" });
    const ended = new Promise((resolve) => stray.on("exit", resolve));
    await eventually("it runs", () => processesOf(gone.pid as number).length > 0);

    expect(removeLeftOvers()).to.include(name);
    await ended;
    expect(existsSync(folder)).to.equal(false);
    expect(Machine.running, "what is not left over").not.to.deep.equal([]);
  });
});

describe("the harness: what it asks for", () => {
  it("names the packages that are missing", () => {
    expect(missingTools([], "")).to.deep.equal([
      "wg, wireguard-go, nft, ip, ping, jq, curl, chronyd, chronyc, openssl, sysctl, awk, unshare, nsenter, setpriv, flock: " +
        "apt-get install wireguard-tools wireguard-go nftables iproute2 iputils-ping jq curl chrony openssl procps mawk util-linux",
      "moto_server: pip install 'moto[server]==5.2.1'",
    ]);
    expect(missingTools()).to.deep.equal([]);
  });

  it("reads the scripts' log", () => {
    const text =
      '<4>stingy-sync: level=warning event=peer-skipped peer="a \\"b\\" \\\\" reason="it has none"\nelse\nstingy-x: level=info event=y\n';
    expect(parseLog(text)).to.deep.equal([
      {
        script: "stingy-sync",
        level: "warning",
        event: "peer-skipped",
        fields: { peer: 'a "b" \\', reason: "it has none" },
      },
      { script: "stingy-x", level: "info", event: "y", fields: {} },
    ]);
  });
});
