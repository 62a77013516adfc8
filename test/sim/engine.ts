// Node's own way to run what promises have made due, without a turn of the event loop: so a schedule is one synchronous
// call, and nothing else of the process can come between two of its steps.
const { _tickCallback: drain } = process as unknown as { _tickCallback: () => void };

/** Does the work where promises can be run to their end: not inside of one. */
export function outsidePromises<T>(work: () => T): Promise<T> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error);
      }
    });
  });
}

/** @throws where promises cannot be run to their end */
export function requireOutsidePromises(): void {
  let ran = false;
  Promise.resolve().then(() => {
    ran = true;
  });
  drain();
  if (!ran) throw new Error("The simulation cannot run inside a promise: wrap it in outsidePromises().");
}

/** Virtual time: what is due happens in the order of time, and what is due together in the order it was asked for. */
export class Engine {
  #times: number[] = [];
  #orders: number[] = [];
  #steps: (() => void)[] = [];
  #asked = 0;
  #stopped = false;

  constructor(public now: number) {}

  at(time: number, step: () => void): void {
    const times = this.#times;
    const orders = this.#orders;
    const steps = this.#steps;
    const due = time < this.now ? this.now : time;
    const order = this.#asked++;
    let index = times.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const parentTime = times[parent] as number;
      if (parentTime <= due) break;
      times[index] = parentTime;
      orders[index] = orders[parent] as number;
      steps[index] = steps[parent] as () => void;
      index = parent;
    }
    times[index] = due;
    orders[index] = order;
    steps[index] = step;
  }

  after(ms: number, step: () => void): void {
    this.at(this.now + ms, step);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Ends when nothing is due up to `until`, or when it was stopped. */
  run(until: number): void {
    while (!this.#stopped && this.#times.length > 0 && (this.#times[0] as number) <= until) {
      this.now = this.#times[0] as number;
      this.#take()();
      drain();
    }
    if (!this.#stopped) this.now = Math.max(this.now, until);
  }

  #take(): () => void {
    const times = this.#times;
    const orders = this.#orders;
    const steps = this.#steps;
    const first = steps[0] as () => void;
    const time = times.pop() as number;
    const order = orders.pop() as number;
    const step = steps.pop() as () => void;
    const size = times.length;
    if (size === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#isBefore(child + 1, child)) child++;
      const childTime = times[child] as number;
      if (time < childTime || (time === childTime && order < (orders[child] as number))) break;
      times[index] = childTime;
      orders[index] = orders[child] as number;
      steps[index] = steps[child] as () => void;
      index = child;
    }
    times[index] = time;
    orders[index] = order;
    steps[index] = step;
    return first;
  }

  #isBefore(a: number, b: number): boolean {
    const [timeA, timeB] = [this.#times[a] as number, this.#times[b] as number];
    return timeA < timeB || (timeA === timeB && (this.#orders[a] as number) < (this.#orders[b] as number));
  }
}
