import { CloudflareProvider } from "@cdktf/provider-cloudflare/lib/provider";
import { expect } from "chai";
import { ServerName, type ServerNameProps } from "../../modules/dns";
import { alone, ref } from "../support/alone";
import type { Json } from "../support/synth";

const ADDRESS = { address: "203.0.113.9" };

/** The name alone in an ordinary stack; without CDKTF's hashes and metadata. */
function serverName(props: Partial<ServerNameProps> = ADDRESS): Json {
  return alone(
    (stack) => {
      new ServerName(stack, "name", {
        name: "vpn.example.com",
        zone: "example.com",
        records: ["A", "AAAA"],
        comment: "stingy-vpn prod tokyo",
        ...props,
      });
    },
    (stack) => {
      new CloudflareProvider(stack, "cloudflare", {});
    },
  );
}

/** DNS only, as the proxy carries no UDP; the content is the DDNS updater's after creation. */
const record = (type: "A" | "AAAA", content: string, zoneId = ref("data.cloudflare_zone.name_zone.zone_id")) => ({
  zone_id: zoneId,
  name: "vpn.example.com",
  type,
  content,
  ttl: 60,
  proxied: false,
  comment: "stingy-vpn prod tokyo",
  lifecycle: { ignore_changes: ["content"] },
});

describe("ServerName", () => {
  it("is an A record of the address and an AAAA record of nobody until a server is promoted", () => {
    const { resource } = serverName();
    expect(resource).to.deep.equal({
      cloudflare_dns_record: { name_a: record("A", "203.0.113.9"), name_aaaa: record("AAAA", "100::") },
    });
  });

  it("says nobody's address where the site has no Elastic IP", () => {
    expect(serverName({}).resource.cloudflare_dns_record.name_a).to.deep.equal(record("A", "192.0.2.1"));
  });

  it("makes only the records that are asked for", () => {
    expect(serverName({ records: ["A"], ...ADDRESS }).resource).to.deep.equal({
      cloudflare_dns_record: { name_a: record("A", "203.0.113.9") },
    });
    expect(serverName({ records: ["AAAA"], ...ADDRESS }).resource).to.deep.equal({
      cloudflare_dns_record: { name_aaaa: record("AAAA", "100::") },
    });
  });

  it("looks the zone up by its name", () => {
    expect(serverName().data).to.deep.equal({ cloudflare_zone: { name_zone: { filter: { name: "example.com" } } } });
  });

  it("looks nothing up where the zone's id is given", () => {
    const zoneId = "0123456789abcdef0123456789abcdef";
    const { data, resource } = serverName({ zoneId, ...ADDRESS });
    expect(data).to.equal(undefined);
    expect(resource.cloudflare_dns_record).to.deep.equal({
      name_a: record("A", "203.0.113.9", zoneId),
      name_aaaa: record("AAAA", "100::", zoneId),
    });
  });

  it("may be the zone itself", () => {
    const { name_a: apex } = serverName({ name: "example.com" }).resource.cloudflare_dns_record;
    expect(apex.name).to.equal("example.com");
  });
});
