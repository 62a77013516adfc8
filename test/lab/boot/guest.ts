/** One virtual machine that looks like an EC2 instance, emulated by QEMU without KVM. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type Machine, type Result, type Running, sleep } from "../../server/harness/machine";
import { Agent } from "./agent";
import { Failure, messageOf } from "./failure";
import type { Image } from "./image";

const MEMORY_MB = 512;
const PROCESSORS = 2;

export interface GuestOptions {
  /** a or b. */
  readonly name: string;
  readonly image: Image;
  /** Its disk, which it may write. */
  readonly disk: string;
  /** For the console's log and the agent's socket. */
  readonly folder: string;
  /** Where QEMU runs: its tap0 is the instance's network. */
  readonly machine: Machine;
  readonly mac: string;
  /** As SMBIOS has it. It begins with ec2. */
  readonly uuid: string;
  /** What its clock says at power-on. @default - the right time */
  readonly clock?: Date;
}

/** By which cloud-init finds out where it is, and so does systemd. */
const smbios = (uuid: string): string[] => [
  "-smbios",
  "type=0,vendor=Amazon EC2,version=1.0",
  "-smbios",
  `type=1,manufacturer=Amazon EC2,product=t3.nano,version=,serial=${uuid},uuid=${uuid}`,
];

export class Guest {
  readonly agent: Agent;
  /** What its serial console says, in a file. */
  readonly console: string;
  private readonly qemu: Running;
  /** When it was powered on, in milliseconds of this process's clock. */
  readonly poweredOn = Date.now();

  constructor(readonly options: GuestOptions) {
    const { name, image, disk, folder, machine, mac, uuid, clock } = options;
    const socket = path.join(folder, `agent-${name}`);
    this.console = path.join(folder, `console-${name}.log`);
    this.agent = new Agent(socket);
    this.qemu = machine.spawn([
      "qemu-system-x86_64",
      "-nodefaults",
      "-no-user-config",
      "-display",
      "none",
      "-machine",
      "pc,usb=off,vmport=off",
      "-accel",
      "tcg,thread=multi",
      "-cpu",
      // Not max: in trials, mounts and services of a guest failed at random with it.
      "Westmere",
      "-smp",
      `${PROCESSORS}`,
      "-m",
      `${MEMORY_MB}`,
      ...smbios(uuid),
      "-rtc",
      `base=${clock === undefined ? "utc" : clock.toISOString().slice(0, 19)}`,
      "-kernel",
      image.kernel,
      "-initrd",
      image.initrd,
      "-append",
      // As Amazon's images have it: names of interfaces by their slot.
      "root=/dev/vda rw console=ttyS0,115200 net.ifnames=1 mitigations=off",
      "-drive",
      `file=${disk},if=virtio,format=qcow2,cache=unsafe`,
      "-netdev",
      "tap,id=net,ifname=tap0,script=no,downscript=no,vhost=off",
      "-device",
      `virtio-net-pci,netdev=net,mac=${mac},addr=5`,
      "-object",
      "rng-random,id=random,filename=/dev/urandom",
      "-device",
      "virtio-rng-pci,rng=random",
      "-device",
      "virtio-serial-pci",
      "-chardev",
      `socket,id=agent,path=${socket},server=on,wait=off`,
      "-device",
      "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
      "-serial",
      `file:${this.console}`,
    ]);
  }

  get name(): string {
    return this.options.name;
  }
  get running(): boolean {
    return this.qemu.running;
  }
  /** What QEMU itself complained of. */
  get complaints(): string {
    return this.qemu.stderr.trim();
  }

  /** The end of what its console has said. */
  lastLines(count = 25): string {
    try {
      return stripVTControlCharacters(readFileSync(this.console, "utf8"))
        .replaceAll("\r", "")
        .trimEnd()
        .split("\n")
        .slice(-count)
        .join("\n");
    } catch {
      return "";
    }
  }

  async run(argv: readonly string[], options?: { readonly timeoutMs?: number }): Promise<Result> {
    return this.agent.run(argv, options);
  }

  /** What a shell command prints. @throws when it fails */
  async sh(command: string, options?: { readonly timeoutMs?: number }): Promise<string> {
    const { code, stdout, stderr, timedOut } = await this.run(["/bin/bash", "-c", command], options);
    if (code === 0) return stdout.trimEnd();
    throw new Failure(
      `In guest ${this.name}, ${timedOut ? "too slow" : `status ${code}`}: ${command}\n${stdout}${stderr}`.trimEnd(),
    );
  }

  /** Waits for something that only happens while it runs. */
  async until<T>(what: string, ask: () => T | Promise<T>, timeoutMs: number): Promise<NonNullable<T>> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      let last: unknown;
      try {
        const answer = await ask();
        if (answer) return answer;
        last = answer;
      } catch (error) {
        last = messageOf(error);
      }
      const why = `guest ${this.name}: ${what}; last: ${last}`;
      if (!this.running) throw new Failure(`It has stopped, which was not to happen before ${why}\n${this.complaints}`);
      if (Date.now() > end) throw new Failure(`Not within ${timeoutMs / 1000} s: ${why}`);
      await sleep(250);
    }
  }

  /** @returns whether it ended by itself */
  async ended(timeoutMs: number): Promise<boolean> {
    return Promise.race([
      this.qemu.ended.then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), timeoutMs).unref()),
    ]);
  }

  /** Pulls the plug. */
  async cut(): Promise<void> {
    await this.qemu.stop("SIGKILL");
  }
}
