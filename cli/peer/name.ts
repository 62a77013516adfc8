import { closest, distance } from "fastest-levenshtein";
import { STORE } from "../../modules/store/names";
import { isPeerName, PEER_NAME_RULE } from "../../modules/wireguard";
import { CliError, usageError } from "../exit";
import type { KnownPeer } from "./known";

const ALIKE_WITHIN = 3;
const SHOWN_CHARACTERS = 100;

/** On one line, as a text from elsewhere may move a terminal's cursor. */
export function oneLine(text: string): string {
  return text.replace(/\p{C}/gu, " ");
}

export function quoted(text: string): string {
  return JSON.stringify(oneLine(text.slice(0, SHOWN_CHARACTERS)));
}

export function checkName(name: string): void {
  if (!isPeerName(name)) throw usageError(`${quoted(name)} cannot be a peer's name.`, `A name is ${PEER_NAME_RULE}.`);
}

export function peerPath(name: string): string {
  if (name.startsWith(`${STORE.clientPublicKeys}, `)) {
    throw new CliError(`${quoted(name)} stands in the parameter ${STORE.clientPublicKeys}.`, {
      fix: "Change that parameter instead. Leave the comma of a key that you remove, so that the others keep their addresses.",
    });
  }
  // What was stored by hand may have a name that is not given here. Systems Manager reads "phone:3" as a version of "phone".
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) checkName(name);
  return `${STORE.peers}/${name}`;
}

/** What to say of names that no peer has. */
export function absent(names: readonly string[], known: readonly Pick<KnownPeer, "name" | "source">[]): CliError {
  const own = known.filter(({ source }) => source === STORE.peers).map(({ name }) => name);
  const near = names.flatMap((name) => {
    if (own.length === 0) return [];
    const candidate = closest(name, own);
    return distance(name, candidate) <= Math.min(ALIKE_WITHIN, name.length - 1) ? [candidate] : [];
  });
  return new CliError(`There is no peer ${names.map(quoted).join(", ")}.`, {
    fix:
      near.length > 0
        ? `Did you mean ${[...new Set(near)].join(", ")}?`
        : "`npx stingy peer list` shows those that there are.",
  });
}
