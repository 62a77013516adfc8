import { Construct } from "constructs";
import { JOURNAL_LINES } from "../names";
import { commandDocument } from "./command-document";

export interface JournalReportProps {
  readonly name: string;
}

const ANSWER_SECONDS = 20;

/** Has the server give what its own units said since a moment, for the operator's command. */
export class JournalReport extends Construct {
  constructor(scope: Construct, id: string, { name }: JournalReportProps) {
    super(scope, id);
    commandDocument(this, "document", {
      name,
      description: "Gives what the server's units said",
      step: "journal",
      timeoutSeconds: ANSWER_SECONDS,
      parameters: { since: { description: "Seconds since 1970", allowedPattern: "^[0-9]{1,12}$" } },
      // The newest first: where Systems Manager cuts the answer off, the oldest are missing.
      commands: [
        [
          "journalctl --quiet --no-pager --reverse --output json --since @{{ since }} --unit 'stingy-*' --unit cloud-final",
          `jq -c 'select(.MESSAGE | type == "string") | [.__REALTIME_TIMESTAMP, .PRIORITY, .SYSLOG_IDENTIFIER, .MESSAGE]'`,
          `head -n ${JOURNAL_LINES}`,
          "gzip -9",
          "base64 -w 0",
        ].join(" | "),
      ],
    });
  }
}
