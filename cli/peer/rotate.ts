import { STORE } from "../../modules/store/names";
import { generatePresharedKey, generatePrivateKey, publicKeyOf, writePeer } from "../../modules/wireguard";
import type { Context } from "../context";
import { uninterrupted } from "../interrupt";
import { note, progress } from "../output";
import { applyNow, notYet } from "./applied";
import { changePeer } from "./change";
import {
  checkEndpointOption,
  checkKeyOption,
  configText,
  type DeviceOptions,
  deviceSettings,
  noEndpoint,
  refuseKnownKey,
  siteEndpoint,
} from "./device";
import { Handout, type HandoutOptions } from "./handout";
import { absent, peerPath } from "./name";
import { parsed } from "./parsed";
import { serverPrivateKey } from "./server-key";
import { refuseByHand, sitePeers, siteStore } from "./site-store";

export interface RotateOptions extends DeviceOptions, HandoutOptions {}

export async function rotatePeer(context: Context, options: RotateOptions, name: string): Promise<void> {
  const path = peerPath(name);
  checkKeyOption(options.publicKey);
  checkEndpointOption(options.endpoint);
  const site = await context.site();
  deviceSettings(options, site, site.access.defaultGroup);
  const handout = new Handout(options, options.publicKey === undefined);

  const aws = await context.aws();
  const [found, endpoint] = await progress("Reading the store", () =>
    Promise.all([siteStore(context, path, STORE.wireguardPrivateKey), siteEndpoint(options.endpoint, site, aws)]),
  );
  const before = found.parameters.get(path);
  if (!before) throw absent([name], (await sitePeers(context)).known);
  refuseByHand(found);
  if (endpoint === undefined) throw noEndpoint(site);
  const old = parsed(name, before.value);
  const settings = deviceSettings(options, site, old.group ?? site.access.defaultGroup);
  const serverPublicKey = publicKeyOf(await serverPrivateKey(found));
  const privateKey = options.publicKey === undefined ? generatePrivateKey() : undefined;
  const publicKey = options.publicKey ?? publicKeyOf(privateKey ?? "");
  if (options.publicKey !== undefined) {
    refuseKnownKey(publicKey, serverPublicKey, (await sitePeers(context)).known, name);
  }

  const presharedKey = options.psk === false ? undefined : generatePresharedKey();
  const renewed = (value: string) => {
    const { presharedKey: _, ...kept } = parsed(name, value);
    return { ...kept, publicKey, ...(presharedKey === undefined ? {} : { presharedKey }) };
  };
  const config = (value: string) => configText(renewed(value), settings, { privateKey, serverPublicKey, endpoint });

  await uninterrupted(async () => {
    await handout.open(config(before.value));
    let stored = before.value;
    try {
      stored = await progress("Storing the new keys", () =>
        changePeer(found.store, name, before, (value) => writePeer(renewed(value))),
      );
      await handout.write(config(stored));
      handout.give(config(stored));
    } catch (error) {
      const known = await found.store.get(path).then(
        (now) => now?.value ?? "",
        () => undefined,
      );
      if (known === undefined || known.includes(publicKey)) {
        note(
          `The new keys of ${name} may be stored, and nobody has them: run \`npx stingy peer rotate ${name}\` again.`,
        );
      }
      handout.discard();
      throw error;
    }
    await handout.show(config(stored), name);
    note("");
    note(`${name} has new keys; its addresses and group are as they were.`);
    for (const line of handout.advice(name)) note(line);
  });
  const applied = await applyNow(found);
  note(
    applied.applied
      ? "The server has applied it: the old key works no more."
      : `Does the old key still work? Until the server has applied this. ${notYet(applied)}`,
  );
}
