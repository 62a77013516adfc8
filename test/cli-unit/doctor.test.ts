import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import type { Summary } from "../../assets/lambda/recovery-handler/run";
import { type Check, examine, findingsOf, type Status } from "../../cli/doctor/check";
import { CHECKS } from "../../cli/doctor/checks";
import type { Answer, DnsAnswers, Facts, SecurityGroup, StackState, Subnet, Vpc } from "../../cli/doctor/facts";
import { probePeer } from "../../cli/doctor/probe-peer";
import { jsonOf, summary, treeText } from "../../cli/doctor/report";
import type { LiveInstance } from "../../cli/live";
import type { Recipient } from "../../cli/recipients";
import type { StoredParameter } from "../../cli/store";
import { parseConfig } from "../../modules/config";
import { documentsOf, siteNames } from "../../modules/names";

const NOW = new Date("2026-05-04T12:00:00Z");
const SERVER = "i-0123456789abcdef0";
const OTHER = "i-0fedcba9876543210";
const KEY = "WAeKbEvPU2sFpTVhHPoOKSAcoX2u0UYJHGpJnX8r3E0=";
const KEY_2 = "EFJSc9C1g2Sc0Qvc7RDjDxnKHLvSpxrqGkH/Oq3VN0E=";
const ADDRESS = "203.0.113.7";
const config = parseConfig({
  sites: {
    tokyo: {
      dns: { provider: "cloudflare", name: "vpn.example.com", zone: "example.com" },
      monitoring: { emails: ["me@example.com"], webhook: "ntfy" },
    },
  },
});
const [site] = config.sites;
if (!site) throw new Error("the configuration has no site");
const names = siteNames(site);
const minutesAgo = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000);

function instance(changes: Partial<LiveInstance> = {}, tags: Readonly<Record<string, string>> = {}): LiveInstance {
  return {
    id: SERVER,
    phase: "running",
    type: "t4g.nano",
    zone: "ap-northeast-1a",
    spot: true,
    launchedAt: minutesAgo(180),
    publicIp: ADDRESS,
    ipv6: "2001:db8::7",
    subnetId: "subnet-1",
    securityGroupIds: ["sg-1"],
    imageId: "ami-1",
    ...changes,
    tags: new Map(
      Object.entries({
        state: "serving",
        "aws:ec2launchtemplate:id": "lt-1",
        "aws:ec2launchtemplate:version": "3",
        ...tags,
      }),
    ),
  };
}

function parameter(name: string, value: string, modifiedAt = minutesAgo(170)): StoredParameter {
  return { name, value, version: 1, modifiedAt };
}

function parameters(changes: Readonly<Record<string, string | undefined>> = {}, modifiedAt?: Date) {
  const all = {
    "instance-id": SERVER,
    "desired-state": "running",
    launches: "none",
    "wireguard-private-key": KEY,
    "cloudflare-token": "a-token",
    ...changes,
  };
  return {
    parameters: {
      seen: new Map(
        Object.entries(all).flatMap(([name, value]) =>
          value === undefined ? [] : [[name, parameter(name, value, modifiedAt)]],
        ),
      ),
    },
  };
}

function peer(name: string, value: object | string, modifiedAt?: Date): StoredParameter {
  return parameter(`peers/${name}`, typeof value === "string" ? value : JSON.stringify(value), modifiedAt);
}

const group = (changes: Partial<SecurityGroup> = {}): SecurityGroup => ({
  id: "sg-1",
  name: `${names.prefix}-server`,
  in: [{ protocol: "udp", from: 51820, to: 51820, networks: ["0.0.0.0/0", "::/0"] }],
  out: [{ protocol: "all", from: 0, to: 65535, networks: ["0.0.0.0/0"] }],
  ...changes,
});

const subnet = (changes: Partial<Subnet> = {}): Subnet => ({
  id: "subnet-1",
  routes: [
    { destination: "10.0.0.0/16", target: "local", active: true },
    { destination: "0.0.0.0/0", target: "igw-1", active: true },
  ],
  acl: [false, true].map((outgoing) => ({
    number: 100,
    outgoing,
    allow: true,
    protocol: "all",
    from: 0,
    to: 65535,
    networks: ["0.0.0.0/0"],
  })),
  ...changes,
});

const vpc = (changes: Partial<Vpc> = {}) => ({
  vpc: { seen: { id: "vpc-1", subnets: [subnet()], groups: [group()], gateway: "igw-1", ...changes } },
});

const state = (layer: string, changes: Partial<StackState> = {}): StackState => ({
  stack: `prod-tokyo-${layer}`,
  file: `state/prod-tokyo-${layer}.tfstate`,
  outputs: layer === "server" ? { address: ADDRESS } : { something: "there" },
  accounts: ["123456789012"],
  ...changes,
});

const answers = (addresses: readonly string[], changes: Partial<Answer> = {}): Answer[] => [
  { type: "A", server: "ns1.example.net", addresses, ttl: 60, ...changes },
];

const dns = (changes: Partial<DnsAnswers> = {}) => ({
  dns: { seen: { authoritative: answers([ADDRESS]), resolver: answers([ADDRESS]), ...changes } },
});

const rules = (changes: Readonly<Record<string, Partial<{ enabled: boolean; targets: readonly string[] }>>> = {}) => ({
  rules: {
    seen: Object.entries(names.rules).map(([rule, name]) => ({
      name,
      enabled: rule !== "pending-tick",
      targets: [`arn:aws:lambda:ap-northeast-1:123456789012:function:${names.controller}`],
      ...changes[rule],
    })),
  },
});

const says = (problems: Summary["problems"] | undefined) => ({
  controllerSays: { seen: { site: "tokyo", done: [], problems } as unknown as Summary },
});

const metrics = (changes: Partial<{ runs: number; failures: number; lastPublished: Date | undefined }> = {}) => ({
  metrics: { seen: { runs: 6, failures: 0, lastPublished: minutesAgo(1), ...changes } },
});

const recipients = (mine: Recipient["state"] = "told", webhook: Recipient["state"] = "told") => ({
  recipients: {
    seen: [
      { who: "me@example.com", state: mine },
      { who: "the webhook", state: webhook },
    ],
  },
});

const report = (changes: Partial<{ status: string; clockAhead: number; active: number }> = {}) => ({
  report: { seen: { status: "Success", clockAhead: 0, active: 0, ...changes } },
});

const answered = (changes: object = {}): { probe: Facts["probe"] } => ({
  probe: {
    kind: "answered",
    endpoint: `${ADDRESS}:51820`,
    ms: 42,
    serverMs: 40,
    internetMs: 44,
    mtu: 1420,
    ...changes,
  },
});

const silent = (changes: object = {}): { probe: Facts["probe"] } => ({
  probe: { kind: "silent", endpoint: `${ADDRESS}:51820`, seconds: 10, refused: false, known: true, ...changes },
});

const address = (changes: object = {}) => ({
  address: {
    seen: {
      allocationId: "eipalloc-1",
      associationId: "eipassoc-1",
      publicIp: ADDRESS,
      instanceId: SERVER,
      ...changes,
    },
  },
});

/** A site at which all is well. */
function healthy(changes: Partial<Facts> = {}): Facts {
  return {
    config,
    site: site as Facts["site"],
    names,
    configFile: "stingy.yaml",
    ownAddresses: ["127.0.0.1", "192.168.1.20"],
    now: NOW,
    clockAhead: { seen: 1 },
    caller: { seen: { account: "123456789012", arn: "arn:aws:iam::123456789012:user/me" } },
    states: ["network", "server", "dns", "recovery", "monitoring"].map((layer) => state(layer)),
    ...vpc(),
    template: { seen: { id: "lt-1", version: 3 } },
    instances: { seen: [instance()] },
    statusChecks: { seen: new Map([[SERVER, { system: "ok", instance: "ok", disk: "ok" }]]) },
    ...address(),
    ...parameters(),
    peers: { seen: [peer("phone", { publicKey: KEY, addresses: ["10.8.0.2/32"] })] },
    documents: { seen: documentsOf(names) },
    controller: { seen: { state: "Active", reason: undefined, lastUpdate: "Successful" } },
    ddnsUpdater: { seen: { state: "Active", reason: undefined, lastUpdate: "Successful" } },
    permitted: { seen: Object.values(names.rules) },
    ...rules(),
    deadLetters: { seen: 0 },
    alarms: { seen: [{ name: `${names.prefix}-needs-person`, state: "OK", description: "", since: new Date(0) }] },
    ...recipients(),
    webhookUrlType: { seen: "SecureString" },
    ...metrics(),
    ...says([]),
    ...report(),
    ...dns(),
    ...answered(),
    ...changes,
  };
}

/** With one setting of the site changed. */
function withSite(changes: Partial<Facts["site"]>): Partial<Facts> {
  return { site: { ...(site as Facts["site"]), ...changes } };
}

function resultOf(id: string, facts: Facts) {
  const found = examine(CHECKS, facts).find(({ check }) => check.id === id);
  if (!found) throw new Error(`there is no check ${id}`);
  return found;
}

type Case = readonly [what: string, changes: Partial<Facts>, status: Status, saw: string];
const NO_ANSWER = { unseen: "AWS cannot be reached in ap-northeast-1 (ENOTFOUND)." };

/** What each check says of a site at which all is well, and of those at which it is not. */
const CASES: Readonly<Record<string, { readonly well: string; readonly cases: readonly Case[] }>> = {
  configuration: {
    well: "stingy.yaml: site prod-tokyo in ap-northeast-1",
    cases: [
      [
        "no file",
        { configFile: undefined },
        "ok",
        "no stingy.yaml, so the defaults: site prod-tokyo in ap-northeast-1",
      ],
    ],
  },
  "aws-reachable": {
    well: "it answers",
    cases: [
      [
        "no network",
        { clockAhead: { unseen: "sts.ap-northeast-1.amazonaws.com does not answer (ENOTFOUND)" }, caller: NO_ANSWER },
        "broken",
        "sts.ap-northeast-1.amazonaws.com does not answer (ENOTFOUND)",
      ],
    ],
  },
  clock: {
    well: "within 30 s",
    cases: [
      ["half a minute", { clockAhead: { seen: 31 } }, "attention", "this computer's clock is 31 s fast"],
      [
        "over five minutes",
        { clockAhead: { seen: -301 } },
        "broken",
        "this computer's clock is 301 s slow, and AWS refuses signatures that are five minutes off",
      ],
      ["a head without a date", { clockAhead: { unseen: "no date" } }, "unknown", "could not look: no date"],
    ],
  },
  "behind-vpn": {
    well: "this computer is not in the VPN",
    cases: [
      ["in the VPN, which works", { ownAddresses: ["10.8.0.7"] }, "ok", "this computer is in the VPN, as 10.8.0.7"],
      [
        "in the VPN, which does not",
        { ownAddresses: ["10.8.0.7"], ...silent() },
        "attention",
        "this computer is in the VPN, as 10.8.0.7: what it asks may go through the very tunnel that does not work",
      ],
    ],
  },
  credentials: {
    well: "arn:aws:iam::123456789012:user/me in account 123456789012",
    cases: [
      [
        "none",
        { caller: { unseen: "There are no AWS credentials.", fix: "Run `aws configure sso`." } },
        "broken",
        "There are no AWS credentials.",
      ],
    ],
  },
  account: {
    well: "123456789012",
    cases: [
      [
        "another one",
        { caller: { seen: { account: "210987654321", arn: "arn:aws:iam::210987654321:user/me" } } },
        "broken",
        "your credentials are of account 210987654321, and the site was deployed to 123456789012",
      ],
      [
        "states elsewhere",
        { states: undefined },
        "skipped",
        "no state of Terraform's on this computer says which account it is",
      ],
    ],
  },
  deployed: {
    well: "AWS has parts of stingy-vpn-prod-tokyo in ap-northeast-1",
    cases: [
      [
        "nothing there",
        {
          vpc: { seen: undefined },
          template: { seen: undefined },
          parameters: { seen: new Map() },
          documents: { seen: [] },
          controller: { seen: undefined },
          ddnsUpdater: { seen: undefined },
          rules: { seen: [] },
          deadLetters: { seen: undefined },
          alarms: { seen: [] },
        },
        "broken",
        "ap-northeast-1 has nothing of prod-tokyo",
      ],
    ],
  },
  stacks: {
    well: "20 parts",
    cases: [
      [
        "parts missing",
        { template: { seen: undefined }, alarms: { seen: [] } },
        "broken",
        "server lacks the launch template; monitoring lacks the alarms",
      ],
      [
        "a rule missing",
        { rules: { seen: rules().rules.seen.filter(({ name }) => name !== names.rules.tick) } },
        "broken",
        "recovery lacks the rule stingy-vpn-prod-tokyo-tick",
      ],
      ["one look refused", { rules: { unseen: "refused" } }, "unknown", "could not look: refused"],
    ],
  },
  outputs: {
    well: "5 states",
    cases: [
      [
        "a file missing",
        { states: [state("network"), state("server", { outputs: undefined })] },
        "attention",
        "the site is deployed, but state/prod-tokyo-server.tfstate is not here: a deploy from here would try to make it all again",
      ],
      [
        "no outputs",
        { states: [state("network"), state("server", { outputs: {} })] },
        "attention",
        "prod-tokyo-server has no outputs: the last deploy did not end",
      ],
      [
        "another address",
        { states: [state("server", { outputs: { address: "203.0.113.9" } })] },
        "attention",
        "Terraform's state says that the address is 203.0.113.9, and AWS has 203.0.113.7",
      ],
      ["states elsewhere", { states: undefined }, "skipped", 'the states are in the backend "local"'],
    ],
  },
  "store-desired-state": {
    well: "running",
    cases: [
      [
        "paused",
        parameters({ "desired-state": "stopped" }, minutesAgo(60)),
        "attention",
        "the site is paused: a person has stopped it, 2026-05-04T11:00Z. So there is no server, and nobody can connect",
      ],
      [
        "missing",
        parameters({ "desired-state": undefined }),
        "broken",
        "/stingy-vpn/prod/desired-state is missing, and the controller starts nothing without it",
      ],
      [
        "garbage",
        parameters({ "desired-state": "on" }),
        "broken",
        '/stingy-vpn/prod/desired-state says "on", and is to say running or stopped',
      ],
    ],
  },
  "store-instance-id": {
    well: SERVER,
    cases: [
      ["before the first server", parameters({ "instance-id": "initial" }), "broken", "no server has ever been ready"],
      [
        "garbage",
        parameters({ "instance-id": "the server" }),
        "broken",
        '/stingy-vpn/prod/instance-id says "the server", which is no instance',
      ],
      ["missing", parameters({ "instance-id": undefined }), "broken", "/stingy-vpn/prod/instance-id is missing"],
    ],
  },
  "store-key": {
    well: "there, and a key",
    cases: [
      [
        "missing",
        parameters({ "wireguard-private-key": undefined }),
        "broken",
        "/stingy-vpn/prod/wireguard-private-key is missing",
      ],
      [
        "before the first server",
        parameters({ "wireguard-private-key": undefined, "instance-id": "initial" }),
        "skipped",
        "the first server makes it",
      ],
      [
        "no key",
        parameters({ "wireguard-private-key": "secret" }),
        "broken",
        "/stingy-vpn/prod/wireguard-private-key is no WireGuard key (32 bytes in base64, 44 characters): servers go on with the last good one, and new ones cannot start",
      ],
    ],
  },
  "store-by-hand": {
    well: "no wireguard-config by hand",
    cases: [
      [
        "it hides devices",
        parameters({ "wireguard-config": `[Interface]\nPrivateKey = ${KEY}\nAddress = 10.8.0.1/24\n` }),
        "attention",
        "/stingy-vpn/prod/wireguard-config is used as it is, so phone under peers/ is not",
      ],
      [
        "the server cannot use it",
        parameters({ "wireguard-config": "[Interface]\nAddress = 10.8.0.1/24\n" }),
        "broken",
        "/stingy-vpn/prod/wireguard-config goes before all else, and the server cannot use it: it has no PrivateKey",
      ],
    ],
  },
  "store-peers": {
    well: "1 device",
    cases: [
      ["none", { peers: { seen: [] } }, "ok", "none yet: `npx stingy peer add phone` makes one"],
      [
        "bad ones",
        {
          peers: {
            seen: [
              peer("laptop", { publicKey: KEY_2, addresses: ["10.9.0.2/32"] }),
              peer("phone", { publicKey: KEY, addresses: ["10.8.0.2/32"] }),
              peer("tablet", { publicKey: KEY_2, addresses: ["10.8.0.2"] }),
              peer("watch", "no JSON"),
            ],
          },
        },
        "attention",
        "3 of 4 left out by the server: laptop (10.9.0.2/32 is outside of the tunnel's 10.8.0.0/24), tablet (its key or address is that of phone), watch (it is no JSON object)",
      ],
      [
        "a list of keys that takes an address",
        { ...parameters({ "client-public-keys": `${KEY_2},nonsense` }) },
        "attention",
        "2 of 3 left out by the server: client-public-keys, key 1 (its key or address is that of phone), client-public-keys, key 2 (publicKey is no WireGuard key)",
      ],
      [
        "an empty place in that list",
        { ...parameters({ "client-public-keys": `${KEY_2},,bad` }), peers: { seen: [] } },
        "attention",
        "1 of 2 left out by the server: client-public-keys, key 3 (publicKey is no WireGuard key)",
      ],
      [
        "a leftover IPv6 address that two have, in a tunnel without IPv6",
        {
          ...withSite({ tunnel: { ipv4: "10.8.0.0/24", listenPort: 51820 } }),
          peers: {
            seen: [
              peer("x", { publicKey: KEY, addresses: ["10.8.0.2/32", "fd53::9"] }),
              peer("y", { publicKey: KEY_2, addresses: ["10.8.0.3/32", "fd53::9"] }),
            ],
          },
        },
        "ok",
        "2 devices",
      ],
      [
        "the doctor's own",
        {
          peers: { seen: [parameter("peers/doctor-abcd", probePeer({ publicKey: KEY, addresses: ["10.8.0.2/32"] }))] },
        },
        "ok",
        "none yet: `npx stingy peer add phone` makes one",
      ],
    ],
  },
  "store-token": {
    well: "there",
    cases: [
      [
        "missing",
        parameters({ "cloudflare-token": undefined }),
        "broken",
        "/stingy-vpn/prod/cloudflare-token is missing, so the DNS record is not written",
      ],
      ["no name", withSite({ dns: { provider: "none" } }), "skipped", "the site has no name at Cloudflare"],
    ],
  },
  address: {
    well: ADDRESS,
    cases: [
      ["released", { address: { seen: undefined } }, "broken", "AWS has no Elastic IP of this site"],
      [
        "a named one that is not there",
        { address: { seen: undefined }, ...withSite({ elasticIp: "eipalloc-0123456789abcdef0" }) },
        "broken",
        "AWS has no Elastic IP eipalloc-0123456789abcdef0, which elasticIp names",
      ],
      ["none wanted", withSite({ elasticIp: false }), "skipped", "the site has none: its name is its address"],
    ],
  },
  "address-elsewhere": {
    well: `${ADDRESS} is on ${SERVER}`,
    cases: [
      [
        "on nothing",
        address({ instanceId: undefined }),
        "broken",
        `${ADDRESS} is on no instance, and the server is ${SERVER}`,
      ],
      [
        "on somebody else's",
        address({ instanceId: OTHER }),
        "broken",
        `${ADDRESS} is on ${OTHER}, and the store names ${SERVER}. That instance is not of this site, so the controller leaves everything as it is`,
      ],
      [
        "on another of the site",
        { ...address({ instanceId: OTHER }), instances: { seen: [instance(), instance({ id: OTHER })] } },
        "broken",
        `${ADDRESS} is on ${OTHER}, and the store names ${SERVER}: both are of this site`,
      ],
      [
        "on a load balancer",
        address({ instanceId: undefined, networkInterfaceId: "eni-1" }),
        "broken",
        `${ADDRESS} is on eni-1, which is of no instance, so the controller leaves everything as it is`,
      ],
    ],
  },
  "server-one": {
    well: "one",
    cases: [
      ["none", { instances: { seen: [] } }, "broken", "no instance of this site runs or starts"],
      [
        "a successor",
        { instances: { seen: [instance(), instance({ id: OTHER, launchedAt: minutesAgo(2) })] } },
        "ok",
        `two, as ${OTHER} is about to take over`,
      ],
      [
        "a stray",
        { instances: { seen: [instance(), instance({ id: OTHER })] } },
        "attention",
        `2 instances: beside the server, ${OTHER} for more than ten minutes`,
      ],
    ],
  },
  "server-running": {
    well: `${SERVER}, t4g.nano in ap-northeast-1a, for 3 h`,
    cases: [
      ["stopped", { instances: { seen: [instance({ phase: "stopped" })] } }, "broken", `${SERVER} is stopped`],
      ["ended", { instances: { seen: [] } }, "broken", `${SERVER}, which the store names, has ended`],
    ],
  },
  "server-checks": {
    well: "they pass",
    cases: [
      [
        "impaired",
        { statusChecks: { seen: new Map([[SERVER, { system: "ok", instance: "impaired", disk: "ok" }]]) } },
        "broken",
        "AWS's check of its instance fails",
      ],
      [
        "too early",
        { statusChecks: { seen: new Map([[SERVER, { system: "ok", instance: "initializing", disk: undefined }]]) } },
        "skipped",
        "AWS is still making them",
      ],
    ],
  },
  "server-state": {
    well: "serving",
    cases: [
      [
        "unhealthy",
        { instances: { seen: [instance({}, { state: "unhealthy:wg0-up" })] } },
        "broken",
        "it says unhealthy:wg0-up: WireGuard is not up on it",
      ],
      [
        "unhealthy by a check of somebody's role",
        { instances: { seen: [instance({}, { state: "unhealthy:nginx" })] } },
        "broken",
        "it says unhealthy:nginx: its check nginx fails",
      ],
      [
        "stood down",
        { instances: { seen: [instance({}, { state: "stood-down" })] } },
        "broken",
        "it says stood-down: it has seen the address leave it, and has taken WireGuard down",
      ],
      [
        "ready for long",
        { instances: { seen: [instance({}, { state: "ready" })] } },
        "broken",
        "it says ready, but has not noticed that the address is on it",
      ],
      [
        "ready just now",
        { instances: { seen: [instance({}, { state: "ready" })] }, ...parameters({}, minutesAgo(1)) },
        "attention",
        "it says ready, and has just become the server",
      ],
      [
        "silent since its launch",
        { instances: { seen: [instance({}, { state: "" })] } },
        "broken",
        "it has never said anything: it did not get through its setup",
      ],
      [
        "starting",
        { instances: { seen: [instance({ launchedAt: minutesAgo(2) }, { state: "" })] } },
        "attention",
        "it says nothing yet: it is still setting itself up",
      ],
      [
        "garbage",
        { instances: { seen: [instance({}, { state: "fine" })] } },
        "broken",
        'its tag state says "fine", which no server says',
      ],
    ],
  },
  "server-marks": {
    well: "no mark",
    cases: [
      [
        "AWS takes it",
        { instances: { seen: [instance({}, { notice: `interruption ${minutesAgo(1).toISOString()}` })] } },
        "attention",
        "AWS is about to take it back, since 1 min",
      ],
      [
        "for long",
        { instances: { seen: [instance({}, { "unhealthy-since": minutesAgo(30).toISOString() })] } },
        "attention",
        "it has not been well, since 30 min: it should have been replaced by now",
      ],
      ["taken off again", { instances: { seen: [instance({}, { "unhealthy-since": "" })] } }, "ok", "no mark"],
    ],
  },
  "server-template": {
    well: "version 3",
    cases: [
      [
        "an older version",
        { instances: { seen: [instance({}, { "aws:ec2launchtemplate:version": "2" })] } },
        "attention",
        "it is from version 2, and the newest is 3",
      ],
      [
        "another template",
        { instances: { seen: [instance({}, { "aws:ec2launchtemplate:id": "lt-0" })] } },
        "attention",
        "it is from lt-0, and the site's template is lt-1",
      ],
    ],
  },
  "server-agent": {
    well: "it answers",
    cases: [
      [
        "no answer",
        report({ status: "Pending" }),
        "attention",
        "it does not run what it is asked to (Pending): changes of devices reach it within five minutes only, and no shell opens",
      ],
      ["not permitted", { report: { unseen: "refused" } }, "unknown", "could not look: refused"],
    ],
  },
  "server-clock": {
    well: "within 30 s of AWS's",
    cases: [
      [
        "fast",
        report({ clockAhead: 89 }),
        "attention",
        "it is 90 s fast: its calls to AWS fail at five minutes, and a successor may refuse devices for as long",
      ],
      [
        "this computer's clock is the wrong one",
        { ...report({ clockAhead: 100 }), clockAhead: { seen: -100 } },
        "ok",
        "within 30 s of AWS's",
      ],
    ],
  },
  firewall: {
    well: "udp/51820 is open",
    cases: [
      ["closed", vpc({ groups: [group({ in: [] })] }), "broken", "sg-1 lets nothing in on udp/51820"],
      [
        "another port",
        vpc({ groups: [group({ in: [{ protocol: "udp", from: 51821, to: 51830, networks: ["0.0.0.0/0"] }] })] }),
        "broken",
        "sg-1 lets nothing in on udp/51820",
      ],
      [
        "tcp",
        vpc({ groups: [group({ in: [{ protocol: "tcp", from: 0, to: 65535, networks: ["0.0.0.0/0"] }] })] }),
        "broken",
        "sg-1 lets nothing in on udp/51820",
      ],
      [
        "only from somewhere",
        vpc({ groups: [group({ in: [{ protocol: "all", from: 0, to: 65535, networks: ["198.51.100.0/24"] }] })] }),
        "attention",
        "sg-1 lets udp/51820 in only from 198.51.100.0/24",
      ],
      [
        "the server has another group",
        {
          instances: { seen: [instance({ securityGroupIds: ["sg-2"] })] },
          ...vpc({ groups: [group(), group({ id: "sg-2", name: "default", in: [] })] }),
        },
        "broken",
        "sg-2 lets nothing in on udp/51820",
      ],
    ],
  },
  "firewall-out": {
    well: "everything may go out",
    cases: [
      [
        "closed",
        vpc({ groups: [group({ out: [] })] }),
        "broken",
        "sg-1 does not let everything out, so devices do not reach the internet through it",
      ],
    ],
  },
  route: {
    well: "1 subnet, through igw-1",
    cases: [
      ["no gateway", vpc({ gateway: undefined }), "broken", "no internet gateway is attached to vpc-1"],
      ["no route", vpc({ subnets: [subnet({ routes: [] })] }), "broken", "subnet-1 has no route to 0.0.0.0/0"],
      [
        "elsewhere",
        vpc({ subnets: [subnet({ routes: [{ destination: "0.0.0.0/0", target: "nat-1", active: true }] })] }),
        "broken",
        "subnet-1 sends 0.0.0.0/0 to nat-1",
      ],
      [
        "dead",
        vpc({ subnets: [subnet({ routes: [{ destination: "0.0.0.0/0", target: "igw-1", active: false }] })] }),
        "broken",
        "the route of subnet-1 to 0.0.0.0/0 is dead",
      ],
    ],
  },
  "network-acl": {
    well: "they let everything through",
    cases: [
      [
        "UDP refused before all is let in",
        vpc({
          subnets: [
            subnet({
              acl: [
                {
                  number: 50,
                  outgoing: false,
                  allow: false,
                  protocol: "udp",
                  from: 51820,
                  to: 51820,
                  networks: ["0.0.0.0/0"],
                },
                ...subnet().acl,
              ],
            }),
          ],
        }),
        "broken",
        "subnet-1 refuses udp/51820 in",
      ],
      [
        "only tcp",
        vpc({
          subnets: [
            subnet({
              acl: [false, true].map((outgoing) => ({
                number: 100,
                outgoing,
                allow: true,
                protocol: "tcp",
                from: 0,
                to: 65535,
                networks: ["0.0.0.0/0"],
              })),
            }),
          ],
        }),
        "broken",
        "subnet-1 refuses udp/51820 in and udp out and answers in",
      ],
    ],
  },
  "dns-proxied": {
    well: "vpn.example.com is not proxied",
    cases: [
      [
        "proxied",
        dns({ authoritative: answers(["104.21.5.6"]), resolver: answers(["104.21.5.6"]) }),
        "broken",
        "vpn.example.com leads to 104.21.5.6, which is Cloudflare's proxy, and that passes no WireGuard",
      ],
      ["no name", { dns: undefined }, "skipped", "the site has no name at Cloudflare"],
    ],
  },
  "dns-authoritative": {
    well: `vpn.example.com is ${ADDRESS}`,
    cases: [
      [
        "an old address",
        dns({ authoritative: answers(["203.0.113.9"]) }),
        "broken",
        "ns1.example.net says A 203.0.113.9, and it is 203.0.113.7",
      ],
      [
        "IPv6 without an answer",
        dns({ authoritative: [...answers([ADDRESS]), ...answers([], { type: "AAAA" })] }),
        "broken",
        "ns1.example.net says AAAA nothing, and it is 2001:db8::7",
      ],
      [
        "no answer",
        dns({ authoritative: answers([], { error: "ETIMEOUT" }) }),
        "broken",
        "ns1.example.net gives no answer (ETIMEOUT)",
      ],
      ["no name server", dns({ authoritative: [] }), "broken", "no name server of example.com can be found"],
      [
        "kept for long",
        dns({ authoritative: answers([ADDRESS], { ttl: 3600 }) }),
        "attention",
        "the record may be kept for 3600 s, so devices stay that long at an address that is gone",
      ],
    ],
  },
  "dns-resolver": {
    well: "it does",
    cases: [
      [
        "remembers",
        dns({ resolver: answers(["203.0.113.9"], { server: "192.168.1.1", ttl: 25 }) }),
        "attention",
        "192.168.1.1 says A 203.0.113.9, and it is 203.0.113.7",
      ],
    ],
  },
  "tunnel-handshake": {
    well: `${ADDRESS}:51820 answers in 42 ms`,
    cases: [
      ["left out", { probe: { kind: "none", why: "left out by --no-probe" } }, "skipped", "left out by --no-probe"],
      [
        "not permitted",
        { probe: { kind: "failed", why: "AWS refuses this to your role: no", fix: undefined } },
        "unknown",
        "could not look: AWS refuses this to your role: no",
      ],
      [
        "silence though all is well",
        silent(),
        "broken",
        `no answer from ${ADDRESS}:51820 in 10 s, though all that AWS says is well: the network here may block udp/51820`,
      ],
      [
        "silence while others talk",
        { ...silent(), ...report({ active: 2 }) },
        "broken",
        `no answer from ${ADDRESS}:51820 in 10 s, while 2 other devices talk to the server: the network here blocks udp/51820`,
      ],
      [
        "silence of a server that may not know the key",
        silent({ known: false, seconds: 40 }),
        "broken",
        `no answer from ${ADDRESS}:51820 in 40 s; the server may not have read the doctor's key, as it could not be asked to`,
      ],
      [
        "refused",
        silent({ refused: true }),
        "broken",
        `${ADDRESS}:51820 is reached, and says that nothing listens there`,
      ],
    ],
  },
  "tunnel-ping": {
    well: "in 40 ms",
    cases: [
      [
        "no data",
        answered({ serverMs: undefined }),
        "broken",
        "the handshake is answered, but nothing comes back through the tunnel",
      ],
    ],
  },
  "tunnel-internet": {
    well: "1.1.1.1 answers in 44 ms",
    cases: [
      [
        "no way out",
        answered({ internetMs: undefined }),
        "broken",
        "the server answers, but 1.1.1.1 does not through it: the server does not forward, or has no way out",
      ],
    ],
  },
  "tunnel-mtu": {
    well: "1420 bytes",
    cases: [
      [
        "a narrow way",
        answered({ mtu: 1380 }),
        "attention",
        "packets of at most 1380 bytes come back on this network: larger ones, and pages with them, hang",
      ],
      [
        "narrower than IPv6 allows",
        answered({ mtu: undefined }),
        "attention",
        "not even packets of 1280 bytes come back: large downloads and some pages hang on this network",
      ],
      [
        "a tunnel in a tunnel",
        { ...answered({ mtu: 1340 }), ownAddresses: ["10.8.0.7"] },
        "skipped",
        "this computer is in the VPN, and a tunnel in a tunnel has less room",
      ],
    ],
  },
  controller: {
    well: "active",
    cases: [
      ["gone", { controller: { seen: undefined } }, "broken", `there is no function ${names.controller}`],
      [
        "failed",
        { controller: { seen: { state: "Failed", reason: "no image", lastUpdate: "Successful" } } },
        "broken",
        "its state is Failed: no image",
      ],
      [
        "a failed update",
        { controller: { seen: { state: "Active", reason: undefined, lastUpdate: "Failed" } } },
        "attention",
        "its last update failed, so it runs as it was before",
      ],
      [
        "idle",
        { controller: { seen: { state: "Inactive", reason: undefined, lastUpdate: "Successful" } } },
        "ok",
        "inactive, and active with the next call",
      ],
    ],
  },
  "controller-rules": {
    well: "6 rules",
    cases: [
      [
        "the tick is off",
        rules({ tick: { enabled: false } }),
        "broken",
        "stingy-vpn-prod-tokyo-tick is off: a server that died without a word is not replaced",
      ],
      [
        "the interruption is off",
        rules({ interruption: { enabled: false } }),
        "broken",
        "stingy-vpn-prod-tokyo-interruption is off: a server that AWS takes back is replaced too late",
      ],
      ["the pending tick is on", rules({ "pending-tick": { enabled: true } }), "ok", "6 rules"],
      [
        "no target",
        rules({ ready: { targets: [] } }),
        "broken",
        "stingy-vpn-prod-tokyo-ready does not call the controller",
      ],
    ],
  },
  "controller-permission": {
    well: "each rule may",
    cases: [
      [
        "not for one",
        { permitted: { seen: Object.values(names.rules).filter((name) => name !== names.rules.tick) } },
        "broken",
        "the function's policy does not let stingy-vpn-prod-tokyo-tick call it",
      ],
    ],
  },
  "controller-runs": {
    well: "6 runs in the last half hour",
    cases: [
      ["none", metrics({ runs: 0 }), "broken", "it has not run for half an hour, and is to look every five minutes"],
    ],
  },
  "controller-errors": {
    well: "no failure in the last hour",
    cases: [["one", metrics({ failures: 1 }), "attention", "1 run of the last hour failed"]],
  },
  "controller-problems": {
    well: "it sees nothing that needs a person",
    cases: [
      [
        "one",
        says([{ code: "address-missing", message: "The Elastic IP is gone." }]),
        "broken",
        "address-missing: The Elastic IP is gone.",
      ],
      ["another version", says(undefined), "attention", "its answer makes no sense: it is of another version"],
    ],
  },
  "dead-letters": {
    well: "the dead-letter queue is empty",
    cases: [
      ["two", { deadLetters: { seen: 2 } }, "attention", "2 events lie in stingy-vpn-prod-tokyo-dead-letters"],
      ["denied", { deadLetters: { unseen: "refused" } }, "unknown", "could not look: refused"],
    ],
  },
  alarms: {
    well: "1 alarm, quiet",
    cases: [
      [
        "one rings",
        {
          alarms: {
            seen: [
              {
                name: `${names.prefix}-needs-person`,
                state: "ALARM",
                description: "The controller needs a person: its log says what and how.",
                since: minutesAgo(10),
              },
            ],
          },
        },
        "attention",
        "stingy-vpn-prod-tokyo-needs-person rings since 2026-05-04T11:50Z: The controller needs a person: its log says what and how.",
      ],
    ],
  },
  subscriptions: {
    well: "me@example.com, the webhook",
    cases: [
      ["nobody", { recipients: { seen: [] } }, "attention", "nobody is told of alarms"],
      ["not confirmed", recipients("unconfirmed"), "attention", "not confirmed: me@example.com"],
      ["not subscribed", recipients("missing"), "attention", "not subscribed: me@example.com"],
      [
        "nobody yet",
        recipients("unconfirmed", "missing"),
        "attention",
        "nobody is told of alarms; not confirmed: me@example.com; not subscribed: the webhook",
      ],
      ["denied", { recipients: { unseen: "refused" } }, "unknown", "could not look: refused"],
    ],
  },
  webhook: {
    well: "there, and encrypted",
    cases: [
      [
        "missing",
        { webhookUrlType: { seen: undefined } },
        "broken",
        "/stingy-vpn/prod/webhook-url is missing, so no alarm reaches the webhook",
      ],
      [
        "in plain text",
        { webhookUrlType: { seen: "String" } },
        "broken",
        "/stingy-vpn/prod/webhook-url is a String in plain text, and whoever may read it can post there",
      ],
      [
        "no webhook",
        withSite({ monitoring: { ...(site as Facts["site"]).monitoring, webhook: "none" } }),
        "skipped",
        "the site has no webhook",
      ],
    ],
  },
  metrics: {
    well: "metrics come every minute",
    cases: [
      [
        "no more",
        metrics({ lastPublished: minutesAgo(12) }),
        "broken",
        "no metric since 2026-05-04T11:48Z: its programs have died, and its tag says what it said last",
      ],
      [
        "never",
        metrics({ lastPublished: undefined }),
        "broken",
        "no metric in the last hour: its programs have died, and its tag says what it said last",
      ],
      [
        "not yet",
        { ...metrics({ lastPublished: undefined }), ...parameters({}, minutesAgo(3)) },
        "skipped",
        "it has just become the server",
      ],
    ],
  },
};

describe("stingy doctor's checks", () => {
  it("have nothing to say of a site at which all is well", () => {
    expect(findingsOf(examine(CHECKS, healthy())).map(({ check, saw }) => `${check.id}: ${saw}`)).to.deep.equal([]);
  });

  it("have a case each", () => {
    expect(Object.keys(CASES)).to.deep.equal(CHECKS.map(({ id }) => id));
  });

  for (const [id, { well, cases }] of Object.entries(CASES)) {
    it(`${id}: well`, () => {
      const { status, saw } = resultOf(id, healthy());
      expect({ status, saw }).to.deep.equal({ status: "ok", saw: well });
    });
    for (const [what, changes, expected, text] of cases) {
      it(`${id}: ${what}`, () => {
        const { status, saw, fix } = resultOf(id, healthy(changes));
        expect({ status, saw }).to.deep.equal({ status: expected, saw: text });
        if (expected === "broken" || expected === "attention") expect(fix).to.match(/^.{20,}[.`]$/);
      });
    }
  }

  it("need only checks that come before them", () => {
    const before = new Set<string>();
    for (const { id, needs } of CHECKS) {
      for (const need of needs) expect(before, `${id} needs ${need}`).to.include(need);
      before.add(id);
    }
  });
});

describe("stingy doctor's tree", () => {
  const statuses = (facts: Facts) =>
    Object.fromEntries(examine(CHECKS, facts).map(({ check, status, saw }) => [check.id, `${status}: ${saw}`]));

  it("does not look at what a broken thing explains, and goes on with all else", () => {
    const found = statuses(healthy({ instances: { seen: [instance({ phase: "stopped" })] } }));
    expect(found["server-running"]).to.equal(`broken: ${SERVER} is stopped`);
    expect(found["server-state"]).to.equal("not-reached: not looked at: server-running comes first");
    expect(found["tunnel-mtu"]).to.equal("not-reached: not looked at: server-running comes first");
    expect(found.firewall).to.equal("ok: udp/51820 is open");
    expect(found.alarms).to.equal("ok: 1 alarm, quiet");
  });

  it("lets a pause explain that there is no server", () => {
    const results = examine(
      CHECKS,
      healthy({
        ...parameters({ "desired-state": "stopped" }),
        ...address({ instanceId: undefined }),
        instances: { seen: [] },
      }),
    );
    expect(findingsOf(results).map(({ check }) => check.id)).to.deep.equal(["store-desired-state"]);
  });

  it("goes on where something could not be looked at", () => {
    const found = statuses(healthy({ statusChecks: { unseen: "refused" } }));
    expect(found["server-checks"]).to.equal("unknown: could not look: refused");
    expect(found["tunnel-handshake"]).to.equal(`ok: ${ADDRESS}:51820 answers in 42 ms`);
  });

  it("puts what is broken before what needs attention and what could not be looked at", () => {
    const results = examine(
      CHECKS,
      healthy({
        clockAhead: { seen: 31 },
        alarms: { unseen: "refused" },
        ...report({ clockAhead: -31 }),
        ...vpc({ gateway: undefined }),
      }),
    );
    expect(findingsOf(results).map(({ check, status }) => `${status} ${check.id}`)).to.deep.equal([
      "broken route",
      "attention clock",
      "unknown stacks",
      "unknown alarms",
    ]);
  });

  it("names the site in its commands where there are several", () => {
    const several = { ...config, sites: [...config.sites, ...config.sites] };
    const { fix } = resultOf(
      "store-desired-state",
      healthy({ config: several, ...parameters({ "desired-state": "stopped" }) }),
    );
    expect(fix).to.equal("Have it run again: `npx stingy server resume --site tokyo`.");
  });

  it("points for each alarm that rings to its place in the runbook", () => {
    const rings = (id: string) => ({ name: `${names.prefix}-${id}`, state: "ALARM", description: "", since: NOW });
    const { fix } = resultOf("alarms", healthy({ alarms: { seen: [rings("no-server"), rings("disk")] } }));
    expect(fix).to.equal(
      "What to do: docs/runbook.md#no-server, docs/runbook.md#disk. The log: `npx stingy server logs`.",
    );
  });

  it("has the commands that make somebody be told of alarms", () => {
    const fixOf = (changes: Partial<Facts>) => resultOf("subscriptions", healthy(changes)).fix;
    expect(fixOf({ recipients: { seen: [] } })).to.equal(
      "Put addresses under `monitoring.emails` in stingy.yaml, then `npx cdktf deploy 'prod-tokyo-*'`.",
    );
    expect(fixOf(recipients("unconfirmed", "missing"))).to.equal(
      'Follow the link in AWS\'s mail "Subscription Confirmation"; look into spam, too. This sends it again: ' +
        "`aws sns subscribe --topic-arn arn:aws:sns:ap-northeast-1:123456789012:stingy-vpn-prod-tokyo-alerts " +
        "--protocol email --notification-endpoint 'me@example.com' --region ap-northeast-1`. " +
        "Have Terraform subscribe who is missing: `npx cdktf deploy 'prod-tokyo-*'`.",
    );
  });

  it("has the webhook's URL written so that no shell remembers it, and never over a plain one", () => {
    const write =
      "`aws ssm put-parameter --name /stingy-vpn/prod/webhook-url --type SecureString --overwrite --value file:///dev/stdin " +
      "--region ap-northeast-1`, and then the URL, Enter and Ctrl-D.";
    const fixOf = (type: string | undefined) =>
      resultOf("webhook", healthy({ webhookUrlType: { seen: type } })).fix ?? "";
    expect(fixOf(undefined)).to.equal(`Write it: ${write}`);
    expect(fixOf("String")).to.equal(
      "Take it away: `aws ssm delete-parameter --name /stingy-vpn/prod/webhook-url --region ap-northeast-1`. " +
        `Have a new URL made, and write that: ${write}`,
    );
  });

  it("says no key, whatever is wrong with one", () => {
    const secret = "c2VjcmV0LXNlY3JldA";
    const results = examine(
      CHECKS,
      healthy({
        ...parameters({ "wireguard-private-key": secret, "wireguard-config": `[Interface]\nPrivateKey = ${secret}\n` }),
        peers: { seen: [peer("phone", { publicKey: KEY, presharedKey: secret, addresses: ["10.8.0.2/32"] })] },
      }),
    );
    expect(JSON.stringify(jsonOf(results, healthy()))).to.not.include(secret);
  });
});

describe("stingy doctor's report", () => {
  const facts = healthy({ ...vpc({ gateway: undefined }), deadLetters: { seen: 1 } });
  const results = examine(CHECKS, facts);
  const lines = treeText(results, facts, { signs: false }).split("\n");

  it("names the first broken thing on top, with its fix", () => {
    expect(lines.slice(0, 6)).to.deep.equal([
      "prod-tokyo in ap-northeast-1",
      "",
      "Broken: route",
      "  No internet gateway is attached to vpc-1.",
      "  Have Terraform mend it: `npx cdktf deploy 'prod-tokyo-*'`.",
      "",
    ]);
  });

  it("leaves an id at the beginning of a sentence as it is", () => {
    const stopped = healthy({
      instances: { seen: [instance({ phase: "stopped" }), instance({ id: OTHER, launchedAt: NOW })] },
    });
    expect(treeText(examine(CHECKS, stopped), stopped, { signs: false }).split("\n")[3]).to.equal(
      `  ${SERVER} is stopped.`,
    );
  });

  it("shows a line each, a finding with its fix and where to read more, and those that wait together", () => {
    const at = lines.indexOf("Network");
    expect(lines.slice(at, at + 7)).to.deep.equal([
      "Network",
      "  + firewall: udp/51820 is open",
      "  + firewall-out: everything may go out",
      "  x route: no internet gateway is attached to vpc-1",
      "      Have Terraform mend it: `npx cdktf deploy 'prod-tokyo-*'`.",
      "      docs/troubleshooting.md#route",
      "  + network-acl: they let everything through",
    ]);
    expect(lines).to.include(
      "  - tunnel-handshake, tunnel-ping, tunnel-internet, tunnel-mtu: not looked at: route comes first",
    );
  });

  it("ends with a count", () => {
    expect(lines.at(-1)).to.equal("47 checks: 41 well, 1 broken, 1 needs attention, 4 not looked at.");
    expect(summary(examine(CHECKS, healthy()))).to.equal("47 checks: 47 well.");
  });

  it("has signs for a screen, and plain letters else", () => {
    const signs = treeText(results, facts, { signs: true });
    expect(signs).to.include("  ✖ route:").and.include("  ✔ clock:");
    expect(lines.join("\n")).to.match(/^[ -~\n]*$/);
  });

  it("is the same in JSON", () => {
    const json = jsonOf(results, facts);
    expect(json.healthy).to.equal(false);
    expect(json.findings).to.deep.equal([
      {
        id: "route",
        status: "broken",
        title: "every subnet has its way to the internet",
        saw: "no internet gateway is attached to vpc-1",
        fix: "Have Terraform mend it: `npx cdktf deploy 'prod-tokyo-*'`.",
        help: "docs/troubleshooting.md#route",
      },
      {
        id: "dead-letters",
        status: "attention",
        title: "no event was given up",
        saw: "1 event lies in stingy-vpn-prod-tokyo-dead-letters",
        fix: "Read what they say: `aws sqs receive-message --queue-url $(aws sqs get-queue-url --queue-name stingy-vpn-prod-tokyo-dead-letters --query QueueUrl --output text --region ap-northeast-1) --region ap-northeast-1`. The ticks have seen to the site since; when the cause is mended: `aws sqs purge-queue --queue-url $(aws sqs get-queue-url --queue-name stingy-vpn-prod-tokyo-dead-letters --query QueueUrl --output text --region ap-northeast-1) --region ap-northeast-1`.",
        help: "docs/troubleshooting.md#dead-letters",
      },
    ]);
    expect(json.checks.map(({ id }) => id)).to.deep.equal(CHECKS.map(({ id }: Check) => id));
    expect(jsonOf(examine(CHECKS, healthy()), healthy()).healthy).to.equal(true);
  });
});

describe("docs/troubleshooting.md", () => {
  const text = readFileSync(path.join(__dirname, "../../docs/troubleshooting.md"), "utf8");

  it("has a heading for each finding, in the order of the checks, and none for another", () => {
    const headings = [...text.matchAll(/^### `([a-z-]+)`$/gm)].map(([, id]) => id);
    expect(headings).to.deep.equal(CHECKS.map(({ id }) => id));
  });

  it("says of each what it means and how to see it by hand", () => {
    for (const section of text.split(/^### /m).slice(1)) {
      const [heading = "", ...body] = section.split("\n");
      expect(body.join("\n").split("\n## ")[0], heading).to.match(/`[^`]{6,}`|```sh/);
    }
  });
});
