import { gzipSync } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { differences } from "../../cli/plan/difference";
import { Mask } from "../../cli/plan/hidden";
import { decodeUserData, filesOf } from "../../cli/plan/user-data";
import { renderUserData, serverBootstrap } from "../../modules/bootstrap";
import { USER_DATA } from "../support/golden";
import { change, type GivenResource } from "./support";

const packed = (text: string) => gzipSync(text).toString("base64");
const of = (given: GivenResource) => differences(change("aws_launch_template.t", given), new Mask({}));

describe("what differs between the two sides of a change", () => {
  it("is said by attribute, nested ones by their path", () => {
    const { values } = of({
      before: { a: 1, b: [{ c: "x" }], same: [1], gone: "y" },
      after: { a: 2, b: [{ c: "z" }, { c: "new" }], same: [1] },
    });
    expect(values).to.deep.equal([
      { path: "a", before: "1", after: "2" },
      { path: "b[0].c", before: "x", after: "z" },
      { path: "b[1].c", after: "new" },
      { path: "gone", before: "y" },
    ]);
  });

  it("is nothing where AWS has another form of nothing", () => {
    expect(of({ before: { a: null, b: [], c: "" }, after: { a: "", b: null, c: {} } })).to.deep.equal({
      values: [],
      texts: [],
    });
  });

  it("is nothing where only the order of names differs", () => {
    expect(of({ before: { a: { x: 1, y: 2 } }, after: { a: { y: 2, x: 1 } } }).values).to.deep.equal([]);
  });

  it("says what is only known after the apply", () => {
    expect(
      of({ before: { a: "x", b: [{ c: 1 }] }, after: { b: [{}] }, unknown: { a: true, b: [{ c: true }] } }).values,
    ).to.deep.equal([
      { path: "a", before: "x", after: "(known after apply)" },
      { path: "b[0].c", before: "1", after: "(known after apply)" },
    ]);
  });

  it("leaves out the new ids of what is made anew, but for what forces it", () => {
    const { values } = of({
      before: { id: "1", vpc_id: "vpc-1", cidr: "a" },
      after: { cidr: "b" },
      unknown: { id: true, vpc_id: true },
      replacePaths: [["vpc_id"]],
    });
    expect(values).to.deep.equal([
      { path: "cidr", before: "a", after: "b" },
      { path: "vpc_id", before: "vpc-1", after: "(known after apply)" },
    ]);
  });

  it("cuts a long value", () => {
    const [value] = of({ before: { a: "x" }, after: { a: "y".repeat(500) } }).values;
    expect(value?.after).to.equal(`${"y".repeat(200)}…`);
  });

  it("is lines where a text has several", () => {
    expect(of({ before: { a: "1\n2\n3\n" }, after: { a: "1\ntwo\n3\n" } }).texts).to.deep.equal([
      { name: "a", added: 1, removed: 1, lines: ["@@ line 1 → 1 @@", " 1", "-2", "+two", " 3"] },
    ]);
  });

  it("is lines of JSON written out", () => {
    const { texts } = of({ before: { policy: '{"a":1,"b":2}' }, after: { policy: '{"a":1,"b":3}' } });
    expect(texts).to.deep.equal([
      {
        name: "policy",
        added: 1,
        removed: 1,
        lines: ["@@ line 1 → 1 @@", " {", '   "a": 1,', '-  "b": 2', '+  "b": 3', " }"],
      },
    ]);
  });

  it("is the files of user data, each for itself", () => {
    const config = (port: number) =>
      packed(
        `#cloud-config\nwrite_files:\n- path: /etc/same\n  content: same\n- path: /etc/port\n  content: |\n    PORT=${port}\nruncmd:\n- run ${port}\n`,
      );
    const { texts, values } = of({ before: { user_data: config(1) }, after: { user_data: config(2) } });
    expect(values).to.deep.equal([]);
    expect(texts).to.deep.equal([
      { name: "user_data: /etc/port", added: 1, removed: 1, lines: ["@@ line 1 → 1 @@", "-PORT=1", "+PORT=2"] },
      {
        name: "user_data: cloud-config",
        added: 1,
        removed: 1,
        lines: ["@@ line 1 → 1 @@", " #cloud-config", " runcmd:", "-- run 1", "+- run 2"],
      },
    ]);
  });

  it("is a value where user data is only known after the apply", () => {
    const { values, texts } = of({ before: { user_data: packed("a") }, after: {}, unknown: { user_data: true } });
    expect(texts).to.deep.equal([]);
    expect(values.map(({ path, after }) => [path, after])).to.deep.equal([["user_data", "(known after apply)"]]);
  });
});

describe("user data", () => {
  it("is read packed, in base64 and plain", () => {
    for (const raw of [
      packed("#!/bin/sh\n$${x}\n"),
      Buffer.from("#!/bin/sh\n$${x}\n").toString("base64"),
      "#!/bin/sh\n$${x}\n",
    ]) {
      expect(decodeUserData(raw)).to.equal("#!/bin/sh\n$${x}\n");
    }
  });

  it("is not read where it is no text", () => {
    expect(decodeUserData(Buffer.from([0, 255, 1, 2]).toString("base64"))).to.equal(undefined);
    expect(decodeUserData(Buffer.from([0x1f, 0x8b, 1, 2]).toString("base64"))).to.equal(undefined);
  });

  it("is not unpacked without end", () => {
    expect(decodeUserData(gzipSync(Buffer.alloc(50_000_000, "a")).toString("base64"))).to.equal(undefined);
  });

  it("gives the files that the bootstrap has put into it, and the rest of the cloud-config", () => {
    for (const distribution of ["al2023", "debian", "ubuntu"] as const) {
      const { files } = serverBootstrap({ ...USER_DATA, distribution });
      const found = filesOf(renderUserData({ ...USER_DATA, distribution }));
      expect([...found.keys()]).to.have.members(["cloud-config", ...files.map(({ path }) => path)]);
      // cloud-init's own mode is left out.
      for (const { path, content, mode } of files)
        expect(found.get(path)).to.equal(mode === "0644" ? content : `# permissions: ${mode}\n${content}`);
      expect(found.get("cloud-config"))
        .to.match(/^#cloud-config\n/)
        .and.include("\nruncmd:\n")
        .and.not.include("write_files");
    }
  });

  it("gives files that are packed in it, in every encoding of cloud-init", () => {
    const b64 = Buffer.from("hello\n").toString("base64");
    for (const [encoding, content] of [
      ["b64", b64],
      ["base64", b64],
      ["gz+b64", packed("hello\n")],
      ["gzip+base64", packed("hello\n")],
    ]) {
      const found = filesOf(
        `#cloud-config\nwrite_files:\n- path: /a\n  encoding: ${encoding}\n  content: ${content}\n`,
      );
      expect(found.get("/a"), encoding).to.equal("hello\n");
    }
    expect(filesOf(`#cloud-config\nwrite_files:\n- path: /a\n  content: !!binary ${b64}\n`).get("/a")).to.equal(
      "hello\n",
    );
    expect(filesOf("#cloud-config\nwrite_files:\n- path: /a\n  encoding: b64\n  content: /wD/\n").get("/a")).to.equal(
      "(not text)\n",
    );
  });

  it("is one text where it is no cloud-config, or a broken one", () => {
    expect([...filesOf("#!/bin/sh\n")]).to.deep.equal([["user data", "#!/bin/sh\n"]]);
    expect([...filesOf("#cloud-config\na: [\n").keys()]).to.deep.equal(["user data"]);
    expect([...filesOf("#cloud-config\na: 1\n").keys()]).to.deep.equal(["cloud-config"]);
  });

  it("never throws, whatever it is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.uint8Array(), (text, bytes) => {
        filesOf(`#cloud-config\n${text}`);
        decodeUserData(text);
        decodeUserData(Buffer.from(bytes).toString("base64"));
      }),
      { numRuns: 300, seed: 6 },
    );
  });
});
