import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
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
