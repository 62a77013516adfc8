import { readFileSync } from "node:fs";
import { join } from "node:path";
import Handlebars from "handlebars";
import { compact, type Syntax } from "./compact";
import type { File, Unit } from "./role";
import { canBeEnabled } from "./unit-text";
import { yamlScalar } from "./yaml-scalar";

const FOLDER = join(__dirname, "../../assets/userdata");
const texts = new Map<string, string>();
const templates = new Map<string, Handlebars.TemplateDelegate>();

const handlebars = Handlebars.create();
handlebars.registerHelper("yaml", yamlScalar);

/** A file of assets/userdata as it is on the server. */
export function readAsset(name: string, syntax: Syntax): string {
  const text = texts.get(name) ?? compact(readFileSync(join(FOLDER, name), "utf8"), syntax);
  texts.set(name, text);
  return text;
}

/** A template of assets/userdata with its variables. One that is missing is an error. */
export function renderAsset(name: string, variables: object): string {
  const template =
    templates.get(name) ??
    handlebars.compile(readFileSync(join(FOLDER, name), "utf8"), { noEscape: true, strict: true });
  templates.set(name, template);
  return template(variables);
}

/** One of the scripts, as the file it is on the server. */
export function script(name: string): File {
  return { path: `/usr/local/sbin/${name}`, content: readAsset(name, "shell"), mode: "0755" };
}

/** One of the units; enabled if it says what wants it. */
export function unit(name: string): Unit {
  const content = readAsset(`units/${name}`, "quoted");
  return { name, content, enable: canBeEnabled(content) };
}
