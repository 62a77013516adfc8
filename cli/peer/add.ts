import { setTimeout as sleep } from "node:timers/promises";
import { STORE } from "../../modules/store/names";
import {
  type Group,
  generatePresharedKey,
  generatePrivateKey,
  parsePeer,
  publicKeyOf,
  type StoredPeer,
  writePeer,
} from "../../modules/wireguard";
import type { Context } from "../context";
import { CliError } from "../exit";
import { uninterrupted } from "../interrupt";
import { note, progress } from "../output";
import type { StoredParameter } from "../store";
import { AT_THE_LATEST } from "./defaults";
import {
  checkEndpointOption,
  checkKeyOption,
  configText,
  type DeviceOptions,
  type DeviceSettings,
  deviceSettings,
  noEndpoint,
  refuseKnownKey,
  siteEndpoint,
} from "./device";
import { Handout, type HandoutOptions } from "./handout";
import { withoutPrefix } from "./known";
import { checkName, peerPath } from "./name";
import { serverPrivateKey } from "./server-key";
import { freeAddresses, PATIENCE, PATIENCE_MS, settle } from "./settle";
import { refuseByHand, type SitePeers, sitePeers } from "./site-store";

export interface AddOptions extends DeviceOptions, HandoutOptions {
  readonly group?: Group;
}

export async function addPeer(context: Context, options: AddOptions, name: string): Promise<void> {
  checkName(name);
  checkKeyOption(options.publicKey);
  checkEndpointOption(options.endpoint);
  const site = await context.site();
  const group = options.group ?? site.access.defaultGroup;
  const settings = deviceSettings(options, site, group);
  const handout = new Handout(options, options.publicKey === undefined);

  const aws = await context.aws();
  const [found, endpoint] = await progress("Reading the store", () =>
    Promise.all([sitePeers(context, STORE.wireguardPrivateKey), siteEndpoint(options.endpoint, site, aws)]),
  );
  refuseByHand(found);
  if (endpoint === undefined) throw noEndpoint(site);
  if (found.known.some((known) => known.parameter && known.name === name)) throw already(name);
  const serverKey = await serverPrivateKey(found);
  const serverPublicKey = publicKeyOf(serverKey);

  const privateKey = options.publicKey === undefined ? generatePrivateKey() : undefined;
  const publicKey = options.publicKey ?? publicKeyOf(privateKey ?? "");
  refuseKnownKey(publicKey, serverPublicKey, found.known);
  const first: StoredPeer = {
    publicKey,
    ...(options.psk === false ? {} : { presharedKey: generatePresharedKey() }),
    addresses: freeAddresses(site.tunnel, found.known),
    ...(options.group === undefined ? {} : { group: options.group }),
  };
  const config = (peer: StoredPeer) => configText(peer, settings, { privateKey, serverPublicKey, endpoint });

  await uninterrupted(async () => {
    await handout.open(config(first));
    let taken = false;
    let peer = first;
    try {
      taken = !(await store(found, name, first));
      if (taken) throw already(name);
      peer = await progress("Storing the device", () => settle(found, name, first));
      if (peer !== first) await handout.write(config(peer));
      handout.give(config(peer));
    } catch (error) {
      if (!taken) await takeBack(found, name, first);
      handout.discard();
      throw error;
    }
    await handout.show(config(peer), name);
    for (const line of summary(name, peer, group, found, settings)) note(line);
    for (const line of handout.advice(name)) note(line);
  });
}

function summary(name: string, peer: StoredPeer, group: Group, found: SitePeers, settings: DeviceSettings): string[] {
  const { access } = found.site;
  const reach = access.isolatedNetworks.join(", ");
  return [
    "",
    `${name} is stored: ${peer.addresses.map(withoutPrefix).join(", ")}, group ${group}.`,
    found.instanceId === undefined
      ? "The site has no server yet: its first one will know the device."
      : `The server knows it within seconds, at the latest within ${AT_THE_LATEST}.`,
    ...(group !== "isolated"
      ? []
      : reach === ""
        ? ["It reaches nothing yet, as access.isolatedNetworks is empty."]
        : settings.allowedIps.includes("0.0.0.0/0")
          ? [
              `It reaches only ${reach}. With --allowed-ips ${access.isolatedNetworks.join(",")} its other traffic stays outside the tunnel.`,
            ]
          : []),
  ];
}

function already(name: string): CliError {
  return new CliError(`There is a peer ${name} already.`, {
    fix: `Choose another name, or make its keys anew (\`npx stingy peer rotate ${name}\`), or remove it first (\`npx stingy peer remove ${name}\`).`,
  });
}

/** Create-only; false where another has the name. A first try whose answer was lost may have stored it. */
async function store({ store }: SitePeers, name: string, peer: StoredPeer): Promise<boolean> {
  if (await store.create(peerPath(name), writePeer(peer))) return true;
  for (let looks = 0; ; looks++) {
    const stored = await store.get(peerPath(name));
    // A read may not show yet what is there.
    if (stored !== undefined || looks === PATIENCE) return isOurs(stored, peer);
    await sleep(PATIENCE_MS);
  }
}

/** Where it stands may have changed since. */
function isOurs(stored: StoredParameter | undefined, { publicKey, presharedKey }: StoredPeer): boolean {
  const { peer } = parsePeer(stored?.value ?? "");
  return peer?.publicKey === publicKey && peer.presharedKey === presharedKey;
}

/** Removes what could not be given out, also where the answer to storing it was lost. */
async function takeBack({ store }: SitePeers, name: string, peer: StoredPeer): Promise<void> {
  try {
    const stored = await store.get(peerPath(name));
    // A read may not show yet what was just stored; to remove what is not there does no harm.
    if (stored === undefined || isOurs(stored, peer)) await store.remove([peerPath(name)]);
  } catch {
    note(`${name} may be in the store, with a key that nobody has: look with \`npx stingy peer list\` and remove it.`);
  }
}
