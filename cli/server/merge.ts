import type { LogLine } from "./log-line";

/**
 * Brings the lines of several sources, each read again and again, into one order. A line is given out once every source
 * has been read up to its time; one that comes later still is given out with the next, as losing it would be worse.
 */
export class Merge {
  private readonly readUntil = new Map<string, number>();
  private readonly known = new Map<string, number>();
  private waiting: LogLine[] = [];

  /** A line is forgotten, and would be new if it were read again, this long after it was said. */
  constructor(
    sources: readonly string[],
    private readonly rememberMs: number,
  ) {
    for (const source of sources) this.readUntil.set(source, Number.NEGATIVE_INFINITY);
  }

  /** What a source said, which has now been read up to a time; gives the lines whose turn it is. */
  add(source: string, lines: readonly LogLine[], until: Date): LogLine[] {
    for (const line of lines) {
      const key = `${source} ${line.id}`;
      if (this.known.has(key)) continue;
      this.known.set(key, line.at.getTime());
      this.waiting.push(line);
    }
    this.readUntil.set(source, Math.max(until.getTime(), this.readUntil.get(source) ?? Number.NEGATIVE_INFINITY));
    const due = Math.min(...this.readUntil.values());
    for (const [key, at] of this.known) {
      if (at < due - this.rememberMs) this.known.delete(key);
    }
    return this.take(({ at }) => at.getTime() <= due);
  }

  /** The rest. */
  end(): LogLine[] {
    return this.take(() => true);
  }

  private take(isDue: (line: LogLine) => boolean): LogLine[] {
    const due = this.waiting.filter(isDue).sort(byTime);
    this.waiting = this.waiting.filter((line) => !isDue(line));
    return due;
  }
}

export function byTime(a: LogLine, b: LogLine): number {
  return a.at.getTime() - b.at.getTime();
}
