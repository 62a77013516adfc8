import { closeSync, existsSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { shellQuote } from "../../modules/bootstrap/shell";
import { CliError, usageError } from "../exit";
import { note } from "../output";
import { fitsQr, qrPng, qrText } from "./qr";

export interface HandoutOptions {
  readonly out?: string;
  readonly qr?: boolean;
  readonly png?: string;
}

export const OWNER_ONLY = 0o600;
/** Linux takes no longer name for an interface, and wg-quick calls it what the file is called. */
const LONGEST_INTERFACE_NAME = 15;
const INTERFACE_NAME = new RegExp(`^[A-Za-z0-9_=+.-]{1,${LONGEST_INTERFACE_NAME}}$`);

interface OpenFile {
  readonly file: string;
  readonly descriptor: number;
  readonly content: (config: string) => Promise<string | Buffer>;
}

/** Gives a device's configuration out, once. Its files are there before the store is written, so that no key is lost for them. */
export class Handout {
  private files: OpenFile[] = [];

  /** `complete`: the private key is in the configuration. */
  constructor(
    private readonly options: HandoutOptions,
    private readonly complete: boolean,
  ) {
    const { out, qr, png } = options;
    if (!complete && (qr || png !== undefined)) {
      throw usageError(
        "A QR code holds a whole configuration, and with --public-key the private key is only on the device.",
        "Leave out --public-key or the QR code.",
      );
    }
    if (out !== undefined && png !== undefined && path.resolve(out) === path.resolve(png)) {
      throw usageError(`--out and --png are the same file, ${out}.`);
    }
    for (const file of [out, png]) if (file !== undefined && existsSync(file)) throw exists(file);
  }

  /** Makes the files and writes this into them; nobody else can read them, and none that exists is touched. */
  async open(config: string): Promise<void> {
    const { out, qr, png } = this.options;
    if ((qr || png !== undefined) && !fitsQr(config)) {
      throw usageError(
        "This configuration is too long for a QR code.",
        "Name fewer networks in --allowed-ips, or use --out FILE.",
      );
    }
    try {
      if (out !== undefined) this.add(out, async (text) => text);
      if (png !== undefined) this.add(png, qrPng);
      await this.write(config);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  private add(file: string, content: OpenFile["content"]): void {
    try {
      this.files.push({ file, descriptor: openSync(file, "wx", OWNER_ONLY), content });
    } catch (error) {
      throw cannotWrite(file, error);
    }
  }

  /** Writes the files anew. */
  async write(config: string): Promise<void> {
    for (const { file, descriptor, content } of this.files) {
      const whole = Buffer.from(await content(config));
      try {
        ftruncateSync(descriptor);
        writeWhole(descriptor, whole, 0);
      } catch (error) {
        throw cannotWrite(file, error);
      }
    }
  }

  discard(): void {
    for (const { file, descriptor } of this.files) {
      closeSync(descriptor);
      rmSync(file, { force: true });
    }
    this.files = [];
  }

  /** From here on the configuration is the person's: in the files, or printed. Throws where nobody has got it. */
  give(config: string): void {
    for (const { descriptor } of this.files) closeSync(descriptor);
    this.files = [];
    if (this.filed) return;
    try {
      // Not print(): a full disk, a closed pipe or terminal has to be known here, while it can be taken back.
      writeWhole(process.stdout.fd, Buffer.from(`${config.trimEnd()}\n`));
    } catch (error) {
      throw cannotWrite("Standard output", error);
    }
  }

  /** Draws the QR code, where one is wanted. */
  async show(config: string, name: string): Promise<void> {
    if (!this.shown) return;
    if (!fitsQr(config)) return note("\nThis configuration is too long for a QR code.");
    const { isTTY, columns } = process.stderr;
    const drawn = await qrText(config, {
      columns: isTTY ? columns || undefined : undefined,
      colors: Boolean(isTTY) && !process.env.NO_COLOR && process.env.TERM !== "dumb",
    });
    note(
      drawn === undefined
        ? `\nThis window is too narrow for the QR code: make it wider, or use --png FILE, and run \`npx stingy peer rotate ${name}\`.`
        : `\n${drawn}\n`,
    );
  }

  private get filed(): boolean {
    return this.options.out !== undefined || this.options.png !== undefined;
  }

  private get terminal(): boolean {
    return Boolean(process.stdout.isTTY && process.stderr.isTTY);
  }

  /** Whether the QR code is drawn on the screen. */
  private get shown(): boolean {
    return this.complete && (this.options.qr === true || (this.terminal && !this.filed));
  }

  /** How a person gets it onto the device. */
  advice(name: string): string[] {
    const { out, png } = this.options;
    const file = out ?? `${name}.conf`;
    const scan = png === undefined ? "." : `, with ${png} on another screen.`;
    return [
      ...(this.complete ? [] : ["Put the device's own private key into the line that says so."]),
      ...(this.shown || png !== undefined
        ? [`Phone or tablet: in the WireGuard app tap +, "Scan from QR code"${scan}`]
        : []),
      ...(out === undefined && png !== undefined ? [] : importAdvice(file, out === undefined)),
      ...(this.complete
        ? [
            `The private key is in it and nowhere else. It cannot be shown again, only made anew: \`npx stingy peer rotate ${name}\`.`,
          ]
        : []),
      ...(this.complete && this.terminal && !this.filed ? ["It stands on this screen until you clear it."] : []),
    ];
  }
}

/** From this place of a file on, or to where the file is. */
function writeWhole(descriptor: number, whole: Buffer, from?: number): void {
  for (let at = 0; at < whole.length; ) {
    at += writeSync(descriptor, whole, at, whole.length - at, from === undefined ? null : from + at);
  }
}

function importAdvice(file: string, toSave: boolean): string[] {
  const interfaceName = path.basename(file, ".conf");
  const quick = path.isAbsolute(file) ? file : `./${path.normalize(file)}`;
  return [
    `Computer: ${toSave ? `save it as ${file}; ` : ""}in the WireGuard app "Import tunnel(s) from file", ${file}.`,
    file.endsWith(".conf") && INTERFACE_NAME.test(interfaceName)
      ? `Linux: \`sudo wg-quick up ${shellWord(quick)}\`, or \`nmcli connection import type wireguard file ${shellWord(file)}\`.`
      : `Linux: \`sudo wg-quick up FILE\`, in a file whose name ends in .conf and has at most ${LONGEST_INTERFACE_NAME} letters, digits or _=+.- before it.`,
  ];
}

function shellWord(text: string): string {
  return /^[\w./=+-]+$/.test(text) ? text : shellQuote(text);
}

function exists(file: string): CliError {
  return new CliError(`${file} is already there.`, {
    fix: "Choose another file, or move that one away: it may be some device's only copy of its key.",
  });
}

export function cannotWrite(file: string, error: unknown): CliError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EEXIST") return exists(file);
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "its folder is not there",
    EACCES: "you may not write there",
    EPERM: "you may not write there",
    EROFS: "that disk is read-only",
    ENOSPC: "the disk is full",
    ENOTDIR: "what should be its folder is a file",
    EPIPE: "nobody reads it",
    EIO: "the terminal is closed, or the disk fails",
  };
  return new CliError(`${file} cannot be written: ${reasons[code ?? ""] ?? message}.`, {
    fix: "Choose another place for it.",
    cause: error,
  });
}
