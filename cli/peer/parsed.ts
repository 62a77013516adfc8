import { parsePeer, type StoredPeer } from "../../modules/wireguard";
import { CliError } from "../exit";

/** A stored peer, or what is wrong with it and how to go on. */
export function parsed(name: string, value: string): StoredPeer {
  const { peer, reason } = parsePeer(value);
  return peer ?? broken(name, reason);
}

export function broken(name: string, reason: string): never {
  throw new CliError(`The peer ${name} is broken: ${reason}.`, {
    fix: `Remove it and add it again: \`npx stingy peer remove ${name}\`, \`npx stingy peer add ${name}\`.`,
  });
}
