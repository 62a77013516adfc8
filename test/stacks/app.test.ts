import path from "node:path";
import type { App } from "cdktf";
import { expect } from "chai";
import { loadConfig, parseConfig } from "../../modules/config";
import { createApp } from "../../stacks";
import { ROOT, site, synthesizeApp } from "../support/synth";

/** Any folder does: the code is not what is tested here. */
const CODE = path.join(ROOT, "assets/lambda/shared");
const BUNDLES = { "recovery-handler": CODE, "ddns-updater": CODE, "alert-forwarder": CODE };
const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };

/** The stacks of an app, each with the stacks that have to be deployed before it. */
function dependencies(config: ReturnType<typeof parseConfig>): Record<string, string[]> {
  let app: App | undefined;
  synthesizeApp((outdir) => {
    app = createApp({ config, bundles: BUNDLES, root: path.dirname(outdir), outdir });
    return app;
  });
  return Object.fromEntries(
    Object.entries(app?.manifest.stacks ?? {}).map(([id, stack]) => [id, [...stack.dependencies].sort()]),
  );
}

describe("the app", () => {
  it("gives a site five stacks, named after it, deployed in the order network, server, dns, recovery, monitoring", () => {
    expect(dependencies(parseConfig(site({ dns: DNS })))).to.deep.equal({
      "prod-tokyo-network": [],
      "prod-tokyo-server": ["prod-tokyo-network"],
      "prod-tokyo-dns": ["prod-tokyo-server"],
      "prod-tokyo-recovery": ["prod-tokyo-dns", "prod-tokyo-network", "prod-tokyo-server"],
      "prod-tokyo-monitoring": ["prod-tokyo-recovery", "prod-tokyo-server"],
    });
  });

  it("leaves the dns stack out, and every dependency on it, where DNS is off", () => {
    expect(dependencies(parseConfig(site({ dns: { provider: "none" } })))).to.deep.equal({
      "prod-tokyo-network": [],
      "prod-tokyo-server": ["prod-tokyo-network"],
      "prod-tokyo-recovery": ["prod-tokyo-network", "prod-tokyo-server"],
      "prod-tokyo-monitoring": ["prod-tokyo-recovery", "prod-tokyo-server"],
    });
  });

  it("deploy the name after the server, also where no address ties them together", () => {
    expect(dependencies(parseConfig(site({ elasticIp: false, dns: DNS })))["prod-tokyo-dns"]).to.deep.equal([
      "prod-tokyo-server",
    ]);
  });

  it("names the stacks after environment and site", () => {
    expect(Object.keys(dependencies(parseConfig({ environment: "staging", sites: { "eu-1": {} } })))).to.have.members(
      ["network", "server", "recovery", "monitoring"].map((layer) => `staging-eu-1-${layer}`),
    );
  });

  it("lets two sites depend on nothing of each other", () => {
    const stacks = dependencies(loadConfig(ROOT, path.join(ROOT, "examples/two-sites.yaml")));
    expect(Object.keys(stacks)).to.have.length(10);
    for (const [id, needed] of Object.entries(stacks)) {
      const own = id.replace(/[^-]+$/, "");
      expect(
        needed.filter((other) => !other.startsWith(own)),
        id,
      ).to.deep.equal([]);
    }
  });
});
