/** What a person sees of the run. */
import { PHASES, type Phases } from "./figures";
import type { Finding } from "./inspect";
import type { Figures } from "./rehearsal";

const begun = performance.now();

export const say = (line = ""): void => {
  process.stdout.write(`${line}\n`);
};

/** With the seconds since the run began. */
export const step = (line: string): void =>
  say(`[${((performance.now() - begun) / 1000).toFixed(0).padStart(5)} s] ${line}`);

export const found = ({ what, wrong }: Finding): void =>
  say(wrong === undefined ? `          ok  ${what}` : `       WRONG  ${what}:\n${indented(wrong)}`);

const indented = (text: string): string => text.replace(/^/gm, "              ");

const seconds = (value: number | undefined): string => (value === undefined ? "-" : value.toFixed(1)).padStart(9);

export function showFigures({ boots, memory, units, longestGapMs, host }: Figures): void {
  say("\nSeconds from power-on, or from the restart");
  say(`  ${"".padEnd(32)}${boots.map(({ name }) => name.padStart(9)).join("")}`);
  for (const [key, title] of Object.entries(PHASES) as [keyof Phases, string][])
    say(`  ${title.padEnd(32)}${boots.map(({ phases }) => seconds(phases[key])).join("")}`);
  say("\nMemory");
  for (const { name, peakMiB, totalMiB } of memory)
    say(`  ${name}: at most ${peakMiB} of ${totalMiB} MiB not available`);
  for (const [name, mebibytes] of Object.entries(units))
    say(`  ${name.padEnd(26)}at most ${mebibytes.toFixed(1)} MiB of 96`);
  if (longestGapMs !== undefined)
    say(`\nThe client's longest gap while the address moved: ${(longestGapMs / 1000).toFixed(2)} s`);
  say(`\nOn ${host.processor}, ${host.cores} cores, ${host.memoryMiB} MiB, Linux ${host.kernel}, QEMU ${host.qemu}`);
}

export function showUnreal(): void {
  say(`
Not as on AWS
  - The machine is QEMU's emulation of another processor (TCG, no KVM): every figure is several times what a nano takes.
  - amd64 and virtio, where the product's default is arm64 and Nitro's own devices.
  - Debian 12, not the default Amazon Linux 2023; an image made here, not Debian's own of the marketplace.
  - The kernel is started directly: no firmware's boot loader, no partition, so no growing of the file system.
  - AWS is an emulation: the metadata service, the edge that checks signatures, and moto behind it. Elastic IP, 1:1 NAT,
    DHCP and resolver are Linux's. The subnet's packets are 1500 bytes, not 9001.
  - The packages come from a small archive signed here, under the usual name and over HTTP.
  - The SSM agent is a stand-in that does nothing: no shell and no Run Command comes through it. Its user is made here.
  - The controller is played: its address and parameter are set by this program, and it powers the old server off.
  - Guest commands run through QEMU's agent, which the image has for that.`);
}
