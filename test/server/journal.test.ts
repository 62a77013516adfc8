import { expect } from "chai";
import { eventually, type JournalEntry, type ScriptResult, type Server, type Site, startSite } from "./harness";

const GROUP = "/stingy-vpn/prod-tokyo/server";
const KEY = "qL8nVpYz0cXw4eRtUvIoPaSdFgHjKlZxCvBnMqWeRtY=";
const MINUTE_MS = 60_000;

describe("stingy-journal", () => {
  let site: Site;
  let a: Server;

  const send = (): Promise<ScriptResult> => a.run("stingy-journal");
  const sent = (): string[] => site.aws.logged.map(({ message }) => message);
  const asked = (): string[] => site.aws.called("logs").map(({ action, status }) => `${action} ${status}`);
  const batches = (): number[] => site.aws.called("logs", "PutLogEvents").map(({ body }) => body.logEvents.length);
  const said = (message: JournalEntry["message"], more: Partial<JournalEntry> = {}): Promise<void> =>
    a.enter({ unit: "stingy-sync.service", message, ...more });
  /** What systemd says of a unit. */
  const ofUnit = (unit: string, message: string, priority = 6): JournalEntry => ({
    unit,
    message,
    priority,
    identifier: "systemd",
  });

  before(async () => {
    site = await startSite({ bootstrap: { logGroup: GROUP } });
    a = site.a;
    // As its unit, which makes its folders: the others of these tests are of the script.
    const { code, stderr } = await a.systemctl("start", "stingy-journal.service");
    expect(code, stderr).to.equal(0);
    expect(site.aws.calls).to.deep.equal([]);
  });
  beforeEach(() => {
    site.aws.calls.length = 0;
  });
  afterEach(async () => {
    await site.aws.heal();
    expect(site.aws.refused).to.deep.equal([]);
  });
  after(() => site?.stop());

  it("sends what the server's units and its first start have said, each line with its time, to a stream of the machine's own", async () => {
    const at = new Date(Date.now() - MINUTE_MS);
    await a.enter(
      { unit: "stingy-sync.service", message: "stingy-sync: level=info event=in-step", at },
      { unit: "cloud-final.service", message: "Cloud-init finished", identifier: "cloud-init", at },
      { unit: "ssh.service", message: "Accepted publickey", identifier: "sshd", at },
      { unit: "stingy-health.timer", message: "tick", at },
      ofUnit("stingy-sync.service", "stingy-sync.service: Failed with result 'timeout'.", 4),
      ofUnit("ssh.service", "ssh.service: Failed with result 'timeout'.", 4),
    );
    const { code, log } = await send();
    expect([code, log]).to.deep.equal([0, []]);
    expect(asked()).to.deep.equal(["CreateLogStream 200", "PutLogEvents 200"]);
    expect(sent()).to.deep.equal([
      "stingy-sync: level=info event=in-step",
      "Cloud-init finished",
      "tick",
      "stingy-sync.service: Failed with result 'timeout'.",
    ]);
    const [first] = site.aws.logged;
    expect(first).to.include({ group: GROUP, stream: a.instanceId, timestamp: at.getTime() });
  });

  it("sends nothing again, and asks nobody when there is nothing", async () => {
    expect((await send()).code).to.equal(0);
    expect(asked()).to.deep.equal([]);
    await said("one more");
    expect((await send()).code).to.equal(0);
    expect(asked()).to.deep.equal(["PutLogEvents 200"]);
    expect(sent()).to.deep.equal(["one more"]);
  });

  it("leaves out what systemd says each minute of units that come and go, and does not send that it has sent", async () => {
    const tick = async (): Promise<ScriptResult> => {
      for (const unit of ["stingy-health.service", "stingy-journal.service"])
        await a.enter(
          ofUnit(unit, `Starting ${unit}...`),
          ofUnit(unit, `${unit}: Deactivated successfully.`),
          ofUnit(unit, `Finished ${unit}.`),
        );
      const result = await send();
      for (const message of result.stderr.split("\n").filter(Boolean))
        await a.enter({ unit: "stingy-journal.service", message, priority: 3 });
      return result;
    };
    for (let n = 0; n < 3; n++) expect((await tick()).code).to.equal(0);
    expect(asked()).to.deep.equal([]);
    await said("the last that is said");
    await site.aws.fail({ kind: "denied", service: "logs" });
    for (let n = 0; n < 2; n++) expect((await tick()).code).to.equal(1);
    await site.aws.heal();
    site.aws.calls.length = 0;
    for (let n = 0; n < 3; n++) expect((await tick()).code).to.equal(0);
    const failed =
      'stingy-journal: level=error event=journal-not-sent reason="logs answered 400 AccessDeniedException"';
    expect(sent()).to.deep.equal(["the last that is said", failed, failed]);
    expect(batches()).to.deep.equal([3]);
  });

  describe("loses no line and sends none twice", () => {
    for (const [what, fault, reason] of [
      ["that are refused", { kind: "denied" }, "logs answered 400 AccessDeniedException"],
      [
        "whose stream is refused",
        { kind: "denied", action: "CreateLogStream" },
        "logs answered 400 AccessDeniedException",
      ],
      ["that meet a page", { kind: "html", action: "PutLogEvents" }, /^logs answered with nonsense: '<!DOCTYPE html>/],
      ["that meet silence", { kind: "empty", action: "PutLogEvents" }, "logs answered with nonsense: ''"],
      ["that cannot leave", { kind: "refuse" }, "logs cannot be reached (curl's status 7)"],
    ] as const)
      it(`of those ${what}`, async () => {
        await a.sh("rm -f /run/stingy/log-stream");
        await site.aws.fail({ service: "logs", ...fault });
        await said("first");
        const { code, log } = await send();
        expect(code).to.equal(1);
        expect(log.map(({ level, event }) => [level, event])).to.deep.equal([["error", "journal-not-sent"]]);
        if (typeof reason === "string") expect(log[0]?.fields.reason).to.equal(reason);
        else expect(log[0]?.fields.reason).to.match(reason);
        expect(site.aws.logged).to.deep.equal([]);
        await site.aws.heal();
        await said("second");
        expect((await send()).code).to.equal(0);
        expect((await send()).code).to.equal(0);
        expect(sent()).to.deep.equal(["first", "second"]);
      });

    it("within a run, where AWS is throttling", async () => {
      await site.aws.fail({ service: "logs", action: "PutLogEvents", kind: "throttled", times: 1 });
      await said("patience");
      expect((await send()).code).to.equal(0);
      expect(sent()).to.deep.equal(["patience"]);
    });

    it("where a later one of several calls fails", async () => {
      const lines = Array.from({ length: 250 }, (_, n) => `line ${n}`);
      await a.enter(...lines.map((message) => ({ unit: "stingy-watch.service", message })));
      await site.aws.fail({ service: "logs", action: "PutLogEvents", kind: "denied", after: 1, times: 1 });
      expect((await send()).code).to.equal(1);
      expect(sent()).to.deep.equal(lines.slice(0, 100));
      expect((await send()).code).to.equal(0);
      expect(sent()).to.deep.equal(lines);
    });

    it("where its stream is there already, or has been deleted", async () => {
      await a.sh("rm /run/stingy/log-stream");
      await said("it is there");
      expect((await send()).code).to.equal(0);
      expect(asked()).to.deep.equal(["CreateLogStream 400", "PutLogEvents 200"]);
      await site.deleteLogStream(GROUP, a.instanceId);
      await said("it is gone");
      expect((await send()).log.map(({ fields }) => fields.reason)).to.deep.equal([
        "logs answered 400 ResourceNotFoundException",
      ]);
      expect((await send()).code).to.equal(0);
      expect(sent()).to.deep.equal(["it is there", "it is gone"]);
    });

    it("over a restart of the machine", async () => {
      await said("before");
      expect((await send()).code).to.equal(0);
      await said("the last before");
      await a.sh("rm -rf /run/stingy");
      await said("after");
      expect((await send()).code).to.equal(0);
      expect(sent()).to.deep.equal(["before", "the last before", "after"]);
    });

    it("on a full disk, where it could not note what it has sent", async () => {
      await said("no room");
      await a.fillDisk();
      expect((await send()).code).to.equal(1);
      expect(asked()).to.deep.equal([]);
      await a.freeDisk();
      expect((await send()).code).to.equal(0);
      expect((await send()).code).to.equal(0);
      expect(sent()).to.deep.equal(["no room"]);
    });

    it("where it runs twice at once", async () => {
      await site.aws.fail({ service: "logs", action: "PutLogEvents", kind: "hang", times: 1 });
      await said("once");
      const first = send();
      await eventually("the first is sending", () => site.aws.called("logs", "PutLogEvents").length > 0);
      const { code, log } = await send();
      expect([code, log]).to.deep.equal([0, []]);
      await site.aws.heal();
      expect((await first).code).to.equal(0);
      expect(sent()).to.deep.equal(["once"]);
    });

    it("whatever is in it", async () => {
      await said("");
      await said(null);
      await said([..."caf"].map((letter) => letter.charCodeAt(0)).concat(0xe9, 0x1b, 0x07));
      await said('"quoted"\\ \u0000 \u2028 日本');
      expect((await send()).code).to.equal(0);
      expect(sent()).to.deep.equal(["café\u001b\u0007", '"quoted"\\ \u0000 \u2028 日本']);
      site.aws.calls.length = 0;
      await said("");
      expect((await send()).code).to.equal(0);
      expect((await send()).code).to.equal(0);
      expect(asked()).to.deep.equal([]);
    });
  });

  it("sends no more of a key than tells whose it is", async () => {
    await said(`wg0 refuses the configuration: Key is not the correct length: \`${KEY}'`);
    await send();
    expect(sent()).to.deep.equal(["wg0 refuses the configuration: Key is not the correct length: `qL8n...'"]);
  });

  describe("keeps to what a call takes", () => {
    it("lines: a hundred, and the rest at once in the next calls", async () => {
      const lines = Array.from({ length: 320 }, (_, n) => `line ${n}`);
      await a.enter(...lines.map((message) => ({ unit: "cloud-final.service", message })));
      expect((await send()).code).to.equal(0);
      expect(batches()).to.deep.equal([100, 100, 100, 20]);
      expect(sent()).to.deep.equal(lines);
    });

    it("bytes: the longest lines there can be, of letters of four bytes", async () => {
      const longest = "𝄞".repeat(12_000);
      await a.enter(...Array.from({ length: 100 }, () => ({ unit: "cloud-final.service", message: longest })));
      expect((await send()).code).to.equal(0);
      expect(batches()).to.deep.equal([100]);
      expect(new Set(sent())).to.deep.equal(new Set(["𝄞".repeat(2500)]));
    });

    it("the order of time, though the clock was set back", async () => {
      const now = Date.now();
      const at = (seconds: number): Partial<JournalEntry> => ({ at: new Date(now + seconds * 1000) });
      await said("third", at(-10));
      await said("first", at(-100));
      await said("second", at(-50));
      await said("also second", at(-50));
      expect((await send()).code).to.equal(0);
      expect(batches()).to.deep.equal([4]);
      expect(sent()).to.deep.equal(["first", "second", "also second", "third"]);
    });

    it("a day: what lies further apart goes with the next run", async () => {
      const HOUR_MS = 3600 * 1000;
      for (const hours of [70, 41, 40, 5, 0])
        await said(`${hours} hours ago`, { at: new Date(Date.now() - hours * HOUR_MS) });
      for (let n = 0; n < 4; n++) expect((await send()).code).to.equal(0);
      expect(batches()).to.deep.equal([1, 2, 2]);
      expect(sent()).to.deep.equal([70, 41, 40, 5, 0].map((hours) => `${hours} hours ago`));
    });
  });

  it("says so when it cannot read the journal, and sends what there is when it can", async () => {
    await said("there all the time");
    await a.sh("touch /run/machine/journal.broken");
    const { code, log } = await send();
    await a.sh("rm /run/machine/journal.broken");
    expect(code).to.equal(1);
    expect(log.map(({ level, event, fields }) => [level, event, fields])).to.deep.equal([
      ["error", "journal-unreadable", { reason: "Failed to iterate through journal: Bad message" }],
    ]);
    expect((await send()).code).to.equal(0);
    expect(sent()).to.deep.equal(["there all the time"]);
  });

  it("asks journalctl in words that the real one knows", async () => {
    await said("something");
    for (let n = 0; n < 2; n++) expect((await send()).code).to.equal(0);
    const calls = a.file("/run/machine/journalctl.log").trim().split("\n");
    const [first = "", last = ""] = [calls[0], calls.at(-1)];
    expect(first).not.to.include("cursor");
    expect(last).to.include("cursor");
    for (const call of [first, last]) {
      const real = `mkdir -p /run/machine/none; /usr/bin/journalctl --directory /run/machine/none ${call}`;
      const { code, stdout, stderr } = await a.machine.run(["bash", "-c", real]);
      expect({ code, stdout, stderr }).to.deep.equal({ code: 0, stdout: "", stderr: "" });
    }
  });
});
