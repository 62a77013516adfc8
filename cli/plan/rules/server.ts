import { SENSITIVE, UNKNOWN } from "../hidden";
import { joined, listed, type Sentence, say } from "../sentence";
import { block, type PlanView, type Resource } from "../view";
import type { Rule } from "./rule";

const TEMPLATE = "aws_launch_template";
/** A new version has none of these in it. */
const NOT_IN_A_VERSION = [
  "latest_version",
  "default_version",
  "update_default_version",
  "tags",
  "tags_all",
  "description",
];

const READABLE: readonly { readonly what: string; readonly of: (side: unknown) => unknown; readonly unit?: string }[] =
  [
    { what: "machine", of: (side) => block(side, "instance_type") },
    { what: "disk", of: (side) => block(side, "block_device_mappings", "ebs", "volume_size"), unit: " GB" },
    { what: "image", of: (side) => block(side, "image_id") },
  ];

function reasons({ before, after, changed, change }: Resource): Sentence {
  const values = READABLE.flatMap(({ what, of, unit = "" }) => {
    const [was, is] = [of(before), of(after)];
    return was === is ? [] : [say`${[what]} ${was === undefined ? "none" : `${was}${unit}`} → ${`${is}${unit}`}`];
  });
  const named = ["instance_type", "block_device_mappings", "image_id"];
  const attributes = Object.keys({ ...change.change.before, ...after }).filter(
    (key) => changed(key) && !NOT_IN_A_VERSION.includes(key) && !named.includes(key),
  );
  const rest = attributes.map((attribute) =>
    attribute === "user_data" ? (["what the server runs"] as Sentence) : say`${attribute}`,
  );
  return joined([...values, ...rest], ", ");
}

const hasAddress = ({ plan, resources }: PlanView) =>
  resources.some(({ type, after }) => type === "aws_eip" && after !== undefined) ||
  [
    ...(plan.planned_values?.root_module?.resources ?? []),
    ...(plan.prior_state?.values?.root_module?.resources ?? []),
  ].some(({ mode, type }) => mode === "data" && type === "aws_eip");

function publicAddress(side: { public_ip?: unknown } | undefined): Sentence {
  const ip = side?.public_ip;
  return typeof ip === "string" && ip !== "" && ip !== SENSITIVE && ip !== UNKNOWN ? say` ${ip}` : [];
}

export const SERVER_RULES: readonly Rule[] = [
  {
    id: "server-replaced",
    finds: "the launch template gets a new version",
    look: (plan) =>
      plan
        .updated(TEMPLATE)
        .map((template) => ({ template, why: reasons(template) }))
        .filter(({ why }) => why.length > 0)
        .map(({ template, why }) =>
          hasAddress(plan)
            ? {
                severity: "info",
                about: [template.address],
                text: say`The launch template changes (${why}): the server will be replaced without interruption; its address stays.`,
              }
            : {
                severity: "attention",
                about: [template.address],
                text: say`The launch template changes (${why}): the server will be replaced, and there is no Elastic IP: devices are cut off until they look the name up again.`,
              },
        ),
  },
  {
    id: "template-lost",
    finds: "the launch template is replaced or destroyed",
    look: (plan) =>
      plan.lost(TEMPLATE).map(({ address, action }) => ({
        severity: action === "destroy" ? "danger" : "attention",
        about: [address],
        text:
          action === "destroy"
            ? say`The launch template is destroyed: a server that ends is not replaced any more.`
            : say`The launch template is replaced by another one: the server will be replaced once the recovery stack is applied too; until then the controller cannot start one.`,
      })),
  },
  {
    id: "address-lost",
    finds: "the Elastic IP is replaced or destroyed",
    look: (plan) =>
      plan.lost("aws_eip").map(({ address, action, before }) => ({
        severity: "danger",
        about: [address],
        text:
          action === "replace"
            ? say`The Elastic IP${publicAddress(before)} is replaced: every device must be reconfigured with the new address. The old one is gone for good.`
            : say`The Elastic IP${publicAddress(before)} is given back to AWS for good: every device that has it must be reconfigured.`,
      })),
  },
  {
    id: "address-let-go",
    finds: "Terraform lets go of the Elastic IP",
    look: (plan) =>
      plan
        .of("aws_eip")
        .filter(({ action }) => action === "forget")
        .map(({ address, before }) => ({
          severity: "attention",
          about: [address],
          text: say`Terraform lets go of the Elastic IP${publicAddress(before)}: it stays yours and is paid for until you release it.`,
        })),
  },
  {
    id: "metadata-open",
    finds: "the instance metadata can be read without a token, or over a network hop",
    look: (plan) =>
      plan.of(TEMPLATE).flatMap(({ address, action, before, after }) => {
        if (action === undefined || after === undefined) return [];
        const tokens = (side: unknown) => block(side, "metadata_options", "http_tokens");
        const hops = (side: unknown) => Number(block(side, "metadata_options", "http_put_response_hop_limit"));
        const loosened = tokens(after) === "optional" && tokens(before) !== "optional";
        return loosened || hops(after) > Math.max(1, hops(before) || 0)
          ? [
              {
                severity: "danger" as const,
                exposure: true,
                about: [address],
                text: loosened
                  ? say`The server's metadata no longer asks for a token (IMDSv2): whatever makes the server fetch a page can read its credentials.`
                  : say`The server's metadata answers over ${hops(after)} network hops: devices may reach the server's credentials.`,
              },
            ]
          : [];
      }),
  },
  {
    id: "role-replaced",
    finds: "the server's or a function's role or instance profile is replaced or destroyed",
    look: (plan) =>
      plan.lost("aws_iam_role", "aws_iam_instance_profile").map(({ address, action, before }) => ({
        severity: "attention",
        about: [address],
        text: say`${before?.name ?? address} is ${action === "replace" ? ["replaced"] : ["destroyed"]}: what runs with it now has no permissions until it is restarted or replaced.`,
      })),
  },
  {
    id: "document-changed",
    finds: "what Systems Manager has the server run changes",
    look: (plan) => {
      const changed = plan.updated("aws_ssm_document").filter(({ changed }) => changed("content"));
      return changed.length === 0
        ? []
        : [
            {
              severity: "attention",
              about: changed.map(({ address }) => address),
              text: say`What Systems Manager has the server run as root changes: ${listed(changed.map(({ before, address }) => String(before?.name ?? address)))}. It holds from its next run on; the server is not replaced.`,
            },
          ];
    },
  },
  {
    id: "function-code",
    finds: "a function's code changes",
    look: (plan) =>
      plan
        .updated("aws_lambda_function")
        .filter(({ changed }) => changed("source_code_hash"))
        .map(({ address, after }) => ({
          severity: "info",
          about: [address],
          text: say`The code of ${after?.function_name ?? address} changes; it runs from its next event on. The server is not touched.`,
        })),
  },
  {
    id: "function-settings",
    finds: "a function's settings change",
    look: (plan) =>
      plan.updated("aws_lambda_function").flatMap(({ address, after, changed }) => {
        const settings = FUNCTION_SETTINGS.filter(changed);
        return settings.length > 0
          ? [
              {
                severity: "info" as const,
                about: [address],
                text: say`${after?.function_name ?? address} gets other settings: ${listed(settings)}.`,
              },
            ]
          : [];
      }),
  },
  {
    id: "function-gone",
    finds: "a function is destroyed or replaced",
    look: (plan) =>
      plan.lost("aws_lambda_function").map(({ address, action, before }) => ({
        severity: action === "destroy" ? "danger" : "attention",
        about: [address],
        text:
          action === "destroy"
            ? say`${before?.function_name ?? address} is destroyed: what it does is done by nobody. Without the controller no server is replaced; without the DDNS updater the name keeps an old address.`
            : say`${before?.function_name ?? address} is made anew: until it is there, nobody answers to events.`,
      })),
  },
  {
    id: "site-stopped",
    finds: "the invocation that drains the site is destroyed or replaced",
    look: (plan) =>
      plan.lost("aws_lambda_invocation").map(({ address, action }) => ({
        severity: "danger",
        about: [address],
        text:
          action === "destroy"
            ? say`The site is stopped: the server ends during the apply and the VPN is off.`
            : say`The site is stopped and started again during the apply: the VPN is off until a new server is ready.`,
      })),
  },
];

const FUNCTION_SETTINGS = [
  "environment",
  "memory_size",
  "timeout",
  "runtime",
  "architectures",
  "reserved_concurrent_executions",
  "handler",
  "role",
  "layers",
  "dead_letter_config",
  "vpc_config",
];
