import { SsmDocument } from "@cdktf/provider-aws/lib/ssm-document";
import type { Construct } from "constructs";

export interface CommandDocumentProps {
  readonly name: string;
  readonly description: string;
  /** What the one step is called. */
  readonly step: string;
  readonly timeoutSeconds: number;
  /** Run as root by sh, one after the other; `{{ name }}` stands for a parameter. */
  readonly commands: readonly string[];
  /**
   * What each parameter is, and the pattern that its value has to match: it gets into the commands as it is.
   *
   * @default - none
   */
  readonly parameters?: Readonly<Record<string, { readonly description: string; readonly allowedPattern: string }>>;
}

/** What Systems Manager has a server run. Whoever may send it needs no right to run anything else there. */
export function commandDocument(scope: Construct, id: string, props: CommandDocumentProps): SsmDocument {
  const { name, description, step, timeoutSeconds, commands, parameters } = props;
  return new SsmDocument(scope, id, {
    name,
    documentType: "Command",
    content: JSON.stringify({
      schemaVersion: "2.2",
      description,
      ...(parameters === undefined
        ? {}
        : {
            parameters: Object.fromEntries(
              Object.entries(parameters).map(([parameter, rest]) => [parameter, { type: "String", ...rest }]),
            ),
          }),
      mainSteps: [
        {
          action: "aws:runShellScript",
          name: step,
          inputs: { timeoutSeconds: String(timeoutSeconds), runCommand: commands },
        },
      ],
    }),
  });
}
