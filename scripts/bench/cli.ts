import { generatePrivateKey } from "../../modules/wireguard";
import { Emulator } from "../../test/cli/support/emulator";
import { cleanUp, folderWith, stingy } from "../../test/cli/support/stingy";
import { type Figure, figure } from "./statistics";

const PEERS = 1_000;

/** Room for that many. */
const CONFIGURATION = "sites: { tokyo: { tunnel: { ipv4: 10.8.0.0/16 } } }\n";

/** The operator's command, the whole process from its start to its end, against the local AWS emulator. */
export async function benchCli(runs: number): Promise<Figure[]> {
  const emulator = await Emulator.start();
  try {
    await emulator.freshSite(generatePrivateKey());
    const STINGY_CONFIG = `${folderWith({ "stingy.yaml": CONFIGURATION })}/stingy.yaml`;
    const env = { ...emulator.env, STINGY_CONFIG };
    const measure = async (name: string, target: number, count: number, args: (run: number) => string[]) => {
      const seconds: number[] = [];
      // The first run fills the cache of transpiled files and is not counted.
      for (let run = 0; run <= count; run++) {
        const started = performance.now();
        const { code, stderr } = await stingy(args(run), { env });
        if (run > 0) seconds.push((performance.now() - started) / 1000);
        if (code !== 0) throw new Error(`stingy ${args(run).join(" ")} ended with ${code}: ${stderr}`);
      }
      return figure(name, "s", seconds, target);
    };
    const figures = [
      await measure("stingy --help", 0.25, runs, () => ["--help"]),
      await measure("stingy peer add", 1, runs, (run) => ["peer", "add", `device-${run}`]),
      await measure("stingy status", 1.5, runs, () => ["status"]),
    ];
    for (let peer = figures[1]?.runs ?? 0; peer < PEERS; peer++) {
      const [high, low] = [Math.floor(peer / 250) + 1, (peer % 250) + 2];
      const value = { publicKey: `${String(peer).padStart(42, "A")}A=`, addresses: [`10.8.${high}.${low}/32`] };
      await emulator.put(`peers/bulk-${peer}`, JSON.stringify(value), "SecureString");
    }
    figures.push(await measure(`stingy peer list, ${PEERS} peers`, 3, 5, () => ["peer", "list"]));
    return figures;
  } finally {
    cleanUp();
    await Emulator.stop();
  }
}
