import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { jsonSchema, parseYaml } from "../../../modules/config";
import type { SchemaNode } from "../../../modules/config/explain";
import { EXAMPLES, ROOT } from "../../support/synth";

interface Setting {
  readonly at: string;
  readonly node: SchemaNode;
  /** The alternative that the setting belongs to: "s3" of backend. */
  readonly branch?: string;
}

/** Every setting that has a value of its own, not the groups. */
function settings(node: SchemaNode, at: readonly string[] = [], branch?: string): Setting[] {
  const inner = node.additionalProperties;
  if (node.oneOf) return node.oneOf.flatMap((one) => settings(one, at, one.title));
  if (node.properties) {
    return Object.entries(node.properties).flatMap(([key, property]) => settings(property, [...at, key], branch));
  }
  if (typeof inner === "object" && inner.properties) return settings(inner, [...at, "tokyo"]);
  return [{ at: at.join("."), node, ...(branch === undefined ? {} : { branch }) }];
}

const all = settings(jsonSchema() as SchemaNode);
const example = (name: string) => readFileSync(path.join(ROOT, "examples", `${name}.yaml`), "utf8");

function has(raw: unknown, at: string): boolean {
  let value = raw;
  for (const key of at.split(".")) {
    if (value === null || typeof value !== "object" || !(key in value)) return false;
    value = (value as Record<string, unknown>)[key];
  }
  return true;
}

describe("the JSON schema", () => {
  for (const { at, node, branch } of all) {
    it(`says what ${at}${branch ? ` (${branch})` : ""} is and what is allowed`, () => {
      expect(node.description).to.match(/^[A-Z0-9].*\.$/);
      expect(node["x-allowed"]).to.match(/\S/);
    });
  }

  it("gives an example or a default for every setting but a discriminator", () => {
    expect(
      all.filter(({ node }) => node.examples === undefined && node.const === undefined).map(({ at }) => at),
    ).to.deep.equal([]);
  });

  it("gives examples that are themselves allowed by their pattern", () => {
    for (const { at, node } of all) {
      const { pattern } = node as { pattern?: string };
      if (pattern !== undefined) expect(String(node.examples?.[0]), at).to.match(new RegExp(pattern));
    }
  });

  it("refuses unknown settings in every group", () => {
    const open: string[] = [];
    const walk = (node: SchemaNode, at: string): void => {
      if (node.properties && node.additionalProperties !== false) open.push(at);
      for (const [key, property] of Object.entries(node.properties ?? {})) walk(property, `${at}.${key}`);
      for (const one of node.oneOf ?? []) walk(one, `${at}(${one.title})`);
      if (typeof node.additionalProperties === "object") walk(node.additionalProperties, `${at}.*`);
    };
    walk(jsonSchema() as SchemaNode, "");
    expect(open).to.deep.equal([]);
  });
});

describe("the examples", () => {
  for (const name of EXAMPLES) {
    it(`${name}.yaml is a good configuration`, () => {
      expect(parseYaml(example(name), `${name}.yaml`).sites.map((site) => site.name)).to.include("tokyo");
    });

    it(`${name}.yaml tells editors where the schema is`, () => {
      expect(example(name).split("\n")[0]).to.equal("# yaml-language-server: $schema=../stingy.schema.json");
    });
  }

  it("full.yaml names every setting, but the distribution of an image given by its id", () => {
    const raw = parse(example("full"));
    const chosen = [raw.backend.type, raw.sites.tokyo.dns.provider];
    expect(
      all.filter(({ at, branch }) => (!branch || chosen.includes(branch)) && !has(raw, at)).map(({ at }) => at),
    ).to.deep.equal(["sites.tokyo.server.distribution"]);
  });

  it("minimal.yaml is the defaults", () => {
    expect(parseYaml(example("minimal"), "minimal.yaml")).to.deep.equal(parseYaml("sites:\n", "stingy.yaml"));
  });
});
