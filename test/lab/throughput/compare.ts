/** Measurements that are to be compared follow each other closely, and none is always the first: what drifts, drifts for all. */

/** What our rules may cost. */
export const LIMIT_PERCENT = 3;

/** Each run measures all, forwards and backwards by turns. */
export async function inTurns<Name extends string | number, T>(
  runs: number,
  measurements: Readonly<Record<Name, () => Promise<T>>>,
): Promise<Record<Name, T[]>> {
  const names = Object.keys(measurements) as Name[];
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<Name, T[]>;
  for (let run = 0; run < runs; run++)
    for (const name of run % 2 === 0 ? names : [...names].reverse()) results[name].push(await measurements[name]());
  return results;
}

/** By run. */
export const compare = (
  ours: readonly number[],
  theirs: readonly number[],
  how: (ours: number, theirs: number) => number,
): number[] => ours.map((value, run) => how(value, theirs[run] as number));
