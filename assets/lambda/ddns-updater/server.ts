import { DescribeInstancesCommand, type EC2Client } from "@aws-sdk/client-ec2";
import type { SSMClient } from "@aws-sdk/client-ssm";
import { StingyError } from "../shared/errors";
import { isInstanceId } from "../shared/instance-id";
import { readParameter } from "../shared/parameter";
import { Secret } from "../shared/secret";
import type { RecordType } from "./cloudflare";

export interface Aws {
  readonly ec2: EC2Client;
  readonly ssm: SSMClient;
  readonly storePrefix: string;
}

const NEXT_PROMOTION = "The controller has the records written at the next promotion.";

export async function readInstanceId(aws: Aws): Promise<string> {
  const id = await readParameter(aws.ssm, `${aws.storePrefix}/instance-id`, "`cdktf deploy '*'` makes it.");
  if (id === "initial") {
    throw new StingyError("No server has been promoted yet: there is no address to publish.", {
      code: "no-server",
      fix: NEXT_PROMOTION,
    });
  }
  if (!isInstanceId(id)) {
    throw new StingyError(`Parameter ${aws.storePrefix}/instance-id does not hold an instance's id.`, {
      code: "no-server",
      fix: NEXT_PROMOTION,
    });
  }
  return id;
}

export async function findAddresses({ ec2 }: Aws, id: string): Promise<Record<RecordType, string | undefined>> {
  const instance = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] })).then(
    ({ Reservations }) => Reservations?.[0]?.Instances?.[0],
    (error: Error) => {
      if (error.name.startsWith("InvalidInstanceID")) return undefined;
      throw new StingyError(`EC2 did not say the addresses of ${id}.`, { code: "ec2", cause: error });
    },
  );
  const state = instance?.State?.Name ?? "unknown to EC2";
  if (state !== "running" && state !== "pending") {
    throw new StingyError(`Server ${id} is ${state}: it has no address to publish.`, {
      code: "no-server",
      fix: NEXT_PROMOTION,
    });
  }
  const AAAA = instance?.Ipv6Address ?? instance?.NetworkInterfaces?.[0]?.Ipv6Addresses?.[0]?.Ipv6Address;
  return { A: instance?.PublicIpAddress, AAAA };
}

export async function readToken(aws: Aws): Promise<Secret> {
  const name = `${aws.storePrefix}/cloudflare-token`;
  const fix = putToken(aws);
  const value = await readParameter(aws.ssm, name, fix);
  const token = new Secret(value);
  // fetch quotes a header that it refuses in its error.
  if (!/^[\x21-\x7e]{8,}$/.test(value)) {
    throw new StingyError(
      `${name} is not a token: it has a space, a line break, a non-ASCII character, or under 8 characters.`,
      { code: "token-malformed", fix },
    );
  }
  return token;
}

export function putToken({ storePrefix }: Pick<Aws, "storePrefix">): string {
  return `Put one that has Zone:DNS:Edit there: \`aws ssm put-parameter --name ${storePrefix}/cloudflare-token --type SecureString --overwrite --value file://token.txt\`.`;
}
