import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { assertSize, BootstrapError, compose, render, sizes, USER_DATA_LIMIT_BYTES } from "../../../modules/bootstrap";
import { role } from "./support";

const random = (bytes: number) => randomBytes(bytes / 2).toString("hex");

describe("size of user data", () => {
  it("is limited to what EC2 takes", () => {
    expect(USER_DATA_LIMIT_BYTES).to.equal(16384);
  });

  it("is what is left after compression: text far over the limit may fit", () => {
    const bootstrap = compose("debian", [
      role("long", { files: [{ path: "/long", content: "again\n".repeat(10000) }] }),
    ]);
    assertSize(bootstrap, render(bootstrap));
  });

  it("may be the limit, and no more, with 80 bytes that Terraform's gzip may take beyond Node's", () => {
    const bootstrap = compose("debian", []);
    const noise = random(40000);
    const packed = (length: number) => gzipSync(noise.slice(0, length)).length + 80;
    let [fits, tooMuch] = [0, noise.length];
    while (tooMuch - fits > 1) {
      const middle = Math.floor((fits + tooMuch) / 2);
      if (packed(middle) <= 16384) fits = middle;
      else tooMuch = middle;
    }
    expect(packed(fits)).to.be.within(16380, 16384);
    assertSize(bootstrap, noise.slice(0, fits));
    expect(() => assertSize(bootstrap, noise.slice(0, tooMuch))).to.throw(
      BootstrapError,
      `User data for debian is ${packed(tooMuch)} bytes gzipped, more than EC2's 16384: make files smaller or fewer.`,
    );
  });

  it("is told file by file, the largest first, when it is too much", () => {
    const bootstrap = compose("al2023", [
      role("a", { files: [{ path: "/small", content: "é" }] }),
      role("b", { files: [{ path: "/noise", content: random(60000) }] }),
      role("c", { files: [{ path: "/long", content: "again\n".repeat(10000) }] }),
    ]);
    const [noise, long, small] = sizes(bootstrap);
    expect([noise?.path, long?.path, small?.path]).to.deep.equal(["/noise", "/long", "/small"]);
    expect([noise?.bytes, long?.bytes, small?.bytes]).to.deep.equal([60000, 60000, 2]);
    expect(small?.gzipBytes).to.equal(22);
    const text = render(bootstrap);
    expect(() => assertSize(bootstrap, text)).to.throw(
      BootstrapError,
      new RegExp(
        [
          `^User data for al2023 is ${gzipSync(text).length + 80} bytes gzipped, more than EC2's 16384: make files smaller or fewer\\.`,
          "    bytes   gzipped  file",
          `    60000     ${noise?.gzipBytes}  /noise`,
          `    60000 {7}${long?.gzipBytes}  /long`,
          "        2        22  /small$",
        ].join("\n"),
      ),
    );
  });
});
