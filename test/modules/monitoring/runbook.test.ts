import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { EXTRA_ALARMS } from "../../../modules/config/site-schema";
import { type Json, ROOT, site, synthesize } from "../../support/synth";

const runbook = readFileSync(path.join(ROOT, "docs/runbook.md"), "utf8");
/** What stands below a heading, up to the next one. */
const sections = new Map(
  runbook.split(/^###? /m).map((text) => {
    const [heading = "", ...lines] = text.split("\n");
    return [heading, lines.join("\n")];
  }),
);

describe("the runbook", () => {
  const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
  const everything = synthesize(site({ dns: DNS, monitoring: { extraAlarms: [...EXTRA_ALARMS] } }));
  const alarms = Object.values<Json>(everything["prod-tokyo-monitoring"].resource.aws_cloudwatch_metric_alarm);
  const idOf = ({ alarm_name }: Json) => alarm_name.replace("stingy-vpn-prod-tokyo-", "");

  for (const alarm of alarms) {
    const id = idOf(alarm);
    it(`has ${id}, where its mail says it is: what happened, whether anyone is cut off, what to type`, () => {
      expect(alarm.alarm_description).to.match(new RegExp(` What to do: docs/runbook\\.md#${id}$`));
      const text = sections.get(`\`${id}\``) ?? "";
      expect(text).to.match(
        /\*\*What happened\.\*\* [\s\S]*\*\*Is anyone cut off\?\*\* [\s\S]*\*\*What to type\.\*\*\s/,
      );
      expect(text).to.match(/npx stingy|npx cdktf|aws /);
    });
  }

  it("has no alarm that is not there", () => {
    const named = [...sections.keys()].flatMap((heading) => /^`(.+)`$/.exec(heading)?.[1] ?? []);
    expect(named).to.have.members(alarms.map(idOf));
  });

  it("has every code by which the controller says that it needs a person", () => {
    const codes = ["attempts", "decide", "act"].flatMap((file) => {
      const source = readFileSync(path.join(ROOT, `assets/lambda/recovery-handler/${file}.ts`), "utf8");
      return [...source.matchAll(/\bcode: (?:gaveUp \? "([a-z-]+)" : )?["`]([^"`]+)["`]/g)].flatMap(
        ([, other, code = ""]) => [...(other === undefined ? [] : [other]), code.replace(/\$\{\w+\}/, "…")],
      );
    });
    expect(codes).to.include.members(["gave-up", "successors-fail", "launch-refused-…", "…-is-garbage"]);
    for (const code of codes) expect(sections.get("`needs-person`")).to.include(`\`${code}\``);
  });

  it("is at the address that the configuration says, for whoever reads a mail on a phone", () => {
    const runbookUrl = "https://git.example.com/me/vpn/docs/runbook.md";
    const json = synthesize(site({ monitoring: { runbook: runbookUrl } }))["prod-tokyo-monitoring"];
    for (const { alarm_description, ...alarm } of Object.values<Json>(json.resource.aws_cloudwatch_metric_alarm)) {
      expect(alarm_description).to.match(new RegExp(` ${runbookUrl}#${idOf(alarm)}$`));
    }
  });
});
