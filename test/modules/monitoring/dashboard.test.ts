import { expect } from "chai";
import * as z from "zod";
import { SiteDashboard, type SiteDashboardProps } from "../../../modules/monitoring";
import { alone } from "../../support/alone";
import type { Json } from "../../support/synth";

const PROPS: SiteDashboardProps = {
  name: "vpn",
  environment: "prod",
  site: "tokyo",
  region: "eu-west-1",
  address: "203.0.113.7",
  dnsName: "vpn.example.com",
  controller: "the-controller",
  ddnsUpdater: "the-updater",
  deadLetterQueue: "the-queue",
  functions: ["the-controller", "the-updater"],
  controllerLogGroup: "/aws/lambda/the-controller",
  functionLogGroups: ["/aws/lambda/the-controller", "/aws/lambda/the-updater"],
  alarmArns: ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:one"],
  runbook: "docs/runbook.md",
  agent: false,
};

/** What AWS documents of a dashboard's body ("Dashboard Body Structure and Syntax"), as far as ours goes; nothing else. */
const STAT = z.enum(["SampleCount", "Average", "Sum", "Minimum", "Maximum"]);
const LINE = z.strictObject({ label: z.string().min(1), stat: STAT });
const METRIC = z
  .array(z.union([z.string().min(1).max(255), LINE]))
  .refine((metric) => metric.slice(0, -1).every((part) => typeof part === "string"), "options come last")
  .refine(
    (metric) => metric.length % 2 === 1 && typeof metric.at(-1) === "object",
    "namespace, name, pairs of dimensions, options",
  );
const AXIS = z.strictObject({ left: z.strictObject({ min: z.number().optional(), max: z.number().optional() }) });
const REGION = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/);
const SIZE = { width: z.int().min(1).max(24), height: z.int().min(1).max(1000) };
const WIDGET = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), ...SIZE, properties: z.strictObject({ markdown: z.string().min(1) }) }),
  z.strictObject({
    type: z.literal("alarm"),
    ...SIZE,
    properties: z.strictObject({ title: z.string(), alarms: z.array(z.string()).min(1).max(100) }),
  }),
  z.strictObject({
    type: z.literal("log"),
    ...SIZE,
    properties: z.strictObject({
      title: z.string(),
      region: REGION,
      view: z.enum(["table", "timeSeries", "bar", "pie"]),
      query: z.string().regex(/^SOURCE '[^']+' \| /),
    }),
  }),
  z.strictObject({
    type: z.literal("metric"),
    ...SIZE,
    properties: z.strictObject({
      title: z.string(),
      region: REGION,
      view: z.enum(["timeSeries", "singleValue"]),
      metrics: z.array(METRIC).min(1).max(500),
      period: z.int().multipleOf(60).optional(),
      sparkline: z.boolean().optional(),
      setPeriodToTimeRange: z.boolean().optional(),
      yAxis: AXIS.optional(),
    }),
  }),
]);
const BODY = z.strictObject({ widgets: z.array(WIDGET).min(1).max(500) });
type Widget = z.output<typeof WIDGET>;

describe("SiteDashboard", () => {
  const json = (props = PROPS): Json =>
    alone((stack) => {
      new SiteDashboard(stack, "screen", props);
    }).resource.aws_cloudwatch_dashboard.screen_dashboard;
  const widgets = (props = PROPS): Widget[] => BODY.parse(JSON.parse(json(props).dashboard_body)).widgets;
  const titled = (title: string, props = PROPS): Json =>
    widgets(props).find((widget) => "title" in widget.properties && widget.properties.title.startsWith(title))
      ?.properties;
  const names = (title: string, props = PROPS) => titled(title, props).metrics.map(([, name]: string[]) => name);

  it("is what CloudWatch takes for a dashboard, on every kind of site", () => {
    const { address: _, dnsName: __, ddnsUpdater: ___, ...nameless } = PROPS;
    expect(json().dashboard_name).to.equal("vpn");
    for (const props of [PROPS, nameless, { ...PROPS, agent: true }]) {
      expect(BODY.safeParse(JSON.parse(json(props).dashboard_body)).error?.message).to.equal(undefined);
    }
  });

  it("fills its rows, so that CloudWatch leaves no hole", () => {
    let column = 0;
    for (const { width } of widgets()) {
      column += width;
      expect(column).to.be.at.most(24);
      if (column === 24) column = 0;
    }
    expect(column).to.equal(0);
  });

  it("says first where the site is and what to type", () => {
    const [text] = widgets() as Json[];
    for (const word of ["vpn", "eu-west-1", "203.0.113.7", "vpn.example.com", "npx stingy status", "docs/runbook.md"]) {
      expect(text.properties.markdown).to.include(word);
    }
    const { address: _, dnsName: __, ...nameless } = PROPS;
    const [plain] = widgets(nameless) as Json[];
    expect(plain.properties.markdown).not.to.match(/undefined|address/);
  });

  it("shows every alarm", () => {
    expect(titled("Alarms").alarms).to.deep.equal(PROPS.alarmArns);
  });

  it("says whether it is up, who serves and since when", () => {
    expect(names("Is a server missing")).to.deep.equal(["ServersMissing"]);
    expect(titled("Who serves").query).to.match(/^SOURCE '\/aws\/lambda\/the-controller' \| .*server.*since/s);
  });

  it("shows recoveries and how long they took, who uses it, and what it costs", () => {
    expect(names("Recoveries")).to.deep.equal(["Promotions", "Interruptions", "SuccessorsFailed", "LaunchesRefused"]);
    expect(names("Seconds from")).to.deep.equal(["RecoverySeconds"]);
    expect(names("Devices")).to.deep.equal(["PeersConfigured", "PeersActive"]);
    expect([names("Left AWS"), names("Traffic out")]).to.deep.equal([["NetworkOut"], ["NetworkOut"]]);
  });

  it("shows runs and failures of each function, and what failed in the words of all logs", () => {
    expect(titled("Runs and failures").metrics.map(([, name, , fn]: string[]) => [name, fn])).to.deep.equal([
      ["Invocations", "the-controller"],
      ["Errors", "the-controller"],
      ["Invocations", "the-updater"],
      ["Errors", "the-updater"],
    ]);
    expect(titled("What failed").query).to.match(
      /^SOURCE '\/aws\/lambda\/the-controller' \| SOURCE '\/aws\/lambda\/the-updater' \| fields/,
    );
  });

  it("shows what the CloudWatch agent publishes only where it is turned on", () => {
    expect(names("The server")).to.deep.equal(["CpuUsed", "MemoryUsed", "DiskUsed"]);
    expect(names("The server", { ...PROPS, agent: true })).to.include.members([
      "swap_used_percent",
      "mem_used_percent",
    ]);
  });
});
