/** What `npm run lab:boot` takes on its command line. */
import { parseArgs } from "node:util";
import { messageOf } from "./failure";

export const HELP = `npm run lab:boot -- [options]

Boots the rendered user data for real: a Debian 12 in virtual machines, which find AWS as EC2 instances do. Needs root.

  --once         one server only: it boots, and a client gets through it. No successor, no restart
  --image-only   makes the image, unless it is there, and ends
  --json FILE    writes the measured figures to a file, too
  --help         this text

The image is kept in \${XDG_CACHE_HOME:-~/.cache}/stingy-vpn/lab-boot until its recipe changes.
`;

export interface Arguments {
  readonly once: boolean;
  readonly imageOnly: boolean;
  readonly json: string | undefined;
  readonly help: boolean;
}

/** @throws with one line that says what is wrong */
export function readArguments(given: readonly string[]): Arguments {
  const flag = { type: "boolean", default: false } as const;
  try {
    const { values } = parseArgs({
      args: [...given],
      options: { once: flag, "image-only": flag, help: flag, json: { type: "string" } },
    });
    if (values.json === "") throw new Error("--json needs the name of a file");
    return { once: values.once, imageOnly: values["image-only"], json: values.json, help: values.help };
  } catch (error) {
    const [line = ""] = messageOf(error).split(/\. |\n/);
    throw new Error(`${line}. See npm run lab:boot -- --help.`);
  }
}
