import { CliError } from "../exit";
import type { Store, StoredParameter } from "../store";
import { peerPath } from "./name";

const MOST_TRIES = 5;

/**
 * Writes a peer anew without losing what somebody else wrote in between. Systems Manager cannot compare and set, but it
 * keeps every version: what was written between the reading and this write is looked at afterwards, and where somebody else
 * wrote, the change is made to that.
 */
export async function changePeer(
  store: Store,
  name: string,
  before: StoredParameter,
  change: (value: string) => string,
): Promise<string> {
  const path = peerPath(name);
  let base = before.value;
  let last = before.version;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const wanted = change(base);
    const version = await store.replace(path, wanted);
    if (version <= last) {
      // A write also makes what is not there, and counts from one again: the peer was removed in between.
      await store.remove([path]);
      throw removedMeanwhile(name);
    }
    let theirs: string | undefined;
    for (let between = last + 1; between < version; between++) {
      const [written] = (await store.getAll([`${path}:${between}`])).values();
      // Our own, where an answer was lost and the write repeated.
      if (written !== undefined && written.value !== wanted) theirs = written.value;
    }
    if (theirs === undefined) return wanted;
    base = theirs;
    last = version;
  }
  throw new CliError(`Others keep changing the peer ${name} at the same time.`, {
    fix: `Look at it with \`npx stingy peer show ${name}\` and run the command again.`,
  });
}

export function removedMeanwhile(name: string): CliError {
  return new CliError(`The peer ${name} was removed by somebody else in the meantime.`, {
    fix: "It stays removed. Add it again if that was a mistake.",
  });
}
