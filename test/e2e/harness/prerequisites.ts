import { execFile } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { type AtHand, PROVIDERS_VARIABLE } from "../../support/terraform";
import { CACHE } from "./providers";

const run = promisify(execFile);

/** The emulator patches moto's insides, which another version has otherwise. */
export const MOTO_VERSION = "5.2.1";
const MOTO = `moto[server]==${MOTO_VERSION}`;
const OLDEST_TERRAFORM = [1, 10] as const;
/** The emulator's patches use its standard library. */
const OLDEST_PYTHON = [3, 11] as const;
const LAST_LINES = 5;
const VENV_MB = 400;
const MIB = 1024 * 1024;

/** This machine cannot run it: says what is needed, what was found, and how to mend it. */
export class Unfit extends Error {
  constructor(what: string, needed: string, fix: string) {
    super(`${what}\n  Needed: ${needed}\n  To mend it: ${fix}`);
    this.name = "Unfit";
  }
}

export interface Terraform {
  readonly name: "Terraform" | "OpenTofu";
  readonly version: string;
  readonly binary: string;
}

/** The Terraform that cdktf will run, or OpenTofu. */
export async function terraformAtHand(binary = process.env.TERRAFORM_BINARY_NAME || "terraform"): Promise<Terraform> {
  const needed = `Terraform or OpenTofu ${OLDEST_TERRAFORM.join(".")} or later`;
  const fix =
    "install it from https://developer.hashicorp.com/terraform/install, or name another binary with TERRAFORM_BINARY_NAME.";
  const said = await run(binary, ["version"]).catch((error: Failure) => {
    if (error.code === "ENOENT") throw new Unfit(`There is no ${binary} on this machine.`, needed, fix);
    throw new Unfit(`\`${binary} version\` failed: ${lastLines(error)}`, needed, fix);
  });
  const [, name, version] = /^(Terraform|OpenTofu) v(\d+\.\d+\.\S+)/m.exec(said.stdout) ?? [];
  if (name === undefined || version === undefined) {
    throw new Unfit(`\`${binary} version\` does not say which Terraform it is: ${lastLines(said)}`, needed, fix);
  }
  if (isOlder(version, OLDEST_TERRAFORM)) throw new Unfit(`${binary} is ${name} ${version}.`, needed, fix);
  return { name: name as Terraform["name"], version, binary };
}

/** Without the AWS provider nothing of the product would be left to deploy. */
export function checkProviders(atHand: AtHand): void {
  if (atHand === undefined || atHand.has("hashicorp/aws")) return;
  throw new Unfit(
    `${PROVIDERS_VARIABLE} lists no AWS provider.`,
    "the provider hashicorp/aws in the mirror, or a registry that can be reached",
    `add it to the mirror, or unset ${PROVIDERS_VARIABLE} and TF_CLI_CONFIG_FILE where a registry can be reached.`,
  );
}

/** What is started is found, and ended, with its help. */
export async function checkPs(): Promise<void> {
  await run("ps", ["-A", "-o", "pid=,ppid=,pgid=,stat="]).catch((error: Failure) => {
    const what = error.code === "ENOENT" ? "There is no ps on this machine." : `ps failed: ${lastLines(error)}`;
    throw new Unfit(what, "the ps of procps, macOS or BSD", "install it (Debian, Ubuntu: `apt install procps`).");
  });
}

export interface PythonOptions {
  /** @default python3 */
  readonly python?: string;
  /** Where moto is installed, if the machine's Python has not the right one. */
  readonly cache?: string;
  /** Hears of what takes time. */
  readonly onStep?: (what: string) => void;
  /** Ends what is running. */
  readonly signal?: AbortSignal;
}

/** A Python that has the moto which the emulator is made for: the machine's own, or one installed once in the cache folder. */
export async function pythonWithMoto(options: PythonOptions = {}): Promise<string> {
  const { python = "python3", cache = CACHE, onStep, signal } = options;
  await checkPython(python, signal);
  if (await hasMoto(python, signal)) return python;
  const venv = path.join(cache, `moto-${MOTO_VERSION}`);
  const own = path.join(venv, "bin/python");
  if (existsSync(own) && (await hasMoto(own, signal))) return own;
  onStep?.(`installing the AWS emulator, ${MOTO}, in ${venv}`);
  await install(python, venv, signal);
  if (!(await hasMoto(own, signal))) {
    throw new Unfit(`The moto that was installed in ${venv} does not start.`, MOTO, `delete ${venv} and run it again.`);
  }
  return own;
}

async function checkPython(python: string, signal?: AbortSignal): Promise<void> {
  const needed = `Python ${OLDEST_PYTHON.join(".")} or later, for the AWS emulator moto`;
  const fix = "install it (Debian, Ubuntu: `apt install python3 python3-venv`; macOS: `brew install python`).";
  const { stdout } = await run(python, ["-c", "import platform; print(platform.python_version())"], { signal }).catch(
    (error: Failure) => {
      throwIfAborted(signal);
      if (error.code === "ENOENT") throw new Unfit(`There is no ${python} on this machine.`, needed, fix);
      throw new Unfit(`${python} does not run: ${lastLines(error)}`, needed, fix);
    },
  );
  const version = stdout.trim();
  if (isOlder(version, OLDEST_PYTHON)) throw new Unfit(`${python} is Python ${version}.`, needed, fix);
}

async function hasMoto(python: string, signal?: AbortSignal): Promise<boolean> {
  try {
    const { stdout } = await run(python, ["-c", "import moto.server; print(moto.__version__)"], { signal });
    return stdout.trim() === MOTO_VERSION;
  } catch {
    throwIfAborted(signal);
    return false;
  }
}

/** Beside its place first, so that what was begun and not ended is never taken for the whole. */
async function install(python: string, venv: string, signal?: AbortSignal): Promise<void> {
  const begun = `${venv}.${process.pid}`;
  const asked = `${MOTO} in a virtual environment`;
  try {
    mkdirSync(path.dirname(venv), { recursive: true });
    checkRoom(path.dirname(venv), VENV_MB);
    await run(python, ["-m", "venv", begun], { signal }).catch((error: Failure) => {
      throwIfAborted(signal);
      throwIfFull(error, begun);
      const fix = "install Python's venv (Debian, Ubuntu: `apt install python3-venv`).";
      throw new Unfit(`\`${python} -m venv\` failed: ${lastLines(error)}`, asked, fix);
    });
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", MOTO];
    await run(path.join(begun, "bin/python"), pip, { signal }).catch((error: Failure) => {
      throwIfAborted(signal);
      throwIfFull(error, begun);
      const fix = `make Python's package index reachable (a proxy: PIP_PROXY; a mirror: PIP_INDEX_URL), or run \`${python} -m pip install '${MOTO}'\` yourself.`;
      throw new Unfit(`pip could not install moto: ${lastLines(error)}`, asked, fix);
    });
    rmSync(venv, { recursive: true, force: true });
    renameSync(begun, venv);
  } finally {
    rmSync(begun, { recursive: true, force: true });
  }
}

/** Room for what is about to be written to a folder. */
export function checkRoom(folder: string, neededMb: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = Math.floor((bavail * bsize) / MIB);
  if (free < neededMb) throw noRoom(folder, `${free} MB are free`, neededMb);
}

function noRoom(folder: string, found: string, neededMb?: number): Unfit {
  return new Unfit(
    `There is no room left in ${folder}: ${found}.`,
    neededMb === undefined ? "more free disk" : `${neededMb} MB`,
    folder.startsWith(CACHE) ? "delete something." : "delete something, or name another temporary folder with TMPDIR.",
  );
}

function throwIfFull(error: Failure, folder: string): void {
  if (/No space left on device|ENOSPC/.test(`${error.stderr}${error.message}`))
    throw noRoom(folder, "the disk is full");
}

/** The wanted port of the loopback, or one that is free. */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer();
  try {
    return await new Promise<number>((resolve, reject) => {
      server.once("error", reject);
      server.listen(wanted, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const what = code === "EADDRINUSE" ? "is taken by another program" : `cannot be used (${code})`;
    throw new Unfit(
      `Port ${wanted} of 127.0.0.1 ${what}.`,
      "a free port",
      "name another one, or none: then a free one is found.",
    );
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}

interface Failure extends Error {
  readonly code?: string | number;
  readonly stdout?: string;
  readonly stderr?: string;
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
}

function isOlder(version: string, oldest: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
}

function lastLines({ stdout = "", stderr = "" }: { readonly stdout?: string; readonly stderr?: string }): string {
  const lines = (stderr.trim() || stdout.trim() || "it said nothing").split("\n");
  return lines
    .slice(-LAST_LINES)
    .map((line) => line.trim())
    .join("\n  ");
}
