import { readFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
  type StateValue,
} from "@aws-sdk/client-cloudwatch";
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
import { PurgeQueueCommand, SQSClient } from "@aws-sdk/client-sqs";
import { GetParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { METRICS_NAMESPACE, siteDimensions } from "../../modules/metrics";
import { siteNames } from "../../modules/names";
import { STORE } from "../../modules/store/names";
import { FakeWebhook } from "../assets/lambda/fake-webhook";
import { folderWith } from "../cli/support/stingy";
import type { Json } from "../support/synth";
import { type AlarmChange, type MotoRequest, unseen } from "./emulator/moto";
import { inventory, recordedIn } from "./harness/inventory";
import type { Line } from "./harness/player";
import { Stage } from "./harness/stage";
import { filesOf, leaks, type Place } from "./support/search";
import {
  configuration,
  look,
  NAME,
  onlySite,
  PREFIX,
  problemsOf,
  REGION,
  serving,
  storeToken,
  TOKEN,
  until,
} from "./support/site";
import { firsts, gapsOf, storyOf } from "./support/story";
import { logsOf, userDataOf } from "./support/traces";

const STACKS = ["network", "server", "dns", "recovery", "monitoring"].map((layer) => `prod-tokyo-${layer}`);
const PLANNED = ["prod-tokyo-server", "prod-tokyo-dns", "prod-tokyo-recovery"];
const CONTROLLER = "stingy-vpn-prod-tokyo-recovery-handler";
const UPDATER = "stingy-vpn-prod-tokyo-ddns-updater";
const FORWARDER = "stingy-vpn-prod-tokyo-alert-forwarder";
const MONITORING = "prod-tokyo-monitoring";
const TICK = "rule stingy-vpn-prod-tokyo-tick";
const PEERS = ["phone", "laptop"];
const NONE_KNOWN = "192.0.2.1";
const ADDRESS = "me@example.com";
/** The part of the webhook's URL that nobody else may know. */
const HOOK = "canary-webhook-Jw8Rc3Ty6Bn1Xk5Zp0Gd";
const RUNBOOK = "https://github.com/you/stingy-vpn/blob/main/docs/runbook.md";
const MORE = `
      webhook: json
      runbook: ${RUNBOOK}
      budget: { monthlyUsd: 12 }`;

describe("the life of a site", function () {
  // Each part begins where the one before has left the site.
  this.bail(true);
  let stage: Stage;
  let handedOut: string;
  /** What the operator's command has said. */
  const said: Place[] = [];
  /** What the emulator forgets when it is deleted. */
  const kept: Place[] = [];
  const secrets: Record<string, string> = { "the Cloudflare token": TOKEN, "the webhook's URL": HOOK };
  const webhook = new FakeWebhook();

  before(async () => {
    stage = await Stage.start({ config: configuration({ more: MORE }), token: TOKEN, pace: 4 });
    handedOut = folderWith();
    await storeToken(stage);
    await webhook.start();
    await storeHook();
    await stage.project.deploy();
  });

  after(async () => {
    await stage?.stop();
    await webhook.stop();
  });

  /** As docs/operations.md has a person do it. */
  async function storeHook(): Promise<void> {
    const client = new SSMClient(stage.moto.sdk);
    const Name = `${PREFIX}/${STORE.webhookUrl}`;
    const Value = `${webhook.origin}/${HOOK}`;
    await client.send(new PutParameterCommand({ Name, Value, Type: "SecureString" }));
    client.destroy();
  }

  async function stingy(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await stage.stingy(args);
    expect({ code, stderr: code === 0 ? "" : stderr }).to.deep.equal({ code: 0, stderr: "" });
    said.push({ where: `what \`stingy ${args.join(" ")}\` says`, text: stdout + stderr });
    return stdout;
  }

  async function verdict(): Promise<unknown> {
    // Its exit code is about the attention that a name which no resolver knows deserves.
    const { stdout, stderr } = await stage.stingy(["status", "--json"]);
    said.push({ where: "what `stingy status --json` says", text: stdout + stderr });
    return JSON.parse(stdout).verdict;
  }

  /** What is asked of AWS while this is done. */
  async function during(work: () => Promise<unknown>): Promise<MotoRequest[]> {
    const before = (await stage.moto.requests()).length;
    await work();
    await stage.moto.settled();
    return (await stage.moto.requests()).slice(before);
  }

  /** No tick falls due in the next minutes, and the last has done its work. */
  async function afterTick(): Promise<void> {
    const { now, due } = await stage.moto.control<{ now: string; due: { at: string; what: string }[] }>("GET", "clock");
    const tick = due.find(({ what }) => what === TICK);
    await stage.moto.advance((Date.parse(tick?.at ?? now) - Date.parse(now)) / 1000 + 1);
    await stage.moto.settled();
  }

  /** It takes some seconds to see that its address is gone, whatever the emulator's clock says. */
  const standsDown = (id: string, from: number) =>
    stage.player.until(`${id} stands down`, ({ instance, state }) => instance === id && state === "stood-down", {
      seconds: 90,
      from,
    });

  /** In the stacks that have something that a recovery, a pause or a device could change. Fails with what Terraform would do. */
  async function changesNothing(): Promise<void> {
    const plans = await Promise.all(PLANNED.map((stack) => stage.project.plan(stack)));
    expect(plans.filter(({ changes }) => changes).map(({ text }) => text)).to.deep.equal([]);
  }

  /** The alarms by what their names end with. */
  async function alarms(): Promise<Record<string, StateValue | undefined>> {
    const client = new CloudWatchClient(unseen(stage.moto.url, REGION));
    const { MetricAlarms = [] } = await client.send(new DescribeAlarmsCommand());
    client.destroy();
    return Object.fromEntries(MetricAlarms.map(({ AlarmName = "", StateValue }) => [alarmOf(AlarmName), StateValue]));
  }

  const alarmOf = (name: string) => name.slice(siteNames(onlySite(stage.config)).prefix.length + 1);
  const inWords = ({ alarm, to }: AlarmChange) => `${alarmOf(alarm)}: ${to}`;
  const posted = () => webhook.told.map(({ body }) => JSON.parse(body));

  const holder = async () => (await look(stage)).holder ?? "";
  const contentOf = (type: string) =>
    stage.cloudflare.records.find((record) => record.name === NAME && record.type === type)?.content;

  describe("deployed from nothing", () => {
    it("has its five stacks, and everything at AWS that Terraform has recorded", async () => {
      expect(stage.project.stacks()).to.deep.equal(STACKS);
      const there = await inventory(stage.moto, REGION);
      const made = recordedIn(await Promise.all(STACKS.map((stack) => stage.project.state(stack))));
      expect(made.filter((one) => /^aws_(vpc|eip|lambda_function) /.test(one))).to.have.lengthOf(5);
      expect(made.filter((one) => !there.includes(one))).to.deep.equal([]);
    });

    it("says what is not as it would be with the real AWS and Cloudflare", () => {
      const fitted = stage.project.fitted();
      const lines = new Map<string, string[]>();
      for (const { stack, what, how, why } of fitted) {
        const line = `${what}: ${how} (${why})`;
        lines.set(line, [...(lines.get(line) ?? []), stack.replace("prod-tokyo-", "")]);
      }
      for (const [line, stacks] of lines) console.log(`        ${stacks.join(", ")}: ${line}`);
      expect(fitted.filter(({ what }) => what === "provider aws").map(({ stack }) => stack)).to.have.members(
        STACKS.filter((stack) => stack !== "prod-tokyo-dns"),
      );
    });

    it("has Terraform's invocation launch the first server, which serves", async () => {
      const server = await serving(stage, { alone: true });
      expect(server).to.deep.include({ status: "running", spot: true, type: "t4g.nano" });
      expect(server.tags).to.include({ "aws:ec2launchtemplate:version": "1", Site: "tokyo", Environment: "prod" });
      const [first] = (await stage.moto.invocations()).filter((one) => one.function === CONTROLLER);
      expect(first?.event).to.deep.include({ source: "terraform", "detail-type": "Configuration" });
      const launches = (await stage.moto.requests()).filter(({ action }) =>
        /^(CreateFleet|RunInstances)$/.test(action),
      );
      expect(launches.map(({ action, status }) => `${action} ${status}`)).to.deep.equal(["CreateFleet 200"]);
      expect(Date.parse(launches[0]?.at ?? "")).to.be.at.least(Date.parse(first?.at ?? ""));
    });

    it("has the Elastic IP in its outputs and in its name's record", async () => {
      const { address } = await look(stage);
      const { outputs } = await stage.project.state("prod-tokyo-server");
      expect([outputs.address.value, outputs.endpoint.value]).to.deep.equal([address, `${address}:51820`]);
      expect(contentOf("A")).to.equal(address);
      expect(await verdict()).to.equal("serving");
    });

    it("has its alarms, of which none rings, and tells nobody: the webhook nothing yet, an address only that it has to be confirmed", async () => {
      await stage.moto.advance(60);
      await stage.moto.settled();
      const { resource } = JSON.parse(
        readFileSync(path.join(stage.project.stackFolder(MONITORING), "cdk.tf.json"), "utf8"),
      );
      const names = Object.values<Json>(resource.aws_cloudwatch_metric_alarm).map(({ alarm_name }) =>
        alarmOf(alarm_name),
      );
      expect(await alarms()).to.deep.equal(Object.fromEntries(names.map((name) => [name, "OK"])));
      expect(posted()).to.deep.equal([]);
      expect((await stage.moto.mail()).map(({ to, subject }) => [to, subject])).to.deep.equal([
        [ADDRESS, "AWS Notification - Subscription Confirmation"],
      ]);
      await stage.moto.confirm(ADDRESS);
    });
  });

  describe("a device", () => {
    for (const [index, peer] of PEERS.entries()) {
      it(`is known to the server as soon as \`stingy peer add ${peer}\` has stored it`, async () => {
        const from = stage.player.lines.length;
        const file = path.join(handedOut, `${peer}.conf`);
        await stingy("peer", "add", peer, "--out", file);
        const taken = (isIt: (line: Line) => boolean) =>
          stage.player.until(`the server takes ${peer}`, isIt, { seconds: 90, from });
        // Its own timer may have it read the store first.
        await taken(({ did, names }) => did === "peers-added" && names === peer);
        await taken(({ by, did }) => by === "player" && did === "command-taken");
        const [, privateKey = ""] = /^PrivateKey = (\S+)$/m.exec(readFileSync(file, "utf8")) ?? [];
        expect(privateKey).to.match(/^[A-Za-z0-9+/]{43}=$/);
        secrets[`the private key of ${peer}`] = privateKey;
        expect(JSON.parse(await stingy("peer", "list", "--json")).peers).to.have.lengthOf(index + 1);
      });
    }
  });

  describe("deployed again", () => {
    it("changes nothing: neither at AWS, nor in a state", async () => {
      await serving(stage, { alone: true });
      await afterTick();
      const before = await Promise.all(STACKS.map(made));
      const requests = await during(() => stage.project.deploy());
      const reads = /^(Describe|Get|List)/;
      // Ticks have the name looked after meanwhile.
      const changing = requests.filter(
        ({ instance, action, path }) => instance === undefined && !reads.test(action) && !path.includes(UPDATER),
      );
      expect(changing.map(({ service, action }) => `${service}:${action}`)).to.deep.equal([]);
      expect(requests.filter(({ action }) => action === "DescribeVpcs")).to.have.lengthOf.at.least(1);
      expect(await Promise.all(STACKS.map(made))).to.deep.equal(before);
    });
  });

  describe("an interruption", () => {
    const names: Record<string, string> = {};
    let requests: MotoRequest[];
    let old: string;
    let successor: string;
    let since: number;

    before(async () => {
      await afterTick();
      old = await holder();
      for (const record of stage.cloudflare.records) if (record.type === "A") record.content = NONE_KNOWN;
      since = (await stage.moto.requests()).length;
    });

    it("goes through the nine steps in order, each by the one whose it is", async () => {
      stage.cloudflare.calls.length = 0;
      const from = stage.player.lines.length;
      const runs = (await stage.moto.invocations()).length;
      await stage.moto.interrupt(old);
      successor = (await serving(stage, { except: old })).id;
      await standsDown(old, from);
      Object.assign(names, { [old]: "the server", [successor]: "the successor" });
      await serving(stage, { except: old, alone: true });
      await stage.moto.settled();
      requests = (await stage.moto.requests()).slice(since);
      const story = storyOf(requests, names);
      const steps = [
        "the controller reads instance-id",
        "the server is marked: notice",
        "a machine is launched",
        "the successor says ready",
        "the address goes to the successor",
        "instance-id names the successor",
        "the updater is called",
        "the updater reads its token",
      ];
      // What others do meanwhile, each in its own time.
      const announced = ["the successor says ready", "the successor announces: Server Ready"];
      const taken = ["the address goes to the successor", "the successor says serving", "the server is marked: ending"];
      for (const order of [steps, announced, taken]) expect(firsts(story, order)).to.deep.equal(order);
      expect((await look(stage)).servers.map(({ id }) => id)).to.deep.equal([successor]);
      const written = (await logsOf(stage.moto, REGION)).find(({ where }) => where.endsWith(CONTROLLER));
      const promoted = String(written?.text)
        .split("\n")
        .filter((line) => line.includes('"promote"') && line.includes(successor));
      expect(promoted).to.have.lengthOf.at.least(1);
      await showTimes(runs);
    });

    it("launches one machine, and moves nothing to any other", () => {
      const story = storyOf(requests, names);
      const tokens = requests
        .filter(({ action }) => action === "CreateFleet")
        .map(({ body }) => new URLSearchParams(body).get("ClientToken"));
      expect(new Set(tokens)).to.have.property("size", 1);
      expect(new Set(story.filter((sentence) => /^(the address|instance-id)/.test(sentence)))).to.deep.equal(
        new Set(["the address goes to the successor", "instance-id names the successor"]),
      );
      expect(gapsOf(requests, old)).to.deep.equal([]);
    });

    it("has the record written, which said something else", async () => {
      const { address } = await look(stage);
      const bodies = stage.cloudflare.calls
        .filter(({ operation }) => operation.startsWith("PATCH"))
        .map(({ body }) => body);
      expect(bodies).to.deep.include({ content: address });
      expect(contentOf("A")).to.equal(address);
    });

    it("leaves nothing for Terraform to change, nor do devices that come, go and get new keys", async () => {
      await stingy("peer", "add", "tablet", "--out", path.join(handedOut, "tablet.conf"));
      await stingy("peer", "rotate", "laptop", "--out", path.join(handedOut, "laptop-2.conf"));
      await remember();
      await stingy("peer", "remove", "tablet", "--yes");
      await changesNothing();
    });

    /** The controller's own time, until the address has moved: the rest is the machine's boot. */
    async function showTimes(from: number): Promise<void> {
      const moved = requests.find(({ action }) => action === "AssociateAddress")?.at ?? "";
      const runs = (await stage.moto.invocations())
        .slice(from)
        .filter((one) => one.function === CONTROLLER && one.at <= moved);
      const ms = runs.map(({ milliseconds, initMilliseconds = 0 }) => Math.round(milliseconds + initMilliseconds));
      console.log(
        `        the controller worked ${ms.join(" + ")} = ${ms.reduce((sum, one) => sum + one, 0)} ms (target: 5000)`,
      );
    }
  });

  describe("a pause", () => {
    it("ends the server, keeps the address, and no tick starts another", async () => {
      const { address } = await look(stage);
      await stingy("server", "pause", "--yes");
      const seen = await look(stage);
      expect(seen.servers).to.deep.equal([]);
      expect(seen).to.include({ address, holder: undefined });
      const requests = await during(async () => {
        const fired = await stage.moto.advance(900);
        expect(fired.filter(({ what }) => what === TICK)).to.have.lengthOf(3);
      });
      expect(storyOf(requests, {})).to.include("the controller reads instance-id");
      expect(storyOf(requests, {})).not.to.include("a machine is launched");
      expect(await verdict()).to.equal("paused");
    });

    it("leaves nothing for Terraform to change", () => changesNothing());

    it("is over with `stingy server resume`: one server is started, with the same address", async () => {
      const { address } = await look(stage);
      const requests = await during(async () => {
        await stingy("server", "resume");
        await serving(stage, { alone: true });
      });
      expect(storyOf(requests, {}).filter((sentence) => sentence === "a machine is launched")).to.have.lengthOf(1);
      expect((await look(stage)).address).to.equal(address);
    });

    it("leaves nothing for Terraform to change when it is over", async () => {
      await Promise.all(PLANNED.map(keepEmptyPlan));
    });
  });

  describe("alarms", () => {
    const DISK_MINUTES = 16;

    /** What has become of alarms since, and who was told of it. */
    async function since(from: number) {
      // A function that was called for it is still at work.
      await stage.moto.settled();
      const changes = (await stage.moto.alarms()).slice(from);
      const first = changes[0]?.at ?? "";
      return {
        changes: changes.map(inWords),
        mail: (await stage.moto.mail()).filter(({ at }) => at >= first),
        posts: posted().filter(({ at }) => at >= first),
      };
    }

    /** As the server that serves does, of which the emulator then repeats it every minute. */
    async function publish(MetricName: string, Value: number): Promise<void> {
      const as = { ...stage.moto.sdk, credentials: { accessKeyId: await holder(), secretAccessKey: "test" } };
      const client = new CloudWatchClient(as);
      const Dimensions = Object.entries(siteDimensions(onlySite(stage.config))).map(([Name, value]) => ({
        Name,
        Value: value,
      }));
      const MetricData = [{ MetricName, Value, Dimensions }];
      await client.send(new PutMetricDataCommand({ Namespace: METRICS_NAMESPACE, MetricData }));
      client.destroy();
    }

    it("have been quiet: a server that was replaced, a pause and a resume concern nobody", async () => {
      const id = await holder();
      const published = ({ instance, action }: MotoRequest) => instance === id && action === "PutMetricData";
      await until("the server publishes", async () => (await stage.moto.requests()).find(published));
      await stage.moto.advance(1200);
      expect((await stage.moto.alarms()).filter(({ to }) => to !== "OK").map(inWords)).to.deep.equal([]);
      expect(await stage.moto.mail()).to.have.length(1);
    });

    it("ring once where a disk fills, and tell people and the webhook", async () => {
      const from = (await stage.moto.alarms()).length;
      const rung = async () => {
        // The server itself may say meanwhile that there is room.
        await publish("DiskUsed", 95);
        await stage.moto.advance(DISK_MINUTES * 60);
        return (await stage.moto.alarms())[from];
      };
      await until("the alarm of the disk rings", rung);
      await publish("DiskUsed", 31);
      await stage.moto.advance(60);
      const { changes, mail, posts } = await since(from);
      expect(changes).to.deep.equal(["disk: ALARM", "disk: OK"]);
      expect(mail.map(({ to, subject }) => [to, subject])).to.deep.equal([
        [ADDRESS, 'ALARM: "stingy-vpn-prod-tokyo-disk" in Asia Pacific (Tokyo)'],
      ]);
      expect(mail[0]?.text).to.include(`What to do: ${RUNBOOK}#disk\n`);
      expect(posts.map(({ state, alarm }) => `${alarmOf(alarm)}: ${state}`)).to.deep.equal(["disk: ALARM"]);
      expect(posts[0]).to.deep.include({ site: "tokyo", environment: "prod" });
      expect(posts[0].links.runbook).to.equal(`${RUNBOOK}#disk`);
    });

    it("say that it is over where people were cut off", async () => {
      const from = (await stage.moto.alarms()).length;
      const AlarmName = "stingy-vpn-prod-tokyo-no-server";
      const client = new CloudWatchClient(stage.moto.sdk);
      await client.send(new SetAlarmStateCommand({ AlarmName, StateValue: "ALARM", StateReason: "a rehearsal" }));
      client.destroy();
      await stage.moto.advance(60);
      const { changes, mail, posts } = await since(from);
      expect(changes).to.deep.equal(["no-server: ALARM", "no-server: OK"]);
      expect(mail.map(({ subject }) => subject)).to.deep.equal(
        ["ALARM", "OK"].map((state) => `${state}: "${AlarmName}" in Asia Pacific (Tokyo)`),
      );
      expect(posts.map(({ state }) => state)).to.have.members(["ALARM", "OK"]);
    });

    it("ring where a message cannot be passed on and lies with the dead letters", async () => {
      const from = (await stage.moto.alarms()).length;
      const { deadLetterQueue, alertTopic } = siteNames(onlySite(stage.config));
      const sns = new SNSClient(stage.moto.sdk);
      const sqs = new SQSClient(stage.moto.sdk);
      const refused = { api: "ssm:GetParameter", kind: "error", code: "AccessDeniedException" } as const;
      await stage.moto.fault({ ...refused, containing: STORE.webhookUrl });
      const TopicArn = `arn:aws:sns:${REGION}:123456789012:${alertTopic}`;
      await sns.send(new PublishCommand({ TopicArn, Message: "hello" }));
      await stage.moto.settled();
      // Lambda tries again after one minute, and after two more.
      await stage.moto.advance(200);
      await stage.moto.calm();
      await stage.moto.advance(60);
      await sqs.send(new PurgeQueueCommand({ QueueUrl: `${stage.moto.url}/123456789012/${deadLetterQueue}` }));
      await stage.moto.advance(360);
      const { changes, mail, posts } = await since(from);
      expect(changes).to.deep.equal(["dead-letters: ALARM", "dead-letters: OK"]);
      expect(mail.map(({ subject }) => subject)).to.deep.equal([
        'ALARM: "stingy-vpn-prod-tokyo-dead-letters" in Asia Pacific (Tokyo)',
      ]);
      expect(mail[0]?.text).to.include(`What to do: ${RUNBOOK}#dead-letters\n`);
      expect(posts.map(({ alarm, state }) => `${alarmOf(alarm)}: ${state}`)).to.deep.equal(["dead-letters: ALARM"]);
      for (const client of [sns, sqs]) client.destroy();
    });

    it("leave nothing for Terraform to change when they have rung", () => keepEmptyPlan(MONITORING));
  });

  describe("a name that is no longer wanted", () => {
    it("goes with its record and its updater, and the server does not notice", async () => {
      const old = await holder();
      await remember();
      kept.push(...(await logsOf(stage.moto, REGION)), ...(await userDataOf(stage.moto, REGION, old)));
      kept.push({ where: "the mail", text: JSON.stringify(await stage.moto.mail()) });
      kept.push({ where: "what is posted to the webhook", text: JSON.stringify(posted()) });
      const requests = await during(async () => {
        // As docs/operations.md has a person do it.
        const destroy = ["destroy", "-auto-approve", "-input=false", "-no-color"];
        await stage.project.terraform("prod-tokyo-dns", destroy);
        expect(stage.cloudflare.records).to.deep.equal([]);
        stage.project.configure(configuration({ dns: "", more: MORE }));
        await stage.project.deploy();
      });
      expect(stage.project.stacks()).to.deep.equal(STACKS.filter((stack) => stack !== "prod-tokyo-dns"));
      expect((await inventory(stage.moto, REGION)).filter((one) => one.includes("ddns"))).to.deep.equal([]);
      const nameless = { ...onlySite(stage.config), dns: { provider: "none" } as const };
      const seen = await look(stage);
      expect(problemsOf(seen, nameless)).to.deep.equal([]);
      expect(seen.servers.map(({ id }) => id)).to.deep.equal([old]);
      const sentences = /^(a machine|the address|instance-id)/;
      expect(storyOf(requests, {}).filter((sentence) => sentences.test(sentence))).to.deep.equal([]);
      expect(await verdict()).to.equal("serving");
    });
  });

  describe("secrets", () => {
    let requests: MotoRequest[];

    before(async () => {
      requests = await stage.moto.requests();
    });

    const isSecureString = ({ action, body }: MotoRequest) =>
      action === "PutParameter" && JSON.parse(body).Type === "SecureString";

    it("are those that were given, made by the server and handed out", () => {
      expect(Object.keys(secrets)).to.have.members([
        "the Cloudflare token",
        "the webhook's URL",
        "the private key of the server",
        "the private key of phone",
        "the private key of laptop",
        "the private key of laptop-2",
        "the private key of tablet",
        "the preshared key of phone",
        "the preshared key of laptop",
        "the preshared key of laptop-2",
        "the preshared key of tablet",
      ]);
      expect(new Set(Object.values(secrets)).size).to.equal(Object.keys(secrets).length);
    });

    it("are in no request to AWS but those that write a SecureString", () => {
      const places = requests
        .filter((request) => !isSecureString(request))
        .map(({ at, service, action, body, path }) => ({
          where: `${at} ${service}:${action}`,
          text: `${path}\n${body}`,
        }));
      expect(places.length).to.be.greaterThan(1000);
      expect(leaks(secrets, places)).to.deep.equal([]);
    });

    it("are in no state, plan, output or log, and in no server's user data", () => {
      const files = [...filesOf(stage.folder)].filter(({ where }) => path.basename(where) !== "requests.log");
      const searched = files.map(({ where }) => path.relative(stage.folder, where));
      expect(searched).to.include.members([
        "servers.log",
        "project/commands.log",
        "project/cdktf.out/stacks/prod-tokyo-server/cdk.tf.json",
        ...STACKS.map((stack) => `project/state/${stack}.tfstate`),
      ]);
      expect(kept.map(({ where }) => where)).to.include.members([
        `the log of ${CONTROLLER}`,
        `the log of ${UPDATER}`,
        `the log of ${FORWARDER}`,
        "the mail",
        "what is posted to the webhook",
        "the launch template's user data",
        "the server's user data",
        ...[...PLANNED, MONITORING].map((stack) => `the plan of ${stack}`),
      ]);
      expect(kept.filter(({ text }) => text.length < 1000).map(({ where }) => where)).to.deep.equal([]);
      expect(leaks(secrets, [...files, ...kept, ...said])).to.deep.equal([]);
    });

    it("are found where they are: plain, in base64, and packed in base64", () => {
      const stored = requests.filter(isSecureString).map(({ body }) => ({ where: "the store", text: body }));
      expect(leaks(secrets, stored)).to.have.members(
        Object.keys(secrets)
          .filter((name) => !/^the private key of (?!the server)/.test(name))
          .map((name) => `${name} in the store`),
      );
      const base64 = (text: string | Buffer) => Buffer.from(text).toString("base64");
      const state = readFileSync(path.join(stage.folder, "project/state/prod-tokyo-server.tfstate"), "utf8");
      for (const [name, secret] of Object.entries(secrets)) {
        const script = `#!/bin/sh\nKEY='${secret}'\n`;
        const forms = {
          plain: script,
          base64: base64(script),
          "gzip in base64": base64(gzipSync(script)),
          "gzip in base64 in a request": `UserData=${encodeURIComponent(base64(gzipSync(script)))}&Version=1`,
          gzip: gzipSync(script),
        };
        const places = Object.entries(forms).map(([where, text]) => ({ where, text }));
        const inState = {
          where: "a state",
          text: state.replace('"outputs"', `"user_data": "${forms["gzip in base64"]}", "outputs"`),
        };
        expect(leaks({ [name]: secret }, [...places, inState])).to.deep.equal(
          [...Object.keys(forms), "a state"].map((where) => `${name} in ${where}`),
        );
      }
    });
  });

  /** Kept, so that no secret is in a plan either; Terraform fails where there is something to change. */
  async function keepEmptyPlan(stack: string): Promise<void> {
    const file = path.join(stage.folder, `${stack}.plan`);
    const plan = ["plan", "-detailed-exitcode", `-out=${file}`, "-lock=false", "-input=false", "-no-color"];
    await stage.project.terraform(stack, plan);
    const { stdout } = await stage.project.terraform(stack, ["show", "-json", file]);
    kept.push({ where: `the plan of ${stack}`, text: stdout });
  }

  /** What Terraform has made, as it knows it. Its states are written again when it has read more of what AWS fills in. */
  async function made(stack: string): Promise<Json> {
    const { lineage, outputs, resources } = await stage.project.state(stack);
    const ids = (resources as Json[]).flatMap(({ mode, type, name, instances }) =>
      (instances as Json[]).map(({ attributes: { id } }) => `${mode} ${type}.${name} ${id}`),
    );
    return { stack, lineage, outputs, ids };
  }

  /** The secrets that there are now: the server's, and those that were handed out. */
  async function remember(): Promise<void> {
    const client = new SSMClient(unseen(stage.moto.url, REGION));
    const Name = `${PREFIX}/${STORE.wireguardPrivateKey}`;
    const { Parameter } = await client.send(new GetParameterCommand({ Name, WithDecryption: true }));
    client.destroy();
    secrets["the private key of the server"] = Parameter?.Value?.trim() ?? "";
    for (const { where, text } of filesOf(handedOut)) {
      const device = path.basename(where, ".conf");
      const [, privateKey = ""] = /^PrivateKey = (\S+)$/m.exec(String(text)) ?? [];
      const [, presharedKey = ""] = /^PresharedKey = (\S+)$/m.exec(String(text)) ?? [];
      secrets[`the private key of ${device}`] = privateKey;
      secrets[`the preshared key of ${device}`] = presharedKey;
    }
  }
});
