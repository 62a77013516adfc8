import { CliError } from "../exit";
import type { Store, StoredParameter } from "../store";
import { peerPath } from "./name";

const MOST_TRIES = 5;

/**
 * Writes a peer anew without losing what somebody else wrote in between. Systems Manager cannot compare and set, but it
 * keeps every version: what stood before this write is looked at afterwards, and where it is not what the change was made
 * of, the change is made to that.
 */
export async function changePeer(
  store: Store,
  name: string,
  before: StoredParameter,
  change: (value: string) => string,
): Promise<string> {
  const path = peerPath(name);
  let base = before.value;
  let expected = base;
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const wanted = change(base);
    const version = await store.replace(path, wanted);
    if (version <= 1) {
      // A write also makes what is not there: the peer was removed in between.
      await store.remove([path]);
      throw removedMeanwhile(name);
    }
    const selector = `${path}:${version - 1}`;
    const [replaced] = (await store.getAll([selector])).values();
    if (replaced === undefined || replaced.value === expected) return wanted;
    base = replaced.value;
    expected = wanted;
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
