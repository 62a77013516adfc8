import * as z from "zod";
import * as defaults from "./defaults";
import { REGIONS } from "./regions";
import { defaulted, describe } from "./setting";

const workspaces = {
  organization: describe(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "is no organization name"), {
    what: "The organization.",
    allowed: "the name of an organization",
    example: "my-organization",
  }),
  hostname: describe(
    z
      .string()
      .regex(/^[a-z0-9.-]+(:\d+)?$/, "is no host name")
      .optional(),
    {
      what: "Terraform Enterprise's host. Without it, HCP Terraform.",
      allowed: "a host name",
      example: "terraform.example.com",
    },
  ),
  workspacePrefix: defaulted(
    z.string().regex(/^[A-Za-z0-9_-]*$/, "is no workspace name"),
    defaults.DEFAULT_WORKSPACE_PREFIX,
    { what: "What the workspaces' names start with.", allowed: "letters, digits, hyphens, underscores" },
  ),
};

/** Where the states live. */
export const backendSchema = describe(
  z.discriminatedUnion("type", [
    z
      .strictObject({
        type: describe(z.literal("local"), { what: "State files on this machine.", allowed: "local" }),
        path: defaulted(
          z.string().regex(/^(?!\/)(?!.*\\)(?!.*\$\{).+$/, "is no relative path"),
          defaults.DEFAULT_STATE_PATH,
          { what: "Folder of the state files, relative to the project.", allowed: "a relative path" },
        ),
      })
      .meta({ title: "local" }),
    z
      .strictObject({
        type: describe(z.literal("s3"), { what: "States in an S3 bucket, locked with S3 itself.", allowed: "s3" }),
        bucket: describe(z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "is no bucket name"), {
          what: "The bucket. It must exist; turn versioning on.",
          allowed: "the name of a bucket",
          example: "my-terraform-state",
        }),
        region: describe(z.enum(REGIONS), {
          what: "The bucket's region.",
          allowed: "an AWS region",
          example: "ap-northeast-1",
        }),
        keyPrefix: defaulted(
          z.string().regex(/^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/, "is no key prefix"),
          defaults.DEFAULT_STATE_KEY_PREFIX,
          { what: "What the states' keys start with.", allowed: "words joined by slashes, none first or last" },
        ),
        kmsKeyId: describe(
          z
            .string()
            .regex(/^[A-Za-z0-9:/_-]+$/, "is no KMS key")
            .optional(),
          {
            what: "KMS key that encrypts the states. Without it, the bucket's own encryption.",
            allowed: "the ARN of a KMS key",
            example: "arn:aws:kms:ap-northeast-1:111122223333:key/00000000-0000-0000-0000-000000000000",
          },
        ),
      })
      .meta({ title: "s3" }),
    z
      .strictObject({
        type: describe(z.literal("cloud"), {
          what: "HCP Terraform (or Terraform Enterprise), one workspace a stack.",
          allowed: "cloud",
        }),
        ...workspaces,
        project: describe(
          z
            .string()
            .regex(/^[\w][\w -]*$/, "is no project name")
            .optional(),
          {
            what: "The project new workspaces are put into.",
            allowed: "the name of a project",
            example: "vpn",
          },
        ),
      })
      .meta({ title: "cloud" }),
    z
      .strictObject({
        type: describe(z.literal("remote"), {
          what: "The same through the older remote backend, for a Terraform Enterprise that needs it.",
          allowed: "remote",
        }),
        ...workspaces,
      })
      .meta({ title: "remote" }),
    z
      .strictObject({
        type: describe(z.literal("http"), {
          what: "Any server that speaks Terraform's HTTP state protocol (GitLab, for one). User and password come from TF_HTTP_USERNAME and TF_HTTP_PASSWORD.",
          allowed: "http",
        }),
        address: describe(
          z.string().superRefine((text, context) => {
            const complain = (message: string) => context.addIssue({ code: "custom", message });
            if (text.includes("${")) return complain("holds an expression of Terraform, which a backend cannot read");
            if (!URL.canParse(text) || !/^https?:/.test(text)) return complain("is no http(s) address");
            const url = new URL(text);
            if (url.username || url.password) return complain("holds credentials");
            if (!text.includes("{stack}"))
              return complain("has no {stack} in it, so that all stacks would share one state");
          }),
          {
            what: "The states' address; {stack} becomes the stack's id.",
            allowed: "an http(s) address with {stack} in it and no credentials",
            example: "https://gitlab.example.com/api/v4/projects/1/terraform/state/{stack}",
          },
        ),
        lock: describe(z.boolean().default(true), {
          what: "Lock the state at <address>/lock with POST and DELETE while it is in use.",
          allowed: "true or false",
          example: true,
          reason: "two people who apply at once would break the state",
        }),
      })
      .meta({ title: "http" }),
  ]),
  { what: "Where the Terraform states live, one a stack.", allowed: "local, s3, cloud, remote or http" },
).prefault({ type: "local" });
