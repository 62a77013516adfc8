import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { DeleteParametersCommand, GetParametersByPathCommand } from "@aws-sdk/client-ssm";
import { type Emulator, STORE } from "./emulator";
import { folderWith } from "./stingy";

/** What is stored under peers/, by name. */
export async function storedPeers(emulator: Emulator): Promise<Record<string, Record<string, unknown>>> {
  const found: Record<string, Record<string, unknown>> = {};
  let NextToken: string | undefined;
  do {
    const page = await emulator.ssm.send(
      new GetParametersByPathCommand({
        Path: `${STORE}/peers`,
        WithDecryption: true,
        ...(NextToken === undefined ? {} : { NextToken }),
      }),
    );
    for (const { Name = "", Value = "", Type } of page.Parameters ?? []) {
      if (Type !== "SecureString") throw new Error(`${Name} is a ${Type}, and it has secrets in it`);
      found[Name.slice(`${STORE}/peers/`.length)] = JSON.parse(Value);
    }
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  return found;
}

export async function forget(emulator: Emulator, name: string): Promise<void> {
  await emulator.ssm.send(new DeleteParametersCommand({ Names: [`${STORE}/${name}`] }));
}

/** What a server prints, or how far it is, that is told to run a document of the site. */
export async function answer(emulator: Emulator, document: string, says: { output?: string; status?: string }) {
  await emulator.moto.answer(`stingy-vpn-prod-tokyo-${document}`, says);
}

function tool(name: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(name, args, { encoding: "utf8", input });
  if (error) throw new Error(`there is no ${name} on this machine: ${error.message}`);
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
  return stdout;
}

/** What wg-quick itself makes of a configuration. */
export function strip(config: string): string {
  const folder = folderWith({ "wgtest.conf": config });
  return tool("wg-quick", ["strip", path.join(folder, "wgtest.conf")]);
}

/** What is in the QR code of a picture, read by zbar. */
export function decoded(picture: string): string {
  return tool("zbarimg", ["--quiet", "--raw", "-Sbinary", picture]);
}

const PIXELS_A_MODULE = 4;

/** What is in the QR code on a screen: its blocks as a picture, read by zbar. */
export function decodedScreen(screen: string): string {
  // Where the terminal's colours are set, ink is black on white; where not, it is light on dark.
  const inkIsBlack = screen.includes("\x1b[48;5;231m");
  const lines = stripVTControlCharacters(screen)
    .split(/\r?\n/)
    .filter((line) => /^[ █▀▄]{40,}$/.test(line));
  const rows = lines.flatMap((line) => [
    [...line].map((block) => "█▀".includes(block) === inkIsBlack),
    [...line].map((block) => "█▄".includes(block) === inkIsBlack),
  ]);
  const width = (rows[0]?.length ?? 0) * PIXELS_A_MODULE;
  const pixels = rows.flatMap((row) => {
    const line = row.flatMap((black) => Array<number>(PIXELS_A_MODULE).fill(black ? 0 : 255));
    return Array<number[]>(PIXELS_A_MODULE).fill(line);
  });
  const file = path.join(folderWith(), "screen.pgm");
  writeFileSync(file, Buffer.concat([Buffer.from(`P5 ${width} ${pixels.length} 255\n`), Buffer.from(pixels.flat())]));
  return decoded(file);
}
