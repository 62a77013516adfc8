import { expect } from "chai";
import { createHandler } from "../../../assets/lambda/ddns-updater";
import { type Answer, BROKEN_CONNECTION, FakeAws, failure, instanceXml, json, xml } from "./fake-aws";

const TOKEN = "cf-token-0123456789";
const V4 = "PATCH /zones/zone-1/dns_records/record-4";
const V6 = "PATCH /zones/zone-1/dns_records/record-6";
const OK = json({ success: true, errors: [] });

describe("ddns-updater", () => {
  const aws = new FakeAws();
  let store: Record<string, string>;
  let addresses: string;
  let waits: number[];

  before(() => aws.start());
  after(() => aws.stop());

  beforeEach(() => {
    store = { "instance-id": "i-1", "cloudflare-token": TOKEN };
    addresses = "<ipAddress>198.51.100.7</ipAddress><ipv6Address>2001:db8::7</ipv6Address>";
    waits = [];
    aws.reset({
      DescribeInstances: () =>
        xml(`<reservationSet>${instanceXml("i-1", "running", { xml: addresses })}</reservationSet>`),
      GetParameter: ({ Name }) => {
        const Value = store[String(Name).slice("/stingy-vpn/prod/".length)];
        return Value === undefined ? json({ __type: "ParameterNotFound" }, 400) : json({ Parameter: { Name, Value } });
      },
      [V4]: () => OK,
      [V6]: () => OK,
    });
  });

  function run(variables: Record<string, string> = {}) {
    const environment = {
      STORE_PREFIX: "/stingy-vpn/prod",
      CLOUDFLARE_ZONE_ID: "zone-1",
      CLOUDFLARE_RECORD_ID: "record-4",
      CLOUDFLARE_RECORD_ID_V6: "",
      CLOUDFLARE_BASE_URL: aws.url,
      ...variables,
    };
    const sleep = async (ms: number) => {
      waits.push(ms);
    };
    return createHandler(environment, { sdk: aws.sdk, log: aws.log, sleep, random: () => 0.5 })();
  }

  function answerInTurn(operation: string, ...answers: Answer[]): void {
    aws.answer(operation, () => answers.shift());
  }

  it("takes the seven steps in order", async () => {
    expect(await run()).to.deep.equal({ updated: ["198.51.100.7"] });
    expect(aws.calls.map(({ operation }) => operation)).to.deep.equal([
      "GetParameter",
      "DescribeInstances",
      "GetParameter",
      V4,
    ]);
    expect(aws.inputs("GetParameter")).to.deep.equal([
      { Name: "/stingy-vpn/prod/instance-id", WithDecryption: false },
      { Name: "/stingy-vpn/prod/cloudflare-token", WithDecryption: true },
    ]);
    expect(aws.inputs("DescribeInstances")[0]).to.include({ "InstanceId.1": "i-1" });
    expect(aws.inputs(V4)).to.deep.equal([{ content: "198.51.100.7" }]);
    expect(aws.calls.at(-1)?.headers.authorization).to.equal(`Bearer ${TOKEN}`);
    expect(aws.lines.join("")).to.include('"record updated"');
  });

  it("updates the AAAA record too when there is one", async () => {
    expect(await run({ CLOUDFLARE_RECORD_ID_V6: "record-6" })).to.deep.equal({
      updated: ["198.51.100.7", "2001:db8::7"],
    });
    expect(aws.inputs(V6)).to.deep.equal([{ content: "2001:db8::7" }]);
  });

  it("updates one family although the other has no address, and fails for it", async () => {
    addresses = "<ipAddress>198.51.100.7</ipAddress>";
    const { message } = await failure(run({ CLOUDFLARE_RECORD_ID_V6: "record-6" }));
    expect(message).to.equal("Server i-1 has no public IPv6 address.");
    expect(aws.inputs(V4)).to.deep.equal([{ content: "198.51.100.7" }]);
  });

  it("retries three times with growing, jittered delays, then fails", async () => {
    aws.answer(V4, () => ({ status: 502, body: "<html>bad gateway</html>" }));
    const { message } = await failure(run());
    expect(message).to.equal("Cloudflare did not update record record-4: HTTP 502 <html>bad gateway</html>");
    expect(aws.inputs(V4)).to.have.length(4);
    expect(waits).to.deep.equal([250, 500, 1000]);
  });

  it("retries an answer that is not a success", async () => {
    answerInTurn(V4, json({ success: false, errors: [{ code: 1000, message: "odd" }] }), OK);
    expect(await run()).to.deep.equal({ updated: ["198.51.100.7"] });
    expect(waits).to.deep.equal([250]);
  });

  it("retries when the connection breaks", async () => {
    answerInTurn(V4, BROKEN_CONNECTION, OK);
    expect(await run()).to.deep.equal({ updated: ["198.51.100.7"] });
    expect(waits).to.deep.equal([250]);
  });

  it("waits as long as Retry-After says when it is throttled", async () => {
    answerInTurn(V4, { ...json({ success: false }, 429), headers: { "retry-after": "7" } }, OK);
    await run();
    expect(waits).to.deep.equal([7000]);
  });

  it("does not wait longer than its own time allows", async () => {
    answerInTurn(V4, { ...json({ success: false }, 429), headers: { "retry-after": "3600" } });
    expect((await failure(run())).message).to.match(/HTTP 429/);
    expect(waits).to.deep.equal([]);
  });

  it("does not retry what cannot heal", async () => {
    answerInTurn(V4, json({ success: false, errors: [{ code: 10000, message: "Authentication error" }] }, 403));
    const { message } = await failure(run());
    expect(message).to.equal("Cloudflare did not update record record-4: HTTP 403 10000 Authentication error");
    expect(aws.inputs(V4)).to.have.length(1);
  });

  it("says what is missing: the server, its parameter, the token", async () => {
    store["instance-id"] = "initial";
    expect((await failure(run())).message).to.equal("No server has been promoted yet: there is no address to publish.");
    store = { "cloudflare-token": TOKEN };
    expect((await failure(run())).message).to.equal(
      "Parameter /stingy-vpn/prod/instance-id does not exist or is empty.",
    );
    store = { "instance-id": "i-1" };
    expect((await failure(run())).message).to.equal(
      "Parameter /stingy-vpn/prod/cloudflare-token does not exist or is empty.",
    );
  });

  it("lets the token into no log line and no error, whatever goes wrong", async () => {
    const errors: Error[] = [];
    for (const status of [200, 403, 500]) {
      aws.answer(V4, () => json({ success: status === 200 }, status));
      await run().catch((error) => errors.push(error));
    }
    aws.answer(V4, () => BROKEN_CONNECTION);
    await run().catch((error) => errors.push(error));
    store["cloudflare-token"] = `${TOKEN}\n${TOKEN}`;
    await run().catch((error) => errors.push(error));
    expect(errors).to.have.length(4);
    expect(errors.at(-1)?.message).to.equal("The Cloudflare token holds a space or a non-ASCII character.");
    for (const text of [...aws.lines, ...errors.map((error) => `${error.message} ${error.cause}`)]) {
      expect(text).to.not.include(TOKEN);
    }
  });
});
