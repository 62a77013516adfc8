import { documentsOf, LAYERS, type Layer } from "../../../modules/names";
import { STORE } from "../../../modules/store/names";
import { broken, type Check, ifSeen, type Look, ok, seen } from "../check";
import { deploy } from "../commands";
import type { Facts } from "../facts";

/** Never in the tree: what says that a part could not be looked at. */
const UNKNOWN = Symbol("unknown");
type Part = boolean | typeof UNKNOWN;

interface Parts {
  readonly layer: Layer;
  readonly name: string;
  readonly there: Part;
}

function partsOf(facts: Facts): Parts[] {
  const { names, site } = facts;
  const vpc = ifSeen(facts.vpc);
  const parameters = ifSeen(facts.parameters);
  const part = (layer: Layer, name: string, look: object, there: () => boolean): Parts => ({
    layer,
    name,
    there: "unseen" in look ? UNKNOWN : there(),
  });
  const parameter = (layer: Layer, name: string) =>
    part(layer, `the parameter ${site.storePrefix}/${name}`, facts.parameters, () => parameters?.has(name) === true);
  return [
    part("network", "the VPC", facts.vpc, () => vpc !== undefined),
    part("network", "its subnets", facts.vpc, () => (vpc?.subnets.length ?? 0) > 0),
    part("network", `the security group ${names.prefix}-server`, facts.vpc, () =>
      (vpc?.groups ?? []).some(({ name }) => name === `${names.prefix}-server`),
    ),
    part("server", "the launch template", facts.template, () => ifSeen(facts.template) !== undefined),
    parameter("server", STORE.instanceId),
    ...documentsOf(names).map((name) =>
      part("server", `the document ${name}`, facts.documents, () => ifSeen(facts.documents)?.includes(name) === true),
    ),
    part(
      "recovery",
      `the function ${names.controller}`,
      facts.controller,
      () => ifSeen(facts.controller) !== undefined,
    ),
    ...(site.dns.provider === "cloudflare"
      ? [
          part(
            "recovery",
            `the function ${names.ddnsUpdater}`,
            facts.ddnsUpdater,
            () => ifSeen(facts.ddnsUpdater) !== undefined,
          ),
        ]
      : []),
    ...Object.values(names.rules).map((name) =>
      part("recovery", `the rule ${name}`, facts.rules, () =>
        (ifSeen(facts.rules) ?? []).some((rule) => rule.name === name),
      ),
    ),
    part(
      "recovery",
      `the queue ${names.deadLetterQueue}`,
      facts.deadLetters,
      () => ifSeen(facts.deadLetters) !== undefined,
    ),
    parameter("recovery", STORE.desiredState),
    parameter("recovery", STORE.launches),
    part("monitoring", "the alarms", facts.alarms, () => (ifSeen(facts.alarms) ?? []).length > 0),
  ];
}

export const deployed: Check = {
  id: "deployed",
  group: "Deployment",
  title: "the site is deployed",
  needs: ["credentials", "account"],
  run: (facts) => {
    const { site, names } = facts;
    const some = partsOf(facts).some(({ there }) => there === true);
    if (some) return ok(`AWS has parts of ${names.prefix} in ${site.region}`);
    // Without a single answer it is not known.
    const looks: readonly Look<unknown>[] = [facts.vpc, facts.parameters, facts.controller];
    for (const look of looks) seen(look);
    return broken(
      `${site.region} has nothing of ${site.environment}-${site.name}`,
      `Deploy it: \`${deploy(facts)}\`. If it is deployed, check AWS_PROFILE and the setting \`region\`: this may be another account or region.`,
    );
  },
};

export const stacks: Check = {
  id: "stacks",
  group: "Deployment",
  title: "every stack has all its parts",
  needs: ["deployed"],
  run: (facts) => {
    const parts = partsOf(facts);
    const missing = parts.filter(({ there }) => there === false);
    if (missing.length === 0) {
      const { vpc, template, documents, controller, rules, deadLetters, parameters, alarms } = facts;
      const looks: readonly Look<unknown>[] = [
        vpc,
        template,
        documents,
        controller,
        rules,
        deadLetters,
        parameters,
        alarms,
      ];
      for (const look of looks) seen(look);
      return ok(`${parts.length} parts`);
    }
    const layers = LAYERS.filter((layer) => missing.some((part) => part.layer === layer));
    const list = layers.map(
      (layer) =>
        `${layer} lacks ${missing
          .filter((part) => part.layer === layer)
          .map(({ name }) => name)
          .join(", ")}`,
    );
    return broken(list.join("; "), `Have Terraform make what is missing: \`${deploy(facts)}\`.`);
  },
};
