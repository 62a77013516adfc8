/** What people do with a device while the server changes under them, and how they fared. */
import path from "node:path";
import { ADDRESSES, eventually, type Flood, type Server } from "../../server/harness";
import type { Running } from "../../server/harness/machine";
import type { Device } from "./device";

/** Something that goes on until it is stopped, which tells how it went. */
export interface Activity<T> {
  stop(): Promise<T>;
}

export interface Call {
  readonly sent: number;
  readonly lost: number;
  /** How much sound that is. */
  readonly lostMs: number;
  readonly longestGapMs: number;
}

export interface Session {
  readonly lines: number;
  readonly echoed: number;
  /** The longest wait for a line's echo. */
  readonly stallMs: number;
  /** Empty while the connection lives. */
  readonly broken: string;
}

export interface Download {
  readonly bytes: number;
  /** The longest time without a byte. */
  readonly stallMs: number;
  /** curl's status, undefined while it runs. */
  readonly status: number | undefined;
}

/** Pings 100 times a second. */
export const busy = (device: Device, host: string = ADDRESSES.web): Flood => device.flood(host, { intervalMs: 10 });

/** UDP at 50 packets a second, both ways. */
export const call = (device: Device, host?: string): Promise<Activity<Call>> => talk(device, "call", host);

/** A line every three seconds over one TCP connection. */
export const shell = (device: Device, host?: string): Promise<Activity<Session>> => talk(device, "type", host);

/** 50 lines a second over one TCP connection. */
export const stream = (device: Device, host?: string): Promise<Activity<Session>> => talk(device, "stream", host);

async function talk<T>(device: Device, what: string, host: string = ADDRESSES.web): Promise<Activity<T>> {
  const program = path.join(__dirname, "talk.cjs");
  const running = device.machine.spawn([process.execPath, program, what, host]);
  await running.waitFor(/^talking$/m, 30_000);
  return {
    stop: async () => {
      await running.stop("SIGTERM");
      return JSON.parse(running.stdout.trim().split("\n").at(-1) ?? "");
    },
  };
}

export interface RunningDownload extends Activity<Download> {
  readonly bytes: number;
  /** Waits for curl's end. @throws when that takes longer */
  finished(timeoutMs: number): Promise<Download>;
}

/**
 * curl over one connection, as fast as the line carries it. A device that only receives sends nothing by itself but the
 * keepalive of TCP.
 * @param keepaliveSeconds as curl's --keepalive-time. @default 60, curl's own
 */
export async function download(
  device: Device,
  bytes: number,
  { host = ADDRESSES.web as string, keepaliveSeconds = 60 } = {},
): Promise<RunningDownload> {
  const url = `http://${host.includes(":") ? `[${host}]` : host}/bytes/${bytes}`;
  const file = "/run/download";
  const curl = device.machine.spawn(["curl", "-gsS", "--keepalive-time", `${keepaliveSeconds}`, "-o", file, url]);
  let status: number | undefined;
  let last = Date.now();
  let stallMs = 0;
  let had = 0;
  const look = (): void => {
    if (status !== undefined) return;
    const has = device.size(file);
    stallMs = Math.max(stallMs, Date.now() - last);
    if (has !== had) {
      last = Date.now();
      had = has;
    }
  };
  const timer = setInterval(look, 10);
  curl.ended.then((code) => {
    look();
    status = code ?? -1;
    had = device.size(file);
  });
  const result = (): Download => {
    look();
    clearInterval(timer);
    return { bytes: had, stallMs, status };
  };
  return {
    get bytes() {
      return had;
    },
    finished: async (timeoutMs) => {
      await eventually(`curl has ended: ${curl.stderr}`, () => status !== undefined, timeoutMs);
      return result();
    },
    stop: async () => {
      const now = result();
      await curl.stop("SIGTERM");
      return now;
    },
  };
}

/** When a peer has first answered a server, in milliseconds since 1970; undefined until then. */
export interface Asking extends Activity<void> {
  readonly answeredAt: number | undefined;
}

/** Asks a peer from the server, but only when there is a handshake, so that the questions do not begin one. */
export function answers(server: Server, device: Device): Asking {
  const asking: Running = server.machine.spawn([
    "bash",
    "--norc",
    "-c",
    `until [[ $(wg show wg0 latest-handshakes 2>/dev/null) =~ "$1"$'\\t'[1-9] ]]; do sleep 0.02; done
     until ping -n -c 1 -W 0.1 "$2" >/dev/null; do :; done
     echo "answered $EPOCHREALTIME"`,
    "answers",
    device.peer.publicKey,
    device.address,
  ]);
  return {
    get answeredAt() {
      const [, at] = /answered (\d+[.,]\d+)/.exec(asking.stdout) ?? [];
      return at === undefined ? undefined : Number(at.replace(",", ".")) * 1000;
    },
    stop: async () => {
      await asking.stop("SIGKILL");
    },
  };
}
