import { isIP } from "node:net";
import type { Site } from "../../modules/config";
import {
  allowedIps,
  deviceConfig,
  type Group,
  isKey,
  joinEndpoint,
  KeyError,
  type StoredPeer,
} from "../../modules/wireguard";
import type { Aws } from "../aws";
import { CliError, usageError } from "../exit";
import { siteAddress } from "../live";
import { DEVICE_DNS, DEVICE_KEEPALIVE_SECONDS } from "./defaults";
import type { KnownPeer } from "./known";

export interface DeviceOptions {
  readonly publicKey?: string;
  readonly dns?: string;
  readonly allowedIps?: string;
  readonly psk?: boolean;
  readonly keepalive?: number;
  readonly endpoint?: string;
}

/** What a device's configuration says beside keys and addresses. */
export interface DeviceSettings {
  readonly dns: readonly string[];
  readonly allowedIps: readonly string[];
  readonly keepalive: number;
}

const NAME =
  /^(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/** Reads the options; whatever is wrong with one is said before anything is asked of AWS. */
export function deviceSettings(options: DeviceOptions, site: Site, group: Group): DeviceSettings {
  const { keepalive = DEVICE_KEEPALIVE_SECONDS } = options;
  const allowedIps = networks(options.allowedIps ?? "full", site);
  return {
    allowedIps,
    dns: options.dns === undefined ? defaultDns(allowedIps, site, group) : nameServers(options.dns),
    keepalive,
  };
}

export function checkKeyOption(publicKey: string | undefined): void {
  if (publicKey === undefined || isKey(publicKey)) return;
  throw usageError(new KeyError("--public-key", publicKey).message);
}

/** `own` is the device that is to get the key, where it has one already. */
export function refuseKnownKey(
  publicKey: string,
  serverPublicKey: string,
  known: readonly Pick<KnownPeer, "name" | "publicKey">[],
  own?: string,
): void {
  if (publicKey === serverPublicKey) {
    throw new CliError("--public-key is the server's own key.", {
      fix: "Give the key of the device: `wg pubkey < its-private-key`.",
    });
  }
  const owner = known.find((other) => other.publicKey === publicKey)?.name;
  if (owner === undefined) return;
  throw new CliError(
    owner === own
      ? `--public-key is the key that ${own} has already.`
      : `--public-key is the key of ${owner}, and two devices cannot share one.`,
    { fix: "Make a new key on the device and give its public half." },
  );
}

/** Digits and dots alone are a mistyped address. */
function isName(text: string): boolean {
  return NAME.test(text) && !/^[0-9.]+$/.test(text);
}

export function checkEndpointOption(endpoint: string | undefined): void {
  if (endpoint === undefined || isIP(endpoint) > 0 || isName(endpoint)) return;
  throw usageError(
    "--endpoint is neither a name nor an address.",
    "Give it without a port, which is the site's: --endpoint vpn.example.com",
  );
}

function networks(choice: string, { tunnel, network }: Site): string[] {
  try {
    return allowedIps(choice, { ...tunnel, vpcCidr: network.vpcCidr });
  } catch (error) {
    if (error instanceof RangeError) throw usageError(`--allowed-ips: ${error.message}`);
    throw error;
  }
}

/** Where a device does not send everything through the tunnel, or may not reach the internet, its own network's names go on. */
function defaultDns(allowedIps: readonly string[], { tunnel }: Site, group: Group): string[] {
  if (!allowedIps.includes("0.0.0.0/0") || group === "isolated") return [];
  return [DEVICE_DNS.ipv4, ...(tunnel.ipv6 === undefined ? [] : [DEVICE_DNS.ipv6])];
}

function nameServers(list: string): string[] {
  if (list.trim() === "none") return [];
  const given = list
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const bad = given.find((part) => isIP(part) === 0 && !isName(part));
  if (given.length > 0 && bad === undefined) return given;
  throw usageError(
    `--dns: ${bad === undefined ? "there is nothing in it" : `${JSON.stringify(bad.slice(0, 50))} is neither an address nor a search domain`}.`,
    `Write them as 1.1.1.1,2606:4700:4700::1111,home.example, or "none".`,
  );
}

/** Where devices find the site: its name, else its Elastic IP, which both outlive a server. */
export async function siteEndpoint(given: string | undefined, site: Site, aws: Aws): Promise<string | undefined> {
  const { listenPort } = site.tunnel;
  if (given !== undefined) return joinEndpoint(given, listenPort);
  if (site.dns.provider !== "none") return joinEndpoint(site.dns.name, listenPort);
  const address = await siteAddress(aws, site);
  return address && joinEndpoint(address.publicIp, listenPort);
}

/** A site without a name has an Elastic IP, or its configuration is refused. */
export function noEndpoint(site: Site): CliError {
  return new CliError(`AWS has no Elastic IP of the site ${site.environment}-${site.name}.`, {
    fix: "Run `npx cdktf deploy '*'`, or say where devices find the site: --endpoint HOST.",
  });
}

export function configText(
  peer: StoredPeer,
  settings: DeviceSettings,
  {
    privateKey,
    serverPublicKey,
    endpoint,
  }: { privateKey: string | undefined; serverPublicKey: string; endpoint: string },
): string {
  return deviceConfig({
    ...settings,
    privateKey,
    addresses: peer.addresses,
    presharedKey: peer.presharedKey,
    serverPublicKey,
    endpoint,
  });
}
