import { StingyError } from "../shared/errors";
import type { Patience } from "../shared/retry";
import { Cloudflare, type RecordType } from "./cloudflare";
import { type Outcome, updateRecord } from "./record";
import { type Aws, findAddresses, putToken, readInstanceId, readToken } from "./server";

export interface DnsSettings {
  readonly zoneId: string;
  readonly name: string;
  /** Which records are wanted. */
  readonly types: readonly RecordType[];
  /** What Terraform knows of them. */
  readonly ids: Readonly<Record<RecordType, string | undefined>>;
  /** The Elastic IP. Right after it has moved, EC2 may still show the server's own address. */
  readonly address: string | undefined;
  readonly baseUrl: string;
}

export interface Context {
  readonly aws: Aws;
  readonly dns: DnsSettings;
  readonly patience: Patience;
  /** The command that runs the updater. */
  readonly again: string;
}

export interface Result {
  readonly type: RecordType;
  readonly name: string;
  readonly content: string;
  readonly outcome: Outcome;
}

/**
 * 1. Read `instance-id`. 2. Ask EC2 for its public addresses. 3. Read the token. 4. PATCH the record. 5. Check the answer.
 * 6. Retry. 7. Log the result. Without a record that depends on the server, it starts at 3.
 */
export async function update(context: Context): Promise<Result[]> {
  for (;;) {
    const { results, serverId } = await updateOnce(context);
    // A run for the next server may have been overtaken by this one.
    if (serverId === undefined || (await readInstanceId(context.aws)) === serverId) return results;
    context.patience.log.warn("the server was replaced meanwhile: updating once more", { serverId });
  }
}

async function updateOnce({ aws, dns, patience, again }: Context) {
  let serverId: string | undefined;
  const server = once(async () => {
    serverId = await readInstanceId(aws);
    return { id: serverId, addresses: await findAddresses(aws, serverId) };
  });
  const cloudflare = once(
    async () =>
      new Cloudflare({
        ...dns,
        token: await readToken(aws),
        patience,
        fixes: {
          token: putToken(aws),
          zone: "Check dns.zone and dns.zoneId in stingy.yaml, then run `cdktf deploy '*'`.",
          later: `It may heal by itself; then run \`${again}\`.`,
        },
      }),
  );
  const updateType = async (type: RecordType): Promise<Result> => {
    const content = (type === "A" ? dns.address : undefined) ?? addressOf(await server(), type);
    const wanted = { type, name: dns.name, content };
    const outcome = await updateRecord(await cloudflare(), { ...wanted, id: dns.ids[type] }, patience.log);
    patience.log.info(`record ${outcome}`, wanted);
    return { ...wanted, outcome };
  };
  // One record's failure keeps no other from being tried.
  const settled = await Promise.allSettled(dns.types.map(updateType));
  const failures = settled.flatMap((result) => (result.status === "rejected" ? [result.reason as Error] : []));
  if (failures.length > 0) throw together(failures);
  return { serverId, results: settled.flatMap((result) => (result.status === "fulfilled" ? [result.value] : [])) };
}

function addressOf(
  { id, addresses }: { id: string; addresses: Record<RecordType, string | undefined> },
  type: RecordType,
): string {
  const address = addresses[type];
  if (address !== undefined) return address;
  throw new StingyError(`Server ${id} has no public ${type === "A" ? "IPv4" : "IPv6"} address.`, {
    code: "no-address",
  });
}

/** Two records mostly fail for the same reason. */
function together(failures: readonly Error[]): Error {
  const distinct = [...new Map(failures.map((failure) => [failure.message, failure])).values()];
  const [only, ...others] = distinct;
  if (only && others.length === 0) return only;
  return new AggregateError(distinct, distinct.map(({ message }) => message).join(" "));
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
