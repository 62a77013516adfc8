import { StingyError } from "../shared/errors";
import type { Log } from "../shared/log";
import { type Cloudflare, type DnsRecord, type Named, sameAddress } from "./cloudflare";

export interface WantedRecord extends Named {
  /** What Terraform knows of it. */
  readonly id: string | undefined;
  readonly content: string;
}

export type Outcome = "updated" | "unchanged";

/** Makes the one record of this name and type say `content`. Makes no record, and touches no other. */
export async function updateRecord(cloudflare: Cloudflare, wanted: WantedRecord, log: Log): Promise<Outcome> {
  const { id, content } = await findRecord(cloudflare, wanted, log);
  if (sameAddress(content, wanted.content)) return "unchanged";
  await cloudflare.write(wanted, id, wanted.content);
  await cloudflare.verify(wanted, id, wanted.content);
  return "updated";
}

async function findRecord(cloudflare: Cloudflare, wanted: WantedRecord, log: Log): Promise<DnsRecord> {
  const { id, name, type } = wanted;
  if (id !== undefined) {
    const record = await cloudflare.read(wanted, id);
    if (record && isWanted(record, wanted)) return record;
    log.warn("the record's id is not this name's any more: looking it up by name; run `cdktf deploy '*'`", {
      id,
      name,
      type,
      found: record ? `${record.type} ${record.name}` : "nothing",
    });
  }
  const found = (await cloudflare.lookUp(wanted)).filter((record) => isWanted(record, wanted));
  const [record, ...others] = found;
  if (record && others.length === 0) return record;
  throw record
    ? new StingyError(`There are ${found.length} ${type} records of ${name}, and none of them is known to be ours.`, {
        code: "records-ambiguous",
        fix: "Delete all but one at Cloudflare, then run `cdktf deploy '*'`.",
      })
    : new StingyError(`There is no ${type} record of ${name}.`, {
        code: "record-missing",
        fix: "`cdktf deploy '*'` makes it.",
      });
}

function isWanted(record: DnsRecord, { name, type }: WantedRecord): boolean {
  return record.type === type && plainName(record.name) === plainName(name);
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}
