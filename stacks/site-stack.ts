import path from "node:path";
import { AwsProvider } from "@cdktf/provider-aws/lib/provider";
import { App, TerraformElement, TerraformOutput, TerraformStack } from "cdktf";
import type { Construct, Node } from "constructs";
import type { Config, Site } from "../modules/config";
import { type Layer, type SiteNames, siteNames, siteTags, stackId } from "../modules/names";
import { addBackend } from "./backend";

export interface SiteStackProps {
  readonly config: Config;
  readonly site: Site;
  /** The project's folder. */
  readonly root: string;
}

/** S3 locking without DynamoDB came with this one, of Terraform and of OpenTofu. */
const TERRAFORM_VERSION = ">= 1.10.0";

/** What the stacks of a site have in common: their id, their state, their providers' settings, readable addresses. */
export abstract class SiteStack extends TerraformStack {
  protected readonly site: Site;
  protected readonly names: SiteNames;
  /** What every name of the site starts with. */
  protected readonly prefix: string;
  protected readonly tags: Readonly<Record<string, string>>;
  private readonly config: Config;
  private readonly addresses = new Map<string, string>();

  protected constructor(scope: Construct, layer: Layer, { config, site, root }: SiteStackProps) {
    const id = stackId(site, layer);
    super(scope, id);
    this.config = config;
    this.site = site;
    this.names = siteNames(site);
    this.prefix = this.names.prefix;
    this.tags = { ...config.tags, ...siteTags(site), ManagedBy: "terraform" };
    addBackend(this, {
      backend: config.backend,
      root,
      stackFolder: path.resolve(App.of(this).outdir, "stacks", id),
    });
    this.addOverride("terraform.required_version", TERRAFORM_VERSION);
  }

  protected addAws(): void {
    new AwsProvider(this, "aws", { region: this.site.region, defaultTags: [{ tags: { ...this.tags } }] });
    this.pinProvider("aws");
  }

  /** Applies the configuration's own version of a provider, if it names one. */
  protected pinProvider(provider: keyof Config["providers"]): void {
    const version = this.config.providers[provider];
    if (version !== undefined) this.addOverride(`terraform.required_providers.${provider}.version`, version);
  }

  protected output(id: string, value: string, description: string): void {
    new TerraformOutput(this, `output-${id}`, { value, description }).overrideLogicalId(id);
  }

  /**
   * Addresses such as aws_vpc.network_vpc, without CDKTF's hashes: they are read in every plan and pull request.
   * A construct's path is therefore part of its resource's identity, and two paths must not make one address.
   */
  protected override allocateLogicalId(element: TerraformElement | Node): string {
    const node = TerraformElement.isTerraformElement(element) ? element.node : (element as Node);
    const parts = node.scopes.slice(node.scopes.indexOf(this) + 1).map((scope) => scope.node.id);
    const address = parts.join("_").replace(/[^A-Za-z0-9_-]/g, "-");
    const owner = this.addresses.get(address);
    if (owner !== undefined && owner !== node.path) {
      throw new Error(`${owner} and ${node.path} would both be called ${address} in Terraform`);
    }
    this.addresses.set(address, node.path);
    return address;
  }
}
