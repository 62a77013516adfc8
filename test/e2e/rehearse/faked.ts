import type { Site } from "../../../modules/config";
import type { Change } from "../harness/fit";

/** What stands in for something on this machine. */
export interface Faked {
  readonly what: string;
  readonly how: string;
  readonly why: string;
}

/** How many times shorter than the scripts the played servers wait. */
export const PACE = 4;

/** docs/rehearsal.md has the same list. */
export const FAKED: readonly Faked[] = [
  {
    what: "AWS",
    how: "the emulator moto on this machine, with its gaps closed",
    why: "there is no account",
  },
  {
    what: "servers",
    how: "a program that does towards AWS what the scripts on a server do: a machine boots in a second, and every check passes",
    why: "there are no machines: the scripts themselves are run by `npm run test:server`",
  },
  {
    what: "devices",
    how: "each is imagined to be connected as soon as the server serves",
    why: "there are no phones, and no packets",
  },
  {
    what: "waiting",
    how: `the emulator's clock is put forward where a minute would only be waited for, and servers wait ${PACE} times shorter`,
    why: "nobody learns anything by it",
  },
];

export const FAKED_CLOUDFLARE: Faked = {
  what: "Cloudflare",
  how: "a server on this machine that answers as its API of zones and records does",
  why: "there is no account",
};

export function fakedFor({ dns }: Site): readonly Faked[] {
  return dns.provider === "cloudflare" ? [FAKED[0] as Faked, FAKED_CLOUDFLARE, ...FAKED.slice(1)] : FAKED;
}

export interface Fitted extends Omit<Change, "stack"> {
  readonly stacks: readonly string[];
}

/** What was fitted to this machine, with the stacks in which it was. */
export function grouped(changes: readonly Change[]): Fitted[] {
  const groups = new Map<string, Fitted>();
  for (const { stack, what, how, why } of changes) {
    const key = JSON.stringify([what, how, why]);
    groups.set(key, { what, how, why, stacks: [...(groups.get(key)?.stacks ?? []), stack] });
  }
  return [...groups.values()];
}
