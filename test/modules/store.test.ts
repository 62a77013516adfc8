import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { App, TerraformStack } from "cdktf";
import { expect } from "chai";
import { ownedParameter, parameterArn, STORE } from "../../modules/store";
import { type Json, synthesizeApp } from "../support/synth";

describe("the store", () => {
  it("keeps the names of the original, beside its own", () => {
    expect(STORE).to.deep.equal({
      instanceId: "instance-id",
      desiredState: "desired-state",
      launches: "launches",
      cloudflareToken: "cloudflare-token",
      webhookUrl: "webhook-url",
      wireguardConfig: "wireguard-config",
      wireguardPrivateKey: "wireguard-private-key",
      clientPublicKeys: "client-public-keys",
      peers: "peers",
      peerEndpoints: "peer-endpoints",
    });
  });

  it("has a parameter's ARN without a slash of its own, as the name starts with one", () => {
    expect(parameterArn("eu-west-1", "111122223333", "/stingy-vpn/prod/instance-id")).to.equal(
      "arn:aws:ssm:eu-west-1:111122223333:parameter/stingy-vpn/prod/instance-id",
    );
  });
});

describe("ownedParameter", () => {
  const parameter = (protect: boolean): Json => {
    const { alone } = synthesizeApp((outdir) => {
      const app = new App({ outdir });
      const stack = new TerraformStack(app, "alone");
      new AwsProvider(stack, "aws", { region: "eu-west-1" });
      ownedParameter(stack, "state", { name: "/a/state", description: "The state", initial: "running", protect });
      return app;
    });
    const { "//": metadata, ...resource } = alone.resource.aws_ssm_parameter.state;
    return resource;
  };

  it("is readable in a plan, and no later apply sets its value back", () => {
    expect(parameter(false)).to.deep.equal({
      name: "/a/state",
      description: "The state",
      type: "String",
      insecure_value: "running",
      lifecycle: { ignore_changes: ["insecure_value", "description"], prevent_destroy: false },
    });
  });

  it("cannot be deleted by accident where it is protected", () => {
    expect(parameter(true).lifecycle).to.deep.equal({
      ignore_changes: ["insecure_value", "description"],
      prevent_destroy: true,
    });
  });
});
