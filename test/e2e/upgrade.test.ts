import { createHash } from "node:crypto";
import { type Parameter, paginateGetParametersByPath, SSMClient } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import { FUNCTIONS } from "../../modules/lambda";
import { siteNames } from "../../modules/names";
import { STORE } from "../../modules/store";
import type { Json } from "../support/synth";
import { type MotoRequest, unseen } from "./emulator/moto";
import { Stage } from "./harness/stage";
import { readRelease, synthesizeRelease } from "./support/release";
import { type Look, look, onlySite, type Server, serving, storeToken, TOKEN } from "./support/site";

/** Addresses that today's code gives up on purpose: the changelog says what that means for a site. */
const GIVEN_UP: readonly string[] = [];
/** What the controller and the servers write; all else in the store is the operator's. */
const THEIRS: readonly string[] = [STORE.instanceId, STORE.launches, STORE.peerEndpoints];
const DEVICES = ["phone", "laptop"];
/** A server that lasted is replaced at once; sooner the controller would wait a while before it launches again. */
const LASTED_SECONDS = 600;
/** Its id is made of what it says, and that is the template's version. */
const SAYS = "aws_lambda_invocation";

interface State {
  readonly look: Look;
  /** What Terraform knows, by address. */
  readonly ids: Readonly<Record<string, string>>;
  /** Version and fingerprint of what is stored: no key is shown where a test fails. */
  readonly stored: Readonly<Record<string, string>>;
}

describe("the upgrade from the previous release", function () {
  this.timeout("10m");
  const release = readRelease();
  const heard: string[] = [];
  let stage: Stage;
  let was: State;
  let now: State;
  let successor: Server;
  /** Since the upgrade began. */
  let requests: readonly MotoRequest[];

  async function state(): Promise<State> {
    const ids: Record<string, string> = {};
    for (const stack of stage.project.stacks()) Object.assign(ids, idsIn(await stage.project.state(stack)));
    return { look: await look(stage), ids, stored: await stored(stage) };
  }

  before(async () => {
    stage = await Stage.start({ config: release.config, token: TOKEN, onLine: (line) => heard.push(line) });
    await storeToken(stage);
    synthesizeRelease(release, stage.project.outdir);
    await stage.project.cdktf("deploy", "*", "--skip-synth", "--auto-approve", "--skip-provider-lock", "--no-color");
    const { id } = await serving(stage, { alone: true });
    for (const device of DEVICES) {
      const { code, stderr } = await stage.stingy(["peer", "add", device]);
      expect(code, stderr).to.equal(0);
    }
    await stage.moto.advance(LASTED_SECONDS);
    was = await state();
    heard.length = 0;
    const from = (await stage.moto.requests()).length;

    await stage.project.deploy();
    await serving(stage, { except: id });
    successor = await serving(stage, { alone: true });
    await stage.moto.settled();
    requests = (await stage.moto.requests()).slice(from);
    now = await state();
  });

  after(() => stage?.stop());

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
    const updated = requests.filter(({ action, status }) => action.startsWith("UpdateFunctionCode") && status === 200);
    for (const name of FUNCTIONS) {
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
