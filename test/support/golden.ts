import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { renderUserData, type ServerBootstrapOptions } from "../../modules/bootstrap";
import { PLAN_GOLDEN } from "../plan/examples";
import { EXAMPLES, type Json, ROOT, synthesizeExample } from "./synth";

const FOLDER = path.join(ROOT, "test/golden");

/** The user data of the default site. */
export const USER_DATA: ServerBootstrapOptions = {
  distribution: "al2023",
  environment: "prod",
  site: "tokyo",
  storePrefix: "/stingy-vpn/prod",
  tunnelIpv4: "10.8.0.1/24",
  tunnelIpv6: "fd53:7469:6e67::1/64",
  listenPort: 51820,
  address: "@ADDRESS@",
  defaultGroup: "full",
  betweenPeers: true,
  isolatedNetworks: [],
  adminCidrs: [],
};

/** What people review: every example's JSON, every distribution's user data, reports of plans; file name to text. */
export function renderGolden(): Map<string, string> {
  return new Map([
    ...EXAMPLES.flatMap((example) =>
      Object.entries(synthesizeExample(example)).map(([id, json]): [string, string] => [
        `examples/${example}/${id}.json`,
        withoutHashes(json),
      ]),
    ),
    ...(["al2023", "debian", "ubuntu"] as const).map((distribution): [string, string] => [
      `userdata/${distribution}.yaml`,
      renderUserData({ ...USER_DATA, distribution }),
    ]),
    ...Object.entries(PLAN_GOLDEN).map(([name, render]): [string, string] => [`plan/${name}`, render()]),
  ]);
}

/** A bundle's hash changes with every update of a dependency and says nothing to a reviewer. */
export function withoutHashes(json: Json): string {
  return `${JSON.stringify(json, null, 2).replace(/(assets\/[\w-]+_code\/)[0-9A-F]{32}/g, "$1<hash>")}\n`;
}

export function readGolden(): Map<string, string> {
  return new Map(
    readdirSync(FOLDER, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const file = path.join(entry.parentPath, entry.name);
        return [path.relative(FOLDER, file).split(path.sep).join("/"), readFileSync(file, "utf8")];
      }),
  );
}

export function writeGolden(): void {
  rmSync(FOLDER, { recursive: true, force: true });
  for (const [name, text] of renderGolden()) {
    const file = path.join(FOLDER, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
