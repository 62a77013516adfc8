import path from "node:path";
import { expect } from "chai";
import { parseConfig } from "../../modules/config";
import { createApp } from "../../stacks";
import { type Json, ROOT, synthesize, synthesizeApp } from "../support/synth";

/** Any folder does: the code is not what is tested here. */
const CODE = path.join(ROOT, "assets/lambda/shared");
const BUNDLES = { "recovery-handler": CODE, "ddns-updater": CODE, "alert-forwarder": CODE };
const LAYERS = ["network", "server", "recovery", "monitoring"];
/** Which stacks' states each stack reads. */
const READS: Record<string, string[]> = {
  "prod-tokyo-server": ["prod-tokyo-network"],
  "prod-tokyo-recovery": ["prod-tokyo-network", "prod-tokyo-server"],
  "prod-tokyo-monitoring": ["prod-tokyo-recovery", "prod-tokyo-server"],
};

/** Checks where every stack keeps its state, and that whoever reads it looks there. */
function expectStates(
  stacks: Record<string, Json>,
  written: (id: string) => object,
  read: (id: string) => object,
): void {
  expect(Object.keys(stacks)).to.have.members(LAYERS.map((layer) => `prod-tokyo-${layer}`));
  for (const [id, { terraform, data }] of Object.entries(stacks)) {
    const { required_providers, required_version, ...states } = terraform;
    expect(states, id).to.deep.equal(written(id));
    const inputs = (READS[id] ?? []).map((upstream) => [`cross-stack-reference-input-${upstream}`, read(upstream)]);
    expect(data?.terraform_remote_state ?? {}, id).to.deep.equal(Object.fromEntries(inputs));
  }
}

describe("a stack's state", () => {
  const workspace = `\${terraform.workspace}`;

  it("is a file of its own in the project's state folder by default", () => {
    expectStates(
      synthesize(),
      (id) => ({ backend: { local: { path: `../../../state/${id}.tfstate` } } }),
      (id) => ({ backend: "local", config: { path: `../../../state/${id}.tfstate` }, workspace }),
    );
  });

  it("is a file in the folder that the configuration names", () => {
    expectStates(
      synthesize({ backend: { type: "local", path: "my/states" } }),
      (id) => ({ backend: { local: { path: `../../../my/states/${id}.tfstate` } } }),
      (id) => ({ backend: "local", config: { path: `../../../my/states/${id}.tfstate` }, workspace }),
    );
  });

  it("has a path that starts at the stack, wherever the project is", () => {
    const pathIn = (folder: string) =>
      synthesizeApp((temporary) => {
        const root = path.join(path.dirname(temporary), folder);
        return createApp({ config: parseConfig({}), bundles: BUNDLES, root, outdir: temporary });
      })["prod-tokyo-network"].terraform.backend.local.path;
    // Only where the JSON goes relative to the project counts: here it goes outside.
    expect(pathIn("project")).to.equal("../../../project/state/prod-tokyo-network.tfstate");
    expect(pathIn("a/deeper/project")).to.equal("../../../a/deeper/project/state/prod-tokyo-network.tfstate");
  });

  it("is an encrypted object of its own on S3, locked by S3", () => {
    const location = (id: string) => ({
      bucket: "my-states",
      key: `vpn/states/${id}.tfstate`,
      region: "eu-west-1",
      encrypt: true,
    });
    expectStates(
      synthesize({ backend: { type: "s3", bucket: "my-states", region: "eu-west-1", keyPrefix: "vpn/states" } }),
      (id) => ({ backend: { s3: { ...location(id), use_lockfile: true } } }),
      (id) => ({ backend: "s3", config: location(id), workspace }),
    );
  });

  it("is encrypted with the KMS key that the configuration names", () => {
    const kmsKeyId = "arn:aws:kms:eu-west-1:111122223333:key/00000000-0000-0000-0000-000000000000";
    const stacks = synthesize({ backend: { type: "s3", bucket: "my-states", region: "eu-west-1", kmsKeyId } });
    for (const [id, { terraform }] of Object.entries(stacks)) {
      expect(terraform.backend.s3, id).to.deep.equal({
        bucket: "my-states",
        key: `stingy-vpn/${id}.tfstate`,
        region: "eu-west-1",
        encrypt: true,
        kms_key_id: kmsKeyId,
        use_lockfile: true,
      });
    }
  });

  it("is a workspace of its own in HCP Terraform", () => {
    expectStates(
      synthesize({ backend: { type: "cloud", organization: "me" } }),
      (id) => ({ cloud: { organization: "me", workspaces: { name: `stingy-vpn-${id}` } } }),
      (id) => ({
        backend: "remote",
        config: { organization: "me", workspaces: { name: `stingy-vpn-${id}` } },
      }),
    );
  });

  it("is a workspace in the project, under the prefix and on the host that the configuration names", () => {
    const hostname = "terraform.example.com";
    expectStates(
      synthesize({
        backend: { type: "cloud", organization: "me", hostname, project: "vpn", workspacePrefix: "home-" },
      }),
      (id) => ({ cloud: { hostname, organization: "me", workspaces: { name: `home-${id}`, project: "vpn" } } }),
      (id) => ({ backend: "remote", config: { hostname, organization: "me", workspaces: { name: `home-${id}` } } }),
    );
  });

  it("is a workspace of its own through the remote backend", () => {
    const states = (id: string) => ({ organization: "me", workspaces: { name: `stingy-vpn-${id}` } });
    expectStates(
      synthesize({ backend: { type: "remote", organization: "me" } }),
      (id) => ({ backend: { remote: states(id) } }),
      (id) => ({ backend: "remote", config: states(id) }),
    );
  });

  it("is on the remote backend's host that the configuration names", () => {
    const hostname = "terraform.example.com";
    const states = (id: string) => ({ hostname, organization: "me", workspaces: { name: `home-${id}` } });
    expectStates(
      synthesize({ backend: { type: "remote", organization: "me", hostname, workspacePrefix: "home-" } }),
      (id) => ({ backend: { remote: states(id) } }),
      (id) => ({ backend: "remote", config: states(id) }),
    );
  });

  it("has an HTTP address of its own with a lock below it, and the query stays at the end", () => {
    const states = (id: string) => ({
      address: `https://states.example.com/vpn/${id}?ref=${id}`,
      lock_address: `https://states.example.com/vpn/${id}/lock?ref=${id}`,
      lock_method: "POST",
      unlock_address: `https://states.example.com/vpn/${id}/lock?ref=${id}`,
      unlock_method: "DELETE",
    });
    expectStates(
      synthesize({ backend: { type: "http", address: "https://states.example.com/vpn/{stack}?ref={stack}" } }),
      (id) => ({ backend: { http: states(id) } }),
      (id) => ({ backend: "http", config: states(id) }),
    );
  });

  it("is not locked over HTTP where the lock is off", () => {
    const states = (id: string) => ({ address: `https://states.example.com/${id}` });
    expectStates(
      synthesize({ backend: { type: "http", address: "https://states.example.com/{stack}", lock: false } }),
      (id) => ({ backend: { http: states(id) } }),
      (id) => ({ backend: "http", config: states(id) }),
    );
  });
});
