import { statSync } from "node:fs";
import path from "node:path";
import { Client, type Peer, type Site } from "../../server/harness";
import type { TunnelOptions } from "../../server/harness/client";
import { Machine, type Running } from "../../server/harness/machine";
import type { Home, Place } from "./home";

/** A computer or phone in somebody's home, with the WireGuard that everybody has: wg-quick. All it sends goes into the tunnel. */
export class Device extends Client {
  private constructor(
    machine: Machine,
    peer: Peer,
    readonly place: Place,
    private readonly tunnel: () => Promise<TunnelOptions>,
  ) {
    super(peer.name, machine, peer, place.ipv4, tunnel);
  }

  static async start(site: Site, peer: Peer, home: Home): Promise<Device> {
    const machine = await Machine.start(`device-${peer.name}`, { disk: "16m" });
    // An idle device is to be idle: this would be asked through the tunnel, too.
    await machine.sh("sysctl -qw net.ipv6.conf.default.router_solicitations=0");
    const place = await home.attach(machine, "eth0");
    await machine.sh(
      `ip route add default via ${place.gatewayIpv4} && ip -6 route add default via ${place.gatewayIpv6}`,
    );
    const device = new Device(machine, peer, place, () => site.tunnel());
    site.clients.push(device);
    return device;
  }

  /** With a configuration that sends everything into the tunnel. */
  override async up(options: Partial<TunnelOptions> = {}): Promise<void> {
    await this.configure(options);
    await this.machine.sh("wg-quick up wg0");
  }

  private async configure(options: Partial<TunnelOptions> = {}): Promise<void> {
    const { serverPublicKey, endpoint, keepalive = 25 } = { ...(await this.tunnel()), ...options };
    const allowed = options.allowedIps ?? ["0.0.0.0/0", "::/0"];
    const lines = [
      "[Interface]",
      `PrivateKey = ${this.peer.privateKey}`,
      `Address = ${this.peer.addresses.join(", ")}`,
      "MTU = 1420",
      "[Peer]",
      `PublicKey = ${serverPublicKey}`,
      ...(this.peer.presharedKey === undefined ? [] : [`PresharedKey = ${this.peer.presharedKey}`]),
      `Endpoint = ${endpoint}`,
      `AllowedIPs = ${allowed.join(", ")}`,
      ...(keepalive === 0 ? [] : [`PersistentKeepalive = ${keepalive}`]),
    ];
    this.machine.write("/etc/wireguard/wg0.conf", `${lines.join("\n")}\n`, 0o600);
  }

  override async down(): Promise<void> {
    await this.machine.sh("wg-quick down wg0");
  }

  /** Leaves for another network, as a phone does that loses the wireless network and goes on by the mobile one. */
  async roam(to: Home): Promise<void> {
    const { gatewayIpv4, gatewayIpv6 } = await to.attach(this.machine, "eth1");
    await this.machine.sh(
      `ip link set eth0 down && ip route replace default via ${gatewayIpv4} && ip -6 route replace default via ${gatewayIpv6}`,
    );
  }

  /** The first address of the tunnel that is its own. */
  get address(): string {
    return (this.peer.addresses[0] ?? "").replace(/\/.*/, "");
  }

  /** Shakes hands once, as if its clock were so many seconds fast. Its tunnel is down. */
  async shakeHands(clockOffsetSeconds: number, timeoutMs: number): Promise<void> {
    await this.configure();
    const program = ["-r", path.resolve("scripts/typescript.cjs"), path.join(__dirname, "off-clock.ts")];
    const argv = [process.execPath, ...program, `${clockOffsetSeconds}`];
    const { stdout, stderr } = await this.machine.run(argv, { timeoutMs });
    if (!stdout.includes("answered")) throw new Error(`Nobody answers ${this.name}'s handshake. ${stderr}`);
  }

  /** Asks for the server's name again when nobody answers, as wireguard-tools' own script does, every five seconds. */
  async resolveAgain(): Promise<Running> {
    const script = "/usr/share/doc/wireguard-tools/examples/reresolve-dns/reresolve-dns.sh";
    await this.machine.sh(`test -r ${script} || { echo "wireguard-tools came without ${script}" >&2; exit 1; }`);
    return this.machine.spawn(["bash", "--norc", "-c", `while sleep 5; do bash ${script} wg0; done`]);
  }

  /** How long one of its files is, 0 when there is none. */
  size(file: string): number {
    return statSync(this.machine.path(file), { throwIfNoEntry: false })?.size ?? 0;
  }
}
