import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { CloudWatchLogsClient, CreateLogGroupCommand, GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  CreateLaunchTemplateCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeInstancesCommand,
  EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import {
  GetCommandInvocationCommand,
  GetParameterCommand,
  PutParameterCommand,
  SendCommandCommand,
  SSMClient,
} from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { parseReport } from "../../cli/peer/report";
import { readJournal } from "../../cli/server/log-sources";
import { renderUserData, type ServerBootstrapOptions } from "../../modules/bootstrap";
import { SERVER_METRICS } from "../../modules/metrics";
import { siteNames, siteTags } from "../../modules/names";
import { generatePresharedKey, generatePrivateKey, isKey, publicKeyOf } from "../../modules/wireguard";
import { Moto, type MotoRequest, PATCHED } from "./emulator/moto";
import { type Line, type Order, OrderError, Player, type PlayerOptions } from "./harness/player";
import { within } from "./harness/player/calls";

const REGION = "ap-northeast-1";
const SITE = { environment: "prod", name: "tokyo", region: REGION };
const STORE = "/stingy-vpn/prod";
const NAMES = siteNames(SITE);
const SCRIPTS = path.join(__dirname, "..", "..", "assets", "userdata");
const PACE = 8;
/** What takes a moment takes many where the machine is busy. */
const WAITS_MS = 60_000;
const THREE = ["wireguard-config", "wireguard-private-key", "client-public-keys"];

describe("a played server", () => {
  let moto: Moto;
  let ec2: EC2Client;
  let ssm: SSMClient;
  let template: string;
  let subnet: string;
  let elastic: { readonly id: string; readonly address: string };
  const players: Player[] = [];

  before(async () => {
    moto = await Moto.start(PATCHED);
    ec2 = new EC2Client(moto.sdk);
    ssm = new SSMClient(moto.sdk);
  });
  beforeEach(async () => {
    await moto.reset();
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
    const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId: Vpc?.VpcId, CidrBlock: "10.0.1.0/24" }));
    subnet = Subnet?.SubnetId ?? "";
    const { AllocationId = "", PublicIp = "" } = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
    elastic = { id: AllocationId, address: PublicIp };
    template = await makeTemplate("prod-tokyo", gzipSync(userData(PublicIp)));
  });
  afterEach(async () => {
    await Promise.all(players.splice(0).map((player) => player.stop()));
  });
  after(async () => {
    await moto?.stop();
  });

  /** As the launch template's: the text that the stacks render, with the address in place of its marker. */
  function userData(address: string, more: Partial<ServerBootstrapOptions> = {}): string {
    return renderUserData({
      distribution: "al2023",
      environment: SITE.environment,
      site: SITE.name,
      storePrefix: STORE,
      tunnelIpv4: "10.8.0.1/24",
      tunnelIpv6: "fd53:7469:6e67::1/64",
      listenPort: 51820,
      address,
      defaultGroup: "full",
      betweenPeers: true,
      isolatedNetworks: [],
      adminCidrs: [],
      ...more,
    });
  }

  async function makeTemplate(name: string, packed: Buffer): Promise<string> {
    const Tags = Object.entries({ ...siteTags(SITE), Name: `${NAMES.prefix}-server` }).map(([Key, Value]) => ({
      Key,
      Value,
    }));
    const { LaunchTemplate } = await ec2.send(
      new CreateLaunchTemplateCommand({
        LaunchTemplateName: name,
        LaunchTemplateData: {
          ImageId: "ami-12c6146b",
          InstanceType: "t4g.nano",
          UserData: packed.toString("base64"),
          TagSpecifications: [{ ResourceType: "instance", Tags }],
        },
      }),
    );
    return LaunchTemplate?.LaunchTemplateId ?? "";
  }

  function play(options: Partial<PlayerOptions> = {}): Player {
    const player = Player.start({ url: moto.url, sites: [SITE], bootSeconds: 0.1, pace: PACE, ...options });
    players.push(player);
    return player;
  }

  async function launch(LaunchTemplateId = template): Promise<string> {
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        MinCount: 1,
        MaxCount: 1,
        LaunchTemplate: { LaunchTemplateId },
        SubnetId: subnet,
        InstanceMarketOptions: { MarketType: "spot" },
      }),
    );
    return Instances?.[0]?.InstanceId ?? "";
  }

  async function promote(InstanceId: string): Promise<void> {
    const AllocationId = elastic.id;
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId, AllowReassociation: true }));
  }

  async function put(name: string, Value: string): Promise<void> {
    const input = { Name: `${STORE}/${name}`, Value, Type: "SecureString", Overwrite: true } as const;
    await ssm.send(new PutParameterCommand(input));
  }

  async function stored(name: string): Promise<string | undefined> {
    try {
      const { Parameter } = await ssm.send(new GetParameterCommand({ Name: `${STORE}/${name}`, WithDecryption: true }));
      return Parameter?.Value;
    } catch (error) {
      if (error instanceof Error && error.name === "ParameterNotFound") return undefined;
      throw error;
    }
  }

  async function addPeer(name: string, host: number): Promise<string> {
    const publicKey = publicKeyOf(generatePrivateKey());
    await put(`peers/${name}`, JSON.stringify({ publicKey, addresses: [`10.8.0.${host}/32`] }));
    return publicKey;
  }

  async function tagOf(instance: string): Promise<string | undefined> {
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [instance] }));
    const tags = Reservations?.[0]?.Instances?.[0]?.Tags ?? [];
    return tags.find(({ Key }) => Key === "state")?.Value;
  }

  async function callsOf(instance: string): Promise<MotoRequest[]> {
    return (await moto.requests()).filter((request) => request.instance === instance);
  }

  const says = (instance: string, state: string) => (line: Line) =>
    line.instance === instance && line.did === "state-tagged" && line.state === state;
  const does = (instance: string, did: string) => (line: Line) => line.instance === instance && line.did === did;
  const announces = (instance: string) => (line: Line) =>
    does(instance, "event-sent")(line) && line.type === "Server Ready";
  const fields = ({ body }: MotoRequest) => Object.fromEntries(new URLSearchParams(body));

  async function run(instance: string, document: string, parameters?: Record<string, string[]>) {
    const { Command } = await ssm.send(
      new SendCommandCommand({
        DocumentName: document,
        InstanceIds: [instance],
        ...(parameters ? { Parameters: parameters } : {}),
      }),
    );
    const CommandId = Command?.CommandId ?? "";
    return async () => {
      const { Status, StandardOutputContent } = await ssm.send(
        new GetCommandInvocationCommand({ CommandId, InstanceId: instance }),
      );
      return { status: Status, output: StandardOutputContent ?? "" };
    };
  }

  async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
    for (const end = Date.now() + WAITS_MS; Date.now() < end; ) {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${what}: not within ${WAITS_MS / 1000} s`);
  }

  it("reads the store, makes the key, says that it is ready, and serves when the address comes", async () => {
    const player = play({ pace: 20 });
    const publicKeys = [await addPeer("laptop", 2), await addPeer("phone", 3)];
    const server = await launch();
    await player.until("ready", announces(server));
    expect(await tagOf(server)).to.equal("ready");
    await promote(server);
    await player.until("serving", says(server, "serving"));
    expect(await tagOf(server)).to.equal("serving");
    await player.until("saved", does(server, "endpoints-saved"));

    const calls = await callsOf(server);
    const key = await stored("wireguard-private-key");
    expect(isKey(key)).to.equal(true);
    const names = (list: readonly string[]) => ({
      WithDecryption: true,
      Names: list.map((name) => `${STORE}/${name}`),
    });
    // What stingy-promote reads meanwhile is another script's.
    const recalls = calls.filter(({ body }) => body === JSON.stringify(names(["peer-endpoints"])));
    expect(recalls.length).to.be.greaterThan(0);
    const rest = calls.filter((call) => !recalls.includes(call));
    expect(rest.slice(0, 4).map(({ action, body }) => [action, JSON.parse(body)])).to.deep.equal([
      ["GetParameters", names(THREE)],
      ["GetParametersByPath", { WithDecryption: true, MaxResults: 10, Path: `${STORE}/peers` }],
      ["PutParameter", { Name: `${STORE}/wireguard-private-key`, Type: "SecureString", Value: key, Overwrite: false }],
      ["GetParameters", names(THREE)],
    ]);
    const [ready, announced, ...later] = rest.slice(4);
    expect([ready?.service, ready && fields(ready)]).to.deep.equal([
      "ec2",
      {
        Action: "CreateTags",
        Version: "2016-11-15",
        "ResourceId.1": server,
        "Tag.1.Key": "state",
        "Tag.1.Value": "ready",
      },
    ]);
    expect([announced?.action, JSON.parse(announced?.body ?? "")]).to.deep.equal([
      "PutEvents",
      {
        Entries: [
          {
            Source: "stingy-vpn",
            DetailType: "Server Ready",
            Detail: JSON.stringify({ environment: "prod", site: "tokyo", "instance-id": server }),
          },
        ],
      },
    ]);
    expect(later.map(({ action }) => action).sort()).to.deep.equal(["CreateTags", "PutParameter"]);
    const saved = later.find(({ action }) => action === "PutParameter");
    const lines = (await stored("peer-endpoints"))?.split("\n") ?? [];
    expect(JSON.parse(saved?.body ?? "")).to.deep.equal({
      Name: `${STORE}/peer-endpoints`,
      Type: "SecureString",
      Value: lines.join("\n"),
      Overwrite: true,
    });
    expect(lines.map((line) => line.split(" ")[0])).to.deep.equal(publicKeys.map((text) => text.slice(0, 10)).sort());
    for (const line of lines) expect(line).to.match(/^\S{10} 203\.0\.113\.\d+:\d+$/);
    expect(calls.map(({ status }) => status)).to.deep.equal(calls.map(() => 200));
  });

  it("publishes the site's metrics while it serves, and not before", async () => {
    const player = play({ pace: 60 });
    await addPeer("laptop", 2);
    const server = await launch();
    await player.until("ready", announces(server));
    const published = async () => (await callsOf(server)).filter(({ action }) => action === "PutMetricData");
    expect(await published()).to.deep.equal([]);
    await promote(server);
    const [first] = await eventually("metrics", async () => {
      const found = await published();
      return found.length > 0 && found;
    });
    const form = first ? fields(first) : {};
    const members = Object.keys(form).filter((name) => name.endsWith("MetricName"));
    const told = members.map((name) => [form[name], form[name.replace("MetricName", "Unit")]]);
    expect(form.Namespace).to.equal("StingyVPN");
    expect(told).to.deep.equal(Object.entries(SERVER_METRICS));
    expect([form["MetricData.member.1.Value"], form["MetricData.member.2.Value"]]).to.deep.equal(["1", "1"]);
    const dimension = `MetricData.member.${told.length}.Dimensions.member`;
    expect([form[`${dimension}.1.Name`], form[`${dimension}.1.Value`]]).to.deep.equal(["Site", "tokyo"]);
    expect([form[`${dimension}.2.Name`], form[`${dimension}.2.Value`]]).to.deep.equal(["Environment", "prod"]);
  });

  it("sends what its units say to CloudWatch, where that is wanted, each line once", async () => {
    const logs = new CloudWatchLogsClient(moto.sdk);
    const logGroupName = NAMES.serverLogGroup;
    await logs.send(new CreateLogGroupCommand({ logGroupName }));
    const player = play({ pace: 60 });
    const wanted = gzipSync(userData(elastic.address, { logGroup: logGroupName }));
    const server = await launch(await makeTemplate("prod-tokyo-logs", wanted));
    await player.until("ready", announces(server));
    await promote(server);
    const events = await eventually("lines", async () => {
      const input = { logGroupName, logStreamName: server, startFromHead: true };
      const found = (await logs.send(new GetLogEventsCommand(input)).catch(() => ({ events: [] }))).events ?? [];
      // By the second of these, five minutes later, it has sent several times.
      return found.filter(({ message }) => message?.includes("event=in-step")).length > 1 && found;
    });
    const messages = events.map(({ message }) => message ?? "");
    expect(messages[0]).to.match(/^stingy-\w+: level=info event=/);
    for (const event of ["wg0-made", "state-tagged", "address-arrived"])
      expect(
        messages.filter((message) => message.includes(`event=${event} `) || message.endsWith(`event=${event}`)),
        event,
      ).not.to.deep.equal([]);
    const said = player.lines.filter(({ did }) => did === "called-back");
    expect(messages.filter((message) => message.includes("event=called-back"))).to.have.length(said.length);
  });

  it("ends with one key where two race for it, and reads page after page of peers", async () => {
    const player = play();
    for (let host = 2; host < 14; host++) await addPeer(`device-${host}`, host);
    const first = await launch();
    await player.until("ready", announces(first));
    const key = await stored("wireguard-private-key");
    // The second sees the store as it was before the first had stored its key.
    await moto.stale({ api: "ssm:GetParameters", answers: 1 });
    const second = await launch();
    await player.until("ready", announces(second));
    const calls = await callsOf(second);
    const puts = calls.filter(({ action }) => action === "PutParameter");
    expect(puts.map(({ status }) => status)).to.deep.equal([400]);
    expect(JSON.parse(puts[0]?.body ?? "").Value).not.to.equal(key);
    expect(await stored("wireguard-private-key")).to.equal(key);
    const stories = [first, second].map((id) =>
      player.lines.filter(({ instance }) => instance === id).map(({ did }) => did),
    );
    expect(stories[0]).to.include("key-stored");
    expect(stories[1]).to.include("key-of-another-server");
    expect(
      player.lines.filter(({ did }) => did === "in-step").map(({ peers, calls: count }) => [peers, count]),
    ).to.deep.equal([
      ["12", "5"],
      ["12", "5"],
    ]);
    const pages = calls.filter(({ action }) => action === "GetParametersByPath").map(({ body }) => JSON.parse(body));
    expect(pages.map(({ NextToken }) => typeof NextToken)).to.deep.equal(["undefined", "string"]);
  });

  it("tells of a notice once, saves the endpoints before, and stands down when the address has gone", async () => {
    const sqs = new SQSClient(moto.sdk);
    const events = new EventBridgeClient(moto.sdk);
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "words" }));
    const pattern = { source: ["stingy-vpn"], "detail-type": ["Server Ready", "Server Notice"] };
    await events.send(new PutRuleCommand({ Name: "words", EventPattern: JSON.stringify(pattern) }));
    const Arn = `arn:aws:sqs:${REGION}:123456789012:words`;
    await events.send(new PutTargetsCommand({ Rule: "words", Targets: [{ Id: "words", Arn }] }));
    const heard: Record<string, unknown>[] = [];
    const listen = async () => {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      heard.push(...Messages.map(({ Body = "" }) => JSON.parse(Body)));
    };

    const player = play();
    const old = await launch();
    await player.until("ready", announces(old));
    await promote(old);
    await player.until("serving", says(old, "serving"));
    // Too late for the time to save, which comes every half minute.
    await player.until("looked", does(old, "called-back"));
    const phone = await addPeer("phone", 2);
    const told = await run(old, NAMES.syncDocument);
    await eventually("synced", async () => (await told()).status === "Success");

    const { time } = await moto.interrupt(old);
    await player.until("told", (line) => does(old, "event-sent")(line) && line.type === "Server Notice");
    const calls = (await callsOf(old)).map(({ action }) => action);
    expect(calls.lastIndexOf("PutParameter")).to.be.lessThan(calls.lastIndexOf("PutEvents"));
    const saved = (await stored("peer-endpoints")) ?? "";
    expect(saved.slice(0, 11)).to.equal(`${phone.slice(0, 10)} `);

    const successor = await launch();
    await player.until("ready", announces(successor));
    await promote(successor);
    await player.until("serving", says(successor, "serving"));
    expect((await player.until("primed", does(successor, "primed"))).peers).to.equal("1");
    await player.until("stood down", says(old, "stood-down"));
    expect([await tagOf(old), await tagOf(successor)]).to.deep.equal(["stood-down", "serving"]);
    expect(await stored("peer-endpoints")).to.equal(saved);
    // Notice or not: where the peers are now, only the successor knows.
    const from = player.lines.length;
    await moto.interrupt(old);
    await player.until("told again", does(old, "event-sent"), { from });
    const puts = (await callsOf(old)).filter(({ action }) => action === "PutParameter");
    expect(puts).to.have.length(calls.filter((action) => action === "PutParameter").length);

    await eventually("all is heard", async () => {
      await listen();
      return heard.length >= 4;
    });
    const ofSite = (instance: string) => ({ environment: "prod", site: "tokyo", "instance-id": instance });
    const { time: again } = await moto.control<{ time: string }>("GET", `notice/${old}`);
    expect(heard.map((event) => [event.source, event["detail-type"], event.detail])).to.have.deep.members([
      ["stingy-vpn", "Server Ready", ofSite(old)],
      ["stingy-vpn", "Server Notice", { ...ofSite(old), notice: "interruption", time }],
      ["stingy-vpn", "Server Notice", { ...ofSite(old), notice: "interruption", time: again }],
      ["stingy-vpn", "Server Ready", ofSite(successor)],
    ]);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [old] }));
    await player.until("ended", does(old, "ended"));
    expect(player.servers).to.deep.equal([{ instance: successor, state: "serving" }]);
  });

  it("answers the documents as the operator's command reads them, and no key is in what it logs", async () => {
    const presharedKey = generatePresharedKey();
    const player = play();
    const since = Math.floor(Date.now() / 1000) - 1;
    const server = await launch();
    await player.until("ready", announces(server));
    await promote(server);
    await player.until("serving", says(server, "serving"));
    const publicKey = publicKeyOf(generatePrivateKey());
    await put("peers/phone", JSON.stringify({ publicKey, presharedKey, addresses: ["10.8.0.2/32"] }));
    await put("peers/broken", presharedKey);

    const answer = async (document: string, parameters?: Record<string, string[]>) => {
      const ask = await run(server, document, parameters);
      return eventually(document, async () => {
        const said = await ask();
        return said.status !== "InProgress" && said.status !== "Pending" && said;
      });
    };
    expect(await answer(NAMES.syncDocument)).to.deep.equal({ status: "Success", output: "" });
    // Its clock is AWS's: by then the device has gone on talking.
    await moto.advance(600);
    const report = await eventually("a report from then", async () => {
      const found = parseReport((await answer(NAMES.peersDocument)).output);
      return found !== undefined && found.now > Date.now() / 1000 + 590 && found;
    });
    const traffic = report.traffic.get(publicKey.slice(0, 10));
    expect([...report.traffic.keys()]).to.deep.equal([publicKey.slice(0, 10)]);
    expect(report.now - (traffic?.lastHandshake ?? 0)).to.be.within(0, 120);
    expect(traffic?.receivedBytes).to.be.greaterThan(59_999);

    const journal = readJournal(
      (await answer(NAMES.journalDocument, { since: [`${since}`] })).output,
      server,
      "server",
    );
    const said = journal.map(({ message }) => message);
    expect(said).to.include.members([
      "stingy-sync: key-stored",
      "stingy-health: state-tagged",
      "stingy-promote: primed",
    ]);
    const times = journal.map(({ at }) => at.getTime());
    expect(times).to.deep.equal([...times].sort((one, other) => one - other));
    expect(journal.find(({ message }) => message === "stingy-sync: peer-skipped")?.fields).to.deep.equal({
      peer: "broken",
      reason: "it is no JSON object",
    });
    expect((await answer(NAMES.journalDocument, { since: [`${since + 3600}`] })).output).to.equal(
      gzipSync("", { level: 9 }).toString("base64"),
    );
    const logged = JSON.stringify([player.lines, journal]);
    for (const secret of [presharedKey, publicKey, (await stored("wireguard-private-key")) ?? ""]) {
      expect(logged.includes(secret.slice(0, 20))).to.equal(false);
    }
  });

  it("rides out throttles, faults and closed connections as the scripts do", async () => {
    const player = play({ pace: 40 });
    await moto.fault({ api: "ssm:GetParameters", kind: "throttle", times: 2, containing: "wireguard-private-key" });
    await moto.fault({ api: "ssm:GetParametersByPath", kind: "error", times: 4 });
    await moto.fault({ api: "ssm:PutParameter", kind: "lost", times: 1 });
    await moto.fault({ api: "ec2:CreateTags", kind: "throttle", times: 3 });
    await moto.fault({ api: "events:PutEvents", kind: "silence", times: 1 });
    const server = await launch();
    await player.until("ready", says(server, "ready"));
    await player.until("announced", announces(server));
    const said = (did: string) => player.lines.filter((line) => line.did === did).map(({ reason }) => reason);
    // Three tries, then the unit's own next one.
    expect(said("not-in-step")[0]).to.match(/^ssm answered 500 Internal/);
    const waits = player.lines.filter(({ did }) => did === "backoff").map(({ by, seconds }) => [by, seconds]);
    expect(waits).to.have.deep.members([
      ["stingy-sync", "5"],
      ["stingy-health", "5"],
    ]);
    expect(said("state-not-tagged")).to.deep.equal(["ec2 answered 503 RequestLimitExceeded"]);
    // Done, although no answer came: the next try finds its own.
    expect(said("key-of-another-server")).to.have.length(1);
    expect(isKey(await stored("wireguard-private-key"))).to.equal(true);
  });

  it("gives up what is not answered, however much garbage is collected meanwhile", async function () {
    this.timeout(10_000);
    setFlagsFromString("--expose-gc");
    const collectGarbage: () => void = runInNewContext("gc");
    const given = within(500, new AbortController().signal);
    const up = once(given, "abort");
    // What was made in this turn is not collected in it.
    await setImmediate();
    collectGarbage();
    await up;
    expect(given.reason).to.have.property("name", "TimeoutError");
  });

  it("tells which check fails, until it is well again", async () => {
    const player = play();
    player.order({ what: "unhealthy" });
    const server = await launch();
    await player.until("unhealthy", says(server, "unhealthy:egress"));
    expect(await tagOf(server)).to.equal("unhealthy:egress");
    expect((await callsOf(server)).some(({ action }) => action === "PutEvents")).to.equal(false);
    player.order({ what: "well", instance: server });
    await player.until("ready", announces(server));
    expect(await tagOf(server)).to.equal("ready");
    const from = player.lines.length;
    player.order({ what: "unhealthy", check: "masquerade", instance: server });
    await player.until("unhealthy", says(server, "unhealthy:masquerade"), { from });
  });

  it("is unfit with a key in the store that is none, and serves on with what it had", async () => {
    const player = play({ pace: 40 });
    await put("wireguard-private-key", "nonsense");
    const server = await launch();
    await player.until("unhealthy", says(server, "unhealthy:wg0-up"));
    const reasons = player.lines.filter(({ did }) => did === "not-in-step").map(({ reason }) => reason);
    expect(new Set(reasons)).to.deep.equal(new Set(["wireguard-private-key is no WireGuard key"]));
    await put("wireguard-private-key", generatePrivateKey());
    await player.until("ready", announces(server));
    expect(player.lines.some(({ did }) => did === "last-good-serves")).to.equal(false);
    await put("wireguard-private-key", "nonsense");
    const ask = await run(server, NAMES.syncDocument);
    await eventually("failed", async () => (await ask()).status === "Failed");
    await player.until("serves on", does(server, "last-good-serves"));
    expect(await tagOf(server)).to.equal("ready");
  });

  it("does nothing more when it is dead, never starts from a broken image, and takes its time when it is slow", async () => {
    const player = play();
    const dead = await launch();
    await player.until("ready", announces(dead));
    player.order({ what: "dead", instance: dead });
    const before = (await callsOf(dead)).length;
    player.order({ what: "broken" });
    const broken = await launch();
    await player.until("in vain", does(broken, "boots-in-vain"));
    player.order({ what: "slow", seconds: 3600 });
    const slow = await launch();
    await player.until("booting", does(slow, "booting"));
    player.order({ what: "silent" });
    const silent = await launch();
    await player.until("ready", announces(silent));
    const asks = await Promise.all([dead, broken, silent].map((instance) => run(instance, NAMES.peersDocument)));
    await promote(dead);
    player.order({ what: "well" });
    const well = await launch();
    await player.until("ready", announces(well));
    expect(await tagOf(dead)).to.equal("ready");
    expect([await callsOf(broken), await callsOf(slow), (await callsOf(dead)).length]).to.deep.equal([[], [], before]);
    const said = await Promise.all(asks.map((ask) => ask()));
    expect(said.map(({ status }) => status)).to.deep.equal(["InProgress", "InProgress", "InProgress"]);
  });

  it("refuses user data that is no cloud-config, or no server's", async () => {
    const text = userData(elastic.address);
    const wrong = {
      "its first line is not #cloud-config": text.replace("#cloud-config", "#!/bin/sh"),
      "it is no YAML": text.replace("runcmd:", "runcmd: ["),
      "there is no file /etc/stingy/server.env in it": text.replace(
        "path: /etc/stingy/server.env",
        "path: /etc/stingy/other.env",
      ),
      "/etc/stingy/server.env has no STORE_PREFIX": text.replace(/STORE_PREFIX='.*'/, "STORE_PREFIX=''"),
      "runcmd does not start stingy-watch.service": text.replace(/ stingy-watch\.service(?=[^\n]*\n*$)/, ""),
      "it is of the site prod osaka": text.replace("SITE='tokyo'", "SITE='osaka'"),
    };
    const player = play();
    for (const [reason, changed] of Object.entries(wrong)) {
      const server = await launch(await makeTemplate(reason, gzipSync(changed)));
      const line = await player.until(reason, does(server, "user-data-refused"));
      expect(line.reason).to.equal(reason);
      expect(await callsOf(server)).to.deep.equal([]);
    }
  });

  it("serves without an Elastic IP when instance-id names it", async () => {
    const player = play({ pace: 40 });
    await put("instance-id", "initial");
    const server = await launch(await makeTemplate("no-address", gzipSync(userData(""))));
    await player.until("ready", announces(server));
    expect(await tagOf(server)).to.equal("ready");
    await put("instance-id", server);
    await player.until("serving", says(server, "serving"));
    expect((await player.until("arrived", does(server, "address-arrived"))).noticed).to.equal("named");
  });

  it("heeds nobody else's instances, and plays each site in its own region", async () => {
    const neighbour = play({ sites: [{ ...SITE, name: "osaka" }] });
    const abroad = { ...SITE, region: "ap-northeast-3" };
    const player = play({ sites: [abroad, SITE] });
    const server = await launch();
    await player.until("ready", announces(server));
    expect(neighbour.lines).to.deep.equal([]);
    expect(player.servers).to.deep.equal([{ instance: server, state: "ready" }]);
    expect(new Set((await callsOf(server)).map(({ region }) => region))).to.deep.equal(new Set([REGION]));
  });

  it("refuses an order that makes no sense, saying what would", () => {
    const player = play();
    const orders: [order: object, why: string][] = [
      [JSON.parse("7"), '7 is no order; give one such as { "what": "broken" }'],
      [{ what: "tired" }, 'what is "tired"; it must be one of broken, slow, unhealthy, silent, well, dead'],
      [{ what: "slow" }, "slow: seconds is undefined; it must be a number, 0 or more"],
      [{ what: "dead" }, "dead: say which instance, such as { what, instance: i-… }"],
      [{ what: "well", instance: "i-1" }, 'instance is "i-1"; those that are played are: none'],
    ];
    for (const [order, why] of orders) {
      expect(() => player.order(order as Order))
        .to.throw(OrderError)
        .with.property("message", why);
    }
  });

  it("makes the calls that the scripts make, at the times that the units say", () => {
    const text = (name: string) => readFileSync(path.join(SCRIPTS, name), "utf8");
    const made = (name: string) =>
      Array.from(
        text(name).matchAll(/^[^#\n]*\b(ssm_call|events_call|logs_call|query_call \w+) ([A-Z]\w+)/gm),
        ([, kind, action]) => `${kind} ${action}`,
      );
    // Whoever adds one here adds it to harness/player/machine.ts.
    expect({
      common: made("common.sh"),
      sync: made("stingy-sync"),
      watch: made("stingy-watch"),
      health: made("stingy-health"),
      promote: made("stingy-promote"),
      journal: made("stingy-journal"),
    }).to.deep.equal({
      common: ["events_call PutEvents", "query_call ec2 CreateTags"],
      sync: ["ssm_call GetParameters", "ssm_call GetParametersByPath", "ssm_call PutParameter"],
      watch: ["ssm_call PutParameter"],
      health: ["query_call monitoring PutMetricData"],
      promote: ["ssm_call GetParameters"],
      journal: ["logs_call CreateLogStream", "logs_call PutLogEvents"],
    });
    const timers = ["sync", "health", "journal"].map(
      (name) => /OnUnitActiveSec=(\S+)/.exec(text(`units/stingy-${name}.timer`))?.[1],
    );
    expect(timers).to.deep.equal(["5min", "1min", "1min"]);
  });

  describe("as a process", () => {
    let child: ChildProcess | undefined;
    afterEach(() => {
      child?.kill("SIGKILL");
    });

    it("tells what it does line by line, takes orders, and ends with its input", async () => {
      const site = `${SITE.environment}/${SITE.name}/${REGION}`;
      const script = path.join(__dirname, "harness", "player.ts");
      const loader = path.join(__dirname, "..", "..", "scripts", "typescript.cjs");
      const given = ["--url", moto.url, "--site", site, "--boot", "0.1", "--pace", `${PACE}`];
      const started = spawn(process.execPath, ["-r", loader, script, ...given], { stdio: ["pipe", "pipe", "inherit"] });
      child = started;
      const lines: Record<string, string>[] = [];
      createInterface({ input: started.stdout }).on("line", (text) => lines.push(JSON.parse(text)));
      started.stdin.write('{"what":"tired"}\n{"what":"unhealthy","check":"egress"}\n');
      await eventually("refused", async () => lines.some(({ did }) => did === "order-refused"));
      const server = await launch();
      await eventually("unhealthy", async () => (await tagOf(server)) === "unhealthy:egress");
      started.stdin.write(`${JSON.stringify({ what: "well", instance: server })}\n`);
      await eventually("ready", async () => lines.some((line) => line.type === "Server Ready"));
      started.stdin.end();
      const [code] = await once(started, "exit");
      expect([code, lines.at(-1)?.did]).to.deep.equal([0, "stopped"]);
    });
  });
});
