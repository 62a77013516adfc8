import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "chai";
import { parseReport } from "../../cli/peer/report";
import { MOST_REPORTED } from "../../modules/names";
import { PeerReport } from "../../modules/server";
import { alone } from "../support/alone";
import type { Json } from "../support/synth";

/** What Systems Manager keeps of what a command prints. */
const KEPT_CHARACTERS = 24_000;

describe("PeerReport", () => {
  let json: Json;
  let folder: string;
  before(() => {
    json = alone((stack) => {
      new PeerReport(stack, "report", { name: "vpn-peers" });
    });
    folder = mkdtempSync(path.join(tmpdir(), "stingy-report-"));
  });
  after(() => rmSync(folder, { recursive: true }));
  const document = () => JSON.parse(json.resource.aws_ssm_document.report_document.content);

  it("is a document of one step that takes no parameters", () => {
    expect(Object.keys(json.resource)).to.deep.equal(["aws_ssm_document"]);
    const { content: _, ...rest } = json.resource.aws_ssm_document.report_document;
    expect(rest).to.deep.equal({ name: "vpn-peers", document_type: "Command" });
    const { mainSteps, ...head } = document();
    expect(head).to.deep.equal({
      schemaVersion: "2.2",
      description: "Says when each peer was last heard of, and what it sent and got",
    });
    const [{ inputs, ...step }, ...more] = mainSteps;
    expect(step).to.deep.equal({ action: "aws:runShellScript", name: "report" });
    expect(Object.keys(inputs)).to.deep.equal(["timeoutSeconds", "runCommand"]);
    expect(inputs.timeoutSeconds).to.equal("30");
    expect(more).to.deep.equal([]);
  });

  describe("has the shell", () => {
    const KEY = (n: number) => `${String(n).padStart(4, "0")}abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM=`;
    const PSK = "presharedpresharedpresharedpresharedpresha0=";
    const PRIVATE = "privateprivateprivateprivateprivateprivate0=";
    const peer = (n: number, handshake: number, received = 1, sent = 2) =>
      [KEY(n), PSK, "203.0.113.7:1024", `10.8.0.${n}/32`, handshake, received, sent, "off"].join("\t");

    /** What it prints where the server's wg has these peers. */
    const printed = (peers: readonly string[]): string => {
      const dump = path.join(folder, "dump");
      writeFileSync(dump, `${[[PRIVATE, KEY(0), 51820, "off"].join("\t"), ...peers].join("\n")}\n`);
      writeFileSync(path.join(folder, "wg"), `#!/bin/sh\n[ "$*" = "show wg0 dump" ] && cat ${dump}\n`);
      chmodSync(path.join(folder, "wg"), 0o700);
      return execFileSync("sh", ["-c", document().mainSteps[0].inputs.runCommand.join("\n")], {
        encoding: "utf8",
        env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
      });
    };

    it("say its time first, then the peers, those heard of last first", () => {
      const [now, ...lines] = printed([peer(1, 1_700_000_001, 5, 6), peer(2, 1_800_000_000, 7, 8)])
        .trim()
        .split("\n");
      expect(Math.abs(Number(now) - Date.now() / 1000)).to.be.lessThan(60);
      expect(lines).to.deep.equal(["1800000000 0002abcdef 7 8", "1700000001 0001abcdef 5 6"]);
    });

    it("leave out who was never heard of", () => {
      expect(
        printed([peer(1, 0), peer(2, 1_800_000_000)])
          .trim()
          .split("\n")
          .slice(1),
      ).to.deep.equal(["1800000000 0002abcdef 1 2"]);
      expect(printed([]).trim()).to.match(/^\d+$/);
    });

    it("tell no secret, no address, and of a key only its beginning", () => {
      const text = printed([peer(1, 1_700_000_001), peer(2, 1_800_000_000)]);
      for (const secret of [PSK, PRIVATE, "203.0.113.7", "10.8.0.", KEY(1), KEY(0)]) {
        expect(text).not.to.include(secret);
      }
    });

    it("stop where Systems Manager would cut it, at what the command takes for the limit", () => {
      const most = Number.MAX_SAFE_INTEGER;
      const peers = Array.from({ length: MOST_REPORTED + 5 }, (_, n) => peer(n, 1_700_000_000 + n, most, most));
      const text = printed(peers);
      expect(text.trim().split("\n")).to.have.length(MOST_REPORTED + 1);
      expect(text.length).to.be.lessThan(KEPT_CHARACTERS);
      const report = parseReport(text);
      expect(report?.traffic.size).to.equal(MOST_REPORTED);
      expect(report?.traffic.has("0000abcdef")).to.equal(false);
    });
  });
});
