import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { App, TerraformStack } from "cdktf";
import { type Json, synthesizeApp } from "./synth";

/** A Terraform expression as it stands in JSON. */
export const ref = (what: string) => `\${${what}}`;

/** Constructs alone in an ordinary stack, its provider beside them; without CDKTF's hashes. */
export function aloneWithMetadata(build: (stack: TerraformStack) => void, addProvider = addAws): Json {
  const stacks = synthesizeApp((outdir) => {
    const app = new App({ outdir });
    const stack = new TerraformStack(app, "alone");
    addProvider(stack);
    build(stack);
    return app;
  });
  return JSON.parse(JSON.stringify(stacks.alone).replace(/_[0-9A-F]{8}\b/g, ""));
}

/** The same without CDKTF's metadata. */
export function alone(build: (stack: TerraformStack) => void, addProvider = addAws): Json {
  return withoutMetadata(aloneWithMetadata(build, addProvider));
}

export function withoutMetadata(json: Json): Json {
  return JSON.parse(JSON.stringify(json, (key, value) => (key === "//" ? undefined : value)));
}

function addAws(stack: TerraformStack): void {
  new AwsProvider(stack, "aws", { region: "eu-west-1" });
}
