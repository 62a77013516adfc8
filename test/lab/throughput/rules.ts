/** What the rules cost a packet, and whether that grows with the peers: nanoseconds of the processor, without WireGuard. */
import { type Figure, figure } from "../../../scripts/bench/statistics";
import { compare, inTurns } from "./compare";
import { type Filled, GROUPS, type Group, type Member, member, Path, type Sent, spread, type Way } from "./path";

/** Nanoseconds for a packet, of a sender whose own part is in each, as it is in `sendingAlone`. */
export interface ForwardingFigures {
  /** To the server's door and no further. */
  readonly sendingAlone: Figure;
  /** With our rules, a hundred peers in them. */
  readonly stingy: Figure;
  /** With one rule, which masquerades. */
  readonly plain: Figure;
  /** What ours take more, by pairs. */
  readonly cost: Figure;
  /** The same in percent of plain forwarding without sending: as if nothing were encrypted. */
  readonly costPercentUnencrypted: Figure;
}

export type PeerCount = (typeof PEER_COUNTS)[number];

export interface GroupFigures {
  readonly group: Group;
  /** What comes out of the server, with one processor for sending and forwarding. */
  readonly packetsPerSecond: Readonly<Record<PeerCount, Figure>>;
  /** Of the processor for a packet, sending not counted. */
  readonly forwardingNanoseconds: Readonly<Record<PeerCount, Figure>>;
  /** A thousand peers to one, by pairs: of the forwarding alone, which shows a difference most. */
  readonly thousandToOne: Figure;
}

export interface RulesFigures {
  /** up and down are forwarded; in is what WireGuard receives, which goes through the rules too, once for each packet up. */
  readonly forwarding: Readonly<Record<Way, ForwardingFigures>>;
  readonly groups: readonly GroupFigures[];
}

const PEER_COUNTS = [1, 100, 1000] as const;
const WAYS = ["up", "down", "in"] as const;
const COUNT = "ns a packet";

/** So that as many connections are tried whatever there is of peers. */
const three = ({ members }: Filled, group: Group): Member[] => {
  const found = spread(members, group);
  return [0, 1, 2].map((index) => found[index % found.length] as Member);
};

const peers = (count: number): Member[] => Array.from({ length: count }, (_, n) => member(n));

export async function benchRules(runs: number, milliseconds: number): Promise<RulesFigures> {
  const { path, filled } = await Path.start([...GROUPS.map((group) => [member(0, group)]), peers(100), peers(1000)]);
  const filledWith = (count: PeerCount, group: Group): Filled =>
    filled[count === 1 ? GROUPS.indexOf(group) : count === 100 ? GROUPS.length : GROUPS.length + 1] as Filled;

  /** @throws when a packet was lost: what is dropped is cheap */
  const blast = async (...[from, direction, shut]: [Member[], Way, boolean?]): Promise<Sent> => {
    const result = await path.blast(from, direction, milliseconds, shut);
    if (result.arrived !== result.sent)
      throw new Error(`Of ${result.sent} packets ${direction}, ${result.arrived} came.`);
    return result;
  };
  const sendingAlone = async (direction: Way): Promise<Sent> => {
    await path.shut();
    try {
      return await blast(three(filledWith(100, "full"), "full"), direction, true);
    } finally {
      await path.open();
    }
  };

  const forwarding = async (direction: Way): Promise<ForwardingFigures> => {
    const hundred = filledWith(100, "full");
    await path.use(hundred);
    const under = (rules: "stingy" | "plain") => async (): Promise<Sent> => {
      await path.rule(rules);
      return blast(three(hundred, "full"), direction);
    };
    const results = await inTurns(runs, {
      stingy: under("stingy"),
      plain: under("plain"),
      sendingAlone: () => sendingAlone(direction),
    });
    await path.rule("stingy");
    const of = (what: keyof typeof results): number[] => results[what].map(({ nanoseconds }) => nanoseconds);
    const [ours, theirs, sending] = [of("stingy"), of("plain"), of("sendingAlone")];
    const name = (what: string): string => `forwarding ${direction}, ${what}`;
    const costs = compare(ours, theirs, (a, b) => a - b);
    const plainAlone = figure(
      "",
      COUNT,
      compare(theirs, sending, (a, b) => a - b),
    ).median;
    return {
      sendingAlone: figure(name("sending alone"), COUNT, sending),
      stingy: figure(name("stingy"), COUNT, ours),
      plain: figure(name("plain"), COUNT, theirs),
      cost: figure(name("cost of the rules"), COUNT, costs),
      costPercentUnencrypted: figure(
        name("cost of the rules, nothing encrypted"),
        "%",
        costs.map((cost) => (100 * cost) / plainAlone),
      ),
    };
  };

  const group = async (name: Group): Promise<GroupFigures> => {
    const withPeers = (count: PeerCount) => async (): Promise<Sent> => {
      const site = filledWith(count, name);
      await path.use(site);
      return blast(three(site, name), "up");
    };
    const results = await inTurns(runs, {
      1: withPeers(1),
      100: withPeers(100),
      1000: withPeers(1000),
      sendingAlone: () => sendingAlone("up"),
    });
    // The median, not each run's own: a difference of two that are noisy is noisier than either.
    const sending = figure(
      "",
      COUNT,
      results.sendingAlone.map(({ nanoseconds }) => nanoseconds),
    ).median;
    const alone = (count: PeerCount): number[] => results[count].map(({ nanoseconds }) => nanoseconds - sending);
    const byCount = (unit: string, values: (count: PeerCount) => number[]): Record<PeerCount, Figure> => {
      const one = (count: PeerCount): Figure => figure(`rules, ${name}, ${count} peers`, unit, values(count));
      return { 1: one(1), 100: one(100), 1000: one(1000) };
    };
    return {
      group: name,
      packetsPerSecond: byCount("packets/s", (count) => results[count].map(({ packetsPerSecond }) => packetsPerSecond)),
      forwardingNanoseconds: byCount(COUNT, alone),
      thousandToOne: figure(
        `rules, ${name}, 1,000 peers to 1`,
        "times",
        compare(alone(1000), alone(1), (many, single) => many / single),
      ),
    };
  };

  try {
    // The first packets of all find nothing in any cache.
    for (const direction of WAYS) await blast(three(filledWith(1000, "full"), "full"), direction);
    const ways = { up: await forwarding("up"), down: await forwarding("down"), in: await forwarding("in") };
    const groups: GroupFigures[] = [];
    for (const name of GROUPS) groups.push(await group(name));
    return { forwarding: ways, groups };
  } finally {
    await path.stop();
  }
}
