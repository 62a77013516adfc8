import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { AllocateAddressCommand, DescribeAddressesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { DeleteParametersCommand, SSMClient } from "@aws-sdk/client-ssm";
import { siteTags } from "../../../modules/names";
import type { Ran } from "../../cli/support/stingy";
import { providersAtHand } from "../../support/terraform";
import { unseen } from "../emulator/moto";
import { downloadProviders } from "../harness/download";
import { inventory } from "../harness/inventory";
import type { Line } from "../harness/player";
import {
  checkProviders,
  checkPs,
  checkRoom,
  freePort,
  MOTO_VERSION,
  pythonWithMoto,
  type Terraform,
  terraformAtHand,
} from "../harness/prerequisites";
import { Stage } from "../harness/stage";
import { oneTemporaryFolder } from "../harness/temporary";
import { Deploying } from "./deploying";
import { PACE } from "./faked";
import { secondsText, type Voice } from "./screen";
import type { Settings } from "./settings";
import { devices, type Story, storyOf } from "./timeline";

/** The only one that the fake Cloudflare takes. */
const TOKEN = "rehearsal-token-that-only-the-fake-cloudflare-takes";
const DEVICES = ["phone", "laptop"] as const;
/** State, plans and logs. */
const NEEDED_MB = 200;
/** The emulator's clock goes on so far at once, so that everything happens in its own order. */
const STEP_SECONDS = 15;
/** A server that lasted less than ten minutes makes the controller careful: the next launch would wait. */
const LONG_LIVED_SECONDS = 12 * 60;
/** DeleteParameters takes so many. */
const BATCH = 10;
/** Far more than it takes; a slow machine needs some of it. */
const PATIENCE = { seconds: 120 };

/** Something did not happen as the product promises. */
export class Broken extends Error {
  override readonly name = "Broken";
}

export interface Options {
  readonly port: number | undefined;
  readonly keep: boolean;
}

/** What the steps share: each leaves here what later ones need. */
export class Play {
  terraform: Terraform | undefined;
  python = "python3";
  /** Where the first deploy's elasticIp is a person's own. */
  allocationId: string | undefined;
  story: Story | undefined;
  planned: { readonly stack: string; readonly changes: boolean }[] = [];
  left: string[] | undefined;
  /** Everything that is made is in it. */
  folder: string | undefined;
  hear: (line: string) => void = () => undefined;
  #bare: readonly string[] = [];
  #starting: Promise<Stage> | undefined;
  #stage: Stage | undefined;

  constructor(
    readonly settings: Settings,
    readonly options: Options,
    readonly signal: AbortSignal,
  ) {}

  get stage(): Stage {
    if (!this.#stage) throw new Error("the stage has not been started");
    return this.#stage;
  }

  get started(): Stage | undefined {
    return this.#stage;
  }

  async start(): Promise<void> {
    const { port } = this.options;
    this.folder = oneTemporaryFolder("stingy-rehearsal-");
    this.#starting = Stage.start({
      config: this.settings.first(),
      token: TOKEN,
      python: this.python,
      pace: PACE,
      onLine: (line) => this.hear(line),
      ...(port === undefined ? {} : { port }),
    });
    this.#stage = await this.#starting;
  }

  /** What AWS has from now on is not counted among what the show makes. */
  async takeStock(): Promise<void> {
    this.#bare = await inventory(this.stage.moto, this.settings.site.region);
  }

  /** What AWS has beside that, in Terraform's words. */
  async made(): Promise<string[]> {
    const all = await inventory(this.stage.moto, this.settings.site.region);
    return all.filter((one) => !this.#bare.includes(one));
  }

  /** Ends everything, also what is only just starting. */
  async end(keep: boolean): Promise<void> {
    const stage = this.#stage ?? (await this.#starting?.catch(() => undefined));
    // Nothing that runs is of use any more: its state is thrown away, or only looked at.
    await stage?.project.stop(0);
    await stage?.stop({ keep });
    if (!keep) this.remove();
  }

  remove(): void {
    if (this.folder !== undefined) rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** @throws Broken where it does not end with 0 */
  async stingy(args: readonly string[], input?: string): Promise<Ran> {
    this.signal.throwIfAborted();
    const ran = await this.stage.stingy(args, input === undefined ? {} : { input });
    if (ran.code === 0) return ran;
    // What it prints may hold a key; what it notes does not.
    throw new Broken(`\`npx stingy ${args.join(" ")}\` failed with exit code ${ran.code}:\n${ran.stderr.trim()}`);
  }
}

export interface Step {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  /** What a person would type for it. */
  readonly command?: string;
  readonly run: (play: Play, voice: Voice) => Promise<void>;
}

export function stepsFor({ site, change }: Settings, { keep }: Options): Step[] {
  const fixed = site.elasticIp !== false;
  return [
    {
      id: "machine",
      title: "Look at this machine",
      why: "The real Terraform will deploy, onto an AWS that is played here: both have to be had.",
      run: lookAtMachine,
    },
    {
      id: "emulator",
      title: "Start an AWS that is only here",
      why: "An emulator answers in AWS's place, on this machine's loopback alone. Credentials in your shell are not used.",
      run: startEmulator,
    },
    ...(site.dns.provider === "cloudflare"
      ? [
          {
            id: "token",
            title: "Put Cloudflare's token into the store",
            why: "Secrets live in the Parameter Store, never in Terraform's state. The command asks Cloudflare first what the token may do.",
            command: "npx stingy init --cloudflare-token-stdin < token.txt",
            run: storeToken,
          },
        ]
      : []),
    {
      id: "deploy",
      title: "Deploy",
      why: "The Terraform JSON that your account would get, stack by stack. About two minutes, most of which Terraform's AWS provider waits, as it would for AWS.",
      command: "npx cdktf deploy '*'",
      run: deploy,
    },
    {
      id: "server",
      title: "Wait for the first server",
      why: "At the deploy's end the controller, a Lambda, has asked EC2 for a Spot machine. It sets itself up, and says when it is ready.",
      run: waitForServer,
    },
    {
      id: "devices",
      title: "Add two devices",
      why: "Keys are made on this computer. The store's change makes the server read it again at once; nobody else's connection drops.",
      command: DEVICES.map((name) => `npx stingy peer add ${name}`).join(" && "),
      run: addDevices,
    },
    {
      id: "interruption",
      title: "AWS takes the server away",
      why: "Spot machines are cheap because AWS may take them back, two minutes after a warning. Now it does.",
      run: interrupt,
    },
    {
      id: "diff",
      title: "See that Terraform has nothing to do",
      why: "Every stack is planned again. Another server, and not a line of drift: what the controller changes is not Terraform's.",
      command: "npx cdktf diff STACK",
      run: diff,
    },
    {
      id: "change",
      title: "Change a setting and deploy again",
      why: `Another launch template (${change}): the controller replaces the server ${fixed ? "while the old one serves" : "and devices reconnect, as the site has no Elastic IP"}.`,
      command: "npx cdktf deploy '*'",
      run: changeSetting,
    },
    {
      id: "pause",
      title: "Pause",
      why: `No server, nothing to pay for one${fixed ? "; the address stays yours" : ""}.`,
      command: "npx stingy server pause --yes",
      run: pause,
    },
    {
      id: "resume",
      title: "Resume",
      why: "The controller starts a server, which reads its keys from the store: the devices need nothing new.",
      command: "npx stingy server resume",
      run: resume,
    },
    ...(keep
      ? []
      : [
          {
            id: "destroy",
            title: "Destroy",
            why: "Everything goes, in the order in which AWS lets go of it. Then the emulator is asked, service by service, what is left.",
            command: "npx cdktf destroy '*'",
            run: destroy,
          },
        ]),
  ];
}

async function lookAtMachine(play: Play, { now, tell }: Voice): Promise<void> {
  now("looking for Terraform");
  play.terraform = await terraformAtHand();
  checkProviders(providersAtHand());
  tell(`${play.terraform.name} ${play.terraform.version}`);
  checkRoom(tmpdir(), NEEDED_MB);
  now("looking for Python and the emulator");
  play.python = await pythonWithMoto({ onStep: (what) => tell(what), signal: play.signal });
  tell(`the AWS emulator moto ${MOTO_VERSION}, run by ${play.python}`);
  await checkPs();
  await downloadProviders({ onStep: (what) => tell(what), signal: play.signal });
  if (play.options.port !== undefined) await freePort(play.options.port);
}

async function startEmulator(play: Play, { now, tell }: Voice): Promise<void> {
  now("starting the emulator");
  await play.start();
  const { moto, cloudflare, project } = play.stage;
  tell(`AWS: ${moto.url}`);
  if (play.settings.site.dns.provider === "cloudflare") tell(`Cloudflare: ${cloudflare.url}`);
  if (typeof play.settings.site.elasticIp === "string") {
    await withEc2(play, async (ec2) => {
      play.allocationId = (await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }))).AllocationId;
    });
    project.configure(play.settings.first(play.allocationId));
  }
  await play.takeStock();
}

async function storeToken(play: Play, { tell }: Voice): Promise<void> {
  const { stdout } = await play.stingy(["init", "--cloudflare-token-stdin", "--json"], TOKEN);
  const { findings } = JSON.parse(stdout) as { findings: { id: string; says: string }[] };
  for (const { says } of findings) tell(says);
}

async function deploy(play: Play, voice: Voice): Promise<void> {
  const { applied } = await listening(play, voice, () => play.stage.project.deploy());
  const made = applied.reduce((sum, { added }) => sum + added, 0);
  voice.tell(`${applied.length} stacks, ${made} resources.`);
}

/** Has cdktf's words understood while it works. */
async function listening(play: Play, voice: Voice, work: () => Promise<void>): Promise<Deploying> {
  const deploying = new Deploying(voice);
  play.hear = (line) => deploying.hear(line);
  try {
    await work();
  } finally {
    play.hear = () => undefined;
  }
  return deploying;
}

async function waitForServer(play: Play, { now, tell }: Voice): Promise<void> {
  const { player, moto } = play.stage;
  now("the server sets itself up");
  const { instance } = await player.until("the first server serves", isServing(), PATIENCE);
  await moto.settled();
  tell(`${instance} serves${await at(play)}.`);
  const { stdout } = await play.stage.stingy(["status", "--json"]);
  if (!stdout.includes(instance)) throw new Broken(`\`npx stingy status\` does not know ${instance}.`);
}

async function addDevices(play: Play, { now, tell }: Voice): Promise<void> {
  const { player } = play.stage;
  for (const name of DEVICES) {
    now(`adding ${name}`);
    const from = player.lines.length;
    const { stderr } = await play.stingy(["peer", "add", name]);
    const [stored = `${name} is stored.`] = stderr.split("\n").filter((line) => line.startsWith(`${name} is stored`));
    now(`${name} is stored: the server is told`);
    await player.until(`the server knows ${name}`, (line) => line.did === "peers-added" && includes(line.names, name), {
      from,
      ...PATIENCE,
    });
    tell(`${stored.replace(/\.$/, "")}; the server knows it.`);
  }
}

async function interrupt(play: Play, voice: Voice): Promise<void> {
  const { moto, player, cloudflare } = play.stage;
  const { site } = play.settings;
  const old = serverOf(play);
  await live(play, voice);
  const from = player.lines.length;
  const [requests, invocations] = [(await moto.requests()).length, (await moto.invocations()).length];
  const calls = cloudflare.calls.length;
  const address = await addressOf(play);
  const warnedAt = Date.now() + (await moto.ahead()) * 1000;
  await moto.interrupt(old);
  voice.tell(`AWS warns: ${old} ends in two minutes.`);
  const next = await handover(play, voice, old, from);
  play.story = storyOf({
    site,
    address,
    old,
    next,
    warnedAt,
    requests: (await moto.requests()).slice(requests),
    invocations: (await moto.invocations()).slice(invocations),
    lines: player.lines.slice(from),
    records: written(play, calls),
  });
  const { movedAfter, controllerSeconds } = play.story;
  if (Number.isNaN(movedAfter)) throw new Broken("The controller has not written that it moved to the new server.");
  voice.tell(
    `${address === undefined ? "The site was" : `The address ${address} was`} on ${next} ${secondsText(movedAfter)} after the warning, of which the controller worked ${secondsText(controllerSeconds)}.`,
  );
}

/** The server grows older, by the emulator's clock. */
async function live({ stage: { moto } }: Play, { now, tell }: Voice): Promise<void> {
  now("the emulator's clock goes on");
  await moto.advance(LONG_LIVED_SECONDS);
  await moto.settled();
  tell(`The emulator's clock goes on: ${LONG_LIVED_SECONDS / 60} minutes later.`);
}

/** What the updater wrote at Cloudflare, or found to be right. */
function written({ stage: { cloudflare } }: Play, from: number): string[] {
  const changed = cloudflare.calls
    .slice(from)
    .flatMap(({ operation }) => /^(?:PATCH|PUT) \S+\/(\w+)$/.exec(operation)?.[1] ?? []);
  return cloudflare.records.map(({ id, name, type, content }) =>
    changed.includes(id) ? `writes ${name} ${type} ${content}` : `sees that ${name} ${type} is ${content} still`,
  );
}

/** Follows a replacement until the new server is alone. @returns it */
async function handover(play: Play, { now, tell }: Voice, old: string | undefined, from: number): Promise<string> {
  const { moto, player } = play.stage;
  now("the controller asks EC2 for the next server");
  const other = (line: Line) => line.instance !== "" && line.instance !== old;
  const { instance: next } = await player.until(
    "another server boots",
    (line) => other(line) && line.did === "booting",
    { from, ...PATIENCE },
  );
  now(`${next} boots`);
  const mine =
    (did: string, more: (line: Line) => boolean = () => true) =>
    (line: Line) =>
      line.instance === next && line.did === did && more(line);
  const inStep = await player.until(`${next} has read the store`, mine("in-step"), { from, ...PATIENCE });
  tell(`${next} boots, and has its keys and ${devices(Number(inStep.peers))} from the store.`);
  await player.until(
    `${next} serves`,
    mine("state-tagged", (line) => line.state === "serving"),
    { from, ...PATIENCE },
  );
  // The DNS record, too.
  await moto.settled();
  tell(`${next} serves${await at(play)}.`);
  if (old === undefined) return next;
  now(`${old} notices that it is not the server any more`);
  if (play.settings.site.elasticIp !== false) {
    const stoodDown = (line: Line) => line.instance === old && (line.state === "stood-down" || line.did === "ended");
    await player.until(`${old} stands down`, stoodDown, { from, ...PATIENCE });
  }
  now("the emulator's clock goes on, until the old one has ended");
  const ended = player.until(`${old} ends`, (line) => line.instance === old && line.did === "ended", {
    from,
    seconds: 60,
  });
  await ticking(play, ended);
  await moto.settled();
  tell(`${old} has ended.`);
  return next;
}

async function diff(play: Play, { now, tell }: Voice): Promise<void> {
  now("planning every stack");
  const plans = await play.stage.project.diff();
  play.planned = plans.map(({ stack, changes }) => ({ stack, changes }));
  const changed = plans.filter(({ changes }) => changes);
  if (changed.length > 0) {
    throw new Broken(
      `Terraform would change ${changed.map(({ stack }) => stack).join(", ")}:\n${changed[0]?.text.trim()}`,
    );
  }
  for (const { stack } of plans) tell(`${stack}: No changes.`);
}

async function changeSetting(play: Play, voice: Voice): Promise<void> {
  const { project, player, moto } = play.stage;
  const old = serverOf(play);
  await live(play, voice);
  const from = player.lines.length;
  const requests = (await moto.requests()).length;
  project.configure(play.settings.second(play.allocationId));
  await listening(play, voice, () => project.deploy());
  const next = await handover(play, voice, old, from);
  if (play.settings.site.elasticIp === false) return;
  const moves = (await moto.requests())
    .slice(requests)
    .filter(({ action }) => action === "AssociateAddress" || action === "DisassociateAddress");
  const [moved] = moves;
  const lines = player.lines.slice(from);
  const at = (instance: string, is: (line: Line) => boolean) =>
    Date.parse(lines.find((line) => line.instance === instance && is(line))?.at ?? "");
  const ready = at(next, (line) => line.did === "event-sent" && line.type === "Server Ready");
  const leaves = at(old, (line) => line.state === "stood-down" || line.did === "ended");
  const movedAt = Date.parse(moved?.at ?? "");
  if (moves.length !== 1 || !(ready <= movedAt && movedAt <= leaves)) {
    throw new Broken("The address was not moved once, to a server that was ready, from one that served.");
  }
  voice.tell("The old one served until the address moved, once, to a server that was ready for it.");
}

async function pause(play: Play, { now, tell }: Voice): Promise<void> {
  now("the server ends, by the emulator's clock");
  const address = await addressOf(play);
  await ticking(play, play.stingy(["server", "pause", "--yes"]));
  const running = (await play.made()).filter((one) => one.startsWith("aws_instance "));
  if (running.length > 0) throw new Broken(`The site is paused, and this still runs: ${running.join(", ")}.`);
  tell(`No server runs${address === undefined ? "" : `; ${address} is kept`}.`);
}

async function resume(play: Play, { now, tell }: Voice): Promise<void> {
  const { player, moto } = play.stage;
  const from = player.lines.length;
  now("the controller starts a server");
  await play.stingy(["server", "resume"]);
  const { instance } = await player.until("a server serves again", isServing(), { from, ...PATIENCE });
  const { peers } = await player.until(
    `${instance} has read the store`,
    (line) => line.instance === instance && line.did === "in-step",
    { from, ...PATIENCE },
  );
  await moto.settled();
  tell(`${instance} serves${await at(play)}, and knows ${devices(Number(peers))}.`);
}

async function destroy(play: Play, voice: Voice): Promise<void> {
  const { project, cloudflare } = play.stage;
  const made = await play.made();
  await listening(play, voice, () => ticking(play, project.destroy()));
  const own = (await play.made()).flatMap((one) => /^aws_ssm_parameter (.*)$/.exec(one)?.[1] ?? []);
  voice.now("deleting what the store still has");
  await deleteParameters(play, own);
  voice.tell(
    `The ${own.length} parameters that Terraform does not know, keys and devices, are deleted as docs/operations.md says.`,
  );
  if (play.allocationId !== undefined) voice.tell("elasticIp is yours, not Terraform's: it stays.");
  const left = [...(await play.made()), ...cloudflare.records.map(({ name, type }) => `record ${name} ${type}`)];
  play.left = left;
  if (left.length > 0) throw new Broken(`This is left: ${left.join(", ")}.`);
  voice.tell(`Of the ${made.length} things that the emulator listed before, none is left.`);
}

async function deleteParameters(
  { stage: { moto }, settings: { site } }: Play,
  names: readonly string[],
): Promise<void> {
  const ssm = new SSMClient({ ...moto.sdk, region: site.region });
  try {
    for (let from = 0; from < names.length; from += BATCH) {
      await ssm.send(new DeleteParametersCommand({ Names: names.slice(from, from + BATCH) }));
    }
  } finally {
    ssm.destroy();
  }
}

/** The emulator's clock goes on meanwhile, so that nobody waits for its minutes. */
async function ticking<T>({ stage: { moto }, signal }: Play, work: Promise<T>): Promise<T> {
  let over = false;
  const tick = async (): Promise<void> => {
    while (!over && !signal.aborted) {
      await moto.advance(STEP_SECONDS);
      await sleep(500, undefined, { signal }).catch(() => undefined);
    }
  };
  // Where the emulator has gone, the work fails for it too.
  const clock = tick().catch(() => undefined);
  try {
    return await work;
  } finally {
    over = true;
    await clock;
  }
}

function isServing(): (line: Line) => boolean {
  return ({ did, state }) => did === "state-tagged" && state === "serving";
}

function serverOf({ stage: { player } }: Play): string {
  const server = player.servers.find(({ state }) => state === "serving");
  if (!server) throw new Broken("No server serves.");
  return server.instance;
}

function includes(names: string | undefined, name: string): boolean {
  return (names ?? "").split(" ").includes(name);
}

/** " at 192.0.2.1", where the site has an address of its own. */
async function at(play: Play): Promise<string> {
  const address = await addressOf(play);
  return address === undefined ? "" : ` at ${address}`;
}

async function addressOf(play: Play): Promise<string | undefined> {
  const { site } = play.settings;
  if (site.elasticIp === false) return undefined;
  return withEc2(play, async (ec2) => {
    const wanted =
      play.allocationId === undefined
        ? { Filters: Object.entries(siteTags(site)).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] })) }
        : { AllocationIds: [play.allocationId] };
    return (await ec2.send(new DescribeAddressesCommand(wanted))).Addresses?.[0]?.PublicIp;
  });
}

async function withEc2<T>(
  { stage: { moto }, settings: { site } }: Play,
  work: (ec2: EC2Client) => Promise<T>,
): Promise<T> {
  const ec2 = new EC2Client(unseen(moto.url, site.region));
  try {
    return await work(ec2);
  } finally {
    ec2.destroy();
  }
}
