import { hostText, parseAddress } from "./addresses";
import { ConfigTextError, type PeerSection, parseConfig, type WireguardConfig, writeConfig } from "./config-text";
import { isKey, publicKeyOf } from "./keys";
import { type Group, isGroup, isPeerName, type StoredPeer } from "./peer";

export interface ImportedPeer extends StoredPeer {
  readonly name: string;
}

export interface Imported {
  readonly peers: readonly ImportedPeer[];
  readonly serverPrivateKey?: string;
  /** The network of the server's address: "10.8.0.0/24". */
  readonly tunnelIpv4?: string;
  /** The port that the server listens on, where its private key is there too. */
  readonly listenPort?: number;
  /** What was changed, left out or is missing, for the person to read. */
  readonly notes: readonly string[];
}

export interface ImportFile {
  /** As the person gave it: "configs/203.0.113.7/wireguard/phone.conf". */
  readonly name: string;
  readonly text: string;
}

/** wg-easy writes no prefix. */
const WG_EASY_PREFIX = 24;
const LONGEST_NAME = 63;

interface Found {
  readonly peers: readonly Candidate[];
  readonly serverPrivateKey?: string | undefined;
  readonly tunnelIpv4?: string | undefined;
  readonly listenPort?: number | undefined;
  readonly notes: readonly string[];
}

interface Candidate {
  /** Undefined where the file has none. */
  readonly name: string | undefined;
  readonly publicKey: string;
  readonly presharedKey?: string | undefined;
  readonly addresses: readonly string[];
  readonly group?: Group | undefined;
  readonly keepalive?: number | undefined;
}

/**
 * Reads peers out of what another WireGuard server keeps: its wg0.conf, wg-easy's wg0.json, or its clients' own files, as algo
 * writes them. Throws a ConfigTextError that begins with the file's name where one cannot be read.
 */
export function importFiles(files: readonly ImportFile[]): Imported {
  const found = files.map((file) => {
    try {
      return readFile(file);
    } catch (error) {
      if (error instanceof ConfigTextError) throw new ConfigTextError(`${file.name}: ${error.message}`);
      throw error;
    }
  });
  const { peers, notes } = settle(found.flatMap((file) => file.peers));
  const keys = [...new Set(found.flatMap((file) => file.serverPrivateKey ?? []))];
  const [serverPrivateKey] = keys;
  const tunnelIpv4 = found.find((file) => file.tunnelIpv4)?.tunnelIpv4;
  const listenPort = found.find((file) => file.listenPort)?.listenPort;
  return {
    peers,
    ...(serverPrivateKey ? { serverPrivateKey } : {}),
    ...(tunnelIpv4 ? { tunnelIpv4 } : {}),
    ...(serverPrivateKey && listenPort ? { listenPort } : {}),
    notes: [
      ...found.flatMap((file) => file.notes),
      ...notes,
      ...(keys.length > 1 ? ["the files are of several servers: only the first one's private key is taken"] : []),
      ...(serverPrivateKey
        ? []
        : ["the server's private key is in none of these files: give each device the new server's public key"]),
    ],
  };
}

function readFile({ name, text }: ImportFile): Found {
  if (/^\uFEFF?\s*\{/.test(text)) return fromWgEasy(text);
  const config = parseConfig(text);
  return isClient(config) ? fromClient(baseName(name), config) : fromServer(config);
}

function baseName(path: string): string {
  return path.replace(/^.*[/\\]/, "").replace(/\.conf$/i, "");
}

/** A device knows where its one server is; a server listens on a port of its own. */
function isClient({ interface: own, peers }: WireguardConfig): boolean {
  return peers.length === 1 && peers[0]?.endpoint !== undefined && own.listenPort === undefined;
}

function fromServer({ interface: own, peers }: WireguardConfig): Found {
  const notes = own.privateKey ? [] : ["[Interface] has no PrivateKey"];
  const candidates = peers.map((peer, index) => {
    const name = nameIn(peer.comments);
    const title = titleOf(name, `peer ${index + 1}`);
    const addresses = peer.allowedIps.flatMap((text) => {
      const range = parseAddress(text);
      if (range && range.start === range.end) return hostText(text) ?? [];
      notes.push(
        `${title}: the network ${text} is left out, as a peer has only its own addresses here; the whole file in wireguard-config keeps it`,
      );
      return [];
    });
    const { publicKey, presharedKey, keepalive } = peer;
    return {
      name,
      publicKey,
      presharedKey,
      addresses,
      group: groupIn(peer.comments),
      keepalive: keepalive || undefined,
    };
  });
  const { privateKey: serverPrivateKey, listenPort } = own;
  return { peers: candidates, serverPrivateKey, tunnelIpv4: tunnelOf(own.addresses), listenPort, notes };
}

function tunnelOf(addresses: readonly string[]): string | undefined {
  return addresses
    .flatMap((text) => parseAddress(text) ?? [])
    .find(({ version, prefix }) => version === 4 && prefix < 31)?.network;
}

/** How tools note a peer's name, the surest first. */
const NAME_PATTERNS = [
  // wg-easy: "# Client: phone (3c1b5b6e-…)"
  /^#+\s*Client:\s*(.+?)(?:\s*\([0-9a-fA-F-]+\))?$/i,
  // wireguard-install: "### Client phone"
  /^###\s*Client\s+(.+?)$/i,
  // pivpn: "### begin phone ###"; Nyr's wireguard-install: "# BEGIN_PEER phone"
  /^###\s*begin\s+(.+?)\s*###$/,
  /^#\s*BEGIN_PEER\s+(.+)$/,
  /^#+\s*(?:friendly_)?name\s*[=:]\s*(.+?)$/i,
];
const NO_NAME = /^#+\s*\[|^###\s*end\s.*###$|^#\s*END_PEER\s|=/;

function nameIn(comments: readonly string[]): string | undefined {
  for (const pattern of NAME_PATTERNS) {
    const found = comments.flatMap((comment) => pattern.exec(comment)?.[1] ?? []).at(-1);
    if (found) return found;
  }
  // algo: "# phone". Not a setting that was switched off, which may be a key.
  return comments
    .filter((comment) => !NO_NAME.test(comment) && !GROUP_PATTERN.test(comment))
    .map((comment) => comment.replace(/^#+\s*|\s*#+$/g, ""))
    .filter((comment) => comment !== "")
    .at(-1);
}

const GROUP_PATTERN = /^#\s*Group:\s*(\S+)$/i;

function groupIn(comments: readonly string[]): Group | undefined {
  const found = comments.flatMap((comment) => GROUP_PATTERN.exec(comment)?.[1] ?? []).at(-1);
  return isGroup(found) ? found : undefined;
}

function fromClient(name: string, { interface: own, peers: [server] }: WireguardConfig): Found {
  if (!own.privateKey)
    return { peers: [], notes: [`${titleOf(name, "a file")} is left out: its [Interface] has no PrivateKey`] };
  const addresses = own.addresses.flatMap((text) => hostText(text) ?? []);
  // PersistentKeepalive in it is the device's own, not the server's.
  return {
    peers: [{ name, publicKey: publicKeyOf(own.privateKey), presharedKey: server?.presharedKey, addresses }],
    notes: [],
  };
}

function fromWgEasy(text: string): Found {
  let file: unknown;
  try {
    file = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // Its message would quote the text, which has keys in it.
    throw new ConfigTextError("this begins like JSON and is none.");
  }
  const { server, clients } = asObject(file);
  if (!server && !clients)
    throw new ConfigTextError('this JSON has neither "server" nor "clients", so it is no wg0.json of wg-easy.');
  const { privateKey, address } = asObject(server);
  const notes: string[] = [];
  if (!isKey(privateKey)) notes.push("server.privateKey is no WireGuard key");
  const peers = Object.values(asObject(clients)).flatMap((value, index): Candidate[] => {
    const client = asObject(value);
    const name = typeof client.name === "string" && client.name !== "" ? client.name : undefined;
    const title = titleOf(name, `client ${index + 1}`);
    if (client.enabled === false) {
      notes.push(`${title} is left out: it is switched off in wg-easy`);
      return [];
    }
    const publicKey = isKey(client.publicKey)
      ? client.publicKey
      : isKey(client.privateKey)
        ? publicKeyOf(client.privateKey)
        : undefined;
    if (publicKey === undefined || (client.preSharedKey && !isKey(client.preSharedKey))) {
      notes.push(`${title} is left out: its ${publicKey ? "preSharedKey" : "publicKey"} is no WireGuard key`);
      return [];
    }
    const presharedKey = isKey(client.preSharedKey) ? client.preSharedKey : undefined;
    const given = typeof client.address === "string" ? client.address : "";
    return [{ name, publicKey, presharedKey, addresses: given.split(",").flatMap((part) => hostText(part) ?? []) }];
  });
  const own = typeof address === "string" ? address : "";
  const tunnelIpv4 = tunnelOf([own.includes("/") ? own : `${own}/${WG_EASY_PREFIX}`]);
  return { peers, serverPrivateKey: isKey(privateKey) ? privateKey : undefined, tunnelIpv4, notes };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** Names every peer, once; leaves out those without an address and those whose key or address another has. */
function settle(candidates: readonly Candidate[]): { peers: ImportedPeer[]; notes: string[] } {
  const notes: string[] = [];
  const peers: ImportedPeer[] = [];
  const owners = new Map<string, string>();
  const names = new Set<string>();
  // A name that is made up is none that another peer brings.
  const brought = candidates.flatMap(({ name }) => (name !== undefined && isPeerName(name) ? [name] : []));
  for (const [index, { name: given, ...candidate }] of candidates.entries()) {
    const title = titleOf(given, `peer ${index + 1}`);
    const things = [candidate.publicKey, ...candidate.addresses];
    const owner = things.flatMap((thing) => owners.get(thing) ?? [])[0];
    if (candidate.addresses.length === 0 || owner !== undefined) {
      const reason = owner === undefined ? "it has no address of its own" : `its key or address is that of ${owner}`;
      notes.push(`${title} is left out: ${reason}`);
      continue;
    }
    const name =
      given !== undefined && isPeerName(given)
        ? uniqueName(given, names)
        : uniqueName(peerName(given, index + 1), new Set([...names, ...brought]));
    if (given === undefined) notes.push(`${title} has no name in the file: it is called ${name}`);
    else if (name !== given) notes.push(`${title} is called ${name}`);
    names.add(name);
    for (const thing of things) owners.set(thing, name);
    const { publicKey, presharedKey, addresses, group, keepalive } = candidate;
    peers.push({
      name,
      publicKey,
      ...(presharedKey ? { presharedKey } : {}),
      addresses,
      ...(group ? { group } : {}),
      ...(keepalive ? { keepalive } : {}),
    });
  }
  return { peers, notes };
}

/** A peer in a note: on one line, as a file's text may move a terminal's cursor. */
function titleOf(name: string | undefined, unnamed: string): string {
  return name === undefined ? unnamed : JSON.stringify(name.slice(0, 100).replace(/\p{C}/gu, " "));
}

/** "Bob's phone" becomes "Bob-s-phone". */
function peerName(given: string | undefined, number: number): string {
  const name = (given ?? "")
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[.-]+|-+$/g, "")
    .slice(0, LONGEST_NAME);
  return isPeerName(name) ? name : `peer-${number}`;
}

function uniqueName(name: string, taken: ReadonlySet<string>): string {
  for (let candidate = name, number = 2; ; number++) {
    if (!taken.has(candidate)) return candidate;
    candidate = `${name.slice(0, LONGEST_NAME - String(number).length - 1)}-${number}`;
  }
}

export interface ServerConfig {
  /** Left out where it is not to be told. */
  readonly privateKey?: string | undefined;
  /** The server's own, with the tunnel's prefix: "10.8.0.1/24". */
  readonly addresses: readonly string[];
  readonly listenPort: number;
}

/** A wg0.conf with all peers, their names as wg-easy notes them, which importFiles reads back. */
export function serverConfigText(peers: readonly ImportedPeer[], server: ServerConfig): string {
  const { privateKey, addresses, listenPort } = server;
  return writeConfig({
    interface: {
      comments: [],
      ...(privateKey === undefined ? {} : { privateKey }),
      addresses,
      listenPort,
      dns: [],
      others: [],
    },
    peers: peers.map(
      ({ name, publicKey, presharedKey, addresses, group, keepalive }): PeerSection => ({
        comments: [`# Client: ${name}`, ...(group ? [`# Group: ${group}`] : [])],
        publicKey,
        ...(presharedKey ? { presharedKey } : {}),
        allowedIps: addresses,
        ...(keepalive ? { keepalive } : {}),
        others: [],
      }),
    ),
    comments: [],
  });
}
