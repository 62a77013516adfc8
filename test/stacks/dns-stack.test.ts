import { expect } from "chai";
import { type Json, site, synthesize } from "../support/synth";

const ref = (what: string) => `\${${what}}`;
const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
const SERVER = "data.terraform_remote_state.cross-stack-reference-input-prod-tokyo-server.outputs.cross-stack-output-";

const dns = (settings: object = {}): Json => synthesize(site({ dns: DNS, ...settings }))["prod-tokyo-dns"];
const records = ({ resource }: Json): Json =>
  Object.fromEntries(
    Object.entries<Json>(resource.cloudflare_dns_record).map(([id, { "//": metadata, ...record }]) => [id, record]),
  );
const record = (type: string, content: string) => ({
  zone_id: ref("data.cloudflare_zone.name_zone.zone_id"),
  name: "vpn.example.com",
  type,
  content,
  ttl: 60,
  proxied: false,
  comment: "stingy-vpn prod tokyo",
  lifecycle: { ignore_changes: ["content"] },
});

describe("the dns stack", () => {
  it("names the Elastic IP at once, and IPv6 as soon as there is a server", () => {
    expect(records(dns())).to.deep.equal({
      name_a: record("A", ref(`${SERVER}aws_eip-address_elastic-ip-public_ip`)),
      name_aaaa: record("AAAA", "100::"),
    });
  });

  it("names an Elastic IP that exists", () => {
    const { name_a } = records(dns({ elasticIp: "eipalloc-0123456789abcdef0" }));
    expect(name_a.content).to.equal(ref(`${SERVER}data-aws_eip-address_elastic-ip-public_ip`));
  });

  it("names nobody until there is a server, where the site has no Elastic IP", () => {
    expect(records(dns({ elasticIp: false })).name_a.content).to.equal("192.0.2.1");
  });

  it("has only the records that are asked for", () => {
    expect(Object.keys(records(dns({ dns: { ...DNS, records: ["A"] } })))).to.deep.equal(["name_a"]);
  });

  it("has no IPv6 record where IPv6 is off", () => {
    expect(Object.keys(records(dns({ network: { ipv6: false } })))).to.deep.equal(["name_a"]);
  });

  it("asks Cloudflare for the zone, unless its id is given", () => {
    expect(dns().data.cloudflare_zone.name_zone.filter).to.deep.equal({ name: "example.com" });
    const zoneId = "0123456789abcdef0123456789abcdef";
    const json = dns({ dns: { ...DNS, zoneId } });
    expect(json.data).not.to.have.property("cloudflare_zone");
    expect(records(json).name_a.zone_id).to.equal(zoneId);
  });

  it("may name the zone itself", () => {
    const json = dns({ dns: { ...DNS, name: "example.com" } });
    expect(records(json).name_a.name).to.equal("example.com");
    expect(json.output.name.value).to.equal("example.com");
  });

  it("tells what a device calls Endpoint", () => {
    expect(dns({ tunnel: { listenPort: 4500 } }).output.endpoint.value).to.equal("vpn.example.com:4500");
  });

  it("needs nothing of AWS", () => {
    const json = dns();
    expect(Object.keys(json.provider)).to.deep.equal(["cloudflare"]);
    expect(Object.keys(json.resource)).to.deep.equal(["cloudflare_dns_record"]);
  });
});
