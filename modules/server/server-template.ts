import { IamInstanceProfile } from "@cdktf/provider-aws/lib/iam-instance-profile";
import { LaunchTemplate } from "@cdktf/provider-aws/lib/launch-template";
import { Fn, TerraformLocal } from "cdktf";
import { Construct } from "constructs";
import { terraformText } from "../bootstrap";
import { ServiceRole, type Statement } from "../iam";
import type { Image } from "./images";

export interface ServerTemplateProps {
  readonly name: string;
  readonly image: Image;
  /** What a launch takes that names no type of its own. */
  readonly instanceType: string;
  readonly volumeGb: number;
  readonly securityGroupId: string;
  readonly statements: readonly Statement[];
  /** cloud-init's text. */
  readonly userData: string;
  /**
   * What Terraform only knows later, by the marker that stands for it in the text.
   *
   * @default - the text is complete
   */
  readonly userDataReferences?: Readonly<Record<string, string>>;
  /** Tags of what a launch makes: the provider's default tags do not reach it. */
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * What a server is made from: launch template and role. The template says nothing of Spot, which is asked for at the
 * launch, because one that asks for Spot cannot start an on-demand machine.
 */
export class ServerTemplate extends Construct {
  readonly launchTemplateId: string;
  readonly launchTemplateArn: string;
  readonly latestVersion: number;
  readonly roleArn: string;
  /** The tag `Name` of every server made from it. */
  readonly instanceName: string;

  constructor(scope: Construct, id: string, props: ServerTemplateProps) {
    super(scope, id);
    const { image, tags } = props;
    const name = `${props.name}-server`;
    this.instanceName = name;
    const role = new ServiceRole(this, "iam", {
      name,
      description: "The WireGuard server",
      service: "ec2.amazonaws.com",
      statements: props.statements,
    });
    this.roleArn = role.arn;
    const profile = new IamInstanceProfile(this, "profile", { name, role: role.roleName });
    // A local keeps the text readable in the JSON and in reviews; the template holds it packed.
    const userData = new TerraformLocal(this, "user_data", terraformText(props.userData, props.userDataReferences));

    const template = new LaunchTemplate(this, "template", {
      name,
      description: "WireGuard server",
      updateDefaultVersion: true,
      imageId: image.imageId,
      instanceType: props.instanceType,
      iamInstanceProfile: { arn: profile.arn },
      vpcSecurityGroupIds: [props.securityGroupId],
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
      // A minute's resolution costs more than the machine; health publishes its own metrics.
      monitoring: { enabled: false },
      instanceInitiatedShutdownBehavior: "terminate",
      blockDeviceMappings: [
        {
          deviceName: image.rootDevice,
          ebs: { volumeType: "gp3", volumeSize: props.volumeGb, encrypted: "true", deleteOnTermination: "true" },
        },
      ],
      userData: Fn.base64gzip(userData.asString),
      // Not spot-instances-request: a template that tags one fails every on-demand launch.
      tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({
        resourceType,
        tags: { ...tags, Name: name },
      })),
      dependsOn: [role.policy],
    });
    this.launchTemplateId = template.id;
    this.launchTemplateArn = template.arn;
    this.latestVersion = template.latestVersion;
  }
}
