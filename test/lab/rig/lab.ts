import {
  ADDRESSES,
  eventually,
  type PeerOptions,
  type Server,
  type Site,
  type SiteOptions,
  sleep,
  startSite,
} from "../../server/harness";
import { Device } from "./device";
import { Home, type HomeOptions } from "./home";

/** stingy: the files and units that modules/bootstrap renders. plain: wg-quick and masquerading, as tutorials have it. */
export type Kind = "stingy" | "plain";

export interface LabOptions extends Omit<SiteOptions, "servers" | "peers"> {
  readonly kind: Kind;
  /** Each has a home of its own. @default - one, "phone" */
  readonly devices?: readonly (string | PeerOptions)[];
  readonly home?: HomeOptions;
}

/** How AWS moves an address. Neither is known of AWS itself, so both can be set. */
export interface Delays {
  /** How much later than the network the metadata service knows. */
  readonly metadataMs: number;
  /** How long the address leads nowhere. */
  readonly gapMs: number;
}

const PATIENCE_MS = 90_000;

/** A site with two servers of one kind, of which A serves, and devices in homes. */
export class Lab {
  readonly homes: Home[] = [];
  readonly devices: Device[] = [];

  private constructor(
    readonly options: LabOptions,
    readonly site: Site,
  ) {}

  static async start(options: LabOptions): Promise<Lab> {
    const { kind, devices = ["phone"], home, ...rest } = options;
    const lab = new Lab(options, await startSite({ store: "memory", ...rest, servers: 2 }));
    try {
      for (const device of devices) await lab.addDevice(device, home);
      await lab.bootA();
    } catch (error) {
      await lab.stop();
      throw error;
    }
    return lab;
  }

  get a(): Server {
    return this.site.a;
  }
  get b(): Server {
    return this.site.b;
  }

  device(name: string): Device {
    const found = this.devices.find((device) => device.name === name);
    if (found === undefined) throw new Error(`No device ${name}: ${this.devices.map(({ name }) => name).join(", ")}.`);
    return found;
  }

  async addHome(options?: HomeOptions): Promise<Home> {
    const home = await Home.start(this.site.outside, this.homes.length + 1, this.site.bootstrap.listenPort, options);
    this.homes.push(home);
    return home;
  }

  /** A peer in the store and its device, at a home of its own. */
  async addDevice(options: string | PeerOptions, home?: HomeOptions): Promise<Device> {
    const peer = await this.site.addPeer(options);
    const device = await Device.start(this.site, peer, await this.addHome(home));
    this.devices.push(device);
    return device;
  }

  private async bootA(): Promise<void> {
    if (this.options.kind === "plain") await this.bootPlain(this.a);
    else await this.boot(this.a, "serving");
  }

  /** From power-on to ready, as a successor is started while the other serves. */
  async prepare(server: Server): Promise<void> {
    if (this.options.kind === "plain") await this.bootPlain(server);
    else await this.untilReady(server, () => server.boot());
  }

  /** A machine that has served before comes anew, with nothing but its disk. */
  async prepareAgain(server: Server): Promise<void> {
    server.imds.interruption = undefined;
    await this.untilReady(server, () => server.reboot());
  }

  private async untilReady(server: Server, start: () => Promise<void>): Promise<void> {
    const reads = (): number =>
      this.site.aws
        .called("ssm", "GetParameters")
        .filter(({ instance, body }) => instance === server.instanceId && /peer-endpoints/.test(body.Names)).length;
    const before = reads();
    await start();
    await this.isIn(server, "ready");
    // The controller needs a second at least until it moves the address.
    await eventually(`server ${server.name} has read where the devices are`, () => reads() > before, PATIENCE_MS);
  }

  private async boot(server: Server, state: string): Promise<void> {
    await server.boot();
    await this.isIn(server, state);
  }

  isIn(server: Server, state: string): Promise<unknown> {
    return eventually(
      `server ${server.name} says that it is ${state}`,
      async () => (await server.state()) === state,
      PATIENCE_MS,
    );
  }

  /** The same keys, peers and addresses, and nothing that heals. */
  private async bootPlain(server: Server): Promise<void> {
    const { tunnelIpv4, tunnelIpv6, listenPort } = this.site.bootstrap;
    const lines = [
      "[Interface]",
      `PrivateKey = ${this.site.keys.privateKey}`,
      `Address = ${[tunnelIpv4, tunnelIpv6].filter(Boolean).join(", ")}`,
      `ListenPort = ${listenPort}`,
      "MTU = 1420",
      "PostUp = nft add table inet plain; nft add chain inet plain out '{ type nat hook postrouting priority srcnat; }'; nft add rule inet plain out oifname ens5 masquerade",
      ...this.devices.flatMap(({ peer }) => [
        "[Peer]",
        `PublicKey = ${peer.publicKey}`,
        ...(peer.presharedKey === undefined ? [] : [`PresharedKey = ${peer.presharedKey}`]),
        `AllowedIPs = ${peer.addresses.join(", ")}`,
      ]),
    ];
    server.machine.write("/etc/wireguard/wg0.conf", `${lines.join("\n")}\n`, 0o600);
    await server.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1; wg-quick up wg0");
  }

  /** Every device connects and reaches the web host. */
  async connect(devices: readonly Device[] = this.devices): Promise<void> {
    await Promise.all(
      devices.map(async (device) => {
        await device.up();
        await device.reaches(ADDRESSES.web, PATIENCE_MS);
      }),
    );
  }

  /** Waits until a successor could know where all devices are. */
  async endpointsSaved(devices: readonly Device[] = this.devices): Promise<void> {
    if (this.options.kind === "plain") return;
    await eventually(
      "A has saved the endpoints",
      async () => {
        const saved = (await this.site.store.get("peer-endpoints")) ?? "";
        return devices.every(({ peer }) => saved.includes(peer.publicKey.slice(0, 10)));
      },
      PATIENCE_MS,
    );
  }

  /** AWS warns A that it takes the machine back in two minutes. */
  async interrupt(server: Server): Promise<void> {
    server.imds.interruption = { action: "terminate", time: new Date(Date.now() + 120_000) };
    if (this.options.kind === "plain") return;
    await eventually(
      "A's watch tells the controller",
      () =>
        this.site.aws.events.some(
          ({ detailType, instance }) => detailType === "Server Notice" && instance === server.instanceId,
        ),
      PATIENCE_MS,
    );
  }

  /** Power off, from one moment to the next. */
  async kill(server: Server): Promise<void> {
    await server.machine.stop();
  }

  /** What the controller does, as AWS does it. @returns when the address was moved, in milliseconds since 1970 */
  async promote(to: Server, { metadataMs, gapMs }: Delays = delays()): Promise<number> {
    const { site } = this;
    if (gapMs > 0) {
      await site.moveAddress(undefined);
      await sleep(gapMs);
    }
    const from = this.site.servers.find((server) => server !== to);
    const regains = from?.machine.isRunning ?? false;
    const at = Date.now();
    if (site.address !== undefined) await site.moveAddress(to, { metadataDelayMs: metadataMs, regains });
    await site.store.put("instance-id", to.instanceId, "String");
    return at;
  }

  /** How many packets have left a device outside of the tunnel. */
  leaked(): Promise<number> {
    return this.sum((home) => home.leaked());
  }

  /** How many handshakes devices have begun. */
  begun(): Promise<number> {
    return this.sum((home) => home.begun());
  }

  private async sum(count: (home: Home) => Promise<number>): Promise<number> {
    return (await Promise.all(this.homes.map(count))).reduce((sum, each) => sum + each, 0);
  }

  /** Waits until a promoted server has called all devices back. @returns how many have answered, as it says */
  async calledBack(server: Server): Promise<number> {
    const found = await eventually(
      `server ${server.name} has called the devices back`,
      () => server.journal("stingy-promote").find(({ event }) => event === "called-back"),
      PATIENCE_MS,
    );
    return Number(found?.fields.answered);
  }

  async stop(): Promise<void> {
    await Promise.all([this.site.stop(), ...this.homes.map((home) => home.stop())]);
  }
}

/** As `npm run lab -- --metadata-delay MS --gap MS` says. */
export const delays = (): Delays => ({
  metadataMs: Number(process.env.STINGY_LAB_METADATA_DELAY_MS ?? 0),
  gapMs: Number(process.env.STINGY_LAB_GAP_MS ?? 0),
});
