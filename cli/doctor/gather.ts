import { existsSync } from "node:fs";
import path from "node:path";
import { isInstanceId } from "../../assets/lambda/shared/instance-id";
import { STORE } from "../../modules/store/names";
import { siteAlarms } from "../alarms";
import type { Aws } from "../aws";
import { explainAwsError } from "../aws-errors";
import { type Context, ROOT } from "../context";
import { commandController } from "../controller";
import { CliError } from "../exit";
import { callerOf, siteAddress, siteInstances } from "../live";
import { siteRecipients } from "../recipients";
import { Store } from "../store";
import { ifSeen, type Look } from "./check";
import type { Facts, Probe } from "./facts";
import { clockAhead, localStates, ownAddresses } from "./look/computer";
import {
  deadLetters,
  lambdaFunction,
  peerReport,
  permittedRules,
  siteDocuments,
  siteMetrics,
  siteRules,
} from "./look/controller";
import { askDns } from "./look/dns";
import { launchTemplate, siteVpc, statusChecks } from "./look/ec2";

const CONFIG_FILE = "stingy.yaml";
/** The webhook's URL is nobody's to read but its function's. */
const NOT_READ: readonly string[] = [STORE.peers, STORE.peerEndpoints, STORE.webhookUrl];
const PARAMETERS = Object.values(STORE).filter((name) => !NOT_READ.includes(name));
const NOT_PROBED: Probe = { kind: "none", why: "not tried" };

/** Looks at everything at once, but for what needs an answer before; one refused call hides nothing else. */
export async function gather(context: Context): Promise<Facts> {
  const [config, site, names, aws] = await Promise.all([
    context.config(),
    context.site(),
    context.names(),
    context.aws(),
  ]);
  const look = looker(aws);
  const own = {
    config,
    site,
    names,
    // A file that was named was read; the usual one need not be there.
    configFile:
      context.configFile !== CONFIG_FILE || existsSync(path.join(ROOT, CONFIG_FILE)) ? context.configFile : undefined,
    ownAddresses: ownAddresses(),
    now: new Date(),
    probe: NOT_PROBED,
  };
  const { dns } = site;
  const withoutAws = Promise.all([
    look(() => clockAhead(aws.region)),
    localStates(config, site),
    dns.provider === "cloudflare" ? look(() => askDns(dns)) : undefined,
  ]).then(([clock, states, answers]) => ({ clockAhead: clock, states, dns: answers }));
  const caller = await look(() => callerOf(aws));
  if ("unseen" in caller) {
    return { ...own, ...(await withoutAws), ...nothing({ unseen: "there is no access to AWS" }), caller };
  }

  const store = new Store(aws, site.storePrefix);
  const vpc = look(() => siteVpc(aws, site));
  const instances = look(() => siteInstances(aws, site));
  const address = look(() => siteAddress(aws, site));
  const parameters = look(() => store.getAll(PARAMETERS));
  const checks = instances.then(
    async (found): Promise<Facts["statusChecks"]> =>
      "seen" in found ? look(() => statusChecks(aws, found.seen)) : found,
  );
  const report = Promise.all([parameters, instances]).then(async ([stored, found]): Promise<Facts["report"]> => {
    const id = ifSeen(stored)?.get(STORE.instanceId)?.value;
    const running = ifSeen(found)?.some((instance) => instance.id === id && instance.phase === "running");
    if (!isInstanceId(id) || !running) return { unseen: "there is no server that runs" };
    return look(() => peerReport(aws, names, id));
  });
  const seen = await allOf({
    vpc,
    template: look(() => launchTemplate(aws, site)),
    instances,
    statusChecks: checks,
    address,
    parameters,
    peers: look(() => store.peers()),
    documents: look(() => siteDocuments(aws, names)),
    controller: look(() => lambdaFunction(aws, names.controller)),
    ddnsUpdater: look(() => lambdaFunction(aws, names.ddnsUpdater)),
    permitted: look(() => permittedRules(aws, names.controller)),
    rules: look(() => siteRules(aws, names)),
    deadLetters: look(() => deadLetters(aws, names)),
    alarms: look(() => siteAlarms(aws, site, config.sites)),
    recipients: look(() => siteRecipients(aws, site, caller.seen.account)),
    webhookUrlType: look(async () => (site.monitoring.webhook === "none" ? undefined : store.typeOf(STORE.webhookUrl))),
    metrics: look(() => siteMetrics(aws, site, names)),
    controllerSays: look(() => commandController(aws, names.controller, "status")),
    report,
  });
  return { ...own, ...(await withoutAws), ...seen, caller };
}

/** Turns what AWS refuses into a reason. */
export function looker(aws: Aws) {
  return async <T>(work: () => Promise<T>): Promise<Look<T>> => {
    try {
      return { seen: await work() };
    } catch (thrown) {
      const error = explainAwsError(thrown, aws.region);
      if (error instanceof CliError) return { unseen: error.message, fix: error.fix };
      return { unseen: error instanceof Error ? error.message : String(error) };
    }
  };
}

async function allOf<T extends Record<string, Promise<unknown>>>(
  all: T,
): Promise<{ [Key in keyof T]: Awaited<T[Key]> }> {
  const values = await Promise.all(Object.values(all));
  return Object.fromEntries(Object.keys(all).map((key, at) => [key, values[at]])) as {
    [Key in keyof T]: Awaited<T[Key]>;
  };
}

/** Every fact of AWS's for somebody who has no access. */
function nothing(unseen: { readonly unseen: string }) {
  return {
    vpc: unseen,
    template: unseen,
    instances: unseen,
    statusChecks: unseen,
    address: unseen,
    parameters: unseen,
    peers: unseen,
    documents: unseen,
    controller: unseen,
    ddnsUpdater: unseen,
    permitted: unseen,
    rules: unseen,
    deadLetters: unseen,
    alarms: unseen,
    recipients: unseen,
    webhookUrlType: unseen,
    metrics: unseen,
    controllerSays: unseen,
    report: unseen,
  };
}
