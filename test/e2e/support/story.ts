import type { MotoRequest } from "../emulator/moto";

/** What a request was about: the last parts of `/stingy-vpn/prod/instance-id` and of a function's name. */
const INSTANCE_ID = "instance-id";
const TOKEN = "cloudflare-token";
const UPDATER = "ddns-updater";

/**
 * What the requests to AWS tell of a site's life, a sentence each, in order. Whatever it has no words for is left out, and what
 * AWS refused.
 *
 * @param names who is who, by the instances' ids
 */
export function storyOf(requests: readonly MotoRequest[], names: Readonly<Record<string, string>>): string[] {
  const nameOf = (id: string | null | undefined) => names[id ?? ""] ?? id ?? "nobody";
  return requests
    .filter(({ status }) => status === 200 || status === 202)
    .flatMap((request) => sentences(request, nameOf));
}

function sentences(
  { service, action, instance, body, path }: MotoRequest,
  nameOf: (id: string | null | undefined) => string,
): string[] {
  const form = new URLSearchParams(body);
  switch (`${service}:${action}`) {
    case "ssm:GetParameters":
      return instance === undefined && body.includes(`/${INSTANCE_ID}"`) ? ["the controller reads instance-id"] : [];
    case "ssm:GetParameter":
      return body.includes(`/${TOKEN}"`) ? ["the updater reads its token"] : [];
    case "ssm:PutParameter":
      return body.includes(`/${INSTANCE_ID}"`) ? [`instance-id names ${nameOf(JSON.parse(body).Value)}`] : [];
    case "ec2:CreateTags":
      return tags(form).map(({ id, key, value }) =>
        instance === undefined ? `${nameOf(id)} is marked: ${key}` : `${nameOf(instance)} says ${value}`,
      );
    case "ec2:CreateFleet":
    case "ec2:RunInstances":
      return ["a machine is launched"];
    case "ec2:AssociateAddress":
      return [`the address goes to ${nameOf(form.get("InstanceId"))}`];
    case "ec2:DisassociateAddress":
      return ["the address is taken off"];
    case "ec2:TerminateInstances":
      return [...form].filter(([key]) => key.startsWith("InstanceId.")).map(([, id]) => `${nameOf(id)} is ended`);
    case "events:PutEvents":
      return entries(body).map(({ DetailType }) => `${nameOf(instance)} announces: ${DetailType}`);
    case "lambda:Invoke":
      return path.includes(UPDATER) ? ["the updater is called"] : [];
    default:
      return [];
  }
}

function tags(form: URLSearchParams) {
  const resources = [...form].filter(([key]) => key.startsWith("ResourceId.")).map(([, id]) => id);
  const keys = [...form].flatMap(([name, key]) => {
    const [, number] = /^Tag\.(\d+)\.Key$/.exec(name) ?? [];
    return number === undefined ? [] : [{ key, value: form.get(`Tag.${number}.Value`) ?? "" }];
  });
  return resources.flatMap((id) => keys.map((tag) => ({ id, ...tag })));
}

function entries(body: string): { readonly DetailType: string }[] {
  return JSON.parse(body).Entries;
}

/** When each of these was told first, in the order in which it was. One that was not told is left out. */
export function firsts(story: readonly string[], wanted: readonly string[]): string[] {
  return [...new Set(story)].filter((sentence) => wanted.includes(sentence));
}

/**
 * The moments at which the address was on a server that could not serve: none that had said so itself, or one that had been ended.
 *
 * @param server who serves when the story begins
 */
export function gapsOf(requests: readonly MotoRequest[], server: string): string[] {
  const fit = new Set([server]);
  let holder: string | undefined = server;
  const gaps: string[] = [];
  for (const request of requests) {
    for (const sentence of storyOf([request], {})) {
      const [, who = "", state = ""] = /^(i-\w+) says (\S+)$/.exec(sentence) ?? [];
      if (state === "ready" || state === "serving") fit.add(who);
      else if (state !== "") fit.delete(who);
      const [, ended] = /^(i-\w+) is ended$/.exec(sentence) ?? [];
      if (ended !== undefined) fit.delete(ended);
      const [, next] = /^the address goes to (\S+)$/.exec(sentence) ?? [];
      if (next !== undefined) holder = next;
      if (sentence === "the address is taken off") holder = undefined;
      if (holder === undefined || !fit.has(holder)) gaps.push(`${request.at} ${sentence}: the address is on ${holder}`);
    }
  }
  return gaps;
}
