import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build, type Plugin } from "esbuild";

export type Player = typeof import("./player");

/** A piece of the controller's source, and what stands there instead. */
export interface Edit {
  /** Below assets/lambda/recovery-handler. */
  readonly file: string;
  readonly replace: string;
  readonly by: string;
}

const CONTROLLER = path.resolve(__dirname, "../../assets/lambda/recovery-handler");

let folder: string | undefined;
let compiled = 0;

/** One file of JavaScript, which runs faster than the modules under tsx, and can be made with edits. */
export async function compile(edits: readonly Edit[] = []): Promise<string> {
  folder ??= temporaryFolder();
  const outfile = path.join(folder, `player-${compiled++}.cjs`);
  await build({
    entryPoints: [path.join(__dirname, "player.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    logLevel: "error",
    plugins: edits.length > 0 ? [editing(edits)] : [],
  });
  return outfile;
}

export function load(file: string): Player {
  return require(file);
}

function temporaryFolder(): string {
  const made = mkdtempSync(path.join(tmpdir(), "stingy-sim-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** @throws where an edit does not apply: what it was to break has changed, so it would break nothing */
function editing(edits: readonly Edit[]): Plugin {
  const sources = new Map<string, string>();
  for (const { file, replace, by } of edits) {
    const whole = path.join(CONTROLLER, file);
    const source = sources.get(whole) ?? readFileSync(whole, "utf8");
    const found = source.split(replace).length - 1;
    if (found !== 1) throw new Error(`${file} has ${found} times, not once: ${replace}`);
    sources.set(
      whole,
      source.replace(replace, () => by),
    );
  }
  return {
    name: "edits",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, (loaded) => {
        const contents = sources.get(loaded.path);
        return contents === undefined ? undefined : { contents, loader: "ts" };
      });
    },
  };
}
