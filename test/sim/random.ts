/** A draw is a function of its key alone: leaving one fault out of a schedule does not reshuffle the others. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b + 0x9e3779b9, 0x85ebca6b), 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  h ^= h >>> 12;
  h = Math.imul(h, 0x297a2d39);
  h ^= h >>> 15;
  return h >>> 0;
}

const RANGE = 2 ** 32;

/** A whole number from `from` to `to`, both included. */
export function between(key: number, from: number, to: number): number {
  return from + Math.floor((key / RANGE) * (to - from + 1));
}

export function happens(key: number, rate: number): boolean {
  return key < rate * RANGE;
}

export function pick<T>(key: number, choices: readonly T[]): T {
  return choices[Math.floor((key / RANGE) * choices.length)] as T;
}

/** Draws one after another, for the making of a schedule. */
export class Random {
  #drawn = 0;

  constructor(private readonly seed: number) {}

  key(): number {
    return mix(this.seed, this.#drawn++);
  }

  between(from: number, to: number): number {
    return between(this.key(), from, to);
  }

  happens(rate: number): boolean {
    return happens(this.key(), rate);
  }

  pick<T>(choices: readonly T[]): T {
    return pick(this.key(), choices);
  }
}
