import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { Emulator } from "./support/emulator";
import { folderWith, stingy } from "./support/stingy";

/** What moto says of every machine in every zone. */
const EMULATED_SPOT = 0.00001;

describe("stingy cost", () => {
  let emulator: Emulator;
  const servers: Server[] = [];

  before(async () => {
    emulator = await Emulator.start();
  });

  beforeEach(async () => {
    await emulator.freshSite();
  });

  after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function served(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it("shows both columns, the options, the sizes and the sources, and asks nobody with --offline", async () => {
    const { code, stdout, stderr } = await stingy(["cost", "--offline"]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout).to.match(/^t4g\.nano, one machine +730 hours +\$0\.0054 \/ \$0\.0023 +\$3\.94 +\$1\.68$/m);
    expect(stdout).to.match(/^together +\$8\.46 +\$6\.19$/m);
    expect(stdout).to.contain("AWS was not asked (--offline)");
    expect(stdout).to.match(/^with the CloudWatch agent +\+\$0\.60 +\+\$0\.60/m);
    expect(stdout).to.match(/^up to 10 +t3\.micro +\$9\.40 +\$9\.93 +\$14\.35 +\$7\.70 t4g\.micro$/m);
    expect(stdout).to.match(/^2026-09-10 +AWS price list AmazonEC2 ap-northeast-1/m);
  });

  it("takes today's Spot price, the running machine and the number of devices from AWS", async () => {
    for (const name of ["phone", "laptop"]) await emulator.put(`peers/${name}`, "{}", "SecureString");
    const { code, stdout, stderr } = await stingy(["cost", "--json"], { env: emulator.env });
    const answer = JSON.parse(stdout);
    expect(code).to.equal(0);
    const machine = answer.items.find(({ id }: { id: string }) => id === "machine");
    expect(machine.spot).to.be.closeTo(EMULATED_SPOT * 730, 1e-9);
    expect(machine.spotPrice).to.include({ usd: EMULATED_SPOT, source: "EC2's Spot price history", live: true });
    expect(machine.onDemand).to.be.closeTo(0.0054 * 730, 1e-9);
    expect(answer.running).to.deep.include({ type: "t4g.nano", zone: "ap-northeast-1a" });
    expect(answer.peers).to.equal(2);
    expect(answer.zones.map(({ zone }: { zone: string }) => zone)).to.include("ap-northeast-1a");
    // The emulator has no price list.
    expect(answer.problems).to.have.length(1);
    expect(answer.problems[0]).to.match(/^AWS could not be asked for the price list: /);
    expect(stderr).to.contain("is shown instead");
  });

  it("shows what it has when there are no credentials, and says so", async () => {
    const { code, stdout, stderr } = await stingy(["cost"]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^together +\$8\.46 +\$6\.19$/m);
    expect(stderr).to.equal(
      "AWS could not be asked for Spot prices and the price list: There are no AWS credentials. " +
        "What this repository has, or assumes, is shown instead.\n",
    );
  });

  it("says which figures are missing in a region that no bundled price is for", async () => {
    const folder = folderWith({ "sao.yaml": "sites:\n  sao:\n    region: sa-east-1\n" });
    const { code, stdout } = await stingy(["cost", "--offline", "--config", `${folder}/sao.yaml`]);
    expect(code).to.equal(0);
    expect(stdout).to.contain(
      "Not in the sum: there is no price for t4g.nano, one machine on demand or on Spot in sa-east-1; with AWS credentials it is asked of AWS.",
    );
  });

  it("counts the traffic that is asked for, and refuses what is no amount", async () => {
    const { stdout } = await stingy(["cost", "--offline", "--egress", "300"]);
    expect(stdout).to.match(/^traffic to the internet +300 GB +100 +\$0\.114 +\$22\.80 +\$22\.80$/m);
    const wrong = await stingy(["cost", "--offline", "--egress", "much"]);
    expect(wrong.code).to.equal(64);
    expect(wrong.stderr).to.contain("Give a number of GB, 0 or more.");
  });

  it("takes the machine's, the disk's and the traffic's price from AWS's price list", async () => {
    const priceList = await served((request, response) => {
      let body = "";
      request.on("data", (text) => {
        body += text;
      });
      request.on("end", () => {
        const asked = JSON.parse(body) as { ServiceCode: string; Filters: { Field: string; Value: string }[] };
        const value = (field: string) => asked.Filters.find(({ Field }) => Field === field)?.Value;
        const type = value("instanceType");
        const [usagetype, usd] =
          asked.ServiceCode === "AWSDataTransfer"
            ? ["APN1-DataTransfer-Out-Bytes", "0.2"]
            : type === undefined
              ? ["APN1-EBS:VolumeUsage.gp3", "0.5"]
              : [`APN1-BoxUsage:${type}`, "0.01"];
        const dimensions = { dimension: { beginRange: "0", pricePerUnit: { USD: usd } } };
        const item = {
          product: { attributes: { usagetype } },
          terms: { OnDemand: { term: { priceDimensions: dimensions } } },
        };
        response.setHeader("content-type", "application/x-amz-json-1.1");
        response.end(JSON.stringify({ FormatVersion: "aws_v1", PriceList: [JSON.stringify(item)] }));
      });
    });
    const { stdout, stderr } = await stingy(["cost", "--egress", "200"], {
      env: { ...emulator.env, AWS_ENDPOINT_URL_PRICING: priceList },
    });
    expect(stderr).to.equal("");
    expect(stdout).to.match(/^t4g\.nano, one machine +730 hours +\$0\.01 \/ \$0\.00001 +\$7\.30 +\$0\.01$/m);
    expect(stdout).to.match(/^gp3 disk of 8 GB +8 GB-months +\$0\.5 +\$4\.00 +\$4\.00$/m);
    expect(stdout).to.match(/^traffic to the internet +200 GB +100 +\$0\.2 +\$20\.00 +\$20\.00$/m);
    expect(stdout).to.match(/^now +AWS's price list +machine on demand, disk, egress$/m);
    expect(stdout).to.match(/^now +EC2's Spot price history +machine on Spot$/m);
  });

  it("takes the price list's prices also where AWS refuses to tell the Spot price", async () => {
    const item = {
      product: { attributes: { usagetype: "APN1-EBS:VolumeUsage.gp3" } },
      terms: { OnDemand: { term: { priceDimensions: { dimension: { pricePerUnit: { USD: "0.5" } } } } } },
    };
    const priceList = await served((_request, response) => {
      response.setHeader("content-type", "application/x-amz-json-1.1");
      response.end(JSON.stringify({ FormatVersion: "aws_v1", PriceList: [JSON.stringify(item)] }));
    });
    const refusing = await served((_request, response) => {
      response.writeHead(403, { "content-type": "text/xml" });
      response.end(
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>",
      );
    });
    const { code, stdout, stderr } = await stingy(["cost"], {
      env: { ...emulator.env, AWS_ENDPOINT_URL_PRICING: priceList, AWS_ENDPOINT_URL_EC2: refusing },
    });
    expect(code).to.equal(0);
    expect(stdout).to.match(/^gp3 disk of 8 GB +8 GB-months +\$0\.5 +\$4\.00 +\$4\.00$/m);
    expect(stderr).to.contain("AWS could not be asked for Spot prices: AWS refuses this to your role: no");
  });

  it("waits a few seconds for an AWS that does not answer, and no longer", async () => {
    const silent = await served(() => undefined);
    const { code, stdout, stderr } = await stingy(["cost"], { env: { ...emulator.env, AWS_ENDPOINT_URL: silent } });
    expect(code).to.equal(0);
    expect(stdout).to.match(/^together +\$8\.46 +\$6\.19$/m);
    expect(stderr).to.contain(
      "AWS could not be asked for Spot prices and the price list: It did not answer within 5 seconds.",
    );
  });
});
