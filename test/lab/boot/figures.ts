/** What a boot took, by phase and of memory, asked of the guest once it is at rest: asking meanwhile would make it slower. */
import type { Guest } from "./guest";
import type { Instance, Lab } from "./lab";

/** Seconds from power-on; undefined where the guest does not say. */
export interface Phases {
  /** The kernel's first line: before it, firmware. */
  readonly kernel: number | undefined;
  /** systemd of the real root. */
  readonly userspace: number | undefined;
  readonly cloudInit: number | undefined;
  readonly packagesBegun: number | undefined;
  readonly packagesInstalled: number | undefined;
  readonly wg0: number | undefined;
  /** As AWS has the tags. */
  readonly ready: number | undefined;
  readonly serving: number | undefined;
}

export const PHASES: Readonly<Record<keyof Phases, string>> = {
  kernel: "kernel starts",
  userspace: "systemd starts",
  cloudInit: "cloud-init starts (init-local)",
  packagesBegun: "packages: first request",
  packagesInstalled: "packages: installed",
  wg0: "wg0 is up",
  ready: "tag ready",
  serving: "tag serving",
};

/** A line of the guest's journal, in seconds since its kernel started. */
interface Line {
  readonly at: number;
  readonly unit: string;
  readonly text: string;
  /** Whether a process of the unit said it, not systemd. */
  readonly own: boolean;
}

const MICROSECONDS = 1e6;

export async function journalOf(guest: Guest, ...filter: readonly string[]): Promise<Line[]> {
  const fields = "--output-fields=MESSAGE,_SYSTEMD_UNIT,UNIT,__MONOTONIC_TIMESTAMP";
  const said = await guest.run(["/usr/bin/journalctl", "--no-pager", "-b", "-a", "-o", "json", fields, ...filter]);
  return said.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .map((entry) => ({
      at: Number(entry.__MONOTONIC_TIMESTAMP) / MICROSECONDS,
      unit: String(entry.UNIT ?? entry._SYSTEMD_UNIT ?? ""),
      text: String(entry.MESSAGE ?? ""),
      own: entry.UNIT === undefined,
    }));
}

const tenth = (value: number): number => Math.round(value * 10) / 10;

/** How long after power-on, or after the restart, the guest's kernel started. Its own clock may be wrong, its uptime is not. */
async function kernelStart(guest: Guest, begun: number): Promise<number> {
  const asked = Date.now();
  const { stdout } = await guest.run(["/bin/cat", "/proc/uptime"]);
  return (asked + Date.now()) / 2000 - Number(stdout.split(" ")[0]) - begun / 1000;
}

/** @param begun when it was powered on or restarted */
export async function phasesOf(lab: Lab, instance: Instance, guest: Guest, begun: number): Promise<Phases> {
  const kernel = await kernelStart(guest, begun);
  const after = (seconds: number | undefined): number | undefined =>
    seconds === undefined ? undefined : tenth(kernel + seconds);
  const since = (time: number | undefined): number | undefined =>
    time === undefined ? undefined : tenth((time - begun) / 1000);
  const property = async (unit: string, name: string): Promise<number | undefined> => {
    const value = await guest.sh(`systemctl show --value -p ${name} ${unit}`);
    return Number(value) > 0 ? Number(value) / MICROSECONDS : undefined;
  };
  // The agent comes later, by itself.
  const installed = (await journalOf(guest, "-u", "cloud-final.service")).filter(({ text }) =>
    /^(Setting up (?!amazon-ssm-agent)|Processing triggers for )/.test(text),
  );
  const made = (await journalOf(guest, "-u", "stingy-sync.service")).find(({ text }) =>
    text.includes("event=wg0-made"),
  );
  const asked = lab.downloads.requested.find(
    ({ time, from, url }) => time >= begun && from.includes("APT") && url.endsWith("InRelease"),
  );
  return {
    kernel: tenth(kernel),
    userspace: after(await property("", "UserspaceTimestampMonotonic")),
    cloudInit: after(await property("cloud-init-local.service", "ExecMainStartTimestampMonotonic")),
    // Later it may ask by itself, for updates.
    packagesBegun: begun === guest.poweredOn ? since(asked?.time) : undefined,
    packagesInstalled: after(installed.at(-1)?.at),
    wg0: after(made?.at),
    ready: since(lab.taggedAt(instance, "ready", begun)),
    serving: since(lab.taggedAt(instance, "serving", begun)),
  };
}

/** Looks now and then, without starting anything in the guest. */
export class MemoryWatch {
  private lowestKb: number | undefined;
  private totalKb = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly guest: Guest) {
    this.timer = setInterval(() => this.look(), 5000).unref();
  }

  private async look(): Promise<void> {
    const text = await this.guest.agent.read("/proc/meminfo").catch(() => "");
    const kb = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    if (kb("MemAvailable") === 0) return;
    this.totalKb = kb("MemTotal");
    this.lowestKb = Math.min(this.lowestKb ?? Number.POSITIVE_INFINITY, kb("MemAvailable"));
  }

  /** @returns MiB that were not available at the worst moment seen, and that the guest has; undefined: never seen */
  stop(): { readonly peakMiB: number; readonly totalMiB: number } | undefined {
    clearInterval(this.timer);
    if (this.lowestKb === undefined) return undefined;
    return { peakMiB: Math.round((this.totalKb - this.lowestKb) / 1024), totalMiB: Math.round(this.totalKb / 1024) };
  }
}

/** Each unit's most memory, in MiB, as its control group has it: of those that end, in a run of their own. */
export async function unitPeaks(guest: Guest, services: readonly string[]): Promise<Record<string, number>> {
  const said = await guest.sh(
    `for name in ${services.join(" ")}; do
      group=/sys/fs/cgroup/system.slice/$name peak=0
      if [ "$(systemctl show --value -p SubState "$name")" = running ]; then
        read -r peak <"$group/memory.peak"
      else
        systemctl restart "$name" &
        while kill -0 $! 2>/dev/null; do
          { read -r seen <"$group/memory.peak" && peak=$seen; } 2>/dev/null
          read -rt 0.05 -u "$never"
        done
      fi
      echo "$name $peak"
    done {never}<> <(:)`,
    { timeoutMs: 300_000 },
  );
  return Object.fromEntries(
    said
      .split("\n")
      .map((line) => line.split(" "))
      .map(([name = "", bytes]) => [name, tenth(Number(bytes) / 2 ** 20)]),
  );
}
