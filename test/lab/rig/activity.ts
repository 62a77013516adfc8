/** What people do with a device while the server changes under them, and how they fared. */
import path from "node:path";
import { ADDRESSES, type Flood, type PingResult, type Server } from "../../server/harness";
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

/** Waits for as much as is given. @throws when it has not ended by then */
export interface RunningDownload extends Activity<Download> {
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
  const curl = device.machine.spawn([
    ...["curl", "-gsS", "--keepalive-time", `${keepaliveSeconds}`, "--retry", "0", "--output", file, url],
  ]);
  let status: number | undefined;
  const ended = curl.ended.then((code) => {
    status = code ?? -1;
  });
  const size = (): number => device.size(file);
  let last = Date.now();
  let longest = 0;
  let had = 0;
  const look = (): void => {
    const now = Date.now();
    const has = size();
    if (has === had && status === undefined) longest = Math.max(longest, now - last);
    if (has !== had) {
      longest = Math.max(longest, now - last);
      last = now;
      had = has;
    }
  };
  const timer = setInterval(look, 10);
  timer.unref();
  const result = (): Download => {
    clearInterval(timer);
    look();
    return { bytes: had, stallMs: longest, status };
  };
  return {
    finished: async (timeoutMs) => {
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())]);
      return result();
    },
    stop: async () => {
      const now = result();
      await curl.stop("SIGTERM");
      return now;
    },
  };
}

/**
 * When a peer has first answered a server: it asks as soon as there is a handshake, so that its questions do not begin one.
 * The time is in milliseconds since 1970.
 */
export function answers(server: Server, device: Device): Activity<number | undefined> {
  const watch: Running = server.machine.spawn([
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
    stop: async () => {
      await watch.stop("SIGKILL");
      const [, at] = /answered (\d+[.,]\d+)/.exec(watch.stdout) ?? [];
      return at === undefined ? undefined : Number(at.replace(",", ".")) * 1000;
    },
  };
}

export type { PingResult };
