import type { LogLine } from "./log-line";

/** Lines may become readable later than they were said: this much is read again and again. */
const OVERLAP_MS = 60_000;

/** One log that is read again and again. A read that fails is not told, so that the next one begins where it did. */
export class Tail {
  private readonly known = new Map<string, number>();
  private begin: number;

  constructor(
    private readonly since: Date,
    private readonly overlapMs = OVERLAP_MS,
  ) {
    this.begin = since.getTime();
  }

  /** What was said from then on is read next. */
  get from(): Date {
    return new Date(this.begin);
  }

  /** What was read from there on, at a time; gives the lines that are new. */
  take(lines: readonly LogLine[], at: Date): LogLine[] {
    const fresh = lines.filter((line) => {
      // Where time is asked for in whole seconds, there are older ones, which may be forgotten already.
      if (line.at.getTime() < this.begin || this.known.has(line.id)) return false;
      this.known.set(line.id, line.at.getTime());
      return true;
    });
    this.begin = Math.max(this.since.getTime(), at.getTime() - this.overlapMs);
    for (const [id, saidAt] of this.known) {
      if (saidAt < this.begin) this.known.delete(id);
    }
    return fresh;
  }
}

/**
 * Brings the new lines of several sources into one order. A line is given out once every source has been read up to its
 * time; one that comes later still is given out with the next, as losing it would be worse.
 */
export class Merge {
  private readonly readUntil = new Map<string, number>();
  private waiting: LogLine[] = [];

  constructor(sources: readonly string[]) {
    for (const source of sources) this.readUntil.set(source, Number.NEGATIVE_INFINITY);
  }

  /** What a source newly said, which has now been read up to a time; gives the lines whose turn it is. */
  add(source: string, lines: readonly LogLine[], until: Date): LogLine[] {
    this.waiting.push(...lines);
    this.readUntil.set(source, Math.max(until.getTime(), this.readUntil.get(source) ?? Number.NEGATIVE_INFINITY));
    const due = Math.min(...this.readUntil.values());
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
