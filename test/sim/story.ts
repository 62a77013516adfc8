const NAME_WIDTH = 14;

/** What happened, as a timeline a person can read. */
export class Story {
  readonly #lines: string[] = [];
  readonly #startsAt: number;

  constructor(private readonly clock: { readonly now: number }) {
    this.#startsAt = clock.now;
  }

  tell(who: string, what: string): void {
    this.#lines.push(`${minutes(this.clock.now - this.#startsAt)}  ${who.padEnd(NAME_WIDTH)}  ${what}`);
  }

  toString(): string {
    return this.#lines.join("\n");
  }
}

/** Minutes, seconds and thousandths. */
export function minutes(ms: number): string {
  const whole = String(Math.floor(ms / 60_000)).padStart(3, " ");
  const seconds = String(Math.floor((ms % 60_000) / 1000)).padStart(2, "0");
  return `${whole}:${seconds}.${String(ms % 1000).padStart(3, "0")}`;
}
