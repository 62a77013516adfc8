import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stripVTControlCharacters } from "node:util";
import { expect } from "chai";
import { CliError } from "../../cli/exit";
import { Handout } from "../../cli/peer/handout";
import { fitsQr, qrText } from "../../cli/peer/qr";

const CONFIG = "x".repeat(360);

describe("a configuration that is given out", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "stingy-handout-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const file = (name: string) => path.join(folder, name);

  async function problem(work: () => unknown): Promise<string> {
    try {
      await work();
    } catch (error) {
      if (error instanceof CliError) return error.message;
      throw error;
    }
    return "";
  }

  it("is in its files before anything is stored, and in none of them where that came to nothing", async () => {
    const handout = new Handout({ out: file("a.conf"), png: file("a.png") }, true);
    await handout.open("first");
    expect(readFileSync(file("a.conf"), "utf8")).to.equal("first");
    await handout.write("2nd");
    expect(readFileSync(file("a.conf"), "utf8")).to.equal("2nd");
    handout.discard();
    expect([existsSync(file("a.conf")), existsSync(file("a.png"))]).to.deep.equal([false, false]);
  });

  it("goes into no file that is there, also one that came in the meantime", async () => {
    const handout = new Handout({ out: file("a.conf"), png: file("a.png") }, true);
    writeFileSync(file("a.png"), "theirs");
    expect(await problem(() => handout.open(CONFIG))).to.equal(`${file("a.png")} is already there.`);
    expect(existsSync(file("a.conf"))).to.equal(false);
    expect(readFileSync(file("a.png"), "utf8")).to.equal("theirs");
    expect(await problem(() => new Handout({ png: file("a.png") }, true))).to.equal(
      `${file("a.png")} is already there.`,
    );
  });

  it("needs two files for text and picture", async () => {
    const same = { out: file("a"), png: `${folder}/./a` };
    expect(await problem(() => new Handout(same, true))).to.equal(`--out and --png are the same file, ${file("a")}.`);
  });

  it("is refused as a QR code that is too long for one, before anything is stored", async () => {
    const long = "x".repeat(2_954);
    expect([fitsQr(long.slice(1)), fitsQr(long)]).to.deep.equal([true, false]);
    expect(await problem(() => new Handout({ qr: true }, true).open(long))).to.equal(
      "This configuration is too long for a QR code.",
    );
    expect(await qrText(long.slice(1), { columns: undefined, colors: true })).to.be.a("string");
  });

  it("comes with advice that fits it", () => {
    const advice = (options: ConstructorParameters<typeof Handout>[0], complete = true) =>
      new Handout(options, complete).advice("phone").join("\n");
    expect(advice({ out: "phone.conf" })).to.include("`sudo wg-quick up ./phone.conf`");
    expect(advice({ out: file("phone.conf") })).to.include(`\`sudo wg-quick up ${file("phone.conf")}\``);
    // wg-quick calls the interface what the file is called, and Linux takes 15 characters.
    expect(advice({ out: "my-old-telephone.conf" })).to.include("at most 15 letters");
    expect(advice({ out: "my phone.conf" })).to.include("at most 15 letters");
    expect(advice({ out: "telephone15chrs.conf" })).not.to.include("at most 15 letters");
    expect(advice({ out: "old phones/it's.conf" })).to.include("at most 15 letters");
    expect(advice({ out: "old phones/x.conf" })).to.include("`sudo wg-quick up './old phones/x.conf'`");
    expect(advice({ png: file("phone.png") })).to.match(
      /^Phone or tablet: .*with .*phone\.png on another screen\.\nThe private key/,
    );
    expect(advice({}, false)).to.match(/^Put the device's own private key/);
    expect(advice({}, false)).not.to.include("anew");
  });
});

describe("a QR code on a screen", () => {
  const widths = (text: string | undefined) => [
    ...new Set(
      stripVTControlCharacters(text ?? "")
        .split("\n")
        .map((line) => [...line].length),
    ),
  ];

  it("has the standard's border where there is room, a smaller one where not, and is left out where it would break", async () => {
    const drawn = (columns: number | undefined) => qrText(CONFIG, { columns, colors: true });
    expect(widths(await drawn(undefined))).to.deep.equal([73]);
    expect(widths(await drawn(73))).to.deep.equal([73]);
    expect(widths(await drawn(72))).to.deep.equal([69]);
    expect(await drawn(68)).to.equal(undefined);
  });

  it("is black on white by the terminal's colours, and light on dark where there are none", async () => {
    const colored = await qrText(CONFIG, { columns: 80, colors: true });
    expect(colored?.startsWith("\x1b[38;5;16m\x1b[48;5;231m ")).to.equal(true);
    const plain = await qrText(CONFIG, { columns: 80, colors: false });
    expect(plain?.startsWith("█")).to.equal(true);
    expect(plain).not.to.include("\x1b");
  });
});
