import { Construct } from "constructs";
import { MOST_REPORTED, REPORTED_KEY_CHARACTERS } from "../names";
import { commandDocument } from "./command-document";

export interface PeerReportProps {
  readonly name: string;
}

const ANSWER_SECONDS = 30;

/** Has the server say of its peers when each was last heard of, and what it sent and got, for the operator's command. */
export class PeerReport extends Construct {
  constructor(scope: Construct, id: string, { name }: PeerReportProps) {
    super(scope, id);
    commandDocument(this, "document", {
      name,
      description: "Says when each peer was last heard of, and what it sent and got",
      step: "report",
      timeoutSeconds: ANSWER_SECONDS,
      // The dump has preshared keys: only what is named here leaves the server.
      commands: [
        "date +%s",
        `wg show wg0 dump | awk -F '\\t' 'NR > 1 && $5 > 0 { print $5, substr($1, 1, ${REPORTED_KEY_CHARACTERS}), $6, $7 }' | sort -rn | head -n ${MOST_REPORTED}`,
      ],
    });
  }
}
