import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { isInstanceId } from "../../assets/lambda/shared/instance-id";
import type { Site } from "../../modules/config";
import type { Aws } from "../aws";
import type { Context } from "../context";
import { CliError, EXIT, type ExitCode, usageError } from "../exit";
import { note, print, progress } from "../output";
import { sdk } from "../sdk";
import { notDeployed } from "../store";
import { type Seen, see } from "./wait";

export interface ShellOptions {
  readonly print?: boolean;
  readonly instance?: string;
}

const PLUGIN = "session-manager-plugin";

export async function shell(context: Context, options: ShellOptions): Promise<ExitCode> {
  const site = await context.site();
  const aws = await context.aws();
  const target = await progress("Looking for the server", () => targetOf(aws, site, options.instance));
  const command = ["ssm", "start-session", "--region", site.region, "--target", target];
  if (options.print) {
    print(`aws ${command.join(" ")}`);
    return EXIT.ok;
  }
  requireTools();
  const code = await run(command);
  if (code !== 0) note(await whyNot(aws, target));
  return code as ExitCode;
}

async function targetOf(aws: Aws, site: Site, wanted: string | undefined): Promise<string> {
  if (wanted !== undefined && !isInstanceId(wanted)) {
    throw usageError(
      `--instance ${wanted} is no instance id.`,
      "It looks like i-0123456789abcdef0; `npx stingy status` shows it.",
    );
  }
  const seen = await see(aws, site);
  const target = wanted ?? seen.serverId;
  const found = seen.instances.find(({ id }) => id === target);
  if (found?.phase === "running") return found.id;
  if (seen.serverId === undefined && seen.instances.length === 0) {
    throw notDeployed(site, aws);
  }
  throw whyNoServer(seen, found?.phase, wanted);
}

function whyNoServer(
  { desiredState, instances }: Seen,
  phase: string | undefined,
  wanted: string | undefined,
): CliError {
  const others = instances.filter((instance) => instance.phase === "running").map(({ id }) => id);
  const fix =
    others.length > 0
      ? `There is ${others.join(", ")}: npx stingy server shell --instance ${others[0]}`
      : "Look at the site: npx stingy status";
  if (wanted !== undefined) {
    return new CliError(
      phase === undefined ? `The site has no instance ${wanted}.` : `The instance ${wanted} is ${phase}.`,
      { fix },
    );
  }
  if (desiredState === "stopped") {
    return new CliError("The site is paused: there is no server.", { fix: "Resume it: npx stingy server resume" });
  }
  return new CliError(phase === undefined ? "There is no server at this moment." : `The server is ${phase}.`, { fix });
}

function requireTools(): void {
  if (!isOnPath("aws")) {
    throw new CliError("The AWS CLI (`aws`) is not on this computer.", {
      fix: "Install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html\nOr print the command and run it elsewhere: npx stingy server shell --print",
    });
  }
  if (!isOnPath(PLUGIN)) {
    throw new CliError(`The AWS CLI's Session Manager plugin (\`${PLUGIN}\`) is not on this computer.`, {
      fix: "Install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html\nOr open the shell in a browser: EC2 console, the instance, Connect, Session Manager.",
    });
  }
}

function isOnPath(program: string): boolean {
  const endings = process.platform === "win32" ? [".exe", ".cmd"] : [""];
  return (process.env.PATH ?? "").split(path.delimiter).some((folder) =>
    endings.some((ending) => {
      try {
        accessSync(path.join(folder, program + ending), constants.X_OK);
        return folder !== "";
      } catch {
        return false;
      }
    }),
  );
}

/** Ctrl-C belongs to the shell on the server. */
async function run(args: readonly string[]): Promise<number> {
  const ignore = () => undefined;
  process.on("SIGINT", ignore);
  try {
    return await new Promise((resolve, reject) => {
      spawn("aws", args, { stdio: "inherit" })
        .once("error", reject)
        .once("close", (code) => resolve(code ?? EXIT.failed));
    });
  } finally {
    process.removeListener("SIGINT", ignore);
  }
}

async function whyNot(aws: Aws, target: string): Promise<string> {
  const agent = await agentOf(aws, target);
  if (agent === "Online") {
    return `The server's agent answers Systems Manager, so the reason is above; your role needs ssm:StartSession on ${target}.`;
  }
  if (agent === undefined) return "The AWS CLI says above what is wrong.";
  return [
    agent === "unknown"
      ? `Systems Manager does not know ${target}: its agent has not reported yet. Debian and Ubuntu install it at the first boot, which takes some minutes.`
      : `Systems Manager has lost ${target} (${agent}).`,
    `If it stays so, read the machine's console: aws ec2 get-console-output --latest --output text --region ${aws.region} --instance-id ${target}`,
    "Or have it replaced: npx stingy server replace",
  ].join("\n");
}

/** Undefined where it cannot be asked. */
async function agentOf(aws: Aws, target: string): Promise<string | undefined> {
  const { DescribeInstanceInformationCommand } = sdk.ssm;
  const ssm = await aws.ssm();
  return ssm.send(new DescribeInstanceInformationCommand({ Filters: [{ Key: "InstanceIds", Values: [target] }] })).then(
    ({ InstanceInformationList = [] }) => InstanceInformationList[0]?.PingStatus ?? "unknown",
    () => undefined,
  );
}
