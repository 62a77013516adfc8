import { renderAsset } from "./assets";
import type { Bootstrap } from "./compose";
import { shellQuote } from "./shell";

/** The cloud-config that makes a fresh image of the distribution what the bootstrap says. */
export function render(bootstrap: Bootstrap): string {
  const { distribution, packages, files, bootcmd } = bootstrap;
  return renderAsset("cloud-config.yaml.hbs", {
    bootcmd,
    packageUpdate: distribution.packageManager.updateIndex && packages.length > 0,
    packages,
    files: byLikeness(files).map((file) => ({
      ...file,
      mode: file.mode === "0644" ? undefined : file.mode,
      owner: file.owner === "root:root" ? undefined : file.owner,
    })),
    runcmd: runcmd(bootstrap),
  });
}

/** gzip looks back 32 KB: scripts stand side by side, and so do units; jq's program, which resembles nothing, is out of their way. */
const LIKENESS = [/\.jq$/, /^\/usr\//, /^(?!\/etc\/systemd\/)/, /./];

function byLikeness(files: Bootstrap["files"]): Bootstrap["files"] {
  const rank = ({ path }: Bootstrap["files"][number]) => LIKENESS.findIndex((kind) => kind.test(path));
  return files.toSorted((a, b) => rank(a) - rank(b));
}

function runcmd({ distribution, packages, modulesFile, sysctlsFile, runcmd, start }: Bootstrap): string[] {
  const { installed, install } = distribution.packageManager;
  const names = packages.map(shellWord).join(" ");
  return [
    // cloud-init tries once. On al2023 the SSM agent, which updates itself at first boot, may hold the RPM lock just then.
    ...(packages.length > 0
      ? [`set -- ${names}; for _ in 1 2 3 4 5; do ${installed} && break; sleep 10; ${install}; done`]
      : []),
    "systemctl daemon-reload",
    ...(modulesFile === undefined ? [] : ["systemctl restart systemd-modules-load"]),
    ...(sysctlsFile === undefined ? [] : ["systemctl restart systemd-sysctl"]),
    ...runcmd,
    // Each alone, because one that is missing fails the whole call.
    ...(start.distribution.length > 0
      ? [`for unit in ${start.distribution.map(shellWord).join(" ")}; do ${enable('"$unit"')}; done`]
      : []),
    ...(start.own.length > 0 ? [enable(start.own.map(shellWord).join(" "))] : []),
  ];
}

const enable = (units: string) => `systemctl enable --now --no-block ${units}`;

/** Quoted only where it needs to be, for the reader's sake. */
const shellWord = (text: string) => (/^[A-Za-z0-9@%_+=:,./-]+$/.test(text) ? text : shellQuote(text));
