/** `npm run synth`: what `cdktf synth` does, then what came out, where it is, and what to type next. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { OUTDIR } from "../main";

interface Manifest {
  readonly stacks: Readonly<Record<string, { readonly synthesizedStackPath: string; readonly dependencies: string[] }>>;
}

if (!process.exitCode) {
  const { stacks } = JSON.parse(readFileSync(path.join(OUTDIR, "manifest.json"), "utf8")) as Manifest;
  const shown = path.relative(process.cwd(), OUTDIR) || ".";
  const order = deployOrder(stacks);
  console.log("Stacks, in the order they are deployed:");
  for (const id of order) {
    console.log(`  ${id.padEnd(40)} ${path.join(shown, stacks[id]?.synthesizedStackPath ?? "")}`);
  }
  console.log(`
Next:
  ${`npx cdktf diff ${order[0]}`.padEnd(36)} what would change, with your AWS credentials
  ${"npx cdktf deploy '*'".padEnd(36)} shows each stack's plan and asks before it changes anything`);
}

function deployOrder(stacks: Manifest["stacks"]): string[] {
  const done: string[] = [];
  const visit = (id: string): void => {
    if (done.includes(id)) return;
    for (const dependency of stacks[id]?.dependencies ?? []) visit(dependency);
    done.push(id);
  };
  for (const id of Object.keys(stacks).sort()) visit(id);
  return done;
}
