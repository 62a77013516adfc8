import type { LiveAddress, LiveInstance } from "../live";

/** The server as the controller takes it: whoever holds the address, else whom `instance-id` names. */
export function serverOf(
  instances: readonly LiveInstance[],
  address: LiveAddress | undefined,
  named: string | undefined,
): LiveInstance | undefined {
  const live = instances.filter(isLive);
  return live.find(({ id }) => id === address?.instanceId) ?? live.find(({ id }) => id === named);
}

export function isLive({ phase }: Pick<LiveInstance, "phase">): boolean {
  return phase === "pending" || phase === "running";
}
