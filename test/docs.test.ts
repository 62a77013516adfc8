import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import type { Command } from "commander";
import { createProgram } from "../cli/program";
import { EXTRA_ALARMS } from "../modules/config/site-schema";
import { siteAlarms } from "../modules/monitoring";
import { LAYERS, siteNames } from "../modules/names";
import { ROOT } from "./support/synth";

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(path.join(ROOT, "docs")).map((name) => `docs/${name}`),
];
const read = (name: string) => readFileSync(path.join(ROOT, name), "utf8");

/** GitHub's anchor of a heading. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

describe("documents", () => {
  for (const document of documents) {
    it(`${document} links to what is there`, () => {
      const targets = [...read(document).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
      for (const [, file = "", heading] of targets) {
        const target = file === "" ? document : path.join(path.dirname(document), file);
        expect(existsSync(path.join(ROOT, target)), `${document} -> ${target}`).to.equal(true);
        if (heading === undefined) continue;
        const headings = [...read(target).matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) => anchor(text));
        expect(headings, `${document} -> ${target}`).to.include(heading);
      }
    });
  }

  it("type commands of stingy that exist", () => {
    for (const document of documents) {
      for (const [, words = ""] of read(document).matchAll(/npx stingy ([a-z][a-z -]*)/g)) {
        let { commands }: { commands: readonly Command[] } = createProgram();
        for (const word of words.trim().split(" ")) {
          if (commands.length === 0) break;
          const next = commands.find((each) => each.name() === word);
          expect(next, `${document}: npx stingy ${words}`).not.to.equal(undefined);
          ({ commands } = next ?? { commands: [] });
        }
      }
    }
  });

  it("deploy all stacks or the first ones, and look at one, as cdktf wants it", () => {
    const inOrder = LAYERS.map((layer) => `prod-tokyo-${layer}`);
    for (const document of documents) {
      for (const [, verb, what = ""] of read(document).matchAll(/npx cdktf (deploy|diff|output)((?: [^\s`]+)*)/g)) {
        const stacks = what
          .trim()
          .split(" ")
          .filter((word) => /^'|^[a-z]+-[a-z]+-[a-z*]+$/.test(word));
        if (verb === "deploy") {
          const glob = stacks.length === 1 && /^'(\*|[a-z]+-[a-z]+-\*)'$/.test(stacks[0] ?? "");
          // cdktf refuses a stack without those that it depends on.
          const first = stacks.every((stack, index) => stack === inOrder[index]);
          expect(glob || first, `${document}: npx cdktf deploy${what}`).to.equal(true);
        } else if (stacks.length > 0) {
          expect(stacks.join(" "), `${document}: npx cdktf ${verb}${what}`).to.match(/^[a-z]+-[a-z]+-[a-z]+$/);
        }
      }
    }
  });

  it("call what is at AWS as the stacks do", () => {
    const names = siteNames({ environment: "prod", name: "tokyo" });
    const known = [
      // What HCP Terraform calls their workspaces.
      ...LAYERS.map((layer) => `${names.prefix}-${layer}`),
      ...Object.values(names).flatMap((name) => (typeof name === "string" ? [name] : Object.values<string>(name))),
      ...siteAlarms(
        { environment: "prod", site: "tokyo", controller: "", ddnsUpdater: "ddns", deadLetterQueue: "" },
        EXTRA_ALARMS,
      ).map(({ id }) => `${names.prefix}-${id}`),
    ];
    for (const document of documents) {
      for (const [name = ""] of read(document).matchAll(/stingy-vpn-prod-tokyo(-[a-z]+)*/g)) {
        expect(known, document).to.include(name);
      }
    }
  });

  it("decisions.md says what each dependency is for, and names no other", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json"));
    const named = read("docs/decisions.md")
      .split("## Dependencies")[1]
      ?.split("\n")
      .filter((line) => line.startsWith("| `"))
      .flatMap((line) => {
        const names = [...(line.split("|")[1] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
        const [first = ""] = names;
        return names.map((name) => (name.startsWith("-") ? first.replace(/-[a-z0-9]+$/, name) : name));
      });
    const packages = Object.keys({ ...dependencies, ...devDependencies }).map((name) =>
      name.replace(/^@types\/.*/, "@types/*"),
    );
    expect([...new Set(named)].sort()).to.deep.equal([...new Set(packages)].sort());
  });

  it("every dependency is used by the product's code", () => {
    const { dependencies } = JSON.parse(read("package.json"));
    const code = ["main.ts", "modules", "stacks", "assets", "cli"]
      .flatMap((entry) =>
        entry.endsWith(".ts")
          ? [entry]
          : readdirSync(path.join(ROOT, entry), { recursive: true, encoding: "utf8" }).map(
              (name) => `${entry}/${name}`,
            ),
      )
      .filter((name) => name.endsWith(".ts"))
      .map(read)
      .join("\n");
    const unused = Object.keys(dependencies).filter(
      (name) => !code.includes(`from "${name}`) && !code.includes(`import("${name}`),
    );
    // It runs the code instead of being imported by it.
    expect(unused).to.deep.equal(["tsx"]);
  });

  it("package-lock.json carries no download addresses", () => {
    expect(read("package-lock.json")).to.not.match(/"resolved"|https?:\/\/[^"]*\.tgz/);
  });
});
