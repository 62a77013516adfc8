import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { type ServerBootstrapOptions, serverBootstrap } from "../../../modules/bootstrap";
import { Aws } from "./aws";
import { Client, type TunnelOptions } from "./client";
import { Machine, sleep } from "./machine";
import { Moto } from "./moto";
import { ADDRESSES, Outside } from "./outside";
import { MemoryParameters, MotoParameters, Store } from "./parameters";
import { type KeyPair, keyPair, makePeer, type Peer, type PeerOptions, storedPeer } from "./peer";
import { type InstalledFile, Server } from "./server";

export interface SiteOptions {
  /** @default 1 */
  readonly servers?: 1 | 2;
  /**
   * Inside the tunnel and outside of it.
   * @default true
   */
  readonly ipv6?: boolean;
  /**
   * The Elastic IP, which the first server has.
   * @default "198.51.100.10"; null: the site has none
   */
  readonly address?: string | null;
  /** Peers that the store has from the start; each is a client, too. @default - none */
  readonly peers?: readonly (string | PeerOptions)[];
  /** Whether the store has the private key from the start. @default true */
  readonly privateKey?: boolean;
  /**
   * What answers for Parameter Store. moto is somebody else's idea of it, and 14 ms a page: fast enough for some dozen
   * parameters. memory is for a thousand, where storing them in moto alone takes six seconds.
   * @default "moto"
   */
  readonly store?: "moto" | "memory";
  /** @default "ap-northeast-1" */
  readonly region?: string;
  /** @default "amazonaws.com" */
  readonly domain?: string;
  /**
   * How many machines an answer of the metadata service passes. More than 1 lets it through to the tunnel, so that it is
   * the firewall which keeps it out.
   * @default 1, as the launch template has it
   */
  readonly hopLimit?: number;
  /** @default "256m", as much as the health check wants to see free and more */
  readonly disk?: string;
  /** Other options of the rendered files. */
  readonly bootstrap?: Partial<ServerBootstrapOptions>;
  /** Files beside the rendered ones, or instead of them. */
  readonly files?: readonly InstalledFile[];
}

/** A site with its servers, its internet and its clients. */
export class Site {
  private static readonly all = new Set<Site>();
  readonly clients: Client[] = [];
  readonly servers: Server[] = [];
  /** Public address by server. */
  private readonly publicAddresses = new Map<Server, string>();
  private nextHost = 2;
  private nextAutomatic = 101;
  /** The site's key. Where the store has none at first, the first server makes another. */
  readonly keys: KeyPair = keyPair();

  private constructor(
    readonly options: SiteOptions,
    readonly outside: Outside,
    readonly aws: Aws,
    readonly store: Store,
    readonly bootstrap: ServerBootstrapOptions,
  ) {}

  static async start(options: SiteOptions): Promise<Site> {
    const { region = "ap-northeast-1", domain = "amazonaws.com", ipv6 = true, hopLimit = 1 } = options;
    const moto = await Moto.start();
    // What was before would only confuse, unless it belongs to somebody.
    if (Site.all.size === 0) await moto.reset();
    const bootstrap: ServerBootstrapOptions = {
      distribution: "debian",
      environment: "prod",
      site: "tokyo",
      storePrefix: "/stingy-vpn/prod",
      tunnelIpv4: "10.8.0.1/24",
      ...(ipv6 ? { tunnelIpv6: "fd53::1/64" } : {}),
      listenPort: 51820,
      ...(options.address === null ? {} : { address: options.address ?? "198.51.100.10" }),
      defaultGroup: "full",
      betweenPeers: true,
      isolatedNetworks: [],
      adminCidrs: [],
      ...options.bootstrap,
    };
    const parameters = options.store === "memory" ? new MemoryParameters(region) : new MotoParameters(moto, region);
    // moto keeps one store for all sites of a run: what another has left would be taken for this one's.
    const store = new Store(parameters, bootstrap.storePrefix);
    if (options.store !== "memory") for (const name of await store.names()) await store.delete(name);
    const outside = await Outside.start(hopLimit);
    const setNetwork = outside.setNetwork.bind(outside);
    const aws = await Aws.start({ region, domain, folder: outside.folder, moto, parameters, setNetwork });
    const site = new Site(options, outside, aws, store, bootstrap);
    Site.all.add(site);
    try {
      await site.build(moto, region, domain);
    } catch (error) {
      await site.stop();
      throw error;
    }
    return site;
  }

  static async stopAll(): Promise<void> {
    await Promise.all([...Site.all].map((site) => site.stop()));
  }

  private async build(moto: Moto, region: string, domain: string): Promise<void> {
    const { ipv6 = true, disk = "256m", files: more = [], privateKey = true, peers = [] } = this.options;
    const socket = path.join(this.outside.folder, "aws");
    await new Promise<void>((resolve) => this.aws.server.listen(socket, resolve).unref());

    const rendered = serverBootstrap(this.bootstrap);
    const names = new Set(more.map((file) => file.path));
    const files = [...rendered.files.filter((file) => !names.has(file.path)), ...more];
    const units = [...rendered.start.distribution, ...rendered.start.own];
    const zones = (this.options.servers ?? 1) === 2 ? ["a", "b"] : ["a"];
    const servers = zones.map(async (name, index) => {
      const launched = await moto.ec2(region, {
        Action: "RunInstances",
        ImageId: "ami-12c6146b",
        MinCount: "1",
        MaxCount: "1",
        InstanceType: "t4g.nano",
      });
      const [, instanceId = ""] = /<instanceId>(i-[0-9a-f]+)</.exec(launched) ?? [];
      const publicIpv4 = index === 0 && this.address !== undefined ? this.address : this.automaticAddress();
      const options = { name, instanceId, region, domain, ipv6, disk, files, units, publicIpv4 };
      const server = await Server.start(options, this.outside, this.aws);
      this.publicAddresses.set(server, publicIpv4);
      this.servers.push(server);
    });
    const settled = await Promise.allSettled([...servers, this.outside.serveTime()]);
    for (const result of settled) if (result.status === "rejected") throw result.reason;
    this.servers.sort((a, b) => a.name.localeCompare(b.name));
    await this.assign();
    const metadata = Object.fromEntries(
      this.servers.flatMap((server) =>
        [server.attachment.ipv4, server.attachment.ipv6]
          .filter((address) => address !== undefined)
          .map((address) => [address, server.metadataSocket]),
      ),
    );
    await this.outside.forward(socket, metadata);

    const { logGroup } = this.bootstrap;
    if (logGroup !== undefined)
      await moto.json("logs", region, "Logs_20140328.CreateLogGroup", { logGroupName: logGroup });
    await this.store.put("instance-id", this.a.instanceId, "String");
    if (privateKey) await this.store.put("wireguard-private-key", this.keys.privateKey);
    for (const peer of peers) await this.addClient(peer);
    await Promise.all(this.servers.map((server) => server.clock.waitForSync()));
  }

  /** As a person may do by mistake. */
  async deleteLogStream(logGroupName: string, logStreamName: string): Promise<void> {
    const { region = "ap-northeast-1" } = this.options;
    const { status, body } = await (await Moto.start()).json("logs", region, "Logs_20140328.DeleteLogStream", {
      logGroupName,
      logStreamName,
    });
    if (status !== 200) throw new Error(`moto refuses to delete the stream: ${body}`);
  }

  get a(): Server {
    return this.server(0);
  }
  get b(): Server {
    return this.server(1);
  }
  private server(index: number): Server {
    const server = this.servers[index];
    if (server === undefined)
      throw new Error(`The site was started with ${this.servers.length} server(s): startSite({servers: 2}).`);
    return server;
  }

  /** The Elastic IP. */
  get address(): string | undefined {
    return this.bootstrap.address;
  }

  publicAddress(server: Server): string | undefined {
    return this.publicAddresses.get(server);
  }

  client(name: string): Client {
    const found = this.clients.find((client) => client.name === name);
    if (found === undefined)
      throw new Error(`No client ${name}: ${this.clients.map((client) => client.name).join(", ")}.`);
    return found;
  }

  /** A peer with the next free addresses of the tunnel, not yet in the store. */
  newPeer(options: string | PeerOptions): Peer {
    const host = this.nextHost++;
    const { tunnelIpv4, tunnelIpv6 } = this.bootstrap;
    const [a, b, c, d] = tunnelIpv4.replace(/\/.*/, "").split(".").map(Number);
    const number = (((a ?? 0) * 256 + (b ?? 0)) * 256 + (c ?? 0)) * 256 + (d ?? 0) + host - 1;
    const ipv4 = [24, 16, 8, 0].map((bits) => Math.floor(number / 2 ** bits) % 256).join(".");
    const ipv6 = tunnelIpv6?.replace(/[0-9a-f]*\/.*/, host.toString(16));
    return makePeer(typeof options === "string" ? { name: options } : options, ipv6 ? [ipv4, ipv6] : [ipv4]);
  }

  /** A peer in the store, without a device. */
  async addPeer(options: string | PeerOptions): Promise<Peer> {
    const peer = this.newPeer(options);
    await this.store.put(`peers/${peer.name}`, storedPeer(peer));
    return peer;
  }

  async removePeer(peer: Pick<Peer, "name">): Promise<void> {
    await this.store.delete(`peers/${peer.name}`);
  }

  /** A peer in the store, and a device on the internet that has its key. */
  async addClient(options: string | PeerOptions): Promise<Client> {
    return this.startClient(await this.addPeer(options));
  }

  /** A device on the internet. */
  async startClient(peer: Peer): Promise<Client> {
    const number = this.clients.length + 1;
    const machine = await Machine.start(`client-${peer.name}`, { disk: "16m" });
    machine.write("/usr/local/bin/ip", readFileSync(path.join(__dirname, "machine/ip"), "utf8"), 0o755);
    const attachment = await this.outside.attach(machine, {
      name: `client-${number}`,
      interface: "eth0",
      ipv4: `198.18.${number}.2/24`,
      ipv6: `2001:db8:c:${number}::2/64`,
      // Not everything: what does not go through the tunnel goes nowhere.
      routes: [ADDRESSES.elastic, ADDRESSES.vpcIpv6],
    });
    const client = new Client(peer.name, machine, peer, attachment.ipv4, () => this.tunnel());
    this.clients.push(client);
    return client;
  }

  /** What a device has to know of the site. */
  async tunnel(): Promise<TunnelOptions> {
    const stored = await this.store.get("wireguard-private-key");
    const serverPublicKey = stored === this.keys.privateKey ? this.keys.publicKey : await this.a.publicKey();
    return { serverPublicKey, endpoint: `${this.address ?? this.publicAddress(this.a)}:${this.bootstrap.listenPort}` };
  }

  private automaticAddress(): string {
    return ADDRESSES.elastic.replace(/\d+\/\d+$/, `${this.nextAutomatic++}`);
  }

  private async assign(): Promise<void> {
    await this.outside.assign(new Map([...this.publicAddresses].map(([server, address]) => [server.ipv4, address])));
    for (const [server, address] of this.publicAddresses) server.imds.publicIpv4 = address;
  }

  /**
   * Moves the Elastic IP: the new server loses the address it had, the old one gets an automatic one, as EC2 does.
   * @param metadataDelayMs how much later the metadata service knows. @default 0
   * @param regains whether the old server gets an automatic address. @default true
   */
  async moveAddress(to: Server | undefined, { metadataDelayMs = 0, regains = true } = {}): Promise<void> {
    if (this.address === undefined) throw new Error("The site has no Elastic IP to move.");
    const before = this.servers.find((server) => this.publicAddresses.get(server) === this.address);
    if (before !== undefined && before !== to) {
      if (regains) this.publicAddresses.set(before, this.automaticAddress());
      else this.publicAddresses.delete(before);
    }
    if (to !== undefined) this.publicAddresses.set(to, this.address);
    await this.outside.assign(new Map([...this.publicAddresses].map(([server, address]) => [server.ipv4, address])));
    const tell = (): void => {
      for (const server of this.servers) server.imds.publicIpv4 = this.publicAddresses.get(server);
    };
    if (metadataDelayMs === 0) tell();
    else sleep(metadataDelayMs).then(tell);
  }

  /** What the controller does: the address, where there is one, and the parameter. */
  async promote(to: Server, options: Parameters<Site["moveAddress"]>[1] = {}): Promise<void> {
    if (this.address !== undefined) await this.moveAddress(to, options);
    await this.store.put("instance-id", to.instanceId, "String");
  }

  async stop(): Promise<void> {
    if (!Site.all.delete(this)) return;
    await Promise.all([
      ...this.clients.map((client) => client.machine.stop()),
      ...this.servers.map((server) => server.stop()),
      this.outside.stop(),
      this.aws.stop(),
    ]);
    rmSync(this.outside.folder, { recursive: true, force: true });
  }
}

export const startSite = (options: SiteOptions = {}): Promise<Site> => Site.start(options);
