import { expect } from "chai";
import { type Server, type Site, startSite } from "./harness";

describe("whom the scripts take for AWS", () => {
  const BUNDLE = "/etc/ssl/certs/ca-certificates.crt";
  let site: Site;
  let a: Server;
  before(async () => {
    site = await startSite({ store: "memory" });
    a = site.a;
    // Debian's curl also looks into a folder of authorities. al2023 has the one file.
    await a.sh("find /etc/ssl/certs -lname '*test.pem' -delete; rm -f /etc/ssl/certs/test.pem");
    await a.run("stingy-firewall");
    expect((await a.run("stingy-sync")).code).to.equal(0);
  });
  after(() => site?.stop());

  it("is who an authority of the machine vouches for, and then whoever is vouched for alike", async () => {
    expect(a.file("/run/stingy/ssm.pem")).to.match(
      /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n/,
    );
    const bundle = a.file(BUNDLE);
    a.machine.write(BUNDLE, "");
    expect((await a.run("stingy-sync")).code).to.equal(0);
    a.machine.write(BUNDLE, bundle);
  });

  it("is asked of all authorities again when the certificate has been changed, in the same run", async () => {
    await a.sh(
      "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=old -keyout /dev/null -out /run/stingy/ssm.pem 2>/dev/null",
    );
    const old = a.file("/run/stingy/ssm.pem");
    expect((await a.run("stingy-sync")).code).to.equal(0);
    expect(a.file("/run/stingy/ssm.pem")).not.to.equal(old);
  });

  it("is nobody whom none of them knows: no credentials go there", async () => {
    const bundle = a.file(BUNDLE);
    const before = site.aws.calls.length;
    await a.sh("rm /run/stingy/ssm.pem");
    a.machine.write(BUNDLE, bundle.slice(0, bundle.lastIndexOf("-----BEGIN CERTIFICATE-----")));
    const { code, log } = await a.run("stingy-sync");
    a.machine.write(BUNDLE, bundle);
    expect(code).to.equal(1);
    expect(log[0]?.event).to.equal("not-in-step");
    expect(log[0]?.fields.reason).to.match(/^ssm cannot be reached \(curl's status (60|77)\)$/);
    expect(site.aws.calls.slice(before)).to.deep.equal([]);
  });
});
