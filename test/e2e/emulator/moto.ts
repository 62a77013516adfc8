import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../harness/prerequisites";

const READY_WITHIN_MS = 60_000;
const POLL_MS = 50;
const REGION = "ap-northeast-1";

/** Ends the server when its standard input ends, which it does however the tests end; it has five seconds to tidy up. */
const SCRIPT = `
exec 3<&0
"$@" & server=$!
{
  cat <&3 >/dev/null
  kill "$server"
  left=50
  while kill -0 "$server"; do
    [ "$left" -gt 0 ] || exec kill -9 "$server"
    left=$((left - 1))
    sleep 0.1
  done
} 2>/dev/null &
wait "$server"`;
export const STOCK = ["moto_server"];
/** With its gaps closed, and with what the methods below ask for. */
export const PATCHED = ["python3", __dirname];
/** What a shell says of a command that is not there. */
const NOT_FOUND = 127;

export interface MotoOptions {
  /**
   * What every function finds in its environment besides its own variables.
   *
   * @default - nothing
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * A file to which every request is added as a line of JSON.
   *
   * @default - requests are only kept in memory
   */
  readonly log?: string;
  /** @default - one that is free */
  readonly port?: number;
}

export interface MotoFault {
  /**
   * `ec2:CreateFleet`, or `ec2:*`. Services have the names with which requests are signed: CloudWatch is monitoring,
   * EventBridge is events.
   */
  readonly api: string;
  /**
   * throttle and error are the service's own errors; silence is no answer and nothing done; lost is done, and then the
   * connection is closed.
   */
  readonly kind: "throttle" | "error" | "silence" | "lost";
  /** @default - until `calm` */
  readonly times?: number;
  /** @default - every region */
  readonly region?: string;
  /**
   * What the request must say somewhere.
   *
   * @default - every request
   */
  readonly containing?: string;
  /** @default - the code with which the service throttles, or fails */
  readonly code?: string;
}

/** Each one that is left out means every one. */
export interface MissingCapacity {
  readonly zone?: string;
  readonly type?: string;
  readonly market?: "spot" | "on-demand";
  /** @default InsufficientInstanceCapacity */
  readonly code?: string;
}

export interface MotoRequest {
  /** By the emulator's clock. */
  readonly at: string;
  readonly service: string;
  readonly region: string;
  readonly action: string;
  /** The server that signed it, if one did: its access key is its instance's id. */
  readonly instance?: string;
  readonly path: string;
  /** As it was sent. */
  readonly body: string;
  /** 0 when there was none. */
  readonly status: number;
  /** false when the caller got no answer. */
  readonly answered?: boolean;
}

/** Something that fell due. */
export interface Fired {
  readonly at: string;
  readonly what: string;
  readonly answer: unknown;
}

/** A run of a function. */
export interface Invocation {
  readonly at: string;
  readonly function: string;
  readonly region: string;
  /** Its id: the same again for an event that was tried again. */
  readonly request: string;
  readonly event: unknown;
  /** Without the time to start Node.js and to load the code. */
  readonly milliseconds: number;
  /** That time, where a process was started for it. */
  readonly initMilliseconds?: number;
  readonly memoryMb: number;
  readonly error?: { readonly errorType: string; readonly errorMessage: string };
}

/** A change of an alarm's state. */
export interface AlarmChange {
  readonly at: string;
  readonly region: string;
  readonly alarm: string;
  readonly from: AlarmState;
  readonly to: AlarmState;
  readonly reason: string;
}

export type AlarmState = "OK" | "ALARM" | "INSUFFICIENT_DATA";

/** What somebody who has subscribed to a topic gets by e-mail. */
export interface Mail {
  readonly at: string;
  readonly to: string;
  /** The topic's ARN. */
  readonly topic: string;
  readonly subject: string;
  readonly text: string;
}

/** For a client of the SDK that sees what a hypervisor sees: no log holds its questions, and no fault meets them. */
export function unseen(endpoint: string, region = REGION) {
  return { endpoint, region, credentials: { accessKeyId: "hypervisor", secretAccessKey: "none" }, maxAttempts: 1 };
}

/** The AWS emulator, on a port of its own. */
export class Moto {
  /** Resolves when it has ended: with what it said last where it was not told to. */
  readonly ended: Promise<string | undefined>;
  private stopping = false;
  private lastWords = "";

  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
  ) {
    process.stderr?.on("data", (chunk) => {
      this.lastWords = `${this.lastWords}${chunk}`.slice(-2000);
    });
    this.ended = new Promise((resolve) => {
      process.once("close", (code) => {
        resolve(this.stopping ? undefined : `moto_server ended with ${code}: ${this.lastWords.trim()}`);
      });
    });
  }

  static async start(program: readonly string[] = STOCK, options: MotoOptions = {}): Promise<Moto> {
    const port = options.port ?? (await freePort());
    const log = options.log === undefined ? [] : ["--log", options.log];
    const child = spawn("sh", ["-c", SCRIPT, "sh", ...program, "-H", "127.0.0.1", "-p", String(port), ...log], {
      stdio: ["pipe", "ignore", "pipe"],
      // A group of its own: a person's Ctrl-C in the middle of the script would leave the server without what ends it.
      detached: true,
      env: { ...process.env, EMULATOR_FUNCTIONS: JSON.stringify(options.environment ?? {}) },
    });
    const moto = new Moto(`http://127.0.0.1:${port}`, child);
    for (const end = Date.now() + READY_WITHIN_MS; Date.now() < end; await sleep(POLL_MS)) {
      if (child.exitCode === NOT_FOUND) {
        throw new Error("there is no moto_server on this machine: run `python3 -m pip install 'moto[server]==5.2.1'`");
      }
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(await moto.ended);
      if (await moto.responds()) return moto;
    }
    await moto.stop();
    throw new Error(`moto_server did not answer within ${READY_WITHIN_MS / 1000} s: ${moto.lastWords.trim()}`);
  }

  /** Forgets every resource of every region, and what was asked of it by the methods below. */
  async reset(): Promise<void> {
    const { ok, status } = await fetch(`${this.url}/moto-api/reset`, { method: "POST" });
    if (!ok) throw new Error(`moto's reset answered HTTP ${status}`);
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.stopping = true;
    this.process.stdin?.end();
    await this.ended;
  }

  /** For any client of the SDK. */
  get sdk() {
    return { endpoint: this.url, region: REGION, credentials: { accessKeyId: "test", secretAccessKey: "test" } };
  }

  /** What leads any program of AWS here; the region is its own affair. */
  get env(): Record<string, string> {
    return { AWS_ENDPOINT_URL: this.url, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
  }

  /** Its clock goes on, and each thing that falls due meanwhile happens at its own time. */
  async advance(seconds: number): Promise<Fired[]> {
    return (await this.control<{ fired: Fired[] }>("POST", "clock", { advance: seconds })).fired;
  }

  /** Its clock says another time, an earlier one too. What is overdue then happens by itself, now. */
  async setAhead(seconds: number): Promise<void> {
    await this.control("POST", "clock", { set: seconds });
  }

  /** The seconds that its clock is ahead of the machine's. */
  async ahead(): Promise<number> {
    return (await this.control<{ ahead: number }>("GET", "clock")).ahead;
  }

  async fault(fault: MotoFault): Promise<void> {
    await this.control("POST", "faults", fault);
  }

  /** The next answers to questions that were asked before are those from before the last change. */
  async stale(stale: { readonly api: string; readonly answers: number }): Promise<void> {
    await this.control("POST", "stale", stale);
  }

  /** There are no such machines from now on. */
  async capacity(missing: MissingCapacity): Promise<void> {
    await this.control("POST", "capacity", missing);
  }

  /** Forgets faults, stale answers and missing capacity; requests that are met with silence lose their connection. */
  async calm(): Promise<void> {
    await this.control("POST", "calm");
  }

  /** AWS itself puts an event on the bus: source, detail-type and region are needed, the rest is filled in. */
  async event(event: Readonly<Record<string, unknown>>): Promise<void> {
    await this.control("POST", "events", { region: REGION, ...event });
  }

  /** AWS takes a Spot instance back in two minutes, by the emulator's clock. @returns what its metadata says of it */
  async interrupt(instance: string): Promise<{ readonly action: string; readonly time: string }> {
    return this.control("POST", "interruptions", { instance });
  }

  /** AWS recommends to replace a Spot instance. @returns what its metadata says of it */
  async recommend(instance: string): Promise<{ readonly noticeTime: string }> {
    return this.control("POST", "recommendations", { instance });
  }

  /** Every call of an API so far. */
  async requests(): Promise<MotoRequest[]> {
    return this.control("GET", "requests");
  }

  /** What every server says at once that is told to run this document. */
  async answer(document: string, answer: { readonly output?: string; readonly status?: string }): Promise<void> {
    await this.control("POST", "answers", { document, ...answer });
  }

  /** Service quotas by their codes. */
  async quotas(quotas: Readonly<Record<string, number>>): Promise<void> {
    await this.control("POST", "quotas", quotas);
  }

  /** A newer image of a system comes out, in a region. */
  async image(parameter: string, image: string, region = REGION): Promise<void> {
    await this.control("POST", "images", { parameter, image, region });
  }

  /** Waits until no function runs, and no event waits for one. */
  async settled(): Promise<void> {
    await this.control("GET", "settled");
  }

  /** Every run of a function so far, in the order in which they ended. */
  async invocations(): Promise<Invocation[]> {
    return this.control("GET", "invocations");
  }

  /** Every change of an alarm's state so far, in order. */
  async alarms(): Promise<AlarmChange[]> {
    return this.control("GET", "alarms");
  }

  /** All mail so far, in order: to an address that is not confirmed, only what asks for it. */
  async mail(): Promise<Mail[]> {
    return this.control("GET", "mail");
  }

  /** Whoever reads the mail of an address confirms every subscription that waits for it. */
  async confirm(address: string): Promise<void> {
    await this.control("POST", "confirmations", { address });
  }

  /** `/emulator/THING` @throws what the emulator says when it refuses */
  async control<T>(method: "GET" | "POST", thing: string, given?: object): Promise<T> {
    const answer = await fetch(`${this.url}/emulator/${thing}`, {
      method,
      ...(given === undefined ? {} : { body: JSON.stringify(given) }),
    });
    const said = await answer.text();
    if (!answer.ok) throw new Error(`the emulator answers ${method} ${thing} with ${answer.status}: ${said}`);
    return JSON.parse(said);
  }

  private async responds(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/moto-api/`, { signal: AbortSignal.timeout(5_000) })).status < 500;
    } catch {
      return false;
    }
  }
}
