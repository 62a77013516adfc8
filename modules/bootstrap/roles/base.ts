import type { Role } from "../role";

export interface BaseOptions {
  /** Whether IPv6 is forwarded, too. */
  readonly ipv6: boolean;
}

// Before any package, because dnf is killed on a 512 MB machine without swap; and before the disk is grown, so only a
// quarter of what is free.
const SWAP = `if [ ! -e /swapfile ]; then
  size=$(($(df -m --output=avail / | tail -n 1) / 4))
  [ "$size" -le 1024 ] || size=1024
  fallocate -l "$size"M /swapfile && chmod 600 /swapfile && mkswap /swapfile
fi
grep -q ^/swapfile /proc/swaps || swapon /swapfile
`;

const JOURNALD = "[Journal]\nSystemMaxUse=50M\nRuntimeMaxUse=16M\n";

/** A small machine that forwards packets, knows the time, and looks after itself. */
export function base({ ipv6 }: BaseOptions): Role {
  return ({ services, timeSync, automaticUpdates }) => ({
    role: "base",
    packages: ["time-sync", "automatic-updates"],
    files: [
      { path: "/etc/systemd/journald.conf.d/50-stingy.conf", content: JOURNALD },
      ...timeSync.files,
      ...automaticUpdates.files,
    ],
    modules: ["nf_conntrack", "tcp_bbr", "sch_fq"],
    sysctls: {
      "net.ipv4.ip_forward": 1,
      ...(ipv6
        ? {
            "net.ipv6.conf.all.forwarding": 1,
            // A forwarding kernel obeys router advertisements only where it is told so twice.
            "-net.ipv6.conf.*.accept_ra": 2,
          }
        : {}),
      // The distribution's own settings take `all` and the interfaces apart: both are named to hold.
      "net.ipv4.conf.all.rp_filter": 1,
      "net.ipv4.conf.default.rp_filter": 1,
      "-net.ipv4.conf.*.rp_filter": 1,
      "-net.ipv4.conf.*.accept_redirects": 0,
      "-net.ipv4.conf.*.send_redirects": 0,
      "-net.ipv6.conf.*.accept_redirects": 0,
      "net.netfilter.nf_conntrack_max": 65536,
      // Sessions that began on a predecessor go on here without their first packet.
      "net.netfilter.nf_conntrack_tcp_loose": 1,
      "-net.core.default_qdisc": "fq",
      "-net.ipv4.tcp_congestion_control": "bbr",
      "vm.swappiness": 10,
    },
    units: [services.timeSync, ...services.automaticUpdates].map((name) => ({ name })),
    bootcmd: [SWAP],
    runcmd: ["systemctl restart systemd-journald", ...timeSync.runcmd],
    checks: [
      {
        name: "forwarding",
        command: ["net/ipv4/ip_forward", ...(ipv6 ? ["net/ipv6/conf/all/forwarding"] : [])]
          .map((key) => `grep -qx 1 /proc/sys/${key}`)
          .join(" && "),
        repair: "systemctl restart systemd-sysctl",
      },
      {
        name: "clock-in-sync",
        command: `chronyc -c tracking | awk -F, '$NF != "Not synchronised" && $5 < 0.5 && $5 > -0.5 { ok = 1 } END { exit !ok }'`,
        // It has to ask around before it is sure.
        repair: `systemctl restart ${services.timeSync} && chronyc waitsync 10 0.5 0 1`,
      },
      {
        name: "disk-space",
        command: '[ "$(df -k --output=avail / | tail -n 1)" -ge 51200 ]',
        repair: "journalctl --vacuum-size=20M",
      },
      {
        name: "swap",
        command: "grep -q ^/swapfile /proc/swaps",
        // The checks run with too few rights for swapon.
        repair: "systemd-run --quiet --wait --collect swapon /swapfile",
        severity: "report",
      },
      {
        name: "automatic-updates",
        command: services.automaticUpdates.map((timer) => `systemctl is-active --quiet ${timer}`).join(" && "),
        repair: `systemctl start ${services.automaticUpdates.join(" ")}`,
        severity: "report",
      },
    ],
    provides: ["forwarding", "time-sync"],
  });
}
