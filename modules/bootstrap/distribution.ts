import type { File } from "./role";

export type Distribution = "al2023" | "debian" | "ubuntu";

/** What roles call packages, whatever a distribution calls them. */
export const LOGICAL_PACKAGES = [
  "automatic-updates",
  "cloudwatch-agent",
  "http-client",
  "json",
  "nftables",
  "time-sync",
  "wireguard-tools",
] as const;
export type LogicalPackage = (typeof LOGICAL_PACKAGES)[number];

interface PackageManager {
  readonly name: "dnf" | "apt";
  /** Whether images come without a package index to install from. */
  readonly updateIndex: boolean;
  /** A shell command that succeeds when every package in "$@" is installed. */
  readonly installed: string;
  /** A shell command that installs the packages in "$@". */
  readonly install: string;
}

/** Everything in which the distributions differ. */
export interface DistributionFacts {
  readonly name: Distribution;
  readonly packageManager: PackageManager;
  readonly packages: Readonly<Record<LogicalPackage, readonly string[]>>;
  readonly services: {
    readonly timeSync: string;
    readonly ssmAgent: string;
    readonly automaticUpdates: readonly string[];
  };
  /** What makes the time service ask Amazon's clock, where the image's own configuration may not. */
  readonly timeSync: { readonly files: readonly File[]; readonly runcmd: readonly string[] };
  /** What makes the installed updater install security updates by itself. */
  readonly automaticUpdates: { readonly files: readonly File[] };
  /** Shell commands that install Amazon's agents where neither image nor repositories have them. */
  readonly agents: { readonly ssm: readonly string[]; readonly cloudwatch: readonly string[] };
  /** Units that are there without any role's doing, for other units to name. */
  readonly knownUnits: readonly string[];
}

const SYSTEMD_UNITS = [
  "basic.target",
  "cloud-final.service",
  "cloud-init.target",
  "local-fs.target",
  "multi-user.target",
  "network-online.target",
  "network-pre.target",
  "network.target",
  "nss-lookup.target",
  "shutdown.target",
  "sockets.target",
  "sysinit.target",
  "systemd-journald.service",
  "systemd-modules-load.service",
  "systemd-sysctl.service",
  "time-set.target",
  "time-sync.target",
  "timers.target",
];

const DNF: PackageManager = {
  name: "dnf",
  updateIndex: false,
  installed: 'rpm -q "$@"',
  install: 'dnf -y install "$@"',
};

const APT: PackageManager = {
  name: "apt",
  updateIndex: true,
  // A package that was only unpacked is known to dpkg, but does not work.
  installed: `[ "$(dpkg-query -W -f '\${db:Status-Abbrev}\\n' "$@" | grep -c '^ii')" -ge "$#" ]`,
  install:
    'apt-get update; DEBIAN_FRONTEND=noninteractive apt-get -y -o DPkg::Lock::Timeout=60 -o Dpkg::Options::=--force-confold install "$@"',
};

const APT_FACTS = {
  packageManager: APT,
  packages: {
    "automatic-updates": ["unattended-upgrades"],
    "cloudwatch-agent": [],
    "http-client": ["curl"],
    json: ["jq"],
    nftables: ["nftables"],
    "time-sync": ["chrony"],
    "wireguard-tools": ["wireguard-tools"],
  },
  timeSync: {
    files: [
      {
        path: "/etc/chrony/sources.d/amazon.sources",
        content: "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\n",
      },
    ],
    runcmd: ["chronyc reload sources"],
  },
  automaticUpdates: {
    files: [
      {
        // After 20auto-upgrades, which the package's own settings write.
        path: "/etc/apt/apt.conf.d/52stingy",
        content: 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n',
      },
    ],
  },
} satisfies Partial<DistributionFacts>;

const APT_SERVICES = {
  timeSync: "chrony.service",
  automaticUpdates: ["apt-daily.timer", "apt-daily-upgrade.timer"],
};

const DOWNLOAD = "curl -fsSL --connect-timeout 10 --max-time 300 --retry 5 --retry-connrefused";

function installDeb(url: string): string {
  const file = "/run/agent.deb";
  return `${DOWNLOAD} -o ${file} "${url}" && dpkg -i ${file}; rm -f ${file}`;
}

const cloudwatchAgentDeb = (distribution: Distribution) =>
  installDeb(
    `https://amazoncloudwatch-agent.s3.amazonaws.com/${distribution}/$(dpkg --print-architecture)/latest/amazon-cloudwatch-agent.deb`,
  );

export const DISTRIBUTIONS: Readonly<Record<Distribution, DistributionFacts>> = {
  al2023: {
    name: "al2023",
    packageManager: DNF,
    packages: {
      "automatic-updates": ["dnf-automatic"],
      "cloudwatch-agent": ["amazon-cloudwatch-agent"],
      // The image has curl-minimal, which does all that is needed and conflicts with the package curl.
      "http-client": [],
      json: ["jq"],
      nftables: ["nftables"],
      "time-sync": ["chrony"],
      "wireguard-tools": ["wireguard-tools"],
    },
    services: {
      timeSync: "chronyd.service",
      ssmAgent: "amazon-ssm-agent.service",
      automaticUpdates: ["dnf-automatic.timer"],
    },
    timeSync: { files: [], runcmd: [] },
    automaticUpdates: {
      files: [
        {
          path: "/etc/dnf/automatic.conf",
          content: "[commands]\nupgrade_type = security\napply_updates = yes\n[emitters]\nemit_via = stdio\n",
        },
        // An image is locked to its release and would never see an update.
        { path: "/etc/dnf/vars/releasever", content: "latest\n" },
      ],
    },
    agents: { ssm: [], cloudwatch: [] },
    knownUnits: [...SYSTEMD_UNITS, "chronyd.service", "nftables.service", "amazon-ssm-agent.service"],
  },
  debian: {
    name: "debian",
    ...APT_FACTS,
    services: { ...APT_SERVICES, ssmAgent: "amazon-ssm-agent.service" },
    agents: {
      ssm: [
        installDeb(
          "https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/latest/debian_$(dpkg --print-architecture)/amazon-ssm-agent.deb",
        ),
      ],
      cloudwatch: [cloudwatchAgentDeb("debian")],
    },
    knownUnits: [...SYSTEMD_UNITS, "chrony.service", "nftables.service", "amazon-ssm-agent.service"],
  },
  ubuntu: {
    name: "ubuntu",
    ...APT_FACTS,
    // The image has the agent as a snap.
    services: { ...APT_SERVICES, ssmAgent: "snap.amazon-ssm-agent.amazon-ssm-agent.service" },
    agents: { ssm: [], cloudwatch: [cloudwatchAgentDeb("ubuntu")] },
    knownUnits: [
      ...SYSTEMD_UNITS,
      "chrony.service",
      "nftables.service",
      "snap.amazon-ssm-agent.amazon-ssm-agent.service",
    ],
  },
};
