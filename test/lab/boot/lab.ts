/** The world around the guests: an internet with AWS in it, as the tests of the server's scripts have it, and clients. */
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { renderUserData, serverBootstrap } from "../../../modules/bootstrap";
import {
  ADDRESSES,
  Aws,
  Client,
  Imds,
  keyPair,
  Machine,
  Outside,
  type Peer,
  Store,
  storedPeer,
} from "../../server/harness";
import { connect } from "../../server/harness/machine";
import { ACCOUNT, Moto } from "../../server/harness/moto";
import { MotoParameters } from "../../server/harness/parameters";
import { makePeer } from "../../server/harness/peer";
import { makeBase, makeDisk } from "./disk";
import { Downloads } from "./downloads";
import { Guest } from "./guest";
import type { Image } from "./image";
import { moreMetadata } from "./metadata";
import { DOMAIN, ELASTIC_IP, LOG_GROUP, REGION, SITE } from "./site";
import { makeStandInAgent } from "./stand-in-agent";

const HARNESS = path.join(__dirname, "../../server/harness");
const NODE = { PATH: `${path.dirname(process.execPath)}:${process.env.PATH}` };
/** Addresses for what guests download from. */
const PACKAGES = "203.0.113.80";
const FILES = "203.0.113.81";
const ROLE = "stingy-server";
const PEER = { name: "phone", ipv4: "10.8.0.2", ipv6: "fd53:7469:6e67::2" };

/** An EC2 instance: what AWS knows of it, and its machine while that is on. */
export class Instance {
  guest: Guest | undefined;

  constructor(
    readonly name: string,
    readonly instanceId: string,
    readonly imds: Imds,
    readonly machine: Machine,
    readonly mac: string,
    readonly ipv4: string,
    readonly disk: string,
  ) {}
}

export class Lab {
  readonly instances: Instance[] = [];
  private readonly publicAddresses = new Map<Instance, string>();
  readonly keys = keyPair();
  readonly userData = renderUserData(SITE);
  readonly bootstrap = serverBootstrap(SITE);

  private constructor(
    private readonly image: Image,
    private readonly moto: Moto,
    readonly outside: Outside,
    readonly aws: Aws,
    readonly store: Store,
    readonly downloads: Downloads,
    private readonly base: string,
  ) {}

  /** @param names what the instances are called; all are known from the start, none is on */
  static async start(image: Image, names: readonly string[]): Promise<Lab> {
    const [moto, outside] = await Promise.all([Moto.start(), Outside.start(1)]);
    const parameters = new MotoParameters(moto, REGION);
    const { folder } = outside;
    const setNetwork = outside.setNetwork.bind(outside);
    const aws = await Aws.start({ region: REGION, domain: DOMAIN, folder, moto, parameters, setNetwork });
    const files = path.join(folder, "files");
    const [base] = await Promise.all([makeBase(image, aws.authority, folder), makeStandInAgent(files, folder)]);
    const tls = { key: path.join(folder, "aws.key"), certificate: path.join(folder, "aws.pem") };
    const downloads = new Downloads([image.archive, files], tls);
    const lab = new Lab(image, moto, outside, aws, new Store(parameters, SITE.storePrefix), downloads, base);
    for (const name of names) lab.instances.push(await lab.prepare(name));
    await lab.connect();
    return lab;
  }

  instance(name: string): Instance {
    const found = this.instances.find((instance) => instance.name === name);
    if (found === undefined) throw new Error(`no instance ${name}`);
    return found;
  }

  private async prepare(name: string): Promise<Instance> {
    const launched = await this.moto.ec2(REGION, {
      Action: "RunInstances",
      ImageId: "ami-12c6146b",
      MinCount: "1",
      MaxCount: "1",
      InstanceType: "t3.nano",
    });
    const [, instanceId = ""] = /<instanceId>(i-[0-9a-f]+)</.exec(launched) ?? [];
    const number = this.instances.length + 1;
    const mac = `0a:00:00:00:00:0${number}`;
    const ipv4 = `10.0.${number}.10`;
    const ipv6 = `2001:db8:a:${number}::10`;
    const machine = await Machine.start(`qemu-${name}`);
    await this.cable(machine, name, number);
    const credentials = this.aws.issue(instanceId, ROLE);
    const imds = new Imds({
      instanceId,
      region: REGION,
      domain: DOMAIN,
      role: ROLE,
      mac,
      localIpv4: ipv4,
      publicIpv4: undefined,
      vpcIpv4: [ADDRESSES.vpc],
      vpcIpv6: [ADDRESSES.vpcIpv6],
      credentials: () => credentials,
    });
    const zone = `${REGION}${name}`;
    Object.assign(
      imds.more,
      moreMetadata({ instanceId, account: ACCOUNT, zone, mac, ipv4, ipv6, userData: this.userData }),
    );
    const disk = path.join(this.outside.folder, `disk-${name}.qcow2`);
    await makeDisk(this.base, disk);
    const instance = new Instance(name, instanceId, imds, machine, mac, ipv4, disk);
    // Until it has the Elastic IP, what its subnet gives.
    this.publicAddresses.set(instance, ADDRESSES.elastic.replace(/\d+\/\d+$/, `${100 + number}`));
    return instance;
  }

  /** The instance's network card ends in its subnet, whose router the internet is. */
  private async cable(machine: Machine, name: string, number: number): Promise<void> {
    const end = `server-${name}`;
    await connect(machine, "subnet", this.outside.machine, end);
    await machine.sh(
      [
        // Nothing of the bridge's own is to be seen in the subnet.
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1",
        "ip link add bridge type bridge forward_delay 0 mcast_snooping 0",
        "ip tuntap add dev tap0 mode tap",
        ...["subnet", "tap0"].map((port) => `ip link set ${port} master bridge up`),
        "ip link set bridge up",
      ].join(" && "),
    );
    // The 1:1 NAT lets nothing in from a server that has no address: nor would it let it ask for one.
    const asking = `nft insert rule ip elastic arriving iifname ${end} udp dport 67 accept`;
    await this.outside.machine.sh(
      `${asking} && ip addr add 10.0.${number}.1/24 dev ${end} && ip addr add 2001:db8:a:${number}::1/64 dev ${end} nodad && ip link set ${end} up`,
    );
  }

  private async connect(): Promise<void> {
    const { outside } = this;
    const listen = async (server: { listen(path: string, done: () => void): unknown }, name: string) => {
      const socket = path.join(outside.folder, name);
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      return socket;
    };
    const [aws, plain, secure] = await Promise.all([
      listen(this.aws.server, "aws"),
      listen(this.downloads.plain, "plain"),
      listen(this.downloads.secure, "secure"),
    ]);
    const metadata: Record<string, string> = {};
    for (const { name, imds, ipv4 } of this.instances) metadata[ipv4] = await listen(imds.server, `imds-${name}`);
    await outside.forward(aws, metadata);
    await outside.machine.sh([PACKAGES, FILES].map((address) => `ip addr add ${address}/32 dev lo`).join(" && "));
    const routes = [
      { host: PACKAGES, port: 80, sockets: { "*": plain } },
      { host: FILES, port: 443, sockets: { "*": secure } },
    ];
    const forwarder = outside.machine.spawn(["node", path.join(HARNESS, "forwarder.cjs"), JSON.stringify(routes)], {
      env: NODE,
    });
    await forwarder.waitFor(/^forwarding$/m);
    await outside.serveTime();
    await this.serveNames();
    await this.assign();
    await this.moto.json("logs", REGION, "Logs_20140328.CreateLogGroup", { logGroupName: LOG_GROUP });
    await this.store.put("instance-id", "initial", "String");
    await this.store.put("wireguard-private-key", this.keys.privateKey);
  }

  /** A subnet's DHCP, router advertisements and resolver. */
  private async serveNames(): Promise<void> {
    const names: [string, string][] = [
      ...Object.entries(ADDRESSES.services).map(([name, address]): [string, string] => [
        `${name}.${REGION}.${DOMAIN}`,
        address,
      ]),
      ...this.downloads.hosts.map((host): [string, string] => [host, host.endsWith(DOMAIN) ? FILES : PACKAGES]),
    ];
    const lines = [
      "no-resolv",
      "no-hosts",
      "no-ping",
      "user=root",
      "pid-file=/run/dnsmasq.pid",
      "dhcp-leasefile=/run/dnsmasq.leases",
      "dhcp-authoritative",
      "bind-dynamic",
      "enable-ra",
      "local=/#/",
      ...names.map(([name, address]) => `host-record=${name},${address}`),
      `listen-address=${ADDRESSES.names}`,
      ...this.instances.flatMap(({ name, mac, ipv4 }, index) => [
        `interface=server-${name}`,
        `dhcp-range=${ipv4},${ipv4},255.255.255.0,1h`,
        `dhcp-range=2001:db8:a:${index + 1}::10,2001:db8:a:${index + 1}::10,64,1h`,
        `dhcp-host=${mac},${ipv4}`,
      ]),
      `dhcp-option=option:dns-server,${ADDRESSES.names}`,
      `dhcp-option=option:domain-name,${REGION}.compute.internal`,
    ];
    this.outside.machine.write("/run/dnsmasq.conf", `${lines.join("\n")}\n`);
    const running = this.outside.machine.spawn(["dnsmasq", "--no-daemon", "--conf-file=/run/dnsmasq.conf"]);
    await running.waitFor(/: started/);
  }

  powerOn(instance: Instance, clock?: Date): Guest {
    const { name, disk, machine, mac, instanceId } = instance;
    const uuid = `ec2${instanceId.slice(2, 7)}-0000-4000-8000-${instanceId.slice(-12)}`;
    instance.guest = new Guest({
      name,
      image: this.image,
      disk,
      folder: this.outside.folder,
      machine,
      mac,
      uuid,
      ...(clock === undefined ? {} : { clock }),
    });
    return instance.guest;
  }

  /** What the controller does: the address, then the parameter. The one before gets an automatic address, as EC2 does. */
  async promote(to: Instance): Promise<void> {
    for (const [instance, address] of this.publicAddresses)
      if (address === ELASTIC_IP) this.publicAddresses.set(instance, ADDRESSES.elastic.replace(/\d+\/\d+$/, "110"));
    this.publicAddresses.set(to, ELASTIC_IP);
    await this.assign();
    await this.store.put("instance-id", to.instanceId, "String");
  }

  private async assign(): Promise<void> {
    await this.outside.assign(new Map([...this.publicAddresses].map(([{ ipv4 }, address]) => [ipv4, address])));
    for (const [instance, address] of this.publicAddresses) instance.imds.publicIpv4 = address;
  }

  /** An instance's tag `state`, as EC2 has it. */
  async state(instance: Instance): Promise<string | undefined> {
    return (await this.aws.tags(instance.instanceId)).state;
  }

  /** When AWS took the tag, for the first time since a moment. */
  taggedAt(instance: Instance, state: string, since = 0): number | undefined {
    return this.aws
      .called("ec2", "CreateTags")
      .find(
        ({ body, status, instance: who, time }) =>
          who === instance.instanceId && status === 200 && time >= since && body["Tag.1.Value"] === state,
      )?.time;
  }

  /** A peer in the store, and its device on the internet. */
  async startClient(): Promise<Client> {
    const peer: Peer = makePeer({ name: PEER.name }, [PEER.ipv4, PEER.ipv6]);
    await this.store.put(`peers/${peer.name}`, storedPeer(peer));
    const machine = await Machine.start(`client-${peer.name}`, { disk: "16m" });
    machine.write("/usr/local/bin/ip", readFileSync(path.join(HARNESS, "machine/ip"), "utf8"), 0o755);
    const { ipv4 } = await this.outside.attach(machine, {
      name: "client-1",
      interface: "eth0",
      ipv4: "198.18.1.2/24",
      ipv6: "2001:db8:c:1::2/64",
      // Not everything: what does not go through the tunnel goes nowhere.
      routes: [ADDRESSES.elastic],
    });
    return new Client(peer.name, machine, peer, ipv4, async () => ({
      serverPublicKey: this.keys.publicKey,
      endpoint: `${ELASTIC_IP}:${SITE.listenPort}`,
    }));
  }

  async stop(): Promise<void> {
    await Machine.stopAll();
    for (const server of [
      this.aws.server,
      this.downloads.plain,
      this.downloads.secure,
      ...this.instances.map(({ imds }) => imds.server),
    ]) {
      server.closeAllConnections();
      server.close();
    }
    rmSync(this.outside.folder, { recursive: true, force: true });
  }
}
