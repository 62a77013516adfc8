/** The standard's white border, and the least that phones put up with. */
const MARGINS = [4, 2] as const;
/** Black on white whatever the terminal's own colours are; some scanners read nothing inverted. */
const BLACK_ON_WHITE = "\x1b[38;5;16m\x1b[48;5;231m";
const RESET = "\x1b[0m";

/** What the largest QR code holds (ISO/IEC 18004, version 40-L). */
const MOST_BYTES = 2_953;

export function fitsQr(text: string): boolean {
  return Buffer.byteLength(text) <= MOST_BYTES;
}

export interface Screen {
  /** Undefined where there is none to measure. */
  readonly columns: number | undefined;
  readonly colors: boolean;
}

/** A QR code as text: two rows of it a line. Undefined where the screen is too narrow for it. */
export async function qrText(text: string, { columns, colors }: Screen): Promise<string | undefined> {
  const { default: qrcode } = await import("qrcode");
  const size = qrcode.create(text, { errorCorrectionLevel: "L" }).modules.size;
  const margin = MARGINS.find((margin) => columns === undefined || size + 2 * margin <= columns);
  if (margin === undefined) return undefined;
  // Without colours, a terminal is taken to be light on dark: there the paper is what is drawn.
  const color = colors ? {} : { color: { dark: "#ffffff", light: "#000000" } };
  const drawn = await qrcode.toString(text, { type: "utf8", errorCorrectionLevel: "L", margin, ...color });
  if (!colors) return drawn;
  return drawn
    .split("\n")
    .map((line) => `${BLACK_ON_WHITE}${line}${RESET}`)
    .join("\n");
}

export async function qrPng(text: string): Promise<Buffer> {
  const { default: qrcode } = await import("qrcode");
  return qrcode.toBuffer(text, { type: "png", errorCorrectionLevel: "L", margin: MARGINS[0], scale: 6 });
}
