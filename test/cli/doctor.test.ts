import { createSocket, type Socket } from "node:dgram";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { PutMetricDataCommand, SetAlarmStateCommand } from "@aws-sdk/client-cloudwatch";
import {
  AssociateAddressCommand,
  DeleteRouteCommand,
  RevokeSecurityGroupIngressCommand,
  RunInstancesCommand,
  StopInstancesCommand,
} from "@aws-sdk/client-ec2";
import { DisableRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import { AddPermissionCommand, GetFunctionCommand } from "@aws-sdk/client-lambda";
import { SubscribeCommand } from "@aws-sdk/client-sns";
import { GetQueueUrlCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { DeleteParameterCommand, GetParametersByPathCommand } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { siteNames } from "../../modules/names";
import { generatePrivateKey, parsePeer, publicKeyOf } from "../../modules/wireguard";
import { INITIATION, isMessage, TRANSPORT } from "../../modules/wireguard/noise";
import type { Session } from "../../modules/wireguard/session";
import { echoReply, handshakeAnswerer } from "../modules/wireguard/responder";
import { type DeployedSite, Emulator, REGION, STORE } from "./support/emulator";
import { folderWith, inTerminal, ROOT, stingy } from "./support/stingy";

const names = siteNames({ environment: "prod", name: "tokyo" });
const PORT = 51820;
const ACCOUNT = "123456789012";
const TOPIC = `arn:aws:sns:${REGION}:${ACCOUNT}:${names.alertTopic}`;

interface Json {
  readonly healthy: boolean;
  readonly findings: readonly {
    readonly id: string;
    readonly status: string;
    readonly saw: string;
    readonly fix?: string;
  }[];
  readonly checks: readonly { readonly id: string; readonly status: string; readonly saw: string }[];
}

const WEBHOOK_URL = "https://hooks.example.com/services/T0/B0/secret";
const MONITORED = `
sites:
  tokyo:
    monitoring: { emails: [me@example.com], webhook: slack }
`;
const PENDING = `<ListSubscriptionsByTopicResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
  <ListSubscriptionsByTopicResult><Subscriptions><member>
    <TopicArn>${TOPIC}</TopicArn><Protocol>email</Protocol><Endpoint>me@example.com</Endpoint>
    <SubscriptionArn>PendingConfirmation</SubscriptionArn><Owner>${ACCOUNT}</Owner>
  </member></Subscriptions></ListSubscriptionsByTopicResult>
</ListSubscriptionsByTopicResponse>`;

describe("stingy doctor", () => {
  let emulator: Emulator;
  let site: DeployedSite;
  let serverKey: string;
  let config: string;
  let monitored: string;
  let server: { readonly close: () => Promise<void> } | undefined;

  before(async () => {
    emulator = await Emulator.start();
    const states = Object.fromEntries(
      ["network", "server", "recovery", "monitoring"].map((layer) => [
        `prod-tokyo-${layer}.tfstate`,
        JSON.stringify({
          outputs: { something: { value: "there" } },
          resources: [`arn:aws:ec2:${REGION}:${ACCOUNT}:vpc/x`],
        }),
      ]),
    );
    const backend = `backend:\n  type: local\n  path: ${path.relative(ROOT, folderWith(states))}\n`;
    config = path.join(folderWith({ "stingy.yaml": backend }), "stingy.yaml");
    monitored = path.join(folderWith({ "stingy.yaml": `${backend}${MONITORED}` }), "stingy.yaml");
  });

  beforeEach(async () => {
    site = await emulator.freshSite();
    serverKey = generatePrivateKey();
    await makeWell();
  });

  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  /** What the emulator's site lacks of one at which all is well. */
  async function makeWell(): Promise<void> {
    await emulator.put("wireguard-private-key", serverKey, "SecureString");
    await emulator.put("peers/phone", peer("10.8.0.2/32"), "SecureString");
    const { Configuration } = await emulator.lambda.send(new GetFunctionCommand({ FunctionName: names.controller }));
    for (const [id, name] of Object.entries(names.rules)) {
      await emulator.events.send(
        new PutTargetsCommand({ Rule: name, Targets: [{ Id: "controller", Arn: Configuration?.FunctionArn }] }),
      );
      await emulator.lambda.send(
        new AddPermissionCommand({
          FunctionName: names.controller,
          StatementId: id,
          Action: "lambda:InvokeFunction",
          Principal: "events.amazonaws.com",
          SourceArn: `arn:aws:events:${REGION}:${ACCOUNT}:rule/${name}`,
        }),
      );
    }
    const metric = (Namespace: string, MetricName: string, dimensions: Record<string, string>) =>
      emulator.cloudwatch.send(
        new PutMetricDataCommand({
          Namespace,
          MetricData: [
            {
              MetricName,
              Value: 1,
              Timestamp: new Date(Date.now() - 60_000),
              Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
            },
          ],
        }),
      );
    await metric("AWS/Lambda", "Invocations", { FunctionName: names.controller });
    await metric("StingyVPN", "PeersConfigured", { Site: "tokyo", Environment: "prod" });
    await emulator.sns.send(new SubscribeCommand({ TopicArn: TOPIC, Protocol: "email", Endpoint: "me@example.com" }));
    await emulator.moto.confirm("me@example.com");
    await controllerSays([]);
  }

  async function controllerSays(problems: readonly object[]): Promise<void> {
    await fetch(`${emulator.url}/moto-api/static/lambda-simple/response`, {
      method: "POST",
      body: JSON.stringify({ results: [JSON.stringify({ site: "tokyo", done: [], problems })], region: REGION }),
    });
  }

  function peer(address: string): string {
    return JSON.stringify({ publicKey: publicKeyOf(generatePrivateKey()), addresses: [address] });
  }

  async function storedPeers() {
    const { Parameters = [] } = await emulator.ssm.send(
      new GetParametersByPathCommand({ Path: `${STORE}/peers`, WithDecryption: true }),
    );
    return Parameters.map(({ Name = "", Value = "" }) => ({
      name: Name.slice(`${STORE}/peers/`.length),
      value: Value,
    }));
  }

  /** A WireGuard server on the site's address that knows who is in the store when a handshake arrives. */
  async function startServer(): Promise<{
    readonly met: () => readonly string[];
    readonly close: () => Promise<void>;
  }> {
    const peers: { publicKey: string; presharedKey?: string }[] = [];
    const met = new Set<string>();
    const answer = handshakeAnswerer({ privateKey: serverKey, peers });
    const sessions = new Map<number, Session>();
    const socket: Socket = createSocket("udp4");
    socket.on("message", async (datagram, from) => {
      const send = (bytes: Buffer) => socket.send(bytes, from.port, from.address);
      if (isMessage(datagram, INITIATION)) {
        for (const { name, value } of await storedPeers()) {
          const { peer: stored } = parsePeer(value);
          if (!stored || met.has(name)) continue;
          met.add(name);
          peers.push(stored);
        }
        const { packet, session, index } = answer(datagram) ?? {};
        if (session && index !== undefined) sessions.set(index, session);
        if (packet) send(packet);
      } else if (isMessage(datagram, TRANSPORT)) {
        const session = sessions.get(datagram.readUInt32LE(4));
        const reply = echoReply(session?.decrypt(datagram), 1380);
        if (session && reply) send(session.encrypt(reply));
      }
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(PORT, site.address, resolve);
    });
    return { met: () => [...met], close: () => new Promise((resolve) => socket.close(() => resolve())) };
  }

  async function diagnosed(more: readonly string[], url = emulator.url) {
    const { code, stdout, stderr } = await stingy(["doctor", "--json", "--config", config, ...more], {
      env: { ...emulator.env, AWS_ENDPOINT_URL: url },
    });
    expect(stderr.replace(/\(node:\d+\)[\s\S]*$/, "")).to.equal("");
    const json = JSON.parse(stdout) as Json;
    return { code, json, found: Object.fromEntries(json.findings.map(({ id, status }) => [id, status])) };
  }

  const look = () => diagnosed(["--no-probe"]);

  /** AWS with a part of it changed: `change` answers for it, or says by undefined that it does not. */
  async function inFrontOfAws<T>(
    change: (call: string) => { readonly status: number; readonly body: string } | undefined,
    aheadMs: number,
    work: (url: string) => Promise<T>,
  ): Promise<T> {
    const proxy = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", async () => {
        const body = Buffer.concat(chunks);
        const changed = change(`${request.headers["x-amz-target"]} ${request.url} ${body}`);
        response.sendDate = false;
        response.setHeader("date", new Date(Date.now() + aheadMs).toUTCString());
        if (changed) {
          response.writeHead(changed.status, { "content-type": "application/x-amz-json-1.1" }).end(changed.body);
          return;
        }
        const { connection, host, "content-length": length, ...headers } = request.headers;
        const answer = await fetch(`${emulator.url}${request.url}`, {
          method: request.method ?? "GET",
          headers: headers as Record<string, string>,
          ...(body.length > 0 ? { body } : {}),
        });
        for (const name of ["content-type", "x-amz-function-error"]) {
          const value = answer.headers.get(name);
          if (value !== null) response.setHeader(name, value);
        }
        // The addresses of queues lead here, too.
        response.writeHead(answer.status).end((await answer.text()).replaceAll(emulator.url, url));
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    try {
      return await work(url);
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  }

  const refused = (action: string) => (call: string) =>
    call.includes(action)
      ? {
          status: 400,
          body: JSON.stringify({ __type: "AccessDeniedException", message: `no permission for ${action}` }),
        }
      : undefined;
  const saw = ({ json }: { readonly json: Json }, id: string) => json.checks.find((check) => check.id === id)?.saw;

  it("has nothing to say of a site at which all is well, but of the narrow way to it", async () => {
    const responder = await startServer();
    server = responder;
    const result = await diagnosed(["--wait", "10"]);
    expect(result.found).to.deep.equal({ "tunnel-mtu": "attention" });
    expect(result.code).to.equal(2);
    expect(result.json.findings[0]?.fix).to.equal(
      "Put `MTU = 1380` under [Interface] into the device's configuration.",
    );
    expect(saw(result, "tunnel-internet")).to.match(/^1\.1\.1\.1 answers in \d+ ms$/);
    // It came as a device of its own, and went again.
    expect(responder.met().filter((name) => /^doctor-[a-z]{4}$/.test(name))).to.have.length(1);
    expect((await storedPeers()).map(({ name }) => name)).to.deep.equal(["phone"]);
  });

  it("ends with 0 where all is well, and only looks with --no-probe", async () => {
    const result = await look();
    expect(result.json.findings).to.deep.equal([]);
    expect(result.json.healthy).to.equal(true);
    expect(result.code).to.equal(0);
    expect(saw(result, "tunnel-handshake")).to.equal("left out by --no-probe");
  });

  it("says a server that does not answer, and takes its device out of the store", async () => {
    const silent = createSocket("udp4");
    await new Promise<void>((resolve) => silent.bind(PORT, site.address, resolve));
    server = { close: () => new Promise((resolve) => silent.close(() => resolve())) };
    const result = await diagnosed(["--wait", "2"]);
    expect(result.found).to.deep.equal({ "tunnel-handshake": "broken" });
    expect(saw(result, "tunnel-handshake")).to.equal(
      `no answer from ${site.address}:${PORT} in 2 s, though all that AWS says is well: the network here may block udp/${PORT}`,
    );
    expect(saw(result, "tunnel-mtu")).to.equal("not looked at: tunnel-handshake comes first");
    expect((await storedPeers()).map(({ name }) => name)).to.deep.equal(["phone"]);
  });

  it("takes its device out of the store when somebody presses Ctrl-C", async () => {
    const silent = createSocket("udp4");
    await new Promise<void>((resolve) => silent.bind(PORT, site.address, resolve));
    server = { close: () => new Promise((resolve) => silent.close(() => resolve())) };
    let during: string[] = [];
    const { code } = await stingy(["doctor", "--config", config, "--wait", "60"], {
      env: emulator.env,
      during: (child) => {
        silent.once("message", async () => {
          during = (await storedPeers()).map(({ name }) => name);
          child.kill("SIGINT");
        });
      },
    });
    expect(code).to.equal(null);
    expect(during).to.have.length(2);
    expect((await storedPeers()).map(({ name }) => name)).to.deep.equal(["phone"]);
  });

  it("names the first broken thing on top, in a terminal too", async () => {
    await emulator.ec2.send(
      new DeleteRouteCommand({ RouteTableId: site.routeTableId, DestinationCidrBlock: "0.0.0.0/0" }),
    );
    const { code, screen } = await inTerminal(["doctor", "--no-probe", "--config", config], [], { env: emulator.env });
    expect(screen.replaceAll("\r", "")).to.include(
      `prod-tokyo in ${REGION}\n\nBroken: route\n  ${site.subnetIds[0]} has no route to 0.0.0.0/0`,
    );
    expect(screen).to.include("  ✖ route: ").and.include("  ✔ firewall: ");
    expect(code).to.equal(2);
  });

  it("is plain text where nobody looks", async () => {
    const { stdout } = await stingy(["doctor", "--no-probe", "--config", config], { env: emulator.env });
    expect(stdout).to.match(/^[ -~\n]*$/);
    expect(stdout).to.match(/\n47 checks: \d+ well, \d+ left out\.\n$/);
  });

  it("says that there are no credentials, and what it could see without", async () => {
    const { code, stdout } = await stingy(["doctor", "--json"], { env: { AWS_ENDPOINT_URL: emulator.url } });
    const { findings, checks } = JSON.parse(stdout) as Json;
    expect(findings.map(({ id }) => id)).to.deep.equal(["credentials"]);
    expect(findings[0]?.saw).to.equal("There are no AWS credentials.");
    expect(checks.find(({ id }) => id === "clock")?.status).to.equal("ok");
    expect(checks.find(({ id }) => id === "firewall")?.saw).to.equal("not looked at: credentials comes first");
    expect(code).to.equal(2);
  });

  it("says that AWS cannot be reached", async () => {
    const { code, stdout } = await stingy(["doctor", "--json"], {
      env: { ...emulator.env, AWS_ENDPOINT_URL: "http://127.0.0.1:2" },
    });
    const { findings } = JSON.parse(stdout) as Json;
    expect(findings.map(({ id, saw: text }) => [id, text])).to.deep.equal([
      ["aws-reachable", "127.0.0.1:2 does not answer (ECONNREFUSED)"],
    ]);
    expect(code).to.equal(2);
  });

  it("says that the site is not deployed, and nothing else", async () => {
    await emulator.reset();
    const { code, found } = await look();
    expect(found).to.deep.equal({ deployed: "broken" });
    expect(code).to.equal(2);
  });

  it("says that it is another account", async () => {
    const folder = folderWith({
      "prod-tokyo-network.tfstate": '{"outputs":{},"resources":["arn:aws:ec2:ap-northeast-1:999999999999:vpc/x"]}',
    });
    const other = path.join(
      folderWith({ "stingy.yaml": `backend:\n  type: local\n  path: ${path.relative(ROOT, folder)}\n` }),
      "stingy.yaml",
    );
    const { stdout } = await stingy(["doctor", "--json", "--no-probe", "--config", other], { env: emulator.env });
    expect((JSON.parse(stdout) as Json).findings.map(({ id }) => id)).to.deep.equal(["account"]);
  });

  it("says that the states are not here", async () => {
    const { stdout } = await stingy(["doctor", "--json", "--no-probe"], {
      env: {
        ...emulator.env,
        STINGY_CONFIG: path.join(
          folderWith({ "stingy.yaml": "backend: { type: local, path: nowhere }\n" }),
          "stingy.yaml",
        ),
      },
    });
    expect((JSON.parse(stdout) as Json).findings.map(({ id }) => id)).to.deep.equal(["outputs"]);
  });

  it("says that the address is on another instance", async () => {
    const { Instances: [other] = [] } = await emulator.ec2.send(
      new RunInstancesCommand({
        ImageId: "ami-12345678901234567",
        MinCount: 1,
        MaxCount: 1,
        SubnetId: site.subnetIds[0],
      }),
    );
    await emulator.ec2.send(
      new AssociateAddressCommand({
        AllocationId: site.allocationId,
        InstanceId: other?.InstanceId,
        AllowReassociation: true,
      }),
    );
    const result = await look();
    expect(result.found).to.deep.equal({ "address-elsewhere": "broken" });
    expect(saw(result, "address-elsewhere")).to.match(
      /^127\.\S+ is on i-\S+, and the store names i-\S+ That instance is not/,
    );
    expect(result.json.findings[0]?.fix).to.contain("`aws ec2 disassociate-address --association-id eipassoc-");
    expect(saw(result, "tunnel-handshake")).to.equal("not looked at: address-elsewhere comes first");
  });

  it("says that the server is stopped", async () => {
    await emulator.ec2.send(new StopInstancesCommand({ InstanceIds: [site.instanceId] }));
    const { found } = await look();
    expect(found).to.include({ "server-running": "broken", "server-one": "broken" });
    expect(found).to.not.have.property("firewall");
  });

  it("says that the site is paused, and that this explains the rest", async () => {
    await emulator.ec2.send(new StopInstancesCommand({ InstanceIds: [site.instanceId] }));
    await emulator.put("desired-state", "stopped");
    const { found, json } = await look();
    expect(found).to.deep.equal({ "store-desired-state": "attention" });
    expect(json.findings[0]?.fix).to.equal("Have it run again: `npx stingy server resume`.");
  });

  it("says that the security group is closed", async () => {
    await emulator.ec2.send(
      new RevokeSecurityGroupIngressCommand({
        GroupId: site.securityGroupId,
        IpPermissions: [{ IpProtocol: "udp", FromPort: PORT, ToPort: PORT, IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
      }),
    );
    const result = await look();
    expect(result.found).to.deep.equal({ firewall: "broken" });
    expect(saw(result, "firewall")).to.equal(`${site.securityGroupId} lets nothing in on udp/${PORT}`);
  });

  it("says which devices the server leaves out", async () => {
    await emulator.put("peers/laptop", "no JSON", "SecureString");
    await emulator.put("peers/tablet", peer("10.8.0.2/32"), "SecureString");
    const result = await look();
    expect(result.found).to.deep.equal({ "store-peers": "attention" });
    expect(saw(result, "store-peers")).to.equal(
      "2 of 3 left out by the server: laptop (it is no JSON object), tablet (its key or address is that of phone)",
    );
  });

  it("says that a rule is off", async () => {
    await emulator.events.send(new DisableRuleCommand({ Name: names.rules.interruption }));
    const result = await look();
    expect(result.found).to.deep.equal({ "controller-rules": "broken" });
    expect(result.json.findings[0]?.fix).to.equal(
      `Turn it on: \`aws events enable-rule --name ${names.rules.interruption} --region ${REGION}\`.`,
    );
  });

  it("says that events were given up, that an alarm rings and what the controller needs", async () => {
    const { QueueUrl } = await emulator.sqs.send(new GetQueueUrlCommand({ QueueName: names.deadLetterQueue }));
    await emulator.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "{}" }));
    await emulator.cloudwatch.send(
      new SetAlarmStateCommand({
        AlarmName: `${names.prefix}-needs-person`,
        StateValue: "ALARM",
        StateReason: "a test",
      }),
    );
    // The answer of before is still in the emulator's list.
    await stingy(["doctor", "--no-probe"], { env: emulator.env });
    await controllerSays([{ code: "launch-refused-quota", message: "Ask AWS for more." }]);
    const result = await look();
    expect(result.found).to.deep.equal({
      "controller-problems": "broken",
      "dead-letters": "attention",
      alarms: "attention",
    });
    expect(saw(result, "controller-problems")).to.equal("launch-refused-quota: Ask AWS for more.");
  });

  it("says who has not confirmed, and that the webhook has no URL or a plain one", async () => {
    const read: string[] = [];
    const pending = (call: string) => {
      if (call.includes("webhook-url")) read.push(call);
      return call.includes("ListSubscriptionsByTopic") ? { status: 200, body: PENDING } : undefined;
    };
    const ask = () =>
      inFrontOfAws(pending, 0, (url) => diagnosed(["--no-probe", "--config", monitored, "--debug"], url));
    const missing = await ask();
    expect(missing.found).to.deep.equal({ webhook: "broken", subscriptions: "attention" });
    expect(saw(missing, "subscriptions")).to.equal(
      "nobody is told of alarms; not confirmed: me@example.com; not subscribed: the webhook",
    );
    expect(missing.json.findings[1]?.fix).to.contain(`\`aws sns subscribe --topic-arn ${TOPIC} --protocol email `);
    await emulator.put("webhook-url", WEBHOOK_URL);
    const plain = await ask();
    expect(saw(plain, "webhook")).to.contain("webhook-url is a String in plain text");
    await emulator.ssm.send(new DeleteParameterCommand({ Name: `${STORE}/webhook-url` }));
    await emulator.put("webhook-url", WEBHOOK_URL, "SecureString");
    const secret = await ask();
    expect(saw(secret, "webhook")).to.equal("there, and encrypted");
    expect(JSON.stringify([plain, secret])).to.not.include("hooks.example.com");
    expect(read).to.have.length(3);
    for (const call of read) expect(call).to.include('"WithDecryption":false');
  });

  it("removes what a doctor who was killed has left, and nothing of anybody else's", async () => {
    const left = (madeBy: string, address: string) =>
      JSON.stringify({ publicKey: publicKeyOf(generatePrivateKey()), addresses: [address], madeBy });
    await emulator.moto.setAhead(-7200);
    await emulator.put("peers/doctor-left", left("stingy doctor", "10.8.0.3/32"), "SecureString");
    await emulator.put("peers/doctor-home", left("me", "10.8.0.4/32"), "SecureString");
    await emulator.moto.setAhead(0);
    server = await startServer();
    await diagnosed(["--wait", "10"]);
    expect((await storedPeers()).map(({ name }) => name).sort()).to.deep.equal(["doctor-home", "phone"]);
  });

  it("goes on where one question is refused, and says that it could not look", async () => {
    const result = await inFrontOfAws(refused("GetQueueUrl"), 0, (url) => diagnosed(["--no-probe"], url));
    expect(result.found).to.deep.equal({ stacks: "unknown", "dead-letters": "unknown" });
    expect(saw(result, "dead-letters")).to.equal(
      "could not look: AWS refuses this to your role: no permission for GetQueueUrl",
    );
    expect(result.code).to.equal(2);
  });

  it("connects where it may not tell the server to read the store", async () => {
    server = await startServer();
    const result = await inFrontOfAws(refused("SendCommand"), 0, (url) => diagnosed([], url));
    expect(result.found).to.deep.equal({
      "server-agent": "unknown",
      "server-clock": "unknown",
      "tunnel-mtu": "attention",
    });
  });

  it("says that Systems Manager does not know the server, and tries to connect all the same", async () => {
    server = await startServer();
    const unknown = (call: string) =>
      call.includes("SendCommand")
        ? {
            status: 400,
            body: JSON.stringify({
              __type: "InvalidInstanceId",
              message: `Instances [[${site.instanceId}]] not in a valid state for account ${ACCOUNT}`,
            }),
          }
        : undefined;
    const result = await inFrontOfAws(unknown, 0, (url) => diagnosed([], url));
    expect(result.found).to.deep.equal({ "server-agent": "attention", "tunnel-mtu": "attention" });
    expect(saw(result, "server-agent")).to.include("it does not run what it is asked to (Unregistered)");
  });

  it("says that it may not try to connect, and leaves nothing behind", async () => {
    const result = await inFrontOfAws(refused("PutParameter"), 0, (url) => diagnosed([], url));
    expect(result.found).to.deep.equal({ "tunnel-handshake": "unknown" });
    expect((await storedPeers()).map(({ name }) => name)).to.deep.equal(["phone"]);
  });

  it("says which device to remove where it may not remove it", async () => {
    server = await startServer();
    const result = await inFrontOfAws(refused("DeleteParameters"), 0, (url) => diagnosed([], url));
    const [left] = (await storedPeers()).map(({ name }) => name).filter((name) => name !== "phone");
    expect(saw(result, "tunnel-handshake")).to.equal(
      `could not look: the doctor's device ${left} could not be taken out of the store again`,
    );
    expect(result.json.findings[0]?.fix).to.include(`npx stingy peer remove ${left}`);
  });

  it("says that this computer's clock is wrong", async () => {
    const result = await inFrontOfAws(
      () => undefined,
      100_000,
      (url) => diagnosed(["--no-probe"], url),
    );
    expect(result.found).to.deep.equal({ clock: "attention" });
    expect(saw(result, "clock")).to.match(/^this computer's clock is (99|100|101) s slow$/);
  });

  it("cannot run without a configuration, and says why", async () => {
    const file = path.join(folderWith({ "stingy.yaml": "environment: [wrong]\n" }), "stingy.yaml");
    const { code, stdout, stderr } = await stingy(["doctor", "--json", "--config", file], { env: emulator.env });
    expect(code).to.equal(1);
    expect(stdout).to.equal("");
    expect(stderr).to.include("environment").and.not.include("    at ");
  });

  it("refuses a time to wait that is none", async () => {
    const { code, stderr } = await stingy(["doctor", "--wait", "soon"], { env: emulator.env });
    expect(code).to.equal(64);
    expect(stderr).to.include("--wait is soon, which is no number of seconds from 1 to 600.");
  });

  it("shows no secret", async () => {
    const { stdout, stderr } = await stingy(["doctor", "--debug", "--no-probe", "--config", config], {
      env: emulator.env,
    });
    expect(stdout + stderr).to.not.include(serverKey);
  });
});
