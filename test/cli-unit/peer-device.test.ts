import { expect } from "chai";
import { Aws } from "../../cli/aws";
import { CliError, EXIT } from "../../cli/exit";
import {
  checkEndpointOption,
  checkKeyOption,
  deviceSettings,
  refuseKnownKey,
  siteEndpoint,
} from "../../cli/peer/device";
import { createProgram } from "../../cli/program";
import { parseConfig, type Site } from "../../modules/config";
import { GROUPS } from "../../modules/wireguard";

function site(settings: object = {}): Site {
  const [found] = parseConfig({ sites: { tokyo: settings } }).sites;
  if (!found) throw new Error("there is no site");
  return found;
}

function problem(work: () => unknown): { message: string; exit: number; fix: string | undefined } {
  try {
    work();
  } catch (error) {
    if (error instanceof CliError) return { message: error.message, exit: error.exit, fix: error.fix };
    throw error;
  }
  throw new Error("it is no problem");
}

describe("what a device is told", () => {
  it("is everything through the tunnel, names from 1.1.1.1, a sign of life every 25 seconds", () => {
    expect(deviceSettings({}, site(), "full")).to.deep.equal({
      allowedIps: ["0.0.0.0/0", "::/0"],
      dns: ["1.1.1.1", "2606:4700:4700::1111"],
      keepalive: 25,
    });
  });

  it("is the same where everything is written out as networks", () => {
    expect(deviceSettings({ allowedIps: "0.0.0.0/0,::/0" }, site(), "full")).to.deep.equal(
      deviceSettings({}, site(), "full"),
    );
  });

  it("is no name server over IPv6 where the tunnel has none, and IPv6 goes nowhere instead of around it", () => {
    expect(deviceSettings({}, site({ network: { ipv6: false } }), "full")).to.deep.include({
      allowedIps: ["0.0.0.0/0", "::/0"],
      dns: ["1.1.1.1"],
    });
  });

  it("is no name server where its own network's still answers, or where it may not reach one", () => {
    expect(deviceSettings({ allowedIps: "split" }, site(), "full")).to.deep.include({
      allowedIps: ["10.8.0.0/24", "fd53:7469:6e67::/64", "10.0.0.0/16"],
      dns: [],
    });
    expect(deviceSettings({}, site(), "isolated").dns).to.deep.equal([]);
  });

  it("is what the options say", () => {
    const options = { dns: " 9.9.9.9 ,home.example", allowedIps: "10.0.0.5/16,192.168.1.0/24", keepalive: 0 };
    expect(deviceSettings(options, site(), "full")).to.deep.equal({
      allowedIps: ["10.0.0.0/16", "192.168.1.0/24"],
      dns: ["9.9.9.9", "home.example"],
      keepalive: 0,
    });
    expect(deviceSettings({ dns: "none" }, site(), "full").dns).to.deep.equal([]);
  });

  it("is refused where an option makes no sense, before AWS is asked anything", () => {
    for (const dns of ["", "1.1.1", "1.1.1.256", "a b", "1.1.1.1\nPostUp = id"]) {
      expect(
        problem(() => deviceSettings({ dns }, site(), "full")),
        dns,
      ).to.include({ exit: EXIT.usage });
    }
    expect(problem(() => deviceSettings({ allowedIps: "all" }, site(), "full"))).to.include({
      message:
        "--allowed-ips: all is no network. Allowed are full, split, or networks such as 10.0.0.0/16,192.168.1.0/24.",
      exit: EXIT.usage,
    });
    for (const endpoint of ["", "vpn.example.com:51820", "a b", "-x", "203.0.113.300"]) {
      expect(
        problem(() => checkEndpointOption(endpoint)),
        endpoint,
      ).to.include({ exit: EXIT.usage });
    }
    expect(problem(() => checkKeyOption("c2hvcnQ="))).to.deep.include({ exit: EXIT.usage });
    expect(problem(() => checkKeyOption("c2hvcnQ=")).message).to.match(
      /^--public-key is no WireGuard key: it has 5 bytes/,
    );
  });

  it("takes names and addresses for the endpoint", () => {
    for (const endpoint of ["vpn.example.com", "vpn", "203.0.113.7", "2001:db8::1", undefined])
      checkEndpointOption(endpoint);
  });
});

describe("a key that somebody has", () => {
  const known = [
    { name: "phone", publicKey: "P" },
    { name: "broken", publicKey: undefined },
  ];

  it("is refused, be it the server's, another device's or its own", () => {
    expect(problem(() => refuseKnownKey("S", "S", known, "phone"))).to.deep.equal({
      message: "--public-key is the server's own key.",
      exit: EXIT.failed,
      fix: "Give the key of the device: `wg pubkey < its-private-key`.",
    });
    const fix = "Make a new key on the device and give its public half.";
    for (const own of [undefined, "laptop"]) {
      expect(problem(() => refuseKnownKey("P", "S", known, own))).to.deep.equal({
        message: "--public-key is the key of phone, and two devices cannot share one.",
        exit: EXIT.failed,
        fix,
      });
    }
    expect(problem(() => refuseKnownKey("P", "S", known, "phone"))).to.deep.equal({
      message: "--public-key is the key that phone has already.",
      exit: EXIT.failed,
      fix,
    });
  });

  it("is none that is new", () => {
    refuseKnownKey("new", "S", known);
    refuseKnownKey("new", "S", known, "phone");
  });
});

describe("the groups that the command offers", () => {
  it("are those that the server knows", () => {
    const peer = createProgram().commands.find((command) => command.name() === "peer");
    const offered = (name: string) =>
      peer?.commands
        .find((command) => command.name() === name)
        ?.options.find((option) => option.attributeName() === "group")?.argChoices;
    expect(offered("add")).to.deep.equal([...GROUPS]);
    expect(offered("edit")).to.deep.equal([...GROUPS, "default"]);
  });
});

describe("where a device finds the site", () => {
  const nowhere = new Aws("ap-northeast-1");
  const dns = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };

  it("is the site's name with its port, without a look at AWS", async () => {
    expect(await siteEndpoint(undefined, site({ dns, tunnel: { listenPort: 443 } }), nowhere)).to.equal(
      "vpn.example.com:443",
    );
  });

  it("is what the option says", async () => {
    expect(await siteEndpoint("2001:db8::1", site({ dns }), nowhere)).to.equal("[2001:db8::1]:51820");
  });
});
