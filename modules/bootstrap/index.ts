import { readFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import Handlebars from "handlebars";
import { stringify } from "yaml";

export interface UserDataOptions {
  readonly distribution: "al2023" | "debian" | "ubuntu";
  readonly environment: string;
  readonly site: string;
  /** Path of the site's parameters, such as `/stingy-vpn/prod`. */
  readonly storePrefix: string;
  /** The server's own address in the tunnel with the tunnel's prefix length, such as `10.8.0.1/24`. */
  readonly tunnelIpv4: string;
  /** @default - no IPv6 in the tunnel */
  readonly tunnelIpv6?: string;
  readonly listenPort: number;
}

/** What EC2 accepts as user data, compressed or not. */
export const USER_DATA_LIMIT_BYTES = 16384;

interface Distribution {
  readonly packages: readonly string[];
  /** Whether the image comes without a package index to install from. */
  readonly packageUpdate: boolean;
  /** Commands before the server's unit starts. */
  readonly prepare: readonly string[];
}

const DISTRIBUTIONS: Readonly<Record<UserDataOptions["distribution"], Distribution>> = {
  al2023: {
    packages: ["wireguard-tools", "nftables"],
    packageUpdate: false,
    // The preinstalled SSM agent updates itself at first boot and may hold the RPM lock while cloud-init installs.
    prepare: ["for n in 1 2 3 4 5; do type wg nft && break; sleep 10; dnf -y install wireguard-tools nftables; done"],
  },
  debian: {
    packages: ["wireguard-tools", "nftables", "chrony", "curl", "jq", "awscli"],
    packageUpdate: true,
    prepare: [],
  },
  ubuntu: {
    packages: ["wireguard-tools", "nftables", "chrony", "curl", "jq"],
    packageUpdate: true,
    // 24.04 has no awscli package, AWS publishes a snap. From 24.1 on, cloud-init does not wait for snapd by itself.
    prepare: ["snap wait system seed.loaded", "snap install aws-cli --classic"],
  },
};

function isInterfaceAddress(value: string, isAddress: (address: string) => boolean, longestPrefix: number): boolean {
  const [, address = "", prefix = ""] = /^([0-9A-Fa-f:.]+)\/([1-9][0-9]{0,2})$/.exec(value) ?? [];
  return isAddress(address) && Number(prefix) <= longestPrefix;
}

/** What passes is a plain word to YAML, the shell, nft and JSON alike. */
function assertOptions(options: UserDataOptions): void {
  const check = (name: keyof UserDataOptions, valid: boolean, allowed: string): void => {
    if (!valid) throw new Error(`User data: ${name} is ${JSON.stringify(options[name])}; it must be ${allowed}.`);
  };
  const { environment, site, storePrefix, tunnelIpv4, tunnelIpv6, listenPort } = options;
  const name = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;
  check("environment", name.test(environment), "up to 63 letters, digits and hyphens");
  check("site", name.test(site), "up to 63 letters, digits and hyphens");
  check("storePrefix", /^(\/[A-Za-z0-9_.-]+)+$/.test(storePrefix), "a parameter path such as /stingy-vpn/prod");
  check("tunnelIpv4", isInterfaceAddress(tunnelIpv4, isIPv4, 30), "an address such as 10.8.0.1/24");
  // The script counts addresses up in hexadecimal, so no dotted tail.
  const ipv6 = tunnelIpv6 === undefined || (isInterfaceAddress(tunnelIpv6, isIPv6, 126) && !tunnelIpv6.includes("."));
  check("tunnelIpv6", ipv6, "an address such as fd00:8::1/64");
  const port = Number.isInteger(listenPort) && listenPort >= 1 && listenPort <= 65535;
  check("listenPort", port, "a port from 1 to 65535");
}

let loaded: { readonly render: Handlebars.TemplateDelegate; readonly script: string } | undefined;

function load(): NonNullable<typeof loaded> {
  const asset = (name: string): string => readFileSync(join(__dirname, "../../assets/userdata", name), "utf8");
  const handlebars = Handlebars.create();
  // YAML 1.1 is what cloud-init reads: there, a plain yes is a boolean. Indented for the deepest place in the template.
  handlebars.registerHelper("yaml", (value: string) => {
    const [, text = ""] = /^- (.*)\n$/s.exec(stringify([value], { version: "1.1", lineWidth: 0 })) ?? [];
    return text.replace(/\n(?=.)/g, "\n    ");
  });
  const render = handlebars.compile(asset("server.yaml.hbs"), { noEscape: true, strict: true });
  return { render, script: asset("stingy-server.sh") };
}

/** The cloud-config that makes a fresh image of the distribution a server. Holds no secret. */
export function renderUserData(options: UserDataOptions): string {
  assertOptions(options);
  const settings = {
    ENVIRONMENT: options.environment,
    SITE: options.site,
    STORE_PREFIX: options.storePrefix,
    LISTEN_PORT: options.listenPort,
    TUNNEL_IPV4: options.tunnelIpv4,
    TUNNEL_IPV6: options.tunnelIpv6 ?? "",
    // 1500 less WireGuard's overhead over IPv6, the larger one.
    MTU: 1420,
  };
  loaded ??= load();
  const text = loaded.render({
    ...DISTRIBUTIONS[options.distribution],
    settings: Object.entries(settings).reduce((text, [name, value]) => `${text}${name}='${value}'\n`, ""),
    script: loaded.script,
  });
  const bytes = gzipSync(text).length;
  if (bytes > USER_DATA_LIMIT_BYTES) {
    throw new Error(
      `User data for ${options.distribution}: ${bytes} bytes gzipped, more than EC2's ${USER_DATA_LIMIT_BYTES}.`,
    );
  }
  return text;
}

/** Doubles the openings that Terraform would expand, for a literal string in Terraform JSON. */
export function escapeTerraform(text: string): string {
  return text.replace(/([$%])\{/g, "$1$1{");
}
