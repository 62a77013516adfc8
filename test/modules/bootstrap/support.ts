import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { parse } from "yaml";
import type { Bootstrap, Fragment, Role } from "../../../modules/bootstrap";

export const DISTRIBUTIONS = ["al2023", "debian", "ubuntu"] as const;

export interface CloudConfig {
  readonly locale: string;
  readonly bootcmd?: readonly string[];
  readonly package_update?: boolean;
  readonly packages?: readonly string[];
  readonly write_files?: readonly {
    readonly path: string;
    readonly permissions?: string;
    readonly owner?: string;
    readonly content: string;
  }[];
  readonly runcmd: readonly string[];
}

/** Reads YAML 1.1, as cloud-init does. */
export const load = (text: string): CloudConfig => parse(text, { version: "1.1" });

/** A role of nothing but what a test is about. */
export const role =
  (name: string, fragment: Partial<Fragment> = {}): Role =>
  () => ({ role: name, ...fragment });

export function content(bootstrap: Bootstrap, path: string): string | undefined {
  return bootstrap.files.find((file) => file.path === path)?.content;
}

/** Texts that break out of whatever does not quote them. */
export const hostile = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: "binary" }).filter((text) => !/\p{Surrogate}/u.test(text)) },
  {
    weight: 3,
    arbitrary: fc
      .array(
        fc.constantFrom(
          ..."'\"`\\$\n\r\t #:-|>&*!%@{}[],?~".split(""),
          `\${HOME}`,
          "$(id)",
          "`id`",
          "{{site}}",
          "%{http_code}",
          "\n- ",
          "\n...\n",
          "\n---\n",
          "  ",
          "\n\n",
          "yes",
          "0755",
          "1:30",
          "null",
          "é",
          "日本",
          "🔒",
          "\u0085",
          "\u2028",
          "\ufeff",
          "\x7f",
          "\x1b[0m",
          "EOF",
          "'\\''",
        ),
        { maxLength: 12 },
      )
      .map((pieces) => pieces.join("")),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom("'", "$(id)\n", "é").map((text) => text.repeat(Math.ceil(4096 / text.length))),
  },
);

/** What bash makes of a script; fails with what it said. */
export function bash(script: string): string {
  const { status, stdout, stderr } = spawnSync("bash", ["-euo", "pipefail"], {
    input: script,
    encoding: "utf8",
    env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
  });
  if (status !== 0) throw new Error(`bash ended with ${status}: ${stderr}`);
  return stdout;
}

/** Every text of up to four of the characters that make YAML hard to write. */
export function shortTexts(): string[] {
  const characters = [..." \n\ta#-:'\""];
  let texts = [""];
  return characters.slice(0, 4).flatMap(() => {
    texts = texts.flatMap((text) => characters.map((character) => text + character));
    return texts;
  });
}
