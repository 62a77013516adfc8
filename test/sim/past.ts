/** A value that may be read as it was. */
export class Past<T> {
  readonly #times: number[] = [];
  readonly #values: T[] = [];

  constructor(now: number, value: T) {
    this.set(now, value);
  }

  get now(): T {
    return this.#values[this.#values.length - 1] as T;
  }

  set(now: number, value: T): void {
    this.#times.push(now);
    this.#values.push(value);
  }

  at(then: number): T {
    let index = this.#times.length - 1;
    while (index > 0 && (this.#times[index] as number) > then) index--;
    return this.#values[index] as T;
  }
}
