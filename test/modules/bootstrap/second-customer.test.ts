import { expect } from "chai";
import { BootstrapError, base, compose, type Fragment, portsOf, type Role, render } from "../../../modules/bootstrap";
import { content, DISTRIBUTIONS, load } from "./support";

/*
 * An edge, as somebody else would write it: two roles that the library knows nothing of. Each would be one small file.
 */

interface NginxStreamOptions {
  readonly origin: string;
  readonly port: number;
}

const NGINX = (origin: string, port: number) => `load_module modules/ngx_stream_module.so;
events {}
stream {
  server {
    listen ${port};
    proxy_pass ${origin};
    proxy_protocol on;
  }
}
`;

function nginxStream({ origin, port }: NginxStreamOptions): Role {
  return ({ name }) => ({
    role: "nginx-stream",
    packages: [
      {
        al2023: ["nginx", "nginx-mod-stream"],
        debian: ["nginx", "libnginx-mod-stream"],
        ubuntu: ["nginx", "libnginx-mod-stream"],
      },
    ],
    files: [
      { path: "/etc/nginx/nginx.conf", content: NGINX(origin, port) },
      {
        path: "/etc/systemd/system/nginx.service.d/edge.conf",
        content: `[Service]\nRestart=always\nLimitNOFILE=${name === "al2023" ? 4096 : 8192}\n`,
      },
    ],
    sysctls: { "net.core.somaxconn": 4096 },
    units: [{ name: "nginx.service" }],
    checks: [
      { name: "nginx-listens", command: `ss -Hltn sport = :${port} | grep -q .`, repair: "systemctl restart nginx" },
    ],
    ports: [{ protocol: "tcp", port }],
    provides: ["access-log"],
    requires: ["time-sync"],
  });
}

function fail2ban(): Role {
  return () => ({
    role: "fail2ban",
    packages: ["nftables", { debian: ["fail2ban"], ubuntu: ["fail2ban"], al2023: ["fail2ban"] }],
    files: [{ path: "/etc/fail2ban/jail.d/edge.conf", content: "[DEFAULT]\nbanaction = nftables-multiport\n" }],
    units: [
      { name: "fail2ban.service" },
      {
        name: "edge-report.service",
        content:
          "[Unit]\nAfter=fail2ban.service nginx.service\n[Service]\nType=oneshot\nExecStart=fail2ban-client status\n",
        enable: false,
      },
      { name: "edge-report.timer", content: "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n" },
    ],
    checks: [{ name: "fail2ban", command: "fail2ban-client ping", severity: "report" }],
    requires: ["access-log"],
  });
}

const edge = (
  roles: readonly Role[] = [base({ ipv6: false }), nginxStream({ origin: "10.8.0.2:443", port: 443 }), fail2ban()],
) => roles;

describe("a second customer's edge", () => {
  for (const distribution of DISTRIBUTIONS) {
    it(`is rendered for ${distribution} by the same library`, () => {
      const config = load(render(compose(distribution, edge(), { name: "edge" })));
      expect(config.packages).to.include.members(["nginx", "nftables", "fail2ban"]);
      expect(config.write_files?.map(({ path }) => path)).to.include.members([
        "/etc/nginx/nginx.conf",
        "/etc/systemd/system/edge-report.timer",
        "/etc/edge/checks",
        "/etc/sysctl.d/90-edge.conf",
      ]);
      expect(config.runcmd.at(-2)).to.match(/^for unit in \S+ .*nginx\.service fail2ban\.service; do /);
      expect(config.runcmd.at(-1)).to.equal("systemctl enable --now --no-block edge-report.timer");
    });
  }

  it("has its checks beside those of the roles it took over", () => {
    const checks = content(compose("debian", edge(), { name: "edge" }), "/etc/edge/checks");
    expect(checks).to.include("check forwarding unfit ");
    expect(checks).to.include(
      "check nginx-listens unfit 'ss -Hltn sport = :443 | grep -q .' 'systemctl restart nginx'\n",
    );
    expect(checks).to.include("check fail2ban report 'fail2ban-client ping' ''\n");
  });

  it("tells a firewall what to open", () => {
    expect(portsOf("debian", edge())).to.deep.equal([{ protocol: "tcp", port: 443 }]);
  });

  it("is told when the roles do not fit together", () => {
    const [first, nginx, bans] = edge() as [Role, Role, Role];
    const message = (roles: readonly Role[]) => {
      try {
        compose("debian", roles);
      } catch (error) {
        if (error instanceof BootstrapError) return error.message;
      }
      return undefined;
    };
    const changed =
      (changes: Partial<Fragment>): Role =>
      (facts) => ({ ...nginx(facts), ...changes });
    expect(message([first, bans, nginx])).to.equal(
      'Role "fail2ban" requires "access-log", which role "nginx-stream" provides only after it: put "nginx-stream" before "fail2ban".',
    );
    expect(message([nginx])).to.equal(
      'Role "nginx-stream" requires "time-sync", which no role provides: add a role that does.',
    );
    expect(message([first, nginx, changed({ role: "nginx-http" })])).to.equal(
      'Roles "nginx-stream" and "nginx-http" both have the unit nginx.service: leave it to one of them.',
    );
    expect(message([first, nginx, changed({ role: "nginx-http", units: [], checks: [] })])).to.equal(
      'Roles "nginx-stream" and "nginx-http" both write /etc/nginx/nginx.conf: leave it to one of them, or write another file, such as a drop-in.',
    );
    expect(message([first, nginx, changed({ role: "http", units: [], files: [], checks: [] })])).to.equal(
      'Roles "nginx-stream" and "http" both listen on tcp/443: give one another port.',
    );
  });
});
