/** That what is measured is what is meant: packets that really go through the product's rules. How fast is for a quiet machine. */
import { expect } from "chai";
import { ADDRESSES } from "../../server/harness";
import { inTurns } from "./compare";
import { requireTools } from "./index";
import { type Filled, GROUPS, type Group, type Member, member, Path, spread } from "./path";

/** The second of `full`, whom the first may reach; and the first of `isolated`. */
const [NEIGHBOUR, ISOLATED] = [member(3), member(2)];
const TARGETS = {
  web: [ADDRESSES.web, ADDRESSES.webIpv6],
  otherPublic: ["192.0.2.99", "2001:db8:80::99"],
  private: ["192.168.7.7", "fd99::7"],
  vpc: ["10.0.200.7", "2001:db8:a:99::7"],
  metadata: ["169.254.169.254", "fd00:ec2::254"],
  fullPeer: [NEIGHBOUR.ipv4, NEIGHBOUR.ipv6],
  isolatedPeer: [ISOLATED.ipv4, ISOLATED.ipv6],
} as const;
type Target = keyof typeof TARGETS;
const EVERYWHERE = Object.keys(TARGETS) as Target[];
const MAY: Readonly<Record<Group, readonly Target[]>> = {
  full: ["web", "otherPublic", "private", "vpc", "fullPeer"],
  internet: ["web", "otherPublic"],
  isolated: ["web"],
};

describe("the lab's throughput", () => {
  let path: Path;
  let few: Filled;
  let thousand: Filled;

  before(async () => {
    const peers = (count: number): Member[] => Array.from({ length: count }, (_, n) => member(n));
    const started = await Path.start([peers(4), peers(1000)]);
    path = started.path;
    [few, thousand] = started.filled as [Filled, Filled];
  });
  after(() => path?.stop());

  /** Where packets of these addresses get to, by both versions of IP. */
  async function reached(from: readonly Pick<Member, "ipv4" | "ipv6">[]): Promise<Target[][]> {
    const tries = from.flatMap(({ ipv4, ipv6 }) =>
      EVERYWHERE.flatMap((target) => [
        { target, from: ipv4, to: TARGETS[target][0] },
        { target, from: ipv6, to: TARGETS[target][1] },
      ]),
    );
    const counts = await path.probe(tries.map(({ from, to }) => ({ from, to, fromPort: 5000 })));
    return from.map(({ ipv4, ipv6 }) =>
      EVERYWHERE.filter((target) => {
        const [four, six] = [ipv4, ipv6].map((own) => {
          const count = counts[tries.findIndex((each) => each.target === target && each.from === own)];
          expect(count, `packets from ${own} to ${target}`).to.be.oneOf([0, 1]);
          return count;
        });
        expect(six, `IPv6 as IPv4 from ${ipv4} to ${target}`).to.equal(four);
        return four === 1;
      }),
    );
  }

  for (const [name, filled] of [
    ["one peer or two of each group", () => few],
    ["1,000 peers, the first, middle and last of each group", () => thousand],
  ] as const)
    it(`lets packets through by group with ${name}`, async () => {
      await path.use(filled());
      const asked = GROUPS.flatMap((group) => spread(filled().members, group));
      const expected = asked.map(({ group }) => MAY[group]);
      expect(await reached(asked)).to.deep.equal(expected);
    });

  it("lets nobody through who is no peer, and a peer only while it is one", async () => {
    const middle = thousand.members[500] as Member;
    const nobody = [
      { ipv4: "10.8.200.1", ipv6: "fd53::ffff" },
      { ipv4: "10.9.0.1", ipv6: "fd54::2" },
      { ipv4: "203.0.113.50", ipv6: "2001:db8:ffff::1" },
    ];
    await path.use(thousand);
    expect(await reached([...nobody, middle])).to.deep.equal([[], [], [], MAY[middle.group]]);
    await path.use(few);
    expect(await reached([...nobody, middle])).to.deep.equal([[], [], [], []]);
  });

  it("counts every packet it sends, up, down and in, under our rules and under plain ones", async () => {
    await path.use(thousand);
    const peers = spread(thousand.members, "full");
    for (const rules of ["stingy", "plain"] as const) {
      await path.rule(rules);
      for (const direction of ["up", "down", "in"] as const) {
        const { sent, arrived } = await path.blast(peers, direction, 50);
        expect(sent, `${rules}, ${direction}`).to.be.greaterThan(100);
        expect(arrived, `${rules}, ${direction}`).to.equal(sent);
      }
    }
    await path.rule("stingy");
  });

  it("measures our rules when it says so: those without them stop nobody", async () => {
    await path.use(few);
    const stranger = [{ ...member(0), ipv4: "10.8.200.1" }];
    const arrived = async (): Promise<boolean> => (await path.blast(stranger, "up", 20)).arrived > 0;
    expect(await arrived()).to.equal(false);
    await path.rule("plain");
    expect(await arrived()).to.equal(true);
    await path.rule("stingy");
    expect(await arrived()).to.equal(false);
  });

  it("knows what sending alone costs: nothing gets past the server's door", async () => {
    const [peer] = few.members as [Member];
    await path.shut();
    const { sent, arrived } = await path.blast([peer], "up", 20, true);
    await path.open();
    expect(arrived).to.equal(sent);
    expect((await path.blast([peer], "up", 20)).arrived).to.be.greaterThan(0);
  });

  it("has nobody always measured first", async () => {
    const order: string[] = [];
    const note = (name: string) => async (): Promise<void> => {
      order.push(name);
    };
    const results = await inTurns(3, { a: note("a"), b: note("b") });
    expect(order.join("")).to.equal("abbaab");
    expect(results.a).to.have.length(3);
  });

  it("says which package a missing tool is in", () => {
    expect(() => requireTools([])).to.throw("iperf3, python3: apt-get install --no-install-recommends iperf3 python3");
  });
});
