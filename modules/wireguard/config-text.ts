import { isIP } from "node:net";
import { networkText, parseAddress, type Tunnel } from "./addresses";
import { isKey } from "./keys";
import { LONGEST_KEEPALIVE } from "./limits";

export interface Setting {
  readonly key: string;
  readonly value: string;
}

export interface InterfaceSection {
  /** What was noted before, in or beside the section, each with its "#". */
  readonly comments: readonly string[];
  readonly privateKey?: string;
  readonly listenPort?: number;
  readonly addresses: readonly string[];
  /** Addresses and search domains. */
  readonly dns: readonly string[];
  readonly mtu?: number;
  /** Everything else in its order: hooks, Table, FwMark, SaveConfig and what we do not know. */
  readonly others: readonly Setting[];
}

export interface PeerSection {
  readonly comments: readonly string[];
  readonly publicKey: string;
  readonly presharedKey?: string;
  readonly allowedIps: readonly string[];
  /** "host:port", an IPv6 host in brackets. */
  readonly endpoint?: string;
  /** Seconds; 0 is off. */
  readonly keepalive?: number;
  readonly others: readonly Setting[];
}

/** A file in wg-quick's format. */
export interface WireguardConfig {
  readonly interface: InterfaceSection;
  readonly peers: readonly PeerSection[];
  /** What is noted after the last section. */
  readonly comments: readonly string[];
}

/** What is wrong with a file. Its message has the line's number and never what stands in it, which may be a key. */
export class ConfigTextError extends Error {
  override readonly name = "ConfigTextError";

  constructor(
    readonly problem: string,
    readonly line?: number,
  ) {
    super(line === undefined ? problem : `line ${line}: ${problem}`);
  }
}

interface Entry extends Setting {
  readonly line: number;
}

interface Section {
  readonly name: "interface" | "peer";
  readonly line: number;
  readonly comments: string[];
  readonly entries: Entry[];
}

/** Reads wg-quick's format as wg and wg-quick do. Throws a ConfigTextError. */
export function parseConfig(text: string): WireguardConfig {
  const { sections, comments } = readSections(text);
  const [found, second] = sections.filter(({ name }) => name === "interface");
  if (!found)
    throw new ConfigTextError(
      "there is no [Interface], so this is no WireGuard configuration. Give the whole file, such as /etc/wireguard/wg0.conf.",
    );
  if (second)
    throw new ConfigTextError("a second [Interface]: these are two files in one. Give them one by one.", second.line);
  return {
    interface: readInterface(found),
    peers: sections.filter(({ name }) => name === "peer").map(readPeer),
    comments,
  };
}

/** A setting's name is short, so that no line with a WireGuard key alone is taken for one. */
const SETTING = /^([A-Za-z][A-Za-z0-9_-]{0,31})\s*=\s*(.*)$/;

function readSections(text: string): { sections: Section[]; comments: string[] } {
  const sections: Section[] = [];
  // Notes belong to the key after them, and those before a section, which are mostly its name, to that section.
  let pending: string[] = [];
  // What Windows adds, a mark at the beginning and \r at the ends of lines, is white space, and trimmed as such.
  for (const [index, whole] of text.split("\n").entries()) {
    const line = index + 1;
    const hash = whole.indexOf("#");
    const content = (hash < 0 ? whole : whole.slice(0, hash)).trim();
    if (hash >= 0) pending.push(whole.slice(hash).trim());
    if (content === "") continue;
    if (content.startsWith("[")) {
      const name = /^\[\s*(interface|peer)\s*\]$/i.exec(content)?.[1]?.toLowerCase();
      if (name !== "interface" && name !== "peer")
        throw new ConfigTextError("this section is neither [Interface] nor [Peer].", line);
      sections.push({ name, line, comments: pending, entries: [] });
    } else {
      const section = sections.at(-1);
      if (!section)
        throw new ConfigTextError("this stands before [Interface], with which a WireGuard configuration begins.", line);
      const [, key, value] = SETTING.exec(content) ?? [];
      if (key === undefined || value === undefined)
        throw new ConfigTextError('this is neither a section nor "Key = value" nor a "# comment".', line);
      section.comments.push(...pending);
      section.entries.push({ key, value, line });
    }
    pending = [];
  }
  return { sections, comments: pending };
}

/** Takes settings out of a section by their names; those left are the others. */
class Reader {
  private readonly taken = new Set<string>();

  constructor(private readonly section: Section) {}

  private all(key: string): Entry[] {
    this.taken.add(key.toLowerCase());
    return this.section.entries.filter((entry) => entry.key.toLowerCase() === key.toLowerCase());
  }

  /** All values of all lines, each checked. */
  list(key: string, what: string, check: (value: string) => boolean): string[] {
    return this.all(key).flatMap(({ value, line }) =>
      value
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "")
        .map((part) => {
          if (!check(part)) throw new ConfigTextError(`${key} is no ${what}.`, line);
          return part;
        }),
    );
  }

  /** The last line's value, as wg takes it; each line is checked. */
  one<T>(key: string, what: string, read: (value: string) => T | undefined): T | undefined {
    return this.all(key).reduce<T | undefined>((_, { value, line }) => {
      const found = read(value);
      if (found === undefined) throw new ConfigTextError(`${key} is no ${what}.`, line);
      return found;
    }, undefined);
  }

  others(): Setting[] {
    return this.section.entries
      .filter(({ key }) => !this.taken.has(key.toLowerCase()))
      .map(({ key, value }) => ({ key, value }));
  }
}

const KEY_TEXT = 'WireGuard key, which is 32 bytes in base64, 44 characters with "=" at the end';
const key = (value: string) => (isKey(value) ? value : undefined);
const wholeNumber = (least: number, most: number) => (value: string) =>
  /^\d{1,6}$/.test(value) && Number(value) >= least && Number(value) <= most ? Number(value) : undefined;

function readInterface(section: Section): InterfaceSection {
  const reader = new Reader(section);
  return defined({
    comments: section.comments,
    privateKey: reader.one("PrivateKey", KEY_TEXT, key),
    listenPort: reader.one("ListenPort", "port from 0 to 65535", wholeNumber(0, 65535)),
    addresses: reader.list("Address", "address such as 10.8.0.1/24", isAddress),
    dns: reader.list("DNS", "address or search domain", (value) => !/\s/.test(value)),
    mtu: reader.one("MTU", "number of bytes from 576 to 65535", wholeNumber(576, 65535)),
    others: reader.others(),
  });
}

function readPeer(section: Section): PeerSection {
  const reader = new Reader(section);
  const publicKey = reader.one("PublicKey", KEY_TEXT, key);
  if (publicKey === undefined) throw new ConfigTextError("this [Peer] has no PublicKey.", section.line);
  return defined({
    comments: section.comments,
    publicKey,
    presharedKey: reader.one("PresharedKey", KEY_TEXT, key),
    allowedIps: reader.list("AllowedIPs", "network such as 10.8.0.2/32", isAddress),
    endpoint: reader.one("Endpoint", "host:port, with an IPv6 address in brackets", (value) =>
      splitEndpoint(value) ? value : undefined,
    ),
    keepalive: reader.one("PersistentKeepalive", `number of seconds from 0 to ${LONGEST_KEEPALIVE}, or off`, (value) =>
      value.toLowerCase() === "off" ? 0 : wholeNumber(0, LONGEST_KEEPALIVE)(value),
    ),
    others: reader.others(),
  });
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function defined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, given]) => given !== undefined)) as Defined<T>;
}

function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined;
}

/** "[fd53::1]:51820" -> fd53::1 and 51820; undefined where the text is no endpoint. */
export function splitEndpoint(text: string): { readonly host: string; readonly port: number } | undefined {
  const found = /^(?:\[([^\]\s]+)\]|([^[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  const port = wholeNumber(1, 65535)(found?.[3] ?? "");
  if (host === undefined || port === undefined) return undefined;
  // An interface may be named in it, as in fe80::1%eth0.
  if (found?.[1] !== undefined && isIP(host) !== 6) return undefined;
  return { host, port };
}

export function joinEndpoint(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

type Line = readonly [key: string, value: string | number | undefined];

function sectionText(header: string, comments: readonly string[], lines: readonly Line[]): string {
  const settings = lines.filter(([, value]) => value !== undefined);
  return [...comments, header, ...settings.map(([key, value]) => `${key} = ${value}`.trimEnd()), ""].join("\n");
}

const list = (values: readonly string[]) => values.join(", ") || undefined;
const otherLines = (others: readonly Setting[]): Line[] => others.map(({ key, value }) => [key, value]);

/** The text that parseConfig reads as the same again. */
export function writeConfig({ interface: own, peers, comments }: WireguardConfig): string {
  return [
    sectionText("[Interface]", own.comments, [
      ["PrivateKey", own.privateKey],
      ["ListenPort", own.listenPort],
      ["Address", list(own.addresses)],
      ["DNS", list(own.dns)],
      ["MTU", own.mtu],
      ...otherLines(own.others),
    ]),
    ...peers.map((peer) =>
      sectionText("[Peer]", peer.comments, [
        ["PublicKey", peer.publicKey],
        ["PresharedKey", peer.presharedKey],
        ["AllowedIPs", list(peer.allowedIps)],
        ["Endpoint", peer.endpoint],
        ["PersistentKeepalive", peer.keepalive],
        ...otherLines(peer.others),
      ]),
    ),
    ...(comments.length > 0 ? [`${comments.join("\n")}\n`] : []),
  ].join("\n");
}

export interface DeviceConfig {
  /** Absent where only the device knows it. */
  readonly privateKey?: string | undefined;
  readonly addresses: readonly string[];
  readonly dns: readonly string[];
  readonly mtu?: number | undefined;
  readonly serverPublicKey: string;
  readonly presharedKey?: string | undefined;
  readonly endpoint: string;
  readonly allowedIps: readonly string[];
  /** Seconds; 0 is none. */
  readonly keepalive: number;
}

/** What a device is given, in the order people know from wg-quick's own examples. */
export function deviceConfig(device: DeviceConfig): string {
  const own = sectionText(
    "[Interface]",
    [],
    [
      device.privateKey === undefined ? ["# PrivateKey", "the device's own"] : ["PrivateKey", device.privateKey],
      ["Address", list(device.addresses)],
      ["DNS", list(device.dns)],
      ["MTU", device.mtu],
    ],
  );
  const server = sectionText(
    "[Peer]",
    [],
    [
      ["PublicKey", device.serverPublicKey],
      ["PresharedKey", device.presharedKey],
      ["AllowedIPs", list(device.allowedIps)],
      ["Endpoint", device.endpoint],
      ["PersistentKeepalive", device.keepalive || undefined],
    ],
  );
  return `${own}\n${server}`;
}

export interface Reachable extends Tunnel {
  readonly vpcCidr?: string | undefined;
}

/**
 * What a device sends through the tunnel: "full" is everything, "split" what is behind the tunnel, or networks, as a list or
 * separated by commas. Full has ::/0 even where the tunnel has no IPv6: there IPv6 then ends in the tunnel, instead of
 * going around it in the clear.
 */
export function allowedIps(choice: string | readonly string[], { ipv4, ipv6, vpcCidr }: Reachable): string[] {
  if (choice === "full") return ["0.0.0.0/0", "::/0"];
  const given =
    choice === "split" ? [ipv4, ipv6 ?? "", vpcCidr ?? ""] : typeof choice === "string" ? choice.split(",") : choice;
  const networks = given
    .map((text) => text.trim())
    .filter((text) => text !== "")
    .map((text) => {
      const network = networkText(text);
      if (network === undefined)
        throw new RangeError(
          `${text.slice(0, 50)} is no network. Allowed are full, split, or networks such as 10.0.0.0/16,192.168.1.0/24.`,
        );
      return network;
    });
  if (networks.length === 0)
    throw new RangeError(
      "There is no network. Allowed are full, split, or networks such as 10.0.0.0/16,192.168.1.0/24.",
    );
  return [...new Set(networks)];
}
