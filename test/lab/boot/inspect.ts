/** Looks at a booted server from the inside: results, never a status alone. */
import { createHash } from "node:crypto";
import type { serverBootstrap } from "../../../modules/bootstrap";
import { journalOf } from "./figures";
import type { Guest } from "./guest";
import type { Lab } from "./lab";

type Bootstrap = ReturnType<typeof serverBootstrap>;

export interface Finding {
  readonly what: string;
  /** Undefined: as it should be. */
  readonly wrong: string | undefined;
}

/** Its own services, those too that only a timer starts. */
export const servicesOf = ({ files }: Bootstrap): string[] =>
  files.flatMap(({ path }) => /^\/etc\/systemd\/system\/(stingy-[^/]+\.service)$/.exec(path)?.[1] ?? []);

/** What the sandbox is to be, as systemd shows it. */
const SANDBOX: Readonly<Record<string, string>> = {
  CapabilityBoundingSet: "cap_net_admin",
  LockPersonality: "yes",
  MemoryDenyWriteExecute: "yes",
  MemoryMax: `${96 * 2 ** 20}`,
  NoNewPrivileges: "yes",
  PrivateDevices: "yes",
  PrivateTmp: "yes",
  ProtectClock: "yes",
  ProtectControlGroups: "yes",
  ProtectHome: "yes",
  ProtectHostname: "yes",
  ProtectKernelLogs: "yes",
  ProtectKernelModules: "yes",
  ProtectKernelTunables: "yes",
  ProtectSystem: "strict",
  RestrictNamespaces: "yes",
  RestrictRealtime: "yes",
  RestrictSUIDSGID: "yes",
  TasksMax: "64",
};
const CAP_NET_ADMIN = "0000000000001000";
const TIME_SERVICE = "A9FEA97B";

type Look = (guest: Guest, lab: Lab) => Promise<string | undefined>;

const differs = (what: string, is: string, expected: string): string | undefined =>
  is === expected ? undefined : `${what} is ${JSON.stringify(is)}, not ${JSON.stringify(expected)}`;
const all = (problems: readonly (string | undefined)[]): string | undefined =>
  problems.filter((problem) => problem !== undefined).join("; ") || undefined;
const unless = (good: boolean, wrong: string): string | undefined => (good ? undefined : wrong);
const lines = (text: string): string[] => text.split("\n").filter(Boolean);

const LOOKS: Readonly<Record<string, Look>> = {
  "cloud-init found EC2 by itself and ended without errors": async (guest) => {
    const result = JSON.parse(await guest.sh("cat /run/cloud-init/result.json")).v1;
    const status = JSON.parse(await guest.sh("cat /run/cloud-init/status.json")).v1;
    const errors = [
      ...result.errors,
      ...["init-local", "init", "modules-config", "modules-final"].flatMap(
        (stage) => status[stage]?.errors ?? ["missing"],
      ),
    ];
    return all([
      unless(/^DataSourceEc2(Local)?$/.test(result.datasource), `the datasource is ${result.datasource}`),
      unless(errors.length === 0, errors.join("; ")),
    ]);
  },
  "cloud-init warned of nothing": async (guest) => {
    const said = lines(
      await guest.sh("grep -hE ' - \\S+\\[(WARNING|ERROR|CRITICAL)\\]' /var/log/cloud-init.log || true"),
    );
    // Debian's netplan misses Open vSwitch, which nobody wants, each time.
    return (
      said.filter((line) => !line.includes("['netplan', 'apply'] resulted in stderr output")).join("\n") || undefined
    );
  },
  "the user data is what was rendered": async (guest, lab) => {
    const [sum = ""] = (await guest.sh("zcat -f /var/lib/cloud/instance/user-data.txt | sha256sum")).split(" ");
    return differs("its sum", sum, sha256(lab.userData));
  },
  "every rendered file is as rendered": async (guest, { bootstrap }) => {
    const names = bootstrap.files.map(({ path }) => path);
    const sums = lines(await guest.sh(`sha256sum ${names.join(" ")}`)).map((line) => line.split(/ +/)[0]);
    const modes = lines(await guest.sh(`stat -c '%04a %U:%G' ${names.join(" ")}`));
    return all(
      bootstrap.files.flatMap(({ path, content, mode, owner }, index) => [
        unless(sums[index] === sha256(content), `${path} differs`),
        differs(path, modes[index] ?? "", `${mode} ${owner}`),
      ]),
    );
  },
  "its units are exactly those rendered, and enabled": async (guest, { bootstrap }) => {
    const rendered = bootstrap.files
      .flatMap(({ path }) => /^\/etc\/systemd\/system\/(stingy-[^/]+\.(?:service|timer))$/.exec(path)?.[1] ?? [])
      .sort();
    const known = await guest.sh(
      "systemctl list-unit-files --no-legend --plain 'stingy-*' | cut -d ' ' -f 1 | LC_ALL=C sort",
    );
    const states = await guest.sh(`systemctl is-enabled ${bootstrap.start.own.join(" ")}`);
    return all([
      differs("the list", lines(known).join(" "), rendered.join(" ")),
      unless(
        lines(states).every((state) => state === "enabled"),
        `not all are enabled: ${lines(states).join(" ")}`,
      ),
    ]);
  },
  "its services work": async (guest, { bootstrap }) => {
    const services = servicesOf(bootstrap);
    const shown = await guest.sh(`systemctl show -p Id,Type,Result,ActiveState,NRestarts ${services.join(" ")}`);
    return all(
      shown.split("\n\n").map((text) => {
        const { Id, Type, Result, ActiveState, NRestarts } = properties(text);
        const good =
          Result === "success" && (Type === "oneshot" || ActiveState === "active") && ActiveState !== "failed";
        return unless(good, `${Id} is ${ActiveState}, ${Result}, restarted ${NRestarts} times`);
      }),
    );
  },
  "systemctl --failed is empty": async (guest) =>
    (await guest.sh("systemctl --failed --no-legend --plain")) || undefined,
  "its packages are installed": async (guest, { bootstrap }) => {
    const states = await guest.sh(
      `dpkg-query -W -f '\${db:Status-Abbrev}\${Package}\\n' ${bootstrap.packages.join(" ")}`,
    );
    return unless(
      lines(states).every((line) => line.startsWith("ii ")),
      states,
    );
  },
  "WireGuard is the kernel's": async (guest) =>
    all([
      unless((await guest.sh("lsmod | grep -c '^wireguard ' || true")) === "1", "the module is not loaded"),
      unless((await guest.sh("pgrep -x wireguard-go || true")) === "", "wireguard-go runs"),
      unless(
        /\bwireguard\b/.test(await guest.sh("ip -d link show dev wg0")),
        "wg0 is no device of the kernel's WireGuard",
      ),
    ]),
  "the firewall is loaded": async (guest) => {
    const rules = await guest.sh("nft list ruleset");
    return all([
      unless(/table inet stingy/.test(rules), "there is no table inet stingy"),
      unless(/hook input [^\n]*policy drop/.test(rules), "input is not dropped"),
      unless(/hook forward [^\n]*policy drop/.test(rules), "what is forwarded is not dropped"),
      unless(/masquerade/.test(rules), "there is no masquerade"),
      unless(/oifname "ens5"|"ens5"/.test(rules), "it does not name ens5"),
    ]);
  },
  "swap is on": async (guest) =>
    unless(/^\/swapfile /m.test(await guest.sh("cat /proc/swaps")), "no /swapfile in /proc/swaps"),
  "chrony is in sync with Amazon's time": async (guest) => {
    const [reference = "", , , , offset = ""] = (await guest.sh("chronyc -c tracking")).split(",");
    return all([
      differs("the reference", reference, TIME_SERVICE),
      unless(Math.abs(Number(offset)) < 0.5, `the clock is off by ${offset} s`),
    ]);
  },
  "the kernel's settings are as rendered": async (guest, { bootstrap }) => {
    const file = bootstrap.files.find(({ path }) => path === bootstrap.sysctlsFile)?.content ?? "";
    const wanted = lines(file).map((line) => line.split(/\s*=\s*/));
    const of = (key: string): string => key.replace(/^-/, "").replace(".*.", ".ens5.");
    const keys = wanted.map(([key = ""]) => of(key));
    const values = lines(await guest.sh(`sysctl -n ${keys.join(" ")}`));
    return all(
      wanted.map(([, value = ""], index) => {
        const [key = "", is = ""] = [keys[index], values[index]];
        // Where networkd reads the advertisements, it forbids the kernel to: what comes of them is looked at below.
        return key === "net.ipv6.conf.ens5.accept_ra" && is === "0" ? undefined : differs(key, is, value);
      }),
    );
  },
  "it has its ways out, IPv6's too": async (guest) =>
    all([
      unless((await guest.sh("ip -4 route show default dev ens5")) !== "", "no default route"),
      unless((await guest.sh("ip -6 route show default dev ens5")) !== "", "no IPv6 default route"),
      unless((await guest.sh("ip -6 address show dev ens5 scope global")) !== "", "no IPv6 address"),
    ]),
  "health finds nothing": async (guest) =>
    all([
      differs("its verdict", await guest.sh("cat /run/stingy/verdict"), "fit"),
      differs("what fails", (await guest.sh("cat /run/stingy/failing")).trim(), ""),
    ]),
  "the sandbox holds: what systemd says": async (guest, { bootstrap }) => {
    const services = servicesOf(bootstrap);
    const shown = await guest.sh(`systemctl show -p Id,${Object.keys(SANDBOX).join(",")} ${services.join(" ")}`);
    return all(
      shown.split("\n\n").flatMap((text) => {
        const found = properties(text);
        return Object.entries(SANDBOX).map(([name, value]) =>
          differs(`${found.Id}'s ${name}`, found[name] ?? "", value),
        );
      }),
    );
  },
  "the sandbox holds: what the kernel says": async (guest) => {
    const problems: (string | undefined)[] = [];
    for (const unit of ["stingy-watch", "stingy-promote"]) {
      const said = await guest.sh(
        `pid=$(systemctl show --value -p MainPID ${unit}) && grep -E '^(Seccomp|NoNewPrivs|CapEff|CapBnd):' /proc/$pid/status; cat /sys/fs/cgroup/system.slice/${unit}.service/memory.max; ` +
          "nsenter -t $pid -m touch /etc/written /usr/written /root/written 2>&1; nsenter -t $pid -m touch /var/lib/stingy/written /run/stingy/written && rm /var/lib/stingy/written /run/stingy/written; ls /dev | wc -l",
      );
      problems.push(
        ...[
          /^Seccomp:\t2$/m,
          /^NoNewPrivs:\t1$/m,
          new RegExp(`^CapEff:\t${CAP_NET_ADMIN}$`, "m"),
          new RegExp(`^CapBnd:\t${CAP_NET_ADMIN}$`, "m"),
          /^100663296$/m,
        ].map((pattern) => unless(pattern.test(said), `${unit}: no ${pattern} in ${said}`)),
        unless(
          (said.match(/Read-only file system|Permission denied/g) ?? []).length === 3,
          `${unit} may write where it must not: ${said}`,
        ),
      );
    }
    return all(problems);
  },
  "no system call was denied, no memory was short": async (guest) => {
    const kernel = (await journalOf(guest, "-k")).filter(({ text }) =>
      /type=1326|oom-kill|Out of memory|segfault/i.test(text),
    );
    const units = (await journalOf(guest, "_PID=1")).filter(({ text }) => /status=31\/SYS|oom-kill|SIGSYS/.test(text));
    return [...kernel, ...units].map(({ text }) => text).join("\n") || undefined;
  },
  "its scripts said nothing but their log": async (guest) => {
    // What a command was denied, it would say here.
    const said = (await journalOf(guest, "-u", "stingy-*")).filter(
      ({ unit, text, own }) => own && unit !== "" && !/ level=\w+ event=/.test(text),
    );
    return said.map(({ unit, text }) => `${unit}: ${text}`).join("\n") || undefined;
  },
  "its scripts logged no error": async (guest) => {
    const said = (await journalOf(guest, "-u", "stingy-*")).filter(({ text }) => / level=error /.test(text));
    return said.map(({ at, text }) => `[${at.toFixed(1)}] ${text}`).join("\n") || undefined;
  },
};

/** @param say told of each finding as it is found */
export async function inspect(guest: Guest, lab: Lab, say: (finding: Finding) => void): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [what, look] of Object.entries(LOOKS)) {
    const wrong = await look(guest, lab).catch((error: Error) => error.message);
    const finding = { what, wrong };
    findings.push(finding);
    say(finding);
  }
  return findings;
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const properties = (text: string): Record<string, string> =>
  Object.fromEntries(lines(text).map((line) => [line.replace(/=.*/s, ""), line.replace(/^[^=]*=/, "")]));
