import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { DataAwsCallerIdentity } from "@cdktf/provider-aws/lib/data-aws-caller-identity";
import type { Construct } from "constructs";
import { renderUserData } from "../modules/bootstrap";
import {
  imageOf,
  JournalReport,
  PeerReport,
  ServerTemplate,
  StableAddress,
  SyncTrigger,
  serverPolicy,
} from "../modules/server";
import { bootstrapOptions } from "../modules/server/bootstrap-options";
import { ownedParameter, STORE } from "../modules/store";
import type { NetworkStack } from "./network-stack";
import { SiteStack, type SiteStackProps } from "./site-stack";

export interface ServerStackProps extends SiteStackProps {
  readonly network: NetworkStack;
}

/** Stands for the address in the user data, as only Terraform knows it. */
const ADDRESS_MARKER = "@ADDRESS@";

/** What a server is made from, the address it serves on, the parameter that names it, and what tells it of changes. */
export class ServerStack extends SiteStack {
  readonly launchTemplateId: string;
  readonly launchTemplateArn: string;
  readonly launchTemplateVersion: number;
  readonly serverRoleArn: string;
  /** Absent on a site without Elastic IP. */
  readonly address: StableAddress | undefined;
  /** The public parameter that names the image, if the image is not given by its id. */
  readonly imageParameter: string | undefined;
  /** The log group of what the servers' units say, where they send it. */
  readonly serverLogGroup: string | undefined;

  constructor(scope: Construct, props: ServerStackProps) {
    super(scope, "server", props);
    this.addAws();
    const { region, environment, storePrefix, tunnel, server, protect, monitoring } = this.site;
    const site = this.site.name;
    const account = new DataAwsCallerIdentity(this, "account").accountId;
    const image = imageOf(server.image, server.architecture, server.distribution);
    const [instanceType = ""] = server.instanceTypes;
    this.address = this.createAddress();
    const logs = monitoring.serverLogs
      ? new CloudwatchLogGroup(this, "logs", {
          name: this.names.serverLogGroup,
          retentionInDays: monitoring.logRetentionDays,
        })
      : undefined;
    this.serverLogGroup = logs?.name;

    const template = new ServerTemplate(this, "server", {
      name: this.prefix,
      image,
      instanceType,
      volumeGb: server.volumeGb,
      securityGroupId: props.network.securityGroupId,
      statements: serverPolicy({
        region,
        account,
        environment,
        site,
        storePrefix,
        elasticIp: this.address !== undefined,
        ...(logs ? { logGroupArn: logs.arn } : {}),
      }),
      userData: renderUserData(bootstrapOptions(this.site, this.address ? ADDRESS_MARKER : "")),
      ...(this.address ? { userDataReferences: { [ADDRESS_MARKER]: this.address.publicIp } } : {}),
      tags: this.tags,
    });
    this.launchTemplateId = template.launchTemplateId;
    this.launchTemplateArn = template.launchTemplateArn;
    this.launchTemplateVersion = template.latestVersion;
    this.serverRoleArn = template.roleArn;
    this.imageParameter = image.parameter;
    new SyncTrigger(this, "sync", {
      name: this.prefix,
      region,
      account,
      environment,
      site,
      storePrefix,
      instanceName: template.instanceName,
    });

    new PeerReport(this, "peers", { name: this.names.peersDocument });
    new JournalReport(this, "journal", { name: this.names.journalDocument });

    const instanceId = ownedParameter(this, "instance-id", {
      name: `${storePrefix}/${STORE.instanceId}`,
      description: "The instance that serves the site; the controller writes it",
      initial: "initial",
      protect,
    });
    this.output("instance-id-parameter", instanceId.name, "The parameter that names the instance that serves now");
    this.output("store", storePrefix, "Where the site's parameters are in SSM Parameter Store");
    this.output(
      "shell",
      `aws ssm start-session --region ${region} --target "$(aws ssm get-parameter --region ${region} --name ${storePrefix}/${STORE.instanceId} --query Parameter.Value --output text)"`,
      "Opens a shell on the server",
    );
    if (this.address) {
      this.output("address", this.address.publicIp, "The server's address");
      this.output(
        "endpoint",
        `${this.address.publicIp}:${tunnel.listenPort}`,
        "What a device's configuration calls Endpoint",
      );
    }
  }

  private createAddress(): StableAddress | undefined {
    const { elasticIp, protect } = this.site;
    if (typeof elasticIp === "string" || (elasticIp === false && protect)) {
      // prevent_destroy goes with the block that carries it: an address made before is let go, not given back to AWS.
      // Where an id is named it may be that very address.
      this.addOverride("removed", [{ from: "aws_eip.address_elastic-ip", lifecycle: [{ destroy: false }] }]);
    }
    if (elasticIp === false) return undefined;
    return new StableAddress(this, "address", {
      name: this.prefix,
      protect,
      ...(typeof elasticIp === "string" ? { allocationId: elasticIp } : {}),
    });
  }
}
