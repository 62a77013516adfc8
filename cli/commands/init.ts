import { type Command, Option } from "commander";
import { action, examples, reading } from "../command";

export interface InitOptions {
  readonly region?: string;
  readonly environment?: string;
  readonly dnsZone?: string;
  readonly dnsName?: string;
  readonly email?: readonly string[];
  readonly backend?: "local" | "s3" | "cloud";
  readonly bucket?: string;
  readonly bucketRegion?: string;
  readonly organization?: string;
  readonly cloudflareTokenStdin?: boolean;
  readonly check?: boolean;
  readonly offline?: boolean;
  readonly force?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function addInit(program: Command): void {
  reading(
    program
      .command("init")
      .summary("Write stingy.yaml and see what would be in the way of a deploy")
      .description(
        "Ask a few questions, write stingy.yaml, and look at the AWS account for what would be in the way of a deploy. " +
          "What an option says is not asked; without a terminal the rest has its default. --site names the site " +
          "(default: after the region, tokyo for ap-northeast-1). A file that is there is only replaced after asking.",
      )
      .option("--region <region>", "the site's region (default: ap-northeast-1, Tokyo)")
      .option("--environment <name>", "the environment, part of every name (default: prod)")
      .option("--dns-zone <zone>", "the zone at Cloudflare in which the server gets a name (default: no name)")
      .option("--dns-name <name>", "the server's name (default: vpn.<zone>)")
      .option("--email <address...>", "who is told when a person is needed (default: nobody)")
      .addOption(
        new Option("--backend <kind>", "where Terraform keeps its state (default: local)").choices([
          "local",
          "s3",
          "cloud",
        ]),
      )
      .option("--bucket <name>", "the bucket of the backend s3")
      .option("--bucket-region <region>", "the bucket's region (default: the site's)")
      .option("--organization <name>", "the organization of the backend cloud (HCP Terraform)")
      .option("--cloudflare-token-stdin", "read the Cloudflare token from standard input, check it and store it")
      .option("--check", "only look at this computer and the account; write nothing")
      .option("--offline", "do not look at the account")
      .option("--force", "replace a file that is there without asking")
      .option("-y, --yes", "ask nothing: every option left out has its default"),
  )
    .addHelpText(
      "after",
      examples(
        ["stingy init", "asks, writes stingy.yaml, looks at the account"],
        ["stingy init --check", "what would be in the way of a deploy"],
        ["stingy init --region eu-central-1 --email me@example.com --yes", "asks nothing"],
        ["stingy init --cloudflare-token-stdin < token.txt", "checks the token with Cloudflare and stores it"],
      ),
    )
    .action(
      action<InitOptions>(async (context, options) => {
        const { init } = require("../init") as typeof import("../init");
        return init(context, options);
      }),
    );
}
