import { expect } from "chai";
import { bundledPrices, monthlyCostOfResources, type ResourceValues } from "../../../modules/cost";

const REGION = "ap-northeast-1";
const cost = (...resources: ResourceValues[]) => monthlyCostOfResources(resources, bundledPrices(REGION), REGION);

const template = (instance_type: string, volume_size: unknown): ResourceValues => ({
  type: "aws_launch_template",
  values: { instance_type, block_device_mappings: [{ ebs: [{ volume_size, volume_type: "gp3" }] }] },
});
const alarm = (values: Readonly<Record<string, unknown>> = { metric_name: "Errors" }): ResourceValues => ({
  type: "aws_cloudwatch_metric_alarm",
  values,
});
const times = (count: number, resource: ResourceValues) => Array.from({ length: count }, () => resource);

describe("what Terraform's resources cost in a month", () => {
  it("is an address's hours", () => {
    expect(cost({ type: "aws_eip", values: {} })).to.be.closeTo(3.65, 1e-9);
  });

  it("is the machine on Spot and the disk that a launch template starts", () => {
    expect(cost(template("t4g.nano", 8))).to.be.closeTo(730 * 0.0023 + 8 * 0.096, 1e-9);
    expect(cost(template("t4g.small", 20))).to.be.closeTo(730 * 0.0104 + 20 * 0.096, 1e-9);
  });

  it("reads a plan's lists and the written JSON's single blocks", () => {
    const written = { block_device_mappings: [{ ebs: { volume_size: 8 } }], instance_type: "t4g.nano" };
    expect(cost({ type: "aws_launch_template", values: written })).to.equal(cost(template("t4g.nano", 8)));
  });

  it("is nothing for ten metrics of alarms, and each one more", () => {
    expect(cost(...times(10, alarm()))).to.equal(0);
    expect(cost(...times(12, alarm()))).to.be.closeTo(0.2, 1e-9);
    const computing = alarm({
      metric_query: [{ expression: "a/b" }, { metric: [{ metric_name: "a" }] }, { metric: [{ metric_name: "b" }] }],
    });
    expect(cost(...times(9, alarm()), computing)).to.be.closeTo(0.1, 1e-9);
  });

  it("is nothing for three dashboards, and each one more", () => {
    expect(cost(...times(4, { type: "aws_cloudwatch_dashboard", values: {} }))).to.be.closeTo(3, 1e-9);
  });

  it("is a dollar for each KMS key", () => {
    expect(cost(...times(2, { type: "aws_kms_key", values: {} }))).to.equal(2);
  });

  it("is nothing for what it does not know, and for what is only known after apply", () => {
    expect(
      cost({ type: "aws_vpc", values: {} }, template("z9.nano", undefined), template("t4g.nano", null)),
    ).to.be.closeTo(730 * 0.0023, 1e-9);
    expect(monthlyCostOfResources([template("t4g.nano", 8)], undefined, "sa-east-1")).to.equal(0);
  });
});
