import { note } from "./output";

/**
 * Runs what must not be left half done: Ctrl-C, a closed terminal and a polite kill wait until it has ended,
 * then end the process as they would have.
 */
export async function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  let received: NodeJS.Signals | undefined;
  const wait = (signal: NodeJS.Signals) => {
    if (received === undefined) note("Finishing what was begun, so that nothing is left half done …");
    received = signal;
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  // Nothing can be said to a terminal that is closed, and trying to must not end the work. The error comes only after the
  // write, so this stays.
  process.stderr.on("error", () => undefined);
  for (const signal of signals) process.on(signal, wait);
  try {
    return await work();
  } finally {
    for (const signal of signals) process.removeListener(signal, wait);
    if (received !== undefined) process.kill(process.pid, received);
  }
}
