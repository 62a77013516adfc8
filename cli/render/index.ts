import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Bootstrap } from "../../modules/bootstrap";
import { bootstrapOptions } from "../../modules/server/bootstrap-options";
import type { RenderOptions } from "../commands/render";
import type { Context } from "../context";
import { note, print, printJson } from "../output";
import { writing } from "../writing";

/** Stands for the address that only Terraform knows. */
const ADDRESS = "@ADDRESS@";

async function optionsOf(context: Context) {
  const site = await context.site();
  return bootstrapOptions(site, site.elasticIp === false ? "" : ADDRESS);
}

function explainAddress(text: string): void {
  if (text.includes(ADDRESS)) note(`${ADDRESS} stands for the Elastic IP: Terraform puts it there.`);
}

/** `stingy render userdata` */
export async function renderUserdata(context: Context, { json }: RenderOptions): Promise<void> {
  const { renderUserData } = require("../../modules/bootstrap") as typeof import("../../modules/bootstrap");
  const userData = renderUserData(await optionsOf(context));
  if (json) printJson({ site: (await context.site()).name, userData });
  else print(userData.trimEnd());
  explainAddress(userData);
}

/** `stingy render config` */
export async function renderConfig(context: Context, { json }: RenderOptions): Promise<void> {
  const { sites: _, ...rest } = await context.config();
  const { name, environment: __, ...settings } = await context.site();
  // As it could be written into stingy.yaml.
  const config = { ...rest, sites: { [name]: settings } };
  if (json) return printJson(config);
  const { stringify } = await import("yaml");
  print(stringify(config, { lineWidth: 0 }).trimEnd());
}

/** `stingy render scripts` */
export async function renderScripts(context: Context, { json, out }: RenderOptions): Promise<void> {
  const { serverBootstrap } = require("../../modules/bootstrap") as typeof import("../../modules/bootstrap");
  const { files, bootcmd, runcmd } = serverBootstrap(await optionsOf(context));
  const all = [...files].sort((a, b) => a.path.localeCompare(b.path));
  if (out !== undefined) {
    write(all, out);
  } else if (json) {
    printJson({ site: (await context.site()).name, files: all, bootcmd, runcmd });
  } else {
    print(all.map(shown).join("\n\n"));
  }
  explainAddress(all.map(({ content }) => content).join("\n"));
}

type Files = Bootstrap["files"];

/** As `tail -v` would show it: nothing in a file begins a line so. */
function shown({ path: name, mode, owner, content }: Files[number]): string {
  return `==> ${name} (${mode}, ${owner}) <==\n${content.trimEnd()}`;
}

function write(files: Files, folder: string): void {
  const root = path.resolve(folder);
  writing(folder, "--out", () => {
    for (const { path: name, mode, content } of files) {
      const file = path.join(root, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, content);
      chmodSync(file, Number.parseInt(mode, 8));
    }
  });
  note(`Written: ${files.length} files below ${folder}`);
}
