import { createHash } from "node:crypto";
import { type Parameter, paginateGetParametersByPath, SSMClient } from "@aws-sdk/client-ssm";
import { STORE } from "../../../modules/store";
import type { Json } from "../../support/synth";
import { type MotoRequest, unseen } from "../emulator/moto";
import type { Stage } from "../harness/stage";
import { LASTED_SECONDS, type Look, look, onlySite, type Server, serving } from "./site";

/** What the controller and the servers write; all else in the store is the operator's. */
const THEIRS: readonly string[] = [STORE.instanceId, STORE.launches, STORE.peerEndpoints];
/** Its id is made of what it says, and that is the template's version. */
const SAYS = "aws_lambda_invocation";

interface State {
  readonly look: Look;
  /** What Terraform knows, by address. */
  readonly ids: Readonly<Record<string, string>>;
  /** Version and fingerprint of what is stored: no key is shown where a test fails. */
  readonly stored: Readonly<Record<string, string>>;
}

export interface Upgraded {
  readonly was: State;
  readonly now: State;
  /** The server that has come with it. */
  readonly successor: Server;
  /** What was asked of AWS meanwhile. */
  readonly requests: readonly MotoRequest[];
}

/** Deploys today's code over what is deployed, and waits until its server is the only one. */
export async function upgrade(stage: Stage): Promise<Upgraded> {
  const { id } = await serving(stage, { alone: true });
  await stage.moto.advance(LASTED_SECONDS);
  const was = await stateOf(stage);
  const from = (await stage.moto.requests()).length;
  await stage.project.deploy();
  await serving(stage, { except: id });
  const successor = await serving(stage, { alone: true });
  await stage.moto.settled();
  const requests = (await stage.moto.requests()).slice(from);
  return { was, now: await stateOf(stage), successor, requests };
}

async function stateOf(stage: Stage): Promise<State> {
  const ids: Record<string, string> = {};
  for (const stack of stage.project.stacks()) Object.assign(ids, idsIn(await stage.project.state(stack)));
  return { look: await look(stage), ids, stored: await stored(stage) };
}

function idsIn({ resources = [] }: Json): Record<string, string> {
  return Object.fromEntries(
    resources
      .filter(({ mode }: Json) => mode === "managed")
      .flatMap(({ type, name, instances }: Json) =>
        instances.map(({ attributes }: Json) => [`${type}.${name}`, type === SAYS ? "" : attributes.id]),
      ),
  );
}

async function stored(stage: Stage): Promise<Record<string, string>> {
  const { region, storePrefix } = onlySite(stage.config);
  const client = new SSMClient(unseen(stage.moto.url, region));
  const parameters: Parameter[] = [];
  const asked = { Path: storePrefix, Recursive: true, WithDecryption: true };
  try {
    for await (const page of paginateGetParametersByPath({ client }, asked))
      parameters.push(...(page.Parameters ?? []));
  } finally {
    client.destroy();
  }
  return Object.fromEntries(
    parameters
      .map(({ Name = "", Version, Value = "" }) => [
        Name.slice(storePrefix.length + 1),
        `version ${Version}, ${createHash("sha256").update(Value).digest("hex")}`,
      ])
      .filter(([name = ""]) => !THEIRS.includes(name)),
  );
}
