import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { parse } from "yaml";
import { escapeTerraform, renderUserData, USER_DATA_LIMIT_BYTES, type UserDataOptions } from "../../modules/bootstrap";
import { USER_DATA } from "../support/golden";

const SERVER_ENV = `ENVIRONMENT='prod'
SITE='tokyo'
STORE_PREFIX='/stingy-vpn/prod'
LISTEN_PORT='51820'
TUNNEL_IPV4='10.8.0.1/24'
TUNNEL_IPV6='fd53:7469:6e67::1/64'
MTU='1420'
`;

interface CloudConfig {
  readonly locale: string;
  readonly bootcmd: readonly string[];
  readonly package_update: boolean;
  readonly packages: readonly string[];
  readonly write_files: readonly { readonly path: string; readonly permissions: string; readonly content: string }[];
  readonly runcmd: readonly string[];
}

const SCRIPT = readFileSync(join(__dirname, "../../assets/userdata/stingy-server.sh"), "utf8");
const START = "systemctl enable --now --no-block stingy-server.service";

// cloud-init reads YAML 1.1.
const load = (text: string): CloudConfig => parse(text, { version: "1.1" });
const render = (changes: Partial<UserDataOptions> = {}): CloudConfig =>
  load(renderUserData({ ...USER_DATA, ...changes }));
const file = (config: CloudConfig, path: string): string | undefined =>
  config.write_files.find((entry) => entry.path === path)?.content;

const DISTRIBUTIONS = [
  {
    distribution: "al2023",
    packageUpdate: false,
    packages: ["wireguard-tools", "nftables"],
    runcmd: [
      "for n in 1 2 3 4 5; do type wg nft && break; sleep 10; dnf -y install wireguard-tools nftables; done",
      START,
    ],
  },
  {
    distribution: "debian",
    packageUpdate: true,
    packages: ["wireguard-tools", "nftables", "chrony", "curl", "jq", "awscli"],
    runcmd: [START],
  },
  {
    distribution: "ubuntu",
    packageUpdate: true,
    packages: ["wireguard-tools", "nftables", "chrony", "curl", "jq"],
    runcmd: ["snap wait system seed.loaded", "snap install aws-cli --classic", START],
  },
] as const;

describe("user data", () => {
  for (const { distribution, packageUpdate, packages, runcmd } of DISTRIBUTIONS) {
    describe(`on ${distribution}`, () => {
      const text = renderUserData({ ...USER_DATA, distribution });

      it("is a cloud-config that installs the distribution's packages and starts the server last", () => {
        expect(text.split("\n", 1)).to.deep.equal(["#cloud-config"]);
        const config = load(text);
        expect(Object.keys(config)).to.deep.equal([
          "locale",
          "bootcmd",
          "package_update",
          "packages",
          "write_files",
          "runcmd",
        ]);
        expect(config.locale).to.equal("C.UTF-8");
        expect(config.package_update).to.equal(packageUpdate);
        expect(config.packages).to.deep.equal(packages);
        expect(config.runcmd).to.deep.equal(runcmd);
      });

      it("carries the settings, the script and its unit unchanged", () => {
        const config = load(text);
        expect(config.write_files.map(({ path, permissions }) => [path, permissions])).to.deep.equal([
          ["/etc/stingy/server.env", "0644"],
          ["/usr/local/sbin/stingy-server", "0755"],
          ["/etc/systemd/system/stingy-server.service", "0644"],
        ]);
        expect(file(config, "/etc/stingy/server.env")).to.equal(SERVER_ENV);
        expect(file(config, "/usr/local/sbin/stingy-server")).to.equal(SCRIPT);
      });

      it("takes at most 6 KB gzipped", () => {
        expect(gzipSync(text).length).to.be.at.most(6144);
      });

      it("holds nothing that looks like a secret", () => {
        expect(text).not.to.match(/[A-Za-z0-9+/]{43}=/, "a WireGuard key");
        expect(text).not.to.match(/\b(AKIA|ASIA)[A-Z0-9]{16}\b/, "an AWS key");
        expect(text).not.to.match(
          /\b(SECRET|TOKEN|PASSWORD|PRIVATE_KEY)\w*=['"]?[A-Za-z0-9]/,
          "a value given to a secret",
        );
      });
    });
  }

  it("makes swap before anything else, once, of at most a quarter of the free disk", () => {
    const { bootcmd } = render();
    expect(bootcmd).to.have.lengthOf(1);
    expect(bootcmd[0]?.split("\n").map((line) => line.trim())).to.deep.equal([
      "if [ ! -e /swapfile ]; then",
      "size=$(($(df -m --output=avail / | tail -n 1) / 4))",
      '[ "$size" -le 1024 ] || size=1024',
      'fallocate -l "$size"M /swapfile && chmod 600 /swapfile && mkswap /swapfile',
      "fi",
      "swapon --show=NAME --noheadings | grep -qx /swapfile || swapon /swapfile",
      "",
    ]);
  });

  it("retries the server until it is up, with the network there and snaps on its path", () => {
    const lines = file(render(), "/etc/systemd/system/stingy-server.service")?.split("\n");
    expect(lines).to.include.members([
      "Wants=network-online.target",
      "After=network-online.target",
      "StartLimitIntervalSec=0",
      "Type=oneshot",
      "RemainAfterExit=yes",
      "Environment=HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin",
      "ExecStart=/usr/local/sbin/stingy-server",
      "Restart=on-failure",
      "RestartSec=15",
      "WantedBy=multi-user.target",
    ]);
  });

  it("leaves the IPv6 tunnel address empty when there is none", () => {
    const { tunnelIpv6: _, ...ipv4Only } = USER_DATA;
    const env = file(load(renderUserData(ipv4Only)), "/etc/stingy/server.env");
    expect(env).to.equal(SERVER_ENV.replace("'fd53:7469:6e67::1/64'", "''"));
  });

  const hostile = [
    "",
    "a'b",
    'a"b',
    "a\nb",
    "a\n",
    "a b",
    "$(id)",
    "`id`",
    `\${id}`,
    "{{site}}",
    "a: b",
    "a;b",
    "a\\b",
    "é",
    "\u0000",
  ];
  const allowed = {
    environment: "up to 63 letters, digits and hyphens",
    site: "up to 63 letters, digits and hyphens",
    storePrefix: "a parameter path such as /stingy-vpn/prod",
    tunnelIpv4: "an address such as 10.8.0.1/24",
    tunnelIpv6: "an address such as fd00:8::1/64",
  };
  const valid = { environment: "", site: "", storePrefix: "/a", tunnelIpv4: "10.8.0.1/24", tunnelIpv6: "fd00::1/64" };
  for (const name of Object.keys(allowed) as (keyof typeof allowed)[]) {
    it(`${name}: refuses what could break out of shell or YAML`, () => {
      for (const value of [...hostile, ...hostile.filter((text) => text !== "").map((text) => valid[name] + text)]) {
        expect(() => renderUserData({ ...USER_DATA, [name]: value }), JSON.stringify(value)).to.throw(
          Error,
          `User data: ${name} is ${JSON.stringify(value)}; it must be ${allowed[name]}.`,
        );
      }
    });
  }

  const outOfRange: readonly [keyof UserDataOptions, readonly (string | number)[]][] = [
    ["environment", ["a".repeat(64), "-a"]],
    ["storePrefix", ["stingy-vpn", "/", "/a/", "//a"]],
    ["tunnelIpv4", ["10.8.0.1", "10.8.0.256/24", "10.8.0.1/31", "10.8.0.1/0", "fd00::1/64"]],
    ["tunnelIpv6", ["fd00::1", "fd00::1/127", "fd00::1%ens5/64", "::10.8.0.1/96", "10.8.0.1/24"]],
    ["listenPort", [0, 65536, 1.5, Number.NaN]],
  ];
  for (const [name, values] of outOfRange) {
    it(`${name}: refuses what is out of range`, () => {
      for (const value of values) {
        expect(() => renderUserData({ ...USER_DATA, [name]: value }), String(value)).to.throw(
          Error,
          `User data: ${name} is ${JSON.stringify(value)}; it must be `,
        );
      }
    });
  }

  it("refuses what EC2 would not take, and accepts what still fits", () => {
    const storePrefix = (bytes: number): string => `/${randomBytes(bytes).toString("hex")}`;
    expect(USER_DATA_LIMIT_BYTES).to.equal(16384);
    expect(render({ storePrefix: storePrefix(8000) }).locale).to.equal("C.UTF-8");
    expect(() => renderUserData({ ...USER_DATA, storePrefix: storePrefix(16384) })).to.throw(
      Error,
      /^User data for al2023: 2\d{4} bytes gzipped, more than EC2's 16384\.$/,
    );
  });
});

describe("escapeTerraform", () => {
  it("doubles what Terraform would expand and nothing else", () => {
    const cases = [
      [`\${HOME}`, `$\${HOME}`],
      ["%{http_code}", "%%{http_code}"],
      [`a\${b}%{c}\${d}`, `a$\${b}%%{c}$\${d}`],
      [`$\${x}`, `$$\${x}`],
      ["$HOME $(id) 100% {x} $ {", "$HOME $(id) 100% {x} $ {"],
      ["", ""],
    ];
    for (const [text, escaped] of cases) expect(escapeTerraform(text as string)).to.equal(escaped);
  });

  it("comes back from Terraform as the rendering it was", () => {
    const text = renderUserData(USER_DATA);
    const escaped = escapeTerraform(text);
    expect(escaped).not.to.match(/(?<![$%])[$%]\{/);
    expect(escaped.replace(/([$%])\1\{/g, "$1{")).to.equal(text);
  });
});
