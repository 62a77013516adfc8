import { expect } from "chai";
import { architectureOf, INSTANCE_TYPE_PATTERN } from "../../../modules/config/instance-types";

const GRAVITON =
  "t4g.nano c7gn.large im4gn.large g5g.xlarge a1.medium hpc7g.4xlarge c6gd.metal x2gd.16xlarge i8g.large";
const X86 = "t3.nano t3a.nano t2.micro g4dn.xlarge g6.xlarge m5zn.large c7a.medium c7i-flex.large u-6tb1.metal";

describe("architectureOf", () => {
  for (const type of GRAVITON.split(" ")) {
    it(`${type} is arm64`, () => {
      expect(architectureOf(type)).to.equal("arm64");
    });
  }

  for (const type of X86.split(" ")) {
    it(`${type} is x86_64`, () => {
      expect(architectureOf(type)).to.equal("x86_64");
    });
  }
});

describe("what an instance type looks like", () => {
  for (const type of [...GRAVITON.split(" "), ...X86.split(" "), "c7i.metal-24xl", "u7in-16tb.224xlarge"]) {
    it(`like ${type}`, () => {
      expect(type).to.match(INSTANCE_TYPE_PATTERN);
    });
  }

  for (const other of [
    "t4g",
    "nano",
    ".nano",
    "t4g.",
    "T4g.nano",
    "t4g.nanos",
    "t4g.nano.nano",
    "t4g nano",
    "*.nano",
  ]) {
    it(`not like ${other}`, () => {
      expect(other).not.to.match(INSTANCE_TYPE_PATTERN);
    });
  }
});
