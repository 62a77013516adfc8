/** `npm run synth`: what `cdktf synth` does, then what came out, where it is, and what to type next. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { OUTDIR } from "../main";
import { deployOrder, type Manifest } from "../modules/manifest";

if (!process.exitCode) {
  const manifest: Manifest = JSON.parse(readFileSync(path.join(OUTDIR, "manifest.json"), "utf8"));
  const { stacks } = manifest;
  removeLeftovers(Object.keys(stacks));
  const shown = path.relative(process.cwd(), OUTDIR) || ".";
  const order = deployOrder(manifest);
  console.log("Stacks, in the order they are deployed:");
  for (const id of order) {
    console.log(`  ${id.padEnd(40)} ${path.join(shown, stacks[id]?.synthesizedStackPath ?? "")}`);
  }
  console.log(`
Next:
  ${`npx cdktf diff ${order[0]}`.padEnd(36)} what would change, with your AWS credentials
  ${"npx cdktf deploy '*'".padEnd(36)} shows each stack's plan and asks before it changes anything`);
}

/** Stacks that the configuration no longer has would be taken for its own by a reader; `cdktf synth` removes them too. */
function removeLeftovers(current: readonly string[]): void {
  const folder = path.join(OUTDIR, "stacks");
  for (const id of readdirSync(folder).filter((id) => !current.includes(id))) {
    rmSync(path.join(folder, id), { recursive: true, force: true });
  }
}
