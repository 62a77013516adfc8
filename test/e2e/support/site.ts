import { setTimeout as sleep } from "node:timers/promises";
import { DescribeAddressesCommand, DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import { GetParameterCommand, ParameterNotFound, SSMClient } from "@aws-sdk/client-ssm";
import type { Config, Site } from "../../../modules/config";
import { siteTags } from "../../../modules/names";
import { STORE } from "../../../modules/store";
import { unseen } from "../emulator/moto";
import type { Stage } from "../harness/stage";

/** Long and unmistakable, so that it can be searched for wherever it must not be. */
export const TOKEN = "canary-cloudflare-token-Zq7Vx2Lm9Rt4Kp6Wd1Hs";
export const REGION = "ap-northeast-1";
export const NAME = "vpn.example.com";
export const PREFIX = "/stingy-vpn/prod";
/** A server that lasted is replaced at once; sooner the controller would wait a while before it launches again. */
export const LASTED_SECONDS = 660;

/** The default site with a name and mail, as a person would write it; `protect` is off so that it can be destroyed. */
export const DNS = `
    dns:
      provider: cloudflare
      zone: example.com
      name: ${NAME}`;
export const configuration = ({ dns = DNS, more = "" } = {}): string => `
environment: prod
sites:
  tokyo:${dns}
    protect: false
    monitoring:
      emails: [me@example.com]
${more}`;

export interface Server {
  readonly id: string;
  /** What AWS says: pending, running, shutting-down … */
  readonly status: string;
  /** What it says itself, with its tag: installing, ready, serving … */
  readonly state: string | undefined;
  readonly spot: boolean;
  readonly zone: string | undefined;
  readonly type: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** What is so, as nobody but the emulator knows it: no fault meets these questions, and no log holds them. */
export interface Look {
  /** All that have not been terminated. */
  readonly servers: readonly Server[];
  /** The Elastic IP, and the instance that holds it. */
  readonly address: string | undefined;
  readonly holder: string | undefined;
  /** What the store's parameter says. */
  readonly instanceId: string | undefined;
  /** What the name's A record says. */
  readonly record: string | undefined;
}

type Of = Pick<Stage, "config" | "moto" | "cloudflare">;

export function onlySite({ sites }: Config): Site {
  const [site, ...others] = sites;
  if (!site || others.length > 0)
    throw new Error(`say which of the sites: ${sites.map(({ name }) => name).join(", ")}`);
  return site;
}

const clients = new Map<string, { readonly ec2: EC2Client; readonly ssm: SSMClient }>();

/** One of each for all looks: to make one takes longer than to ask. */
function clientsFor({ moto }: Of, region: string) {
  const key = `${moto.url} ${region}`;
  const as = unseen(moto.url, region);
  const made = clients.get(key) ?? { ec2: new EC2Client(as), ssm: new SSMClient(as) };
  clients.set(key, made);
  return made;
}

export async function look(stage: Of, site = onlySite(stage.config)): Promise<Look> {
  const { ec2, ssm } = clientsFor(stage, site.region);
  const Filters = Object.entries(siteTags(site)).map(([key, value]) => ({ Name: `tag:${key}`, Values: [value] }));
  const alive = { Name: "instance-state-name", Values: ["pending", "running", "shutting-down", "stopping", "stopped"] };
  const [{ Reservations = [] }, { Addresses = [] }, instanceId] = await Promise.all([
    ec2.send(new DescribeInstancesCommand({ Filters: [...Filters, alive] })),
    ec2.send(new DescribeAddressesCommand({ Filters })),
    parameter(ssm, `${site.storePrefix}/${STORE.instanceId}`),
  ]);
  const servers = Reservations.flatMap(({ Instances = [] }) => Instances).map(
    ({ InstanceId = "", State, InstanceLifecycle, Placement, InstanceType, Tags = [] }): Server => {
      const tags = Object.fromEntries(Tags.map(({ Key = "", Value = "" }) => [Key, Value]));
      return {
        id: InstanceId,
        status: State?.Name ?? "",
        state: tags.state,
        spot: InstanceLifecycle === "spot",
        zone: Placement?.AvailabilityZone,
        type: InstanceType,
        tags,
      };
    },
  );
  return {
    servers,
    address: Addresses[0]?.PublicIp,
    holder: Addresses[0]?.InstanceId || undefined,
    instanceId,
    record: recordOf(stage, site),
  };
}

function recordOf({ cloudflare }: Of, { dns }: Site): string | undefined {
  if (dns.provider !== "cloudflare") return undefined;
  return cloudflare.records.find(({ name, type }) => name === dns.name && type === "A")?.content;
}

async function parameter(ssm: SSMClient, Name: string): Promise<string | undefined> {
  try {
    return (await ssm.send(new GetParameterCommand({ Name, WithDecryption: true }))).Parameter?.Value;
  } catch (error) {
    if (error instanceof ParameterNotFound) return undefined;
    throw error;
  }
}

/** What keeps a site from being served as it should, or nothing. */
export function problemsOf(seen: Look, { dns }: Site): string[] {
  const { servers, address, holder, instanceId, record } = seen;
  const server = servers.find(({ id }) => id === holder);
  const problems: string[] = [];
  if (address === undefined) problems.push("there is no address");
  if (holder === undefined) problems.push("nobody holds the address");
  if (server?.state !== "serving") problems.push(`${holder} says ${server?.state}`);
  if (instanceId !== holder) problems.push(`instance-id says ${instanceId}, and the address is on ${holder}`);
  if (dns.provider === "cloudflare" && record !== address) problems.push(`the record says ${record}, not ${address}`);
  return problems;
}

/** Waits until a condition holds, and says what it has waited for if it does not in time. */
export async function until<T>(
  what: string,
  answer: () => Promise<T | undefined>,
  { seconds = 60, everyMs = 500, meanwhile = async () => undefined as unknown } = {},
): Promise<T> {
  for (const end = performance.now() + seconds * 1000; ; await sleep(everyMs)) {
    const found = await answer();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`${what}: it has not happened within ${seconds} s`);
    await meanwhile();
  }
}

interface Serving {
  /** The server that must not be the one that serves any more. */
  readonly except?: string | undefined;
  /** No other machine is left: the emulator's clock goes on until the controller has ended them. */
  readonly alone?: boolean;
  readonly seconds?: number;
  readonly site?: Site;
}

/** Waits until one server serves with address, instance-id and record. @returns it */
export async function serving(
  stage: Of & Pick<Stage, "player">,
  { except, alone = false, seconds = 120, site = onlySite(stage.config) }: Serving = {},
): Promise<Server> {
  let problems: string[] = [];
  const served = async () => {
    const seen = await look(stage, site);
    const server = seen.servers.find(({ id }) => id === seen.holder);
    problems = problemsOf(seen, site);
    if (server?.id === except) problems.push(`${except} still serves`);
    const others = seen.servers.filter((one) => one !== server);
    if (alone && others.length > 0) problems.push(`there are more: ${others.map(({ id }) => id).join(", ")}`);
    return problems.length === 0 ? server : undefined;
  };
  const meanwhile = async () => (alone ? stage.moto.advance(15) : undefined);
  try {
    return await until("one server serves", served, { seconds, meanwhile });
  } catch (error) {
    const last = stage.player.lines.slice(-8).map(({ instance, by, did }) => `${instance} ${by} ${did}`);
    throw new Error(`${(error as Error).message}: ${problems.join("; ")}. The servers' last: ${last.join("; ")}`);
  }
}

/** Stores the updater's token as a person does. */
export async function storeToken(stage: Pick<Stage, "stingy">): Promise<void> {
  const { code, stderr } = await stage.stingy(["init", "--cloudflare-token-stdin"], { input: TOKEN });
  if (code !== 0) throw new Error(`the token was not stored: ${stderr}`);
}
