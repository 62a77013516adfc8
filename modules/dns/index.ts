import { DataCloudflareZone } from "@cdktf/provider-cloudflare/lib/data-cloudflare-zone";
import { DnsRecord } from "@cdktf/provider-cloudflare/lib/dns-record";
import { Construct } from "constructs";

export interface ServerNameProps {
  readonly name: string;
  readonly zone: string;
  /** Looked up by the zone's name without it. */
  readonly zoneId?: string;
  readonly records: readonly ("A" | "AAAA")[];
  /** What the A record says until the first server is promoted. */
  readonly address?: string;
  readonly comment: string;
}

/** As short as Cloudflare allows: a client that looks again after a replacement finds the new address soon. */
const TTL_SECONDS = 60;
/** Addresses that are nobody's: TEST-NET-1 and the discard prefix. */
const NOBODY = { A: "192.0.2.1", AAAA: "100::" } as const;

/** The server's name at Cloudflare. Terraform makes the records, the DDNS updater writes their content from then on. */
export class ServerName extends Construct {
  readonly zoneId: string;
  readonly recordIds: Readonly<Partial<Record<"A" | "AAAA", string>>>;

  constructor(scope: Construct, id: string, props: ServerNameProps) {
    super(scope, id);
    this.zoneId = props.zoneId ?? new DataCloudflareZone(this, "zone", { filter: { name: props.zone } }).zoneId;
    this.recordIds = Object.fromEntries(
      props.records.map((type) => {
        const record = new DnsRecord(this, type.toLowerCase(), {
          zoneId: this.zoneId,
          name: props.name,
          type,
          content: (type === "A" ? props.address : undefined) ?? NOBODY[type],
          ttl: TTL_SECONDS,
          // Cloudflare's proxy carries no UDP.
          proxied: false,
          comment: props.comment,
          lifecycle: { ignoreChanges: ["content"] },
        });
        return [type, record.id];
      }),
    );
  }
}
