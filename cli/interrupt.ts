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
  for (const signal of signals) process.on(signal, wait);
  let result: T;
  try {
    result = await work();
  } finally {
    for (const signal of signals) process.removeListener(signal, wait);
  }
  // Had the work failed, its error would have to be told.
  if (received !== undefined) process.kill(process.pid, received);
  return result;
}
