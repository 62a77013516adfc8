/** Commands on this machine that end with the run: an interrupt leaves none of them behind. */
import { spawn } from "node:child_process";
import { Failure } from "./failure";

/** Runs a command to its end. @returns what it prints @throws with the end of what it said, when it fails */
export type Run = (command: string, args: readonly string[], folder?: string) => Promise<string>;

const groups = new Set<number>();
const SAID_LINES = 15;

export const run: Run = (command, args, folder) =>
  new Promise((resolve, reject) => {
    // A group of its own: mmdebstrap has children that would outlive it.
    const child = spawn(command, args, {
      detached: true,
      cwd: folder,
      env: { ...process.env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { pid } = child;
    if (pid !== undefined) groups.add(pid);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (error) => reject(new Failure(`${command}: ${error.message}`)));
    child.on("close", (code) => {
      if (pid !== undefined) groups.delete(pid);
      const said = (stderr + stdout).trimEnd().split("\n").slice(-SAID_LINES).join("\n");
      if (code === 0) resolve(stdout);
      else reject(new Failure(`${command} ${args[0] ?? ""} ended with status ${code}:\n${said}`));
    });
  });

process.once("exit", () => {
  for (const group of groups) {
    try {
      process.kill(-group, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
});
