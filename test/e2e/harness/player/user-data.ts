import { gunzipSync } from "node:zlib";
import { parse } from "yaml";

/** What a server knows of its site: /etc/stingy/server.env, and what health checks. */
export interface Settings {
  readonly environment: string;
  readonly site: string;
  readonly storePrefix: string;
  readonly listenPort: string;
  /** With prefix lengths: "10.8.0.1/24". The second is empty without IPv6 in the tunnel. */
  readonly tunnelIpv4: string;
  readonly tunnelIpv6: string;
  readonly defaultGroup: string;
  /** The Elastic IP; empty on a site without one. */
  readonly address: string;
  /** Where what the units say is sent; empty where it stays on the machine. */
  readonly logGroup: string;
  readonly checks: readonly Check[];
}

export interface Check {
  readonly name: string;
  readonly severity: string;
  readonly repair: string;
}

/** A machine's user data that makes no server of it. Its message quotes none of it. */
export class UserDataError extends Error {
  override readonly name = "UserDataError";
}

const SETTINGS_FILE = "/etc/stingy/server.env";
const CHECKS_FILE = "/etc/stingy/checks";
const START = "systemctl enable --now";
/** Those that common.sh does not do without. */
const NEEDED = ["ENVIRONMENT", "SITE", "STORE_PREFIX", "LISTEN_PORT", "TUNNEL_IPV4", "MTU", "DEFAULT_GROUP"];
const SERVICES = ["firewall", "sync", "watch", "health", "promote"].map((name) => `stingy-${name}.service`);
const QUOTED = String.raw`'((?:[^']|'\\'')*)'`;

/** Reads what the metadata service gives as user data, as cloud-init does. */
export function readUserData(bytes: Buffer): Settings {
  const config = cloudConfig(bytes);
  const files = new Map(list(config.write_files, "write_files").map(readFile));
  const commands = list(config.runcmd, "runcmd").map((command) => String(command));
  const started = commands.filter((command) => command.startsWith(START)).join(" ");
  const idle = SERVICES.filter((unit) => !started.split(" ").includes(unit));
  if (idle.length > 0) throw new UserDataError(`runcmd does not start ${idle.join(", ")}`);
  const file = (path: string): string => {
    const content = files.get(path);
    if (content === undefined) throw new UserDataError(`there is no file ${path} in it`);
    return content;
  };
  const variables = readVariables(file(SETTINGS_FILE));
  const value = (name: string): string => variables.get(name) ?? "";
  const missing = NEEDED.filter((name) => value(name) === "");
  if (missing.length > 0) throw new UserDataError(`${SETTINGS_FILE} has no ${missing.join(", ")}`);
  const checks = readChecks(file(CHECKS_FILE));
  if (checks.length === 0) throw new UserDataError(`${CHECKS_FILE} has no check`);
  return {
    environment: value("ENVIRONMENT"),
    site: value("SITE"),
    storePrefix: value("STORE_PREFIX"),
    listenPort: value("LISTEN_PORT"),
    tunnelIpv4: value("TUNNEL_IPV4"),
    tunnelIpv6: value("TUNNEL_IPV6"),
    defaultGroup: value("DEFAULT_GROUP"),
    address: value("ADDRESS"),
    logGroup: value("LOG_GROUP"),
    checks,
  };
}

function cloudConfig(bytes: Buffer): Record<string, unknown> {
  let text: string;
  try {
    text = (bytes.readUInt16BE(0) === 0x1f8b ? gunzipSync(bytes) : bytes).toString();
  } catch {
    throw new UserDataError(`its ${bytes.length} bytes cannot be unpacked`);
  }
  if (!/^#cloud-config\s*\n/.test(text)) throw new UserDataError("its first line is not #cloud-config");
  let config: unknown;
  try {
    config = parse(text, { version: "1.1" });
  } catch {
    throw new UserDataError("it is no YAML");
  }
  if (!isRecord(config)) throw new UserDataError("it is no mapping");
  return config;
}

function readFile(entry: unknown): [path: string, content: string] {
  const { path, content } = isRecord(entry) ? entry : {};
  if (typeof path !== "string" || typeof content !== "string") {
    throw new UserDataError("write_files has an entry without path or content");
  }
  return [path, content];
}

/** As a shell sources them: NAME='value', where a quote is '\''. */
function readVariables(text: string): Map<string, string> {
  const lines = text.matchAll(new RegExp(`^([A-Z_][A-Z0-9_]*)=${QUOTED}$`, "gm"));
  return new Map(Array.from(lines, ([, name = "", value = ""]) => [name, unquoted(value)]));
}

/** check NAME SEVERITY 'COMMAND' 'REPAIR' */
function readChecks(text: string): Check[] {
  const calls = text.matchAll(new RegExp(`^check (\\S+) (unfit|report) ${QUOTED} ${QUOTED}$`, "gm"));
  return Array.from(calls, ([, name = "", severity = "", , repair = ""]) => ({
    name,
    severity,
    repair: unquoted(repair),
  }));
}

function unquoted(text: string): string {
  return text.replaceAll("'\\''", "'");
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new UserDataError(`${what} is no list`);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
