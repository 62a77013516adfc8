import { createHash } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { expect } from "chai";
import type { RoleCredentials } from "./harness/imds";
import { refusal, Sha256, type SignedRequest } from "./harness/signature";

const credentials: RoleCredentials = {
  accessKeyId: "ASIAEXAMPLE",
  secretAccessKey: "secret",
  sessionToken: "token",
  expiration: new Date(Date.now() + 3_600_000),
};
const body = '{"Name":"/x"}';

async function signed(change: Partial<SignedRequest> = {}, signingDate = new Date()): Promise<SignedRequest> {
  const { headers } = await new SignatureV4({
    service: "ssm",
    region: "eu-west-1",
    credentials,
    sha256: Sha256,
    applyChecksum: false,
  }).sign(
    {
      method: "POST",
      protocol: "https:",
      hostname: "ssm.eu-west-1.amazonaws.com",
      path: "/",
      query: {},
      headers: { host: "ssm.eu-west-1.amazonaws.com", "x-amz-target": "AmazonSSM.GetParameter" },
      body,
    },
    { signingDate },
  );
  const request = { method: "POST", host: "ssm.eu-west-1.amazonaws.com", path: "/", headers, body: Buffer.from(body) };
  return { ...request, ...change };
}
const verdict = (request: SignedRequest, known: RoleCredentials = credentials) =>
  refusal(request, "ssm", "eu-west-1", (id) => (id === known.accessKeyId ? known : undefined));

describe("the edge of AWS: signatures", () => {
  it("takes what AWS's own library has signed", async () => {
    expect(await verdict(await signed())).to.equal(undefined);
  });

  it("refuses another body, path, method, host or target", async () => {
    const { headers } = await signed();
    expect(await verdict(await signed({ body: Buffer.from("{}") }))).to.equal("signature");
    expect(await verdict(await signed({ path: "/?x=1" }))).to.equal("signature");
    expect(await verdict(await signed({ method: "GET" }))).to.equal("signature");
    const other = (more: Record<string, string>) => signed({ headers: { ...headers, ...more } });
    expect(await verdict(await other({ host: "ssm.us-east-1.amazonaws.com" }))).to.equal("signature");
    expect(await verdict(await other({ "x-amz-target": "AmazonSSM.DeleteParameter" }))).to.equal("signature");
    const hash = createHash("sha256").update("other").digest("hex");
    expect(await verdict(await other({ "x-amz-content-sha256": hash }))).to.equal("unsigned");
  });

  it("refuses an x-amz header that was not signed", async () => {
    const { headers } = await signed();
    expect(await verdict(await signed({ headers: { ...headers, "x-amz-extra": "1" } }))).to.equal("unsigned");
  });

  it("refuses a session token that is not the credentials', or none", async () => {
    const { headers } = await signed();
    const { "x-amz-security-token": _, ...without } = headers;
    expect(await verdict(await signed({ headers: without }))).to.equal("token");
    expect(await verdict(await signed(), { ...credentials, sessionToken: "newer" })).to.equal("token");
  });

  it("refuses what is unknown, over, too old or too new, or for elsewhere", async () => {
    const minutes = (n: number) => new Date(Date.now() + n * 60_000);
    expect(await verdict(await signed(), { ...credentials, accessKeyId: "ASIAOTHER" })).to.equal("unknown");
    expect(await verdict(await signed(), { ...credentials, expiration: minutes(-1) })).to.equal("expired");
    expect(await verdict(await signed({}, minutes(-6)))).to.equal("skewed");
    expect(await verdict(await signed({}, minutes(6)))).to.equal("skewed");
    expect(await verdict(await signed({}, minutes(-4)))).to.equal(undefined);
    expect(await refusal(await signed(), "ssm", "us-east-1", () => credentials)).to.equal("scope");
    expect(await verdict(await signed({ headers: { host: "ssm.eu-west-1.amazonaws.com" } }))).to.equal("missing");
  });
});
