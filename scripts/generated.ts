import path from "node:path";
import { jsonSchema } from "../modules/config";
import { inline, type SchemaNode } from "../modules/config/explain";

const ROOT = path.resolve(__dirname, "..");
export const SCHEMA_FILE = path.join(ROOT, "stingy.schema.json");
export {
  FAILOVER_FILE,
  FAILOVER_PICTURE,
  failoverPicture,
  failoverText,
  writeFailover,
} from "../test/lab/report/document";
export { RUNBOOK_FILE, runbookText } from "./alarm-table";
export { cliReferenceText } from "./cli-reference";
export const CLI_FILE = path.join(ROOT, "docs/cli.md");
export const REFERENCE_FILE = path.join(ROOT, "docs/configuration.md");

export function schemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}

/** The reference of every setting, made from the schema that checks them. */
export function referenceText(): string {
  return `# Configuration

One file, \`stingy.yaml\` beside \`cdktf.json\`, or the file that \`STINGY_CONFIG\` names. Without a file every setting has its
default. [examples](../examples) has a commented file per use; \`examples/full.yaml\` shows every setting. Secrets never go
into this file: they live in the store (SSM Parameter Store).

An editor that knows YAML schemas checks the file while you type, with this first line:

\`\`\`yaml
# yaml-language-server: $schema=./stingy.schema.json
\`\`\`

A mistake is answered with its line, what is allowed and how to fix it, all mistakes at once, and nothing is written.
This page is made from the schema by \`npm run docs\`.

${sections(jsonSchema() as SchemaNode, "", "Top level").join("\n\n")}

## Rules between settings

- No range overlaps another: VPC and tunnel ranges, within a site and between sites.
- Availability zones are in the region, all ids or all names, and the VPC has room for a subnet in each.
- Instance types and image are of the one \`server.architecture\`; an image given by its id needs \`server.distribution\`.
- \`dns.name\` is in \`dns.zone\`, and no two sites have the same name.
- Two sites of one region have a \`storePrefix\` each, neither inside the other.
- A site has an Elastic IP, a DNS name, or both.
- \`network.ipv6: false\` goes with no \`tunnel.ipv6\`, no AAAA record and no IPv6 network in \`access.isolatedNetworks\`.
- \`access.defaultGroup: isolated\` needs something in \`access.isolatedNetworks\`, and nothing there is in the tunnel.
- A \`server.maintenanceWindow\` is at least 30 minutes long; where \`to\` is before \`from\` it goes on past midnight and
  belongs to the day it begins on.
- \`schedule.pause\` and \`schedule.resume\` are not the same.
- \`nodejs24.x\` needs AWS provider 6.21 or later.
`;
}

function sections(node: SchemaNode, at: string, title: string): string[] {
  const properties = Object.entries(node.properties ?? {});
  const leaves = properties.filter(([, property]) => !isGroup(property));
  const own =
    leaves.length === 0 && at !== ""
      ? []
      : [
          [
            `## ${title}`,
            ...(node.description ? [withReason(node)] : []),
            ...(leaves.length === 0
              ? []
              : [
                  [
                    "| setting | what it is | allowed | default |",
                    "|---|---|---|---|",
                    ...leaves.map(([key, property]) => row(key, property, node.required?.includes(key) ?? false)),
                  ].join("\n"),
                ]),
          ].join("\n\n"),
        ];
  const groups = properties.filter(([, property]) => isGroup(property));
  return [
    ...own,
    ...groups.flatMap(([key, property]) => {
      const path = at === "" ? key : `${at}.${key}`;
      if (property.oneOf) {
        return [
          [`## \`${path}\``, `${property.description ?? ""} Default: \`${inline(property.default)}\`.`].join("\n\n"),
          ...property.oneOf.flatMap((branch) => sections(branch, path, `\`${path}\`: ${branch.title}`)),
        ];
      }
      if (typeof property.additionalProperties === "object" && property.additionalProperties.properties) {
        return [
          [`## \`${path}\``, property.description, `Allowed: ${property["x-allowed"]}.`].join("\n\n"),
          ...sections(property.additionalProperties, `${path}.<name>`, `\`${path}.<name>\``),
        ];
      }
      return sections(property, path, `\`${path}\``);
    }),
  ];
}

/** A group that may be left out says what happens then. */
function withReason({ description = "", "x-reason": reason }: SchemaNode): string {
  return reason === undefined ? description : `${description} Default: ${reason}.`;
}

function isGroup(node: SchemaNode): boolean {
  const values = node.additionalProperties;
  return Boolean(node.properties || node.oneOf || (typeof values === "object" && values.properties));
}

function row(key: string, node: SchemaNode, required: boolean): string {
  const fallback = required ? "none, needed" : node.default === undefined ? undefined : `\`${inline(node.default)}\``;
  const cells = [
    `\`${key}\``,
    node.description ?? "",
    node["x-allowed"] ?? "",
    [fallback, node["x-reason"]].filter(Boolean).join("; ") || "none",
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("<", "&lt;")).join(" | ")} |`;
}
