import { DescribeInstancesCommand, EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { DescribeRuleCommand, EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { InvokeCommand, LambdaClient, UpdateFunctionConfigurationCommand } from "@aws-sdk/client-lambda";
import { PurgeQueueCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { expect } from "chai";
import { FUNCTIONS } from "../../modules/lambda";
import { siteNames } from "../../modules/names";
import { STORE } from "../../modules/store";
import { GATEWAY_ERROR, throttled } from "../assets/lambda/fake-cloudflare";
import { type MotoFault, type MotoRequest, unseen } from "./emulator/moto";
import { Stage } from "./harness/stage";
import { readRelease, synthesizeRelease } from "./support/release";
import {
  LASTED_SECONDS,
  type Look,
  look,
  onlySite,
  problemsOf,
  REGION,
  type Server,
  storeToken,
  TOKEN,
  until,
} from "./support/site";
import { type Upgraded, upgrade } from "./support/upgrade";

/** Addresses that today's code gives up on purpose: the changelog says what that means for a site. */
const GIVEN_UP: readonly string[] = [];
const DEVICES = ["phone", "laptop"];

const ACCOUNT = "123456789012";
const SITE = { environment: "prod", name: "tokyo" };
const NAMES = siteNames(SITE);
/** So many times faster than the scripts the servers wait. */
const PACE = 10;
const BOOT_SECONDS = 0.2;
const SLOWER_SECONDS = 2;
const READY_WITHIN_SECONDS = 600;
const MOST_MINUTES = 30;
const WRONG: Readonly<Record<string, string>> = { A: "192.0.2.1", AAAA: "2001:db8::1" };

/** The controller's calls. A server makes some of them too, about other things. */
const CALLS: Readonly<Record<string, readonly Pick<MotoFault, "api" | "containing">[]>> = {
  looks: [
    { api: "ec2:DescribeInstances" },
    { api: "ec2:DescribeInstanceStatus" },
    { api: "ec2:DescribeAddresses" },
    { api: "ssm:GetParameters", containing: "/launches" },
  ],
  launches: [
    { api: "ec2:CreateTags", containing: "Key=notice" },
    { api: "events:EnableRule" },
    { api: "ssm:PutParameter", containing: "/launches" },
    { api: "ec2:CreateFleet" },
  ],
  promotes: [
    { api: "ec2:AssociateAddress" },
    { api: "ssm:PutParameter", containing: "/instance-id" },
    { api: "lambda:Invoke", containing: NAMES.ddnsUpdater },
  ],
  ends: [
    { api: "ec2:CreateTags", containing: "Key=ending" },
    { api: "ec2:TerminateInstances" },
    { api: "events:DisableRule" },
  ],
};
const KINDS = ["throttle", "error"] as const;
/** The SDK makes each call twice. */
const A_RUN = 2;

interface DeadLetter {
  readonly body: string;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

describe("a site of the previous release", function () {
  this.timeout("10m");
  const release = readRelease();
  const heard: string[] = [];
  let stage: Stage;

  before(async () => {
    stage = await Stage.start({ config: release.config, token: TOKEN, pace: PACE, onLine: (line) => heard.push(line) });
    stage.player.order({ what: "slow", seconds: BOOT_SECONDS });
    await storeToken(stage);
    synthesizeRelease(release, stage.project.outdir);
    await stage.project.cdktf("deploy", "*", "--skip-synth", "--auto-approve", "--skip-provider-lock", "--no-color");
  });

  after(() => stage?.stop());

  describe("when it is upgraded", () => {
    let was: Upgraded["was"];
    let now: Upgraded["now"];
    let successor: Upgraded["successor"];
    let requests: Upgraded["requests"];

    before(async () => {
      for (const device of DEVICES) {
        const { code, stderr } = await stage.stingy(["peer", "add", device]);
        expect(code, stderr).to.equal(0);
      }
      heard.length = 0;
      ({ was, now, successor, requests } = await upgrade(stage));
    });

    it("takes the release's configuration as it is", () => {
      expect(stage.project.stacks()).to.include.members(Object.keys(release.stacks));
    });

    it("replaces and destroys nothing", () => {
      const destroyed = heard.flatMap((line) => /(\S+)(?: \(.*?\))?: Destroying\.\.\./.exec(line)?.[1] ?? []);
      expect(destroyed).to.have.members(GIVEN_UP);
      const kept = Object.entries(was.ids).filter(([address]) => !GIVEN_UP.includes(address));
      expect(now.ids).to.include(Object.fromEntries(kept));
    });

    it("keeps the address, the name and everything that the operator has stored", () => {
      expect(now.look.address).to.equal(was.look.address);
      expect(now.look.record).to.equal(was.look.record);
      expect(Object.keys(was.stored).sort()).to.include.members([
        ...DEVICES.map((device) => `${STORE.peers}/${device}`),
        STORE.wireguardPrivateKey,
        STORE.cloudflareToken,
        STORE.desiredState,
      ]);
      expect(now.stored).to.deep.equal(was.stored);
    });

    it("brings the new code, in place", () => {
      const { prefix } = siteNames(onlySite(stage.config));
      const updated = requests.filter(
        ({ action, status }) => action.startsWith("UpdateFunctionCode") && status === 200,
      );
      const released = FUNCTIONS.filter((name) => JSON.stringify(release.stacks).includes(`${prefix}-${name}`));
      expect(released).to.deep.equal(["recovery-handler", "ddns-updater"]);
      for (const name of released) {
        const own = updated.filter(({ path }) => path.includes(`/${prefix}-${name}/`));
        expect(own, name).to.have.length(1);
      }
    });

    it("replaces the server with nobody cut off: the old one ends after the new one has taken over", () => {
      const old = was.look.holder ?? "";
      const steps = requests.flatMap(({ action, instance, body }) => {
        if (instance === successor.id && action === "CreateTags") return body.includes("Value=ready") ? ["ready"] : [];
        if (/^(Associate|Disassociate|Release)Address$/.test(action)) {
          return [body.includes(`InstanceId=${successor.id}`) ? "address moves to it" : `address: ${action}`];
        }
        return action === "TerminateInstances" ? [body.includes(old) ? "old one ends" : "another ends"] : [];
      });
      expect(steps).to.deep.equal(["ready", "address moves to it", "old one ends"]);
    });

    it("leaves every device its place on the new server", () => {
      const first = stage.player.lines.find(({ instance, did }) => instance === successor.id && did === "in-step");
      expect(first).to.include({ peers: String(DEVICES.length), skipped: "0" });
    });

    it("leaves no difference in any plan", async () => {
      const changed = (await stage.project.drift()).filter(({ changes }) => changes);
      expect(changed.map(({ stack, text }) => `${stack}: ${text}`).join("\n")).to.equal("");
    });
  });

  describe("when its server is lost", () => {
    let ec2: EC2Client;
    let rules: EventBridgeClient;
    let lambda: LambdaClient;
    let sqs: SQSClient;
    let old: Server;
    let known: ReadonlySet<string>;
    let asked: number;
    let deployed: number;

    before(async () => {
      const { url, sdk } = stage.moto;
      ec2 = new EC2Client(unseen(url, REGION));
      rules = new EventBridgeClient(unseen(url, REGION));
      sqs = new SQSClient(unseen(url, REGION));
      lambda = new LambdaClient(sdk);
      deployed = (await stage.moto.requests()).length;
    });

    beforeEach(async () => {
      const { moto, cloudflare } = stage;
      await moto.calm();
      stage.player.order({ what: "slow", seconds: BOOT_SECONDS });
      old = await heals();
      // AWS warns of Spot machines alone.
      if (!old.spot) await replace();
      await moto.advance(LASTED_SECONDS);
      old = await heals(old.spot ? {} : { instead: old });
      for (const record of cloudflare.records) record.content = WRONG[record.type] ?? "";
      await sqs.send(new PurgeQueueCommand({ QueueUrl: queue() }));
      known = new Set(await everLaunched());
      asked = (await moto.requests()).length;
    });

    const queue = () => `${stage.moto.url}/${ACCOUNT}/${NAMES.deadLetterQueue}`;

    async function everLaunched(): Promise<string[]> {
      const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
      return Reservations.flatMap(({ Instances = [] }) => Instances).map(({ InstanceId = "" }) => InstanceId);
    }

    const launched = async () => (await everLaunched()).filter((id) => !known.has(id));

    /** What has been asked of AWS since the fault began. */
    async function calls(service: string, action: string): Promise<MotoRequest[]> {
      const requests = (await stage.moto.requests()).slice(asked);
      return requests.filter((request) => request.service === service && request.action === action);
    }

    /** The markets on which the fleets were asked for; two runs at the same time make the same attempt. */
    async function attempts(): Promise<(string | null)[]> {
      const asked = (await calls("ec2", "CreateFleet")).map(({ body }) => new URLSearchParams(body));
      const markets = asked.map((fleet) => fleet.get("TargetCapacitySpecification.DefaultTargetCapacityType"));
      const tokens = asked.map((fleet) => fleet.get("ClientToken"));
      return markets.filter((_, index) => tokens.indexOf(tokens[index] ?? null) === index);
    }

    /** Of those that were to happen so many times. */
    async function unmet(): Promise<MotoFault[]> {
      return (await stage.moto.control<MotoFault[]>("GET", "faults")).filter(({ times }) => times);
    }

    /** A machine does by itself what it does; only what AWS or the controller does needs time to pass. */
    function hasSpoken({ id, state }: Server, holder: string | undefined): boolean {
      const did = (what: string, type?: string) =>
        stage.player.lines.some((line) => line.instance === id && line.did === what && (!type || line.type === type));
      if (did("boots-in-vain")) return true;
      if (id === holder) return state === "serving";
      return did("event-sent", "Server Ready") && state !== "serving";
    }

    async function quiet(): Promise<Look> {
      const looked = async () => {
        const seen = await look(stage);
        return seen.servers.every((server) => hasSpoken(server, seen.holder)) ? seen : undefined;
      };
      const settled = async () => {
        if (!(await looked())) return undefined;
        await stage.moto.settled();
        return looked();
      };
      return until("every machine has done what it does by itself", settled, { seconds: 120, everyMs: 100 });
    }

    const record = (type: string) => stage.cloudflare.records.find((one) => one.type === type)?.content;

    async function ipv6Of({ id }: Server): Promise<string | undefined> {
      const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
      return Reservations?.[0]?.Instances?.[0]?.NetworkInterfaces?.[0]?.Ipv6Addresses?.[0]?.Ipv6Address;
    }

    async function ruleState(): Promise<string | undefined> {
      return (await rules.send(new DescribeRuleCommand({ Name: NAMES.rules["pending-tick"] }))).State;
    }

    /** Minutes pass until one server serves with all that belongs to it, nothing else is left, and the controller is at rest. */
    async function heals({ instead }: { instead?: Server } = {}): Promise<Server> {
      for (let minute = 0; ; minute++) {
        const seen = await quiet();
        const [server, ...strays] = seen.servers;
        const problems = problemsOf(seen, onlySite(stage.config));
        if (server?.id === instead?.id) problems.push(`${server?.id} still serves`);
        if (server && record("AAAA") !== (await ipv6Of(server)))
          problems.push(`the AAAA record says ${record("AAAA")}`);
        if (strays.length > 0) problems.push(`${seen.servers.map(({ id }) => id)} are there`);
        if ((await ruleState()) !== "DISABLED") problems.push("the one-minute tick is on");
        if (server && problems.length === 0) return server;
        if (minute === MOST_MINUTES) throw new Error(`after ${minute} minutes: ${problems.join("; ")}`);
        await stage.moto.advance(60);
      }
    }

    /** All of this has met the controller, and yet one machine was launched, which is the server now. */
    async function recovers(): Promise<Server> {
      const server = await heals({ instead: old });
      expect(await unmet()).to.deep.equal([]);
      expect(await launched()).to.deep.equal([server.id]);
      return server;
    }

    const warn = () => stage.moto.interrupt(old.id);

    /** As `stingy server replace` does. @returns what the controller answers */
    async function replace(): Promise<Readonly<Record<string, unknown>>> {
      const event = { source: "stingy-vpn", "detail-type": "Command", detail: { command: "replace" } };
      const { Payload } = await lambda.send(
        new InvokeCommand({ FunctionName: NAMES.controller, Payload: JSON.stringify(event) }),
      );
      return JSON.parse(Buffer.from(Payload ?? []).toString());
    }

    /** Those that nobody has read yet. */
    async function deadLetters(): Promise<DeadLetter[]> {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queue(),
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ["All"],
          VisibilityTimeout: 3600,
        }),
      );
      return Messages.map(({ Body = "", MessageAttributes }) => {
        const { ERROR_CODE, ErrorCode, ErrorMessage } = MessageAttributes ?? {};
        const code = (ERROR_CODE ?? ErrorCode)?.StringValue;
        return { body: Body, code, message: ErrorMessage?.StringValue };
      });
    }

    /** An event is tried again a minute later, and two minutes after that. */
    async function buried(what: string, isIt: (letter: DeadLetter) => boolean): Promise<DeadLetter> {
      await stage.moto.settled();
      const found = async () => (await deadLetters()).find(isIt);
      return until(`${what} is a dead letter`, found, { meanwhile: () => stage.moto.advance(30) });
    }

    for (const [doing, made] of Object.entries(CALLS)) {
      it(`is complete where each call with which it ${doing} is throttled, and then fails`, async () => {
        for (const call of made) {
          for (const kind of KINDS) await stage.moto.fault({ ...call, kind, times: A_RUN });
        }
        // A warned server is taken before the controller ends it.
        await (doing === "ends" ? replace() : warn());
        await recovers();
      });
    }

    it("launches once where the answers of CreateFleet are lost, and EC2 does not show the machine yet", async () => {
      const { moto, player } = stage;
      player.order({ what: "slow", seconds: SLOWER_SECONDS });
      await moto.fault({ api: "ec2:CreateFleet", kind: "lost", times: A_RUN });
      await replace();
      await moto.stale({ api: "ec2:DescribeInstances", answers: 10 });
      await moto.advance(61);
      await replace();
      expect(await unmet()).to.deep.equal([]);
      await moto.calm();
      await recovers();
      expect(await attempts()).to.deep.equal(["spot"]);
    });

    it("launches with RunInstances where a fleet is forbidden, though that fails at first", async () => {
      const { moto } = stage;
      await moto.fault({ api: "ec2:CreateFleet", kind: "error", code: "UnauthorizedOperation" });
      for (const kind of KINDS) await moto.fault({ api: "ec2:RunInstances", kind, times: A_RUN });
      await warn();
      await recovers();
    });

    it("goes on where the answers of AssociateAddress are lost, after the address has moved", async () => {
      await stage.moto.fault({ api: "ec2:AssociateAddress", kind: "lost", times: A_RUN });
      await warn();
      await recovers();
    });

    it("launches once where EC2 does not show the machine yet", async () => {
      stage.player.order({ what: "slow", seconds: SLOWER_SECONDS });
      await replace();
      await stage.moto.stale({ api: "ec2:DescribeInstances", answers: 1 });
      expect(await replace())
        .to.include({ server: old.id })
        .and.not.have.property("successor");
      await recovers();
      expect(await attempts()).to.deep.equal(["spot"]);
    });

    it("asks once more where AWS does not answer", async () => {
      for (const call of CALLS.looks ?? []) await stage.moto.fault({ ...call, kind: "silence", times: 1 });
      await warn();
      await recovers();
    });

    it("goes on with the next look where Lambda cuts a run off", async () => {
      const setTimeLimit = (Timeout: number) =>
        lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName: NAMES.controller, Timeout }));
      const begun = (await stage.moto.invocations()).length;
      const cutOff = async () =>
        (await stage.moto.invocations()).slice(begun).find(({ error }) => error?.errorType === "Sandbox.Timedout");
      await stage.moto.fault({ api: "ec2:AssociateAddress", kind: "silence", times: 1 });
      try {
        await setTimeLimit(2);
        await warn();
        await until("a run is cut off", cutOff);
      } finally {
        await setTimeLimit(300);
      }
      await recovers();
    });

    it("takes a machine of another zone where this one has none", async () => {
      const { zone = "" } = old;
      await stage.moto.capacity({ zone });
      await warn();
      const server = await recovers();
      expect([server.spot, server.zone === zone]).to.deep.equal([true, false]);
    });

    it("makes another attempt where a successor never gets ready, while the server serves", async () => {
      stage.player.order({ what: "broken" });
      await replace();
      await quiet();
      stage.player.order({ what: "slow", seconds: BOOT_SECONDS });
      const [broken] = await launched();
      await stage.moto.advance(READY_WITHIN_SECONDS);
      const server = await heals({ instead: old });
      expect(await launched()).to.deep.equal([broken, server.id]);
      const promoted = (await calls("ec2", "AssociateAddress")).map(({ body }) =>
        new URLSearchParams(body).get("InstanceId"),
      );
      expect([...new Set(promoted)]).to.deep.equal([server.id]);
    });

    it("makes another attempt where a successor dies", async () => {
      await warn();
      const successor = await until("there is a successor", async () => (await launched())[0], { everyMs: 50 });
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [successor] }));
      const server = await heals({ instead: old });
      expect(await launched()).to.deep.equal([successor, server.id]);
    });

    it("begins at once where the server dies without a warning", async () => {
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [old.id] }));
      await stage.moto.settled();
      expect(await launched()).to.have.length(1);
      await recovers();
    });

    it("begins with the next tick where no event arrives, and the events are dead letters", async () => {
      // A target is tried five times, and AWS says that the machine is about to end, and then that it has.
      await stage.moto.fault({ api: "lambda:Invoke", kind: "error", containing: "State-change", times: 10 });
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [old.id] }));
      await recovers();
      const letters = (await deadLetters()).map(({ body, code }) => [JSON.parse(body).detail.state, code]);
      expect(letters).to.have.deep.members([
        ["shutting-down", "ERROR_FROM_TARGET"],
        ["terminated", "ERROR_FROM_TARGET"],
      ]);
    });

    it("takes place with the next tick where the controller fails for as long as an event is kept", async () => {
      await stage.moto.fault({ api: "ec2:*", kind: "error" });
      await warn();
      const letter = await buried("the warning", ({ body }) => body.includes("Interruption Warning"));
      expect([JSON.parse(letter.body).detail["instance-id"], letter.code]).to.deep.equal([old.id, "200"]);
      expect(await launched()).to.deep.equal([]);
      await stage.moto.calm();
      await recovers();
    });

    it("has the record right though Cloudflare slows the updater down and fails", async () => {
      const { cloudflare } = stage;
      const begun = cloudflare.operations.length;
      cloudflare.script(/^PATCH /, throttled("1"), GATEWAY_ERROR, "break");
      await warn();
      await recovers();
      expect(
        cloudflare.operations.slice(begun).filter((operation) => operation.startsWith("PATCH ")),
      ).to.have.lengthOf.at.least(5);
    });

    it("has the record right though the updater has failed for good", async () => {
      const { cloudflare } = stage;
      cloudflare.token = "another";
      try {
        await warn();
        await quiet();
        const { message } = await buried("the updater's event", ({ body }) => body === "{}");
        expect(message).to.match(/^Cloudflare, reading the A record of vpn.example.com: HTTP 403 /);
      } finally {
        cloudflare.token = TOKEN;
      }
      expect((await look(stage)).record).to.equal(WRONG.A);
      await recovers();
    });

    it("takes a machine on demand where there is no Spot machine anywhere", async () => {
      await stage.moto.capacity({ market: "spot" });
      await warn();
      const server = await recovers();
      expect(server.spot).to.equal(false);
      const { spotAttempts } = onlySite(stage.config).server;
      expect(await attempts()).to.deep.equal([...Array(spotAttempts + 1).fill("spot"), "on-demand"]);
    });

    it("has met faults in every call that it makes", async () => {
      const met = new Set(["ec2:RunInstances", ...Object.values(CALLS).flatMap((made) => made.map(({ api }) => api))]);
      const made = (await stage.moto.requests()).slice(deployed).filter(({ instance }) => instance === undefined);
      // The DDNS updater's, and this test's own.
      const known = ["ssm:GetParameter", "lambda:UpdateFunctionConfiguration"];
      const unmet = made
        .map(({ service, action }) => `${service}:${action}`)
        .filter((api) => !met.has(api) && !known.includes(api));
      expect(unmet).to.deep.equal([]);
    });
  });
});
