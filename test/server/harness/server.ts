import { readFileSync } from "node:fs";
import path from "node:path";
import type { Aws } from "./aws";
import { Imds, type RoleCredentials } from "./imds";
import { eventually, Machine, type Result, type Running, type RunOptions } from "./machine";
import { ADDRESSES, type Attachment, type Outside } from "./outside";

export interface InstalledFile {
  readonly path: string;
  readonly content: string;
  readonly mode: string;
}

/** A line that a script has logged. */
export interface LogLine {
  readonly script: string;
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What journald has of a line. */
export interface JournalEntry {
  /** Of whose process it is, or whom systemd says it of. */
  readonly unit: string;
  readonly message: string | readonly number[] | null;
  /** @default now */
  readonly at?: Date;
  /** @default 6 */
  readonly priority?: number;
  /** @default - the unit's name; "systemd" for what systemd says of the unit */
  readonly identifier?: string;
}

export interface ScriptResult extends Result {
  readonly log: readonly LogLine[];
}

export interface ScriptOptions extends RunOptions {
  readonly args?: readonly string[];
}

export interface ServerOptions {
  /** a or b. */
  readonly name: string;
  readonly instanceId: string;
  readonly region: string;
  readonly domain: string;
  readonly ipv6: boolean;
  /** The size of its disk. */
  readonly disk: string;
  readonly files: readonly InstalledFile[];
  /** What systemd is to start, in this order. */
  readonly units: readonly string[];
  readonly publicIpv4: string | undefined;
}

const ROLE = "stingy-server";

/** As journald's ids are: of a file, and of a boot. */
const SEQUENCE = "0123456789abcdef0123456789abcdef";

/** What a unit's sandbox leaves of root's rights. */
const RIGHTS = ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all", "--no-new-privs"];

/** One EC2 instance: the installed files are run unmodified, where they belong. */
export class Server {
  private readonly running: Running[] = [];
  private entered = 0;
  private chronyd: Running | undefined;
  private credentials: RoleCredentials;

  private constructor(
    private readonly options: ServerOptions,
    readonly machine: Machine,
    private readonly aws: Aws,
    readonly attachment: Attachment,
    readonly imds: Imds,
    readonly metadataSocket: string,
  ) {
    this.credentials = aws.issue(options.instanceId, ROLE);
  }

  static async start(options: ServerOptions, outside: Outside, aws: Aws): Promise<Server> {
    const { name, instanceId, region, domain, ipv6, disk, files, publicIpv4 } = options;
    const zone = name === "a" ? 1 : 2;
    const machine = await Machine.start(`server-${name}`, { disk });
    if (!ipv6) await machine.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    const attachment = await outside.attach(machine, {
      name: `server-${name}`,
      interface: "ens5",
      ipv4: `10.0.${zone}.10/24`,
      ipv6: ipv6 ? `2001:db8:a:${zone}::10/64` : undefined,
    });
    const mac = (await machine.sh("cat /sys/class/net/ens5/address")).trim();
    const imds: Imds = new Imds({
      instanceId,
      region,
      domain,
      role: ROLE,
      mac,
      localIpv4: attachment.ipv4,
      publicIpv4,
      vpcIpv4: [ADDRESSES.vpc],
      vpcIpv6: ipv6 ? [ADDRESSES.vpcIpv6] : [],
      credentials: () => server.credentials,
    });
    const socket = path.join(outside.folder, `imds-${name}`);
    await new Promise<void>((resolve) => imds.server.listen(socket, resolve).unref());
    const server = new Server(options, machine, aws, attachment, imds, socket);
    await server.prepare(files);
    return server;
  }

  private async prepare(files: readonly InstalledFile[]): Promise<void> {
    const { region, domain } = this.options;
    const hosts = [
      `127.0.0.1 localhost ${await this.sh("hostname")}`,
      ...Object.entries(ADDRESSES.services).map(([service, address]) => `${address} ${service}.${region}.${domain}`),
      `${ADDRESSES.web} web.example`,
    ];
    this.machine.write("/etc/hosts", `${hosts.join("\n")}\n`);
    this.machine.write("/etc/resolv.conf", `nameserver ${ADDRESSES.names}\n`);
    // Trusted as Debian does it: in the bundle, and by the hash of its name.
    const bundle = "/etc/ssl/certs/ca-certificates.crt";
    this.machine.write(bundle, this.machine.read(bundle) + this.aws.authority);
    this.machine.write("/etc/ssl/certs/test.pem", this.aws.authority);
    await this.sh("cd /etc/ssl/certs && ln -s test.pem $(openssl x509 -noout -hash -in test.pem).0");
    for (const tool of ["ip", "journalctl", "systemctl"])
      this.machine.write(`/usr/local/bin/${tool}`, readFileSync(path.join(__dirname, "machine", tool), "utf8"), 0o755);
    this.install(files);
    // A swap file would be this whole machine's.
    this.machine.write("/run/machine/swaps", "Filename\tType\tSize\tUsed\tPriority\n/swapfile file 1048572 0 -2\n");
    await this.machine.sh(
      "mount --bind /run/machine/swaps /proc/swaps; install -d -m 0700 /run/chrony; systemctl restart systemd-sysctl",
    );
    await this.clock.sync();
  }

  get name(): string {
    return this.options.name;
  }
  get instanceId(): string {
    return this.options.instanceId;
  }
  /** In its subnet. */
  get ipv4(): string {
    return this.attachment.ipv4;
  }

  /** Writes files as cloud-init does. */
  install(files: readonly InstalledFile[]): void {
    for (const { path, content, mode } of files) this.machine.write(path, content, Number.parseInt(mode, 8));
  }

  /** Changes settings in server.env. */
  configure(settings: Readonly<Record<string, string>>): void {
    const file = "/etc/stingy/server.env";
    let text = this.machine.read(file);
    for (const [name, value] of Object.entries(settings)) {
      const line = `${name}='${value.replaceAll("'", `'\\''`)}'`;
      text = new RegExp(`^${name}=.*$`, "m").test(text)
        ? text.replace(new RegExp(`^${name}=.*$`, "m"), () => line)
        : `${text}${line}\n`;
    }
    this.machine.write(file, text);
  }

  /** Runs a script to its end, with the rights that its unit has. */
  async run(script: string, { args = [], ...options }: ScriptOptions = {}): Promise<ScriptResult> {
    const result = await this.machine.run([...RIGHTS, `/usr/local/sbin/${script}`, ...args], {
      timeoutMs: 60_000,
      ...options,
    });
    return { ...result, log: parseLog(result.stderr) };
  }

  /** Starts a script that runs until stopped. */
  start(script: string, { env }: Pick<RunOptions, "env"> = {}): RunningScript {
    const running = this.machine.spawn([...RIGHTS, `/usr/local/sbin/${script}`], env ? { env } : {});
    this.running.push(running);
    return new RunningScript(script, running);
  }

  /** Starts every unit, in order, as systemd does at boot; a unit that fails does not stop the rest. */
  async boot(): Promise<void> {
    for (const unit of this.options.units) await this.systemctl("start", unit);
  }

  /** What a restart of the machine leaves: the disk. */
  async reboot(): Promise<void> {
    await Promise.all(this.running.splice(0).map((running) => running.stop("SIGKILL")));
    await this.machine.sh(
      [
        "for pid in $(cat /run/machine/units/*.pid 2>/dev/null); do kill -KILL -- -$pid; done",
        "ip link del wg0 2>/dev/null",
        "nft flush ruleset",
        "rm -rf /run/stingy /run/machine/units /run/machine/journal",
        "systemctl restart systemd-sysctl",
      ].join("; "),
    );
    await this.boot();
  }

  async systemctl(...args: string[]): Promise<Result> {
    return this.machine.run(["systemctl", ...args], { timeoutMs: 120_000 });
  }

  /** What was asked of systemctl, by the scripts too. */
  get systemctlCalls(): string[] {
    return this.file("/run/machine/systemctl.log").split("\n").filter(Boolean);
  }

  /** What a unit has logged since the boot. */
  journal(unit: string): LogLine[] {
    return parseLog(this.file(`/run/machine/journal/${unit.includes(".") ? unit : `${unit}.service`}`));
  }

  /** Has the journal hold more entries, as if units had said them. */
  async enter(...entries: readonly JournalEntry[]): Promise<void> {
    const lines = entries.map(({ unit, message, at = new Date(), priority = 6, identifier }) => {
      const n = ++this.entered;
      return JSON.stringify({
        __CURSOR: `s=${SEQUENCE};i=${n.toString(16)};b=${SEQUENCE};m=${n};t=${(at.getTime() * 1000).toString(16)};x=${n}`,
        __REALTIME_TIMESTAMP: `${at.getTime() * 1000 + 999}`,
        ...(identifier === "systemd" ? { _PID: "1", UNIT: unit } : { _SYSTEMD_UNIT: unit }),
        SYSLOG_IDENTIFIER: identifier ?? unit.replace(/\.\w+$/, ""),
        PRIORITY: `${priority}`,
        MESSAGE: message,
      });
    });
    await this.sh("cat >>/run/machine/journal.json", { input: lines.map((line) => `${line}\n`).join("") });
  }

  sh(command: string, options?: RunOptions): Promise<string> {
    return this.machine.sh(command, options);
  }

  /** Empty when there is none. */
  file(name: string): string {
    try {
      return this.machine.read(name);
    } catch {
      return "";
    }
  }

  /** Whether a marker such as `serving` is set. */
  marked(name: "serving" | "stood-down"): Promise<boolean> {
    return this.machine.run(["test", "-e", `/run/stingy/${name}`]).then(({ code }) => code === 0);
  }

  /** The instance's tag `state`, as EC2 has it. */
  async state(): Promise<string | undefined> {
    return (await this.aws.tags(this.instanceId)).state;
  }

  async publicKey(): Promise<string> {
    return this.sh("wg show wg0 public-key");
  }

  /** Public keys of its peers. */
  async peers(): Promise<string[]> {
    return (await this.sh("wg show wg0 peers")).split("\n").filter(Boolean).sort();
  }

  /** The role gets new credentials, good for so long. @returns what the metadata service hands out from now on */
  renewCredentials(lifetimeSeconds?: number): RoleCredentials {
    this.credentials = this.aws.issue(this.instanceId, ROLE, lifetimeSeconds);
    return this.credentials;
  }

  /** Takes all space but so much from the whole disk, for every file on it. */
  async fillDisk(leaveBytes = 0): Promise<void> {
    await this.sh(
      `rm -f /var/full; n=$(($(stat -f -c '%a * %S' /) - ${leaveBytes})); ((n <= 0)) || fallocate -l $n /var/full || dd if=/dev/zero of=/var/full bs=64k 2>/dev/null || true`,
    );
  }

  async freeDisk(): Promise<void> {
    await this.sh("rm -f /var/full");
  }

  /** Real chronyd, never touching the machine's clock. */
  readonly clock = {
    /** @param offsetSeconds how far this server's clock is behind what the time service says */
    sync: async (offsetSeconds = 0): Promise<void> => {
      // -4: a question every 1/16 s; otherwise it takes four seconds to be sure.
      await this.startChronyd(`server ${ADDRESSES.time} iburst minpoll -4 maxpoll 0 offset ${offsetSeconds}`);
    },
    /** Not synchronised, and knows of nobody to ask. */
    lose: (): Promise<void> => this.startChronyd(""),
    waitForSync: async (): Promise<void> => {
      await eventually(
        "chronyd is synchronised",
        async () => !(await this.sh("chronyc -c tracking")).includes("Not sync"),
      );
    },
  };

  private async startChronyd(source: string): Promise<void> {
    await this.chronyd?.stop("SIGKILL");
    const settings = [source, "port 0", "pidfile /run/chrony/chronyd.pid"];
    this.machine.write("/run/machine/chrony.conf", `${settings.join("\n")}\n`);
    await this.sh("rm -f /run/chrony/*");
    this.chronyd = this.machine.spawn(["chronyd", "-x", "-n", "-u", "root", "-f", "/run/machine/chrony.conf"]);
  }

  /** What a running script, with the processes it has started, has taken of the processor so far, and has of memory now. */
  async usage(script: string): Promise<{ readonly cpuSeconds: number; readonly memoryKb: number }> {
    const [cpu = 0, memory = 0] = (
      await this.sh(`
        main=$(pgrep -o -f '^/bin/bash /usr/local/sbin/${script}') hertz=$(getconf CLK_TCK)
        ticks=$(sed 's/.*) //' "/proc/$main/stat" | awk '{ print $12 + $13 + $14 + $15 }')
        kb=$(for pid in $main $(pgrep -P "$main"); do cat "/proc/$pid/smaps_rollup" 2>/dev/null; done | awk '$1 == "Pss:" { n += $2 } END { print n + 0 }')
        echo "$ticks $hertz $kb" | awk '{ print $1 / $2, $3 }'`)
    )
      .split(" ")
      .map(Number);
    return { cpuSeconds: cpu, memoryKb: memory };
  }

  async stop(): Promise<void> {
    await this.machine.stop();
    this.imds.server.closeAllConnections();
    await new Promise((resolve) => this.imds.server.close(resolve));
  }
}

export class RunningScript {
  constructor(
    readonly script: string,
    private readonly running: Running,
  ) {}

  get log(): LogLine[] {
    return parseLog(this.running.stderr);
  }
  get alive(): boolean {
    return this.running.running;
  }

  /** @returns the first line of that event, or of those since `from` */
  waitForLog(event: string, { timeoutMs = 10_000, from = 0 } = {}): Promise<LogLine> {
    return eventually(
      `${this.script} logs ${event}`,
      () => {
        const found = this.log.slice(from).find((line) => line.event === event);
        if (!found && !this.alive) throw new Error(`it has ended: ${this.running.stderr}`);
        if (!found) throw new Error(this.running.stderr);
        return found;
      },
      timeoutMs,
    );
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    return this.running.stop(signal);
  }
}

/** What is not a structured line is left out. */
export function parseLog(text: string): LogLine[] {
  return text.split("\n").flatMap((line) => {
    const [, script = "", level = "", event = "", rest = ""] =
      /^(?:<\d>)?([a-z-]+): level=(\w+) event=([\w-]+)(.*)$/.exec(line) ?? [];
    if (!script) return [];
    const fields = [...rest.matchAll(/ ([\w-]+)="((?:[^"\\]|\\.)*)"/g)].map(([, name = "", value = ""]) => [
      name,
      value.replace(/\\(.)/g, "$1"),
    ]);
    return [{ script, level, event, fields: Object.fromEntries(fields) }];
  });
}
