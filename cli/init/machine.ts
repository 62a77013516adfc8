import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { engines } from "../../package.json";
import { attention, type Finding, ok } from "./finding";

/** The first with S3's own locks, which the backend s3 asks for. */
const TERRAFORM_NEEDED = "1.10";
const ANSWER_MS = 20_000;

export function nodeFinding(version: string): Finding {
  const needed = engines.node.replace(/^>=/, "");
  return atLeast(version, needed)
    ? ok("node", `Node.js ${version}`)
    : attention(
        "node",
        `Node.js ${version} is too old: ${needed} or later is needed.`,
        "https://nodejs.org/en/download",
      );
}

/** cdktf runs the binary that TERRAFORM_BINARY_NAME names. */
export async function terraformFinding(binary = process.env.TERRAFORM_BINARY_NAME || "terraform"): Promise<Finding> {
  const fix = `Install Terraform ${TERRAFORM_NEEDED} or later: https://developer.hashicorp.com/terraform/install`;
  try {
    const { stdout } = await promisify(execFile)(binary, ["version", "-json"], { timeout: ANSWER_MS });
    const { terraform_version: version } = JSON.parse(stdout) as { readonly terraform_version: string };
    return atLeast(version, TERRAFORM_NEEDED)
      ? ok("terraform", `Terraform ${version}`)
      : attention("terraform", `Terraform ${version} is too old: ${TERRAFORM_NEEDED} or later is needed.`, fix);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return attention(
      "terraform",
      missing ? `There is no \`${binary}\` on this computer.` : `\`${binary} version -json\` does not work.`,
      fix,
    );
  }
}

export function atLeast(version: string, needed: string): boolean {
  const [have, want] = [version, needed].map((text) => text.split(/[.-]/).map(Number));
  for (const [at, wanted] of (want ?? []).entries()) {
    const had = have?.[at] ?? 0;
    if (had !== wanted) return had > wanted;
  }
  return true;
}
