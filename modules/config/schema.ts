import * as z from "zod";
import { backendSchema } from "./backend-schema";
import * as defaults from "./defaults";
import { defaulted, describe, NAME, NAME_ALLOWED } from "./setting";
import { siteSchema } from "./site-schema";

const version = (provider: string, example: string) =>
  describe(
    z
      .string()
      .regex(/^\d+\.\d+\.\d+$/, "is no exact version")
      .optional(),
    {
      what: `Exact version of the ${provider} provider. Without it, the one the bindings were made for.`,
      allowed: "three numbers joined by dots",
      example,
    },
  );

/** IAM takes two tags whose names differ only in case for one. */
const RESERVED_TAGS = [
  ...["Project", "Environment", "Site", "ManagedBy", "Name"],
  // What the server and the controller say of a server.
  ...["state", "notice", "unhealthy-since", "ending"],
];
const reserved = new Set(RESERVED_TAGS.map((name) => name.toLowerCase()));
/** AWS takes 50 on a resource, ours among them. */
const MOST_TAGS = 40;

export const configSchema = z.strictObject({
  environment: defaulted(z.string().regex(NAME, "is no environment name"), defaults.DEFAULT_ENVIRONMENT, {
    what: "Name of the environment; part of every stack's and resource's name. Another name is another set of servers.",
    allowed: NAME_ALLOWED,
  }),
  backend: backendSchema,
  providers: z
    .strictObject({
      aws: version("AWS", "6.25.0"),
      cloudflare: version("Cloudflare", "5.14.0"),
      archive: version("archive", "2.7.1"),
    })
    .prefault({}),
  tags: describe(
    z
      .record(
        z
          .string()
          .regex(/^(?!aws:)[\p{L}\p{N} _.:/=+@-]{1,128}$/u, "is no tag name")
          .refine((key) => !reserved.has(key.toLowerCase()), "is set by stingy-vpn itself"),
        z.string().regex(/^[\p{L}\p{N} _.:/=+@-]{0,256}$/u, "is no tag value"),
      )
      .refine((tags) => Object.keys(tags).length <= MOST_TAGS, `has more than ${MOST_TAGS} tags`)
      .refine(
        (tags) => new Set(Object.keys(tags).map((name) => name.toLowerCase())).size === Object.keys(tags).length,
        "has two names that differ only in capital letters, which AWS takes for one",
      )
      .prefault({}),
    {
      what: "Tags on every resource, beside Project, Environment, Site and ManagedBy.",
      allowed: `up to ${MOST_TAGS} names with values, of letters, digits, spaces and _.:/=+@-; not ${RESERVED_TAGS.join(", ")}`,
      example: { Owner: "me" },
    },
  ),
  sites: describe(
    z
      .record(z.string().regex(NAME, "is no site name"), siteSchema)
      .refine((sites) => Object.keys(sites).length > 0, "names no site")
      .prefault({ [defaults.DEFAULT_SITE_NAME.value]: {} }),
    {
      what: "The sites: one VPN endpoint each, by name. Without this, one called tokyo. A renamed site is a new site with a new address.",
      allowed: `at least one name with its settings; ${NAME_ALLOWED}`,
      example: { tokyo: { region: "ap-northeast-1" } },
    },
  ),
});

export type ParsedConfig = z.output<typeof configSchema>;

/** The JSON schema of what a person writes: for editors, for the reference, and to look up what an error is about. */
export function jsonSchema(): Record<string, unknown> {
  made ??= { title: "stingy-vpn configuration", ...z.toJSONSchema(configSchema, { io: "input" }) };
  return made;
}

let made: Record<string, unknown> | undefined;
