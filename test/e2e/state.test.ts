import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  DescribeAddressesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DisassociateAddressCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { expect } from "chai";
import { generatePresharedKey, generatePrivateKey, publicKeyOf } from "../../modules/wireguard";
import { ROOT } from "../cli/support/stingy";
import type { Json } from "../support/synth";
import { unseen } from "./emulator/moto";
import { inventory, recordedIn } from "./harness/inventory";
import { CommandFailed, Project } from "./harness/project";
import { Stage } from "./harness/stage";
import { type Look, look, REGION, serving, TOKEN, until } from "./support/site";

const NETWORK = "prod-tokyo-network";
const SERVER = "prod-tokyo-server";
/** The section of docs/operations.md whose commands are run. */
const MOVE = "Move from a VPN made by hand";
/** One zone and no IPv6: it is there sooner. */
const SMALL = "network: { ipv6: false, availabilityZones: [apne1-az4] }";

/** What a command that must fail has failed with. */
async function failure(command: Promise<unknown>): Promise<CommandFailed> {
  const error = await command.then(
    () => new Error("it did not fail"),
    (reason) => reason,
  );
  if (!(error instanceof CommandFailed)) throw error;
  return error;
}

/** Goes on while others are looked at; whoever awaits it is told how it ended. */
function begun<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}

describe("the state", function () {
  this.timeout("8m");
  const stages: Promise<Stage>[] = [];
  let moving: ReturnType<typeof move>;
  let breaking: ReturnType<typeof breakOff>;

  async function start(config: string, onLine?: (line: string) => void): Promise<Stage> {
    const stage = Stage.start({ config, token: TOKEN, pace: 3, ...(onLine ? { onLine } : {}) });
    stages.push(stage);
    return stage;
  }

  before(() => {
    moving = begun(move());
    breaking = begun(breakOff());
  });

  after(() => Promise.allSettled(stages.map(async (stage) => (await stage).stop())));

  describe("in an S3 bucket", () => {
    const BUCKET = "my-terraform-state";
    const KEY = `stingy-vpn/${NETWORK}.tfstate`;
    const LOCK = `${KEY}.tflock`;
    const config = (listenPort: number) =>
      `environment: prod
backend: { type: s3, bucket: ${BUCKET}, region: ${REGION} }
sites:
  tokyo:
    ${SMALL}
    tunnel: { listenPort: ${listenPort} }
`;
    let stage: Stage;
    let colleague: Project;

    /** The product has no client of S3. */
    async function bucket(method: "GET" | "PUT", key = "", body?: string): Promise<string> {
      const scope = `hypervisor/20260101/${REGION}/s3/aws4_request`;
      const response = await fetch(`${stage.moto.url}/${BUCKET}${key}`, {
        method,
        headers: { authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0` },
        ...(body === undefined ? {} : { body }),
      });
      const answer = await response.text();
      if (!response.ok) throw new Error(`${method} ${key} answers ${response.status}: ${answer}`);
      return answer;
    }

    async function objects(): Promise<string[]> {
      return [...(await bucket("GET", "?list-type=2")).matchAll(/<Key>([^<]+)/g)].map(([, key = ""]) => key).sort();
    }

    /** A colleague's plan that has the lock and gets no answer from AWS. */
    async function planThatHangs(): Promise<{ readonly plan: Promise<unknown> }> {
      await stage.moto.fault({ api: "ec2:DescribeVpcs", kind: "silence" });
      const plan = begun(colleague.terraform(NETWORK, ["plan", "-input=false", "-no-color"]));
      await until("the colleague has the lock", async () => (await objects()).includes(LOCK) || undefined);
      return { plan };
    }

    before(async () => {
      stage = await start(config(51820));
      const location = `<CreateBucketConfiguration><LocationConstraint>${REGION}</LocationConstraint></CreateBucketConfiguration>`;
      await bucket("PUT", "", location);
      colleague = Project.create({
        config: config(51820),
        env: stage.moto.env,
        folder: path.join(stage.folder, "colleague"),
      });
      await stage.project.deploy([NETWORK, SERVER]);
      await colleague.synth();
      await colleague.terraform(NETWORK, ["version"]);
    });

    after(() => colleague?.stop());

    it("has an object for each stack, and no lock is left", async () => {
      expect(await objects()).to.deep.equal([KEY, `stingy-vpn/${SERVER}.tfstate`]);
      const { "vpc-id": vpc } = await colleague.outputs(NETWORK);
      expect(await inventory(stage.moto, REGION)).to.include(`aws_vpc ${vpc}`);
    });

    it("lets the server's stack read what the network's has made", async () => {
      const of = async (stack: string, wanted: string): Promise<Json> =>
        (await stage.project.state(stack)).resources.find(({ type }: Json) => type === wanted).instances[0].attributes;
      const group = await of(NETWORK, "aws_security_group");
      const template = await of(SERVER, "aws_launch_template");
      expect(template.vpc_security_group_ids).to.deep.equal([group.id]);
    });

    it("is left alone while somebody else has the lock: Terraform says who, and since when", async () => {
      const { plan } = await planThatHangs();
      const before = await bucket("GET", `/${KEY}`);
      const from = (await stage.moto.requests()).length;
      stage.project.configure(config(41194));
      const { code, output } = await failure(stage.project.deploy([NETWORK]));
      expect(code).to.equal(1);
      const words = output.replaceAll(/\s+/g, " ");
      expect(words).to.contain("Error: Error acquiring the state lock");
      expect(words).to.match(
        /Lock Info: ID: [0-9a-f-]{36} Path: \S+ Operation: OperationTypePlan Who: \S+@\S+ Version: /,
      );
      expect(words).to.contain(`Path: ${BUCKET}/${KEY} `);
      expect(await bucket("GET", `/${KEY}`)).to.equal(before);
      const asked = (await stage.moto.requests()).slice(from).map(({ service }) => service);
      expect([...new Set(asked)].sort()).to.deep.equal(["s3", "sts"]);

      await stage.moto.calm();
      await plan;
      expect(await objects()).not.to.include(LOCK);
      await stage.project.deploy([NETWORK]);
      const rules = (await stage.project.state(NETWORK)).resources.filter(
        ({ name }: Json) => name === "firewall_wireguard-ipv4",
      );
      expect(rules[0].instances[0].attributes.from_port).to.equal(41194);
    });

    it("is freed with the lock's id from one who died with it", async () => {
      const { plan } = await planThatHangs();
      colleague.kill();
      expect((await failure(plan)).code).to.equal(null);
      await stage.moto.calm();
      expect(await objects()).to.include(LOCK);
      const { output } = await failure(stage.project.deploy([NETWORK]));
      const [, id = ""] = /Lock Info:\s+ID:\s+(\S+)/.exec(output) ?? [];
      await stage.project.terraform(NETWORK, ["force-unlock", "-force", id]);
      await stage.project.deploy([NETWORK]);
      expect(await objects()).to.deep.equal([KEY, `stingy-vpn/${SERVER}.tfstate`]);
    });
  });

  interface Broken {
    readonly failed: CommandFailed;
    /** What AWS has that Terraform's state has not. */
    readonly orphans: readonly string[];
    readonly recorded: readonly string[];
  }

  /** Two deploys that end half way, and the third that does not. */
  async function breakOff() {
    const lines: string[] = [];
    const stage = await start(`environment: prod\nsites:\n  tokyo:\n    ${SMALL}\n`, (line) => lines.push(line));
    const { moto, project } = stage;
    const ec2 = client(stage);
    const bare = await inventory(moto, REGION);
    /** Asking Terraform would be in the way of the one that runs. */
    const state = async (stack: string): Promise<Json> => {
      try {
        return JSON.parse(readFileSync(path.join(project.folder, `state/${stack}.tfstate`), "utf8"));
      } catch {
        return {};
      }
    };
    const compared = async (): Promise<Omit<Broken, "failed">> => {
      const there = (await inventory(moto, REGION)).filter((one) => !bare.includes(one));
      const made = recordedIn(await Promise.all([NETWORK, SERVER].map(state)));
      const own = await comesWithVpc(ec2);
      return { orphans: there.filter((one) => !made.includes(one) && !own.includes(one)), recorded: made };
    };

    /** Breaks a deploy off while one thing gets no answer from AWS and all others have been written down. */
    async function broken(api: string, resource: string, how: () => void): Promise<Broken> {
      const from = lines.length;
      await moto.fault({ api, kind: "silence" });
      const deploy = begun(project.deploy([NETWORK, SERVER]));
      const asked = () =>
        lines.slice(from).some((line) => line.includes(`${resource} `) && line.includes("Creating..."));
      let before = -1;
      let why = "it is not asked for";
      const quiet = async () => {
        if (!asked()) return undefined;
        const { length } = await moto.requests();
        const [last, now] = [before, length];
        before = now;
        const orphans = last === now ? (await compared()).orphans : undefined;
        why = orphans ? `not written down: ${orphans.join(", ")}` : `requests: ${last}, then ${now}`;
        return orphans?.length === 0 || undefined;
      };
      await Promise.race([
        until(`nothing but ${resource} is being made`, quiet, { seconds: 400, everyMs: 1_000 }).catch(
          (error: Error) => {
            throw new Error(`${error.message}: ${why}. Terraform's last: ${lines.slice(-8).join("\n")}`);
          },
        ),
        deploy.then(() => Promise.reject(new Error("the deploy has ended before it was broken off"))),
      ]);
      how();
      const failed = await failure(deploy);
      await moto.calm();
      return { failed, ...(await compared()) };
    }

    const interrupted = await broken(
      "ec2:AuthorizeSecurityGroupIngress",
      "aws_vpc_security_group_ingress_rule.firewall_wireguard-ipv4",
      () => project.interrupt(),
    );
    const killed = await broken("ec2:CreateLaunchTemplate", "aws_launch_template.server_template", () =>
      project.kill(),
    );
    await project.deploy([NETWORK, SERVER]);
    const plans = await Promise.all([NETWORK, SERVER].map((stack) => project.plan(stack)));
    return { interrupted, killed, plans, ...(await compared()) };
  }

  /** What AWS makes by itself with a VPC. */
  async function comesWithVpc(ec2: EC2Client): Promise<string[]> {
    const [{ RouteTables = [] }, { SecurityGroups = [] }] = await Promise.all([
      ec2.send(new DescribeRouteTablesCommand({ Filters: [{ Name: "association.main", Values: ["true"] }] })),
      ec2.send(new DescribeSecurityGroupsCommand({ Filters: [{ Name: "group-name", Values: ["default"] }] })),
    ]);
    return [
      ...RouteTables.map(({ RouteTableId }) => `aws_route_table ${RouteTableId}`),
      ...SecurityGroups.map(({ GroupId }) => `aws_security_group ${GroupId}`),
    ];
  }

  describe("of a deploy that was broken off", () => {
    it("has all that was made, after Ctrl-C in the network's stack", async () => {
      const { failed, orphans, recorded } = (await breaking).interrupted;
      expect(failed.code).to.equal(1);
      expect(orphans).to.deep.equal([]);
      expect(recorded.map((one) => one.split(" ")[0])).to.include.members(["aws_vpc", "aws_security_group"]);
    });

    it("has all that was made, after a power cut in the server's stack", async () => {
      const { failed, orphans, recorded } = (await breaking).killed;
      expect(failed.code).to.equal(null);
      expect(orphans).to.deep.equal([]);
      expect(recorded.map((one) => one.split(" ")[0])).to.include.members(["aws_eip", "aws_iam_role"]);
    });

    it("is whole after the next deploy: nothing is there twice, and nothing is left to do", async () => {
      const { killed, orphans, recorded, plans } = await breaking;
      expect(orphans).to.deep.equal([]);
      expect(recorded).to.include.members([...killed.recorded]);
      expect(plans.map(({ stack, changes }) => [stack, changes])).to.deep.equal([
        [NETWORK, false],
        [SERVER, false],
      ]);
    });
  });

  /** The commands of docs/operations.md about moving, as they stand there. */
  function documented(): string[] {
    const text = readFileSync(path.join(ROOT, "docs/operations.md"), "utf8");
    const section = text.split("\n## ").find((part) => part.startsWith(`${MOVE}\n`));
    if (section === undefined) throw new Error(`docs/operations.md has no section "${MOVE}"`);
    return [...section.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = ""]) =>
      block
        .replaceAll(/\\\n */g, "")
        .trim()
        .split(/\n */),
    );
  }

  /** Has a WireGuard server made by hand, and does line by line what is documented. */
  async function move() {
    const stage = await start(`environment: prod
sites:
  tokyo:
    ${SMALL}
    tunnel: { ipv4: 10.66.66.0/24, listenPort: 41194 }
`);
    const { project } = stage;
    const ec2 = client(stage);
    const { Instances = [] } = await ec2.send(
      new RunInstancesCommand({ ImageId: "ami-12345678", InstanceType: "t3.nano", MinCount: 1, MaxCount: 1 }),
    );
    const old = Instances[0]?.InstanceId;
    const allocated = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
    const { AllocationId = "", PublicIp } = allocated;
    await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: old }));
    const holder = async () => {
      const { Addresses = [] } = await ec2.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId] }));
      return Addresses[0];
    };
    const [privateKey, device] = [generatePrivateKey(), publicKeyOf(generatePrivateKey())];
    writeFileSync(
      path.join(project.folder, "wg0.conf"),
      `[Interface]
Address = 10.66.66.1/24
ListenPort = 41194
PrivateKey = ${privateKey}

# Client: phone
[Peer]
PublicKey = ${device}
PresharedKey = ${generatePresharedKey()}
AllowedIPs = 10.66.66.2/32
`,
    );

    const stingy = async (...args: string[]) => stage.stingy(args, { cwd: project.folder });
    const run = async (line: string): Promise<unknown> => {
      const [program = "", ...words] = line.split(" ").map((word) => word.replace(/^'(.*)'$/, "$1"));
      const [command = "", ...args] = words;
      if (program === "npx" && command === "cdktf" && args[0] === "deploy") return project.deploy(args.slice(1));
      if (program === "npx" && command === "stingy") {
        const { code, stderr } = await stingy(...args);
        return expect({ line, code, stderr: code === 0 ? "" : stderr }).to.deep.equal({ line, code: 0, stderr: "" });
      }
      if (program === "terraform") return project.terraform(path.basename(command), args);
      // The aws command need not be on this machine.
      if (line.startsWith("aws ec2 disassociate-address --association-id ")) {
        return ec2.send(new DisassociateAddressCommand({ AssociationId: (await holder())?.AssociationId }));
      }
      throw new Error(`the test does not know how to run \`${line}\``);
    };

    const lines = documented();
    let waiting:
      | { readonly servers: Look["servers"]; readonly holder: string | undefined; readonly status: string }
      | undefined;
    for (const line of lines) {
      if (line.startsWith("aws ")) {
        const { servers } = await look(stage);
        waiting = { servers, holder: (await holder())?.InstanceId, status: (await stingy("status")).stdout };
      }
      await run(line.replace("eipalloc-0123456789abcdef0", AllocationId));
    }
    const server = await serving(stage);
    return {
      old,
      waiting,
      server,
      before: { address: PublicIp, privateKey, device },
      address: await holder(),
      config: (await stingy("peer", "export", "--with-private-key")).stdout,
      state: await project.state(SERVER),
      plans: await project.drift(),
      id: AllocationId,
    };
  }

  describe("of a site that takes over from a VPN made by hand", () => {
    it("has the old address, which is on the first server", async () => {
      const { id, before, address, server, state } = await moving;
      const eips = state.resources.filter(({ type }: Json) => type === "aws_eip");
      expect(eips.map(({ instances }: Json) => instances[0].attributes.id)).to.deep.equal([id]);
      expect([address?.PublicIp, address?.InstanceId]).to.deep.equal([before.address, server.id]);
    });

    it("let the old server go on serving until the address was taken off it", async () => {
      const { old, waiting } = await moving;
      expect(waiting?.holder).to.equal(old);
      expect(waiting?.servers).to.deep.equal([]);
      expect(waiting?.status).to.contain(`is on ${old}, which is not the site's.\n    Take it off there`);
    });

    it("has the old server's key and peers", async () => {
      const { before, config } = await moving;
      // What is compared is not shown where it differs: it is a key.
      expect(config.includes(`PrivateKey = ${before.privateKey}\n`)).to.equal(true);
      expect(config).to.contain(`PublicKey = ${before.device}\n`);
    });

    it("has nothing left to do", async () => {
      const { plans } = await moving;
      expect(plans.filter(({ changes }) => changes).map(({ stack, text }) => `${stack}: ${text}`)).to.deep.equal([]);
    });
  });
});

function client({ moto }: Stage): EC2Client {
  return new EC2Client(unseen(moto.url, REGION));
}
