import { setTimeout as sleep } from "node:timers/promises";
import { hostAddress } from "../../modules/network/planner";
import { STORE } from "../../modules/store/names";
import { clientKeys, nextAddresses } from "../../modules/wireguard/addresses";
import { generatePrivateKey, publicKeyOf } from "../../modules/wireguard/keys";
import { parsePeer } from "../../modules/wireguard/peer";
import type { Aws } from "../aws";
import { CliError } from "../exit";
import { uninterrupted } from "../interrupt";
import { runDocument } from "../run-document";
import { Store, type StoredParameter } from "../store";
import { ifSeen } from "./check";
import { FULL_MTU, LEAST_MTU } from "./checks/tunnel";
import { stingy } from "./commands";
import { Datagrams } from "./datagrams";
import type { Facts, Probe } from "./facts";
import { isLeftOver, probePeer, probePeerName } from "./probe-peer";

const SYNC_MS = 20_000;
/** The server knows the key: an answer takes a moment. */
const KNOWN_WAIT_S = 10;
/** The server learns of the key by an event, which takes some seconds. */
const UNKNOWN_WAIT_S = 40;
/** How long each answer is waited for. */
const PACE = { handshakeMs: 1_000, pingMs: 1_500 } as const;
const PING_TRIES = 3;
/** A way that answers at once loses a packet of its own now and then, and is waited for a little all the same. */
const LEAST_PATIENCE_MS = 300;
const SMALL_PACKET = 64;
/** A larger packet that is lost is lost without a word; what is found is a multiple of this. */
const MTU_STEP = 4;
const INTERNET = "1.1.1.1";
const CLASH_TRIES = 5;

export interface ProbeOptions {
  readonly waitSeconds: number | undefined;
  readonly say: (text: string) => void;
}

/** What the probe needs to know of the site; a sentence where it cannot be made. */
function readyFor(facts: Facts) {
  const parameters = ifSeen(facts.parameters);
  if (!parameters) return "the store could not be read";
  if (parameters.get(STORE.wireguardConfig))
    return "wireguard-config by hand has its own devices, and the doctor's is not among them";
  const serverKey = parameters.get(STORE.wireguardPrivateKey)?.value.trim();
  const id = parameters.get(STORE.instanceId)?.value.trim();
  if (serverKey === undefined || id === undefined) return "the store lacks what it needs";
  const server = (ifSeen(facts.instances) ?? []).find((instance) => instance.id === id);
  const address = ifSeen(facts.address)?.publicIp ?? server?.publicIp;
  if (address === undefined) return "the server's address is not known";
  return {
    serverPublicKey: publicKeyOf(serverKey),
    instanceId: id,
    address,
    clientKeys: parameters.get(STORE.clientPublicKeys)?.value ?? "",
  };
}

/**
 * Connects as a device would: with a key of its own that the server learns from the store, over UDP, without changing
 * anything on this computer. The key is taken out of the store again, whatever happens.
 */
export async function probe(aws: Aws, facts: Facts, { waitSeconds, say }: ProbeOptions): Promise<Probe> {
  const ready = readyFor(facts);
  if (typeof ready === "string") return { kind: "none", why: ready };
  const store = new Store(aws, facts.site.storePrefix);
  const privateKey = generatePrivateKey();
  return uninterrupted(async () => {
    say("Trying to connect: adding a device for a moment …");
    const added = await addPeer(store, facts, publicKeyOf(privateKey), ready.clientKeys);
    if (added === undefined) return { kind: "none", why: "the tunnel has no free address for the doctor" };
    try {
      return await untilStopped(async (stopped) => {
        say("Trying to connect: the server reads the store …");
        const known = await sync(aws, facts, ready.instanceId);
        say("Trying to connect: a handshake …");
        return connect({
          address: ready.address,
          port: facts.site.tunnel.listenPort,
          privateKey,
          serverPublicKey: ready.serverPublicKey,
          own: added.address,
          server: hostOf(hostAddress(facts.site.tunnel.ipv4, 1)),
          seconds: waitSeconds ?? (known ? KNOWN_WAIT_S : UNKNOWN_WAIT_S),
          known,
          stopped,
        });
      });
    } finally {
      await removePeer(store, facts, added.name);
    }
  });
}

async function removePeer(store: Store, facts: Facts, name: string): Promise<void> {
  try {
    await store.remove([name]);
  } catch (error) {
    const own = name.slice(STORE.peers.length + 1);
    throw new CliError(`the doctor's device ${own} could not be taken out of the store again`, {
      fix: `Remove it: \`${stingy(facts, `peer remove ${own}`)}\`. The next doctor does so too, after an hour.`,
      cause: error,
    });
  }
}

/** Nothing is waited for any more when somebody presses Ctrl-C; what then happens is `uninterrupted`'s affair. */
async function untilStopped<T>(work: (stopped: AbortSignal) => Promise<T>): Promise<T> {
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await work(stopped.signal);
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, stop);
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** "10.8.0.1/24" is 10.8.0.1. */
function hostOf(address: string): string {
  return address.replace(/\/.*/, "");
}

/** Puts the doctor's peer into the store, at an address that nobody has; what earlier runs have left goes first. */
async function addPeer(
  store: Store,
  { site }: Facts,
  publicKey: string,
  keys: string,
): Promise<{ readonly name: string; readonly address: string } | undefined> {
  const all = await store.peers();
  const old = all.filter((peer) => isLeftOver(peer, Date.now())).map(({ name }) => name);
  if (old.length > 0) await store.remove(old);
  let peers = all.filter(({ name }) => !old.includes(name));
  for (let tries = 0; tries < CLASH_TRIES; tries++) {
    const taken = [...addressesOf(peers), ...clientKeys(keys, site.tunnel).flatMap(({ addresses }) => addresses)];
    const addresses = free(site.tunnel, taken);
    const [first] = addresses ?? [];
    if (addresses === undefined || first === undefined) return undefined;
    const name = probePeerName();
    if (!(await store.create(name, probePeer({ publicKey, addresses, group: "internet" })))) continue;
    // Somebody may have taken the address at the same moment: a device's right goes before the doctor's.
    peers = (await store.peers()).filter((peer) => peer.name !== name);
    if (!addressesOf(peers).some((address) => addresses.includes(address))) return { name, address: hostOf(first) };
    await store.remove([name]);
  }
  return undefined;
}

function addressesOf(peers: readonly StoredParameter[]): string[] {
  return peers.flatMap(({ value }) => parsePeer(value).peer?.addresses ?? []);
}

function free(tunnel: Facts["site"]["tunnel"], taken: readonly string[]): string[] | undefined {
  try {
    return nextAddresses(tunnel, taken);
  } catch (error) {
    if (error instanceof Error && error.name === "TunnelFullError") return undefined;
    throw error;
  }
}

/** Has the server read the store; false where it may not have. */
async function sync(aws: Aws, { names }: Facts, instanceId: string): Promise<boolean> {
  try {
    return (await runDocument(aws, { document: names.syncDocument, instanceId, waitMs: SYNC_MS })).status === "Success";
  } catch {
    // Who may not run commands waits for the event, which wakes the server as well.
    return false;
  }
}

interface Connection {
  readonly address: string;
  readonly port: number;
  readonly privateKey: string;
  readonly serverPublicKey: string;
  /** In the tunnel. */
  readonly own: string;
  readonly server: string;
  readonly seconds: number;
  readonly known: boolean;
  readonly stopped: AbortSignal;
  /** @default PACE */
  readonly pace?: { readonly handshakeMs: number; readonly pingMs: number };
}

/** A handshake, a ping of the server, one of the internet, and the largest packet that comes back. */
export async function connect(connection: Connection): Promise<Probe> {
  const { address, port, seconds, known, stopped, pace = PACE, ...to } = connection;
  const { createInitiation, echoRequest, parseEchoReply } =
    require("../../modules/wireguard/handshake") as typeof import("../../modules/wireguard/handshake");
  type Session = import("../../modules/wireguard/handshake").Session;
  const endpoint = `${address}:${port}`;
  const datagrams = await Datagrams.to(address, port);
  try {
    let session: Session | undefined;
    let began = Date.now();
    const end = began + seconds * 1000;
    let initiation = createInitiation(to);
    while (!session && Date.now() < end && !stopped.aborted) {
      began = Date.now();
      const { packet, consume } = initiation;
      const answer = await datagrams.ask(packet, Math.min(pace.handshakeMs, end - began), (datagram) => {
        const found = consume(datagram);
        return found.kind === "refused" ? undefined : found;
      });
      if (answer?.kind === "session") session = answer.session;
      // A refusal by the system comes at once: not a thousand times a second.
      else if (datagrams.refused) await sleep(pace.handshakeMs);
      initiation = answer?.kind === "again" ? answer.initiation : createInitiation(to);
    }
    if (!session) return { kind: "silent", endpoint, seconds, refused: datagrams.refused, known };
    const ms = Date.now() - began;

    let sequence = 0;
    const id = process.pid & 0xffff;
    const open = session;
    const ping = async (
      destination: string,
      size: number,
      tries: number,
      waitMs: number,
    ): Promise<number | undefined> => {
      for (let left = tries; left > 0 && !stopped.aborted; left--) {
        const number = ++sequence;
        const sent = Date.now();
        const request = echoRequest({ source: to.own, destination, id, sequence: number, size });
        const came = await datagrams.ask(open.encrypt(request, size), waitMs, (datagram) => {
          const inner = open.decrypt(datagram);
          const reply = inner && parseEchoReply(inner);
          return reply?.id === id && reply.sequence === number ? true : undefined;
        });
        if (came) return Date.now() - sent;
      }
      return undefined;
    };
    const serverMs = await ping(to.server, SMALL_PACKET, PING_TRIES, pace.pingMs);
    if (serverMs === undefined)
      return { kind: "answered", endpoint, ms, serverMs, internetMs: undefined, mtu: undefined };
    const internetMs = await ping(INTERNET, SMALL_PACKET, PING_TRIES, pace.pingMs);
    const patience = Math.min(pace.pingMs, Math.max(LEAST_PATIENCE_MS, 4 * serverMs));
    const mtu = await largest((size) => ping(to.server, size, 2, patience).then((came) => came !== undefined));
    return { kind: "answered", endpoint, ms, serverMs, internetMs, mtu };
  } finally {
    datagrams.close();
  }
}

/** The largest size from LEAST_MTU to FULL_MTU that passes; undefined where not even the least does. */
export async function largest(passes: (size: number) => Promise<boolean>): Promise<number | undefined> {
  if (await passes(FULL_MTU)) return FULL_MTU;
  if (!(await passes(LEAST_MTU))) return undefined;
  let good = LEAST_MTU;
  let bad = FULL_MTU;
  while (bad - good > MTU_STEP) {
    const middle = good + Math.floor((bad - good) / 2 / MTU_STEP) * MTU_STEP;
    if (await passes(middle)) good = middle;
    else bad = middle;
  }
  return good;
}
