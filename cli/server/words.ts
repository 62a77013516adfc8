import type { Action } from "../../assets/lambda/recovery-handler/decide";

/** What the controller did, to somebody who does not know its words; undefined for its own book-keeping. */
export function inWords(action: Action): string | undefined {
  switch (action.do) {
    case "mark":
      return markInWords(action);
    case "watch-closely":
      return action.enabled ? "It looks every minute until this is over." : undefined;
    case "launch":
      return `It asked AWS for a new machine: ${action.reason}.`;
    case "promote":
      return action.named === action.instanceId
        ? `It gave ${action.instanceId} its address back.`
        : `It made ${action.instanceId} the server: the address has moved to it.`;
    case "write-instance-id":
      return `It wrote down that ${action.instanceId} is the server.`;
    case "update-dns":
      return "It had the DNS record written.";
    case "terminate":
      return `It ended ${action.instanceIds.join(", ")}: ${action.reason}.`;
    case "set-desired-state":
      return action.state === "stopped"
        ? "The site is paused from now on: no server is started."
        : "The site is to run from now on.";
    case "write-launches":
      return undefined;
  }
}

function markInWords({ instanceId, mark, value, why }: Extract<Action, { do: "mark" }>): string {
  if (mark === "ending") return `It will end ${instanceId} in a minute or a little later: ${why}.`;
  if (mark === "unhealthy-since") {
    return value === ""
      ? `It noted that ${instanceId} is well again.`
      : `It noted that ${instanceId} is not well: ${why}.`;
  }
  const [kind] = value.split(" ");
  if (kind === "replace") return `It noted that ${instanceId} is to be replaced.`;
  if (kind === "rebalance") return `It noted that AWS recommends to replace ${instanceId}.`;
  return `It noted that AWS takes ${instanceId}.`;
}
