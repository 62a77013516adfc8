import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { createMetrics, siteMetrics } from "../../../assets/lambda/shared/metrics";
import { serverBootstrap } from "../../../modules/bootstrap";
import { parseConfig } from "../../../modules/config";
import { EXTRA_ALARMS } from "../../../modules/config/site-schema";
import { FUNCTIONS } from "../../../modules/lambda/bundle";
import {
  AGENT_METRICS,
  FUNCTION_METRICS,
  type FunctionMetric,
  METRICS_NAMESPACE,
  SERVER_METRICS,
  siteDimensions,
} from "../../../modules/metrics";
import { bootstrapOptions } from "../../../modules/server/bootstrap-options";
import { type Json, ROOT, site, synthesizeConfig } from "../../support/synth";

interface Used {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
}

/** A site with everything that publishes or looks at something. */
const config = parseConfig(
  site({
    dns: { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" },
    monitoring: { agent: true, serverLogs: true, webhook: "json", extraAlarms: [...EXTRA_ALARMS] },
  }),
);
const [everything] = config.sites;
if (!everything) throw new Error("no site");
const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");
const sources = (folder: string) =>
  readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(path.join(folder, name)))
    .join("\n");

/** What AWS publishes by itself, as its documentation has it. */
const OF_AWS: Readonly<Record<string, { readonly names: readonly string[]; readonly dimension: string }>> = {
  "AWS/Lambda": { names: ["Invocations", "Errors"], dimension: "FunctionName" },
  "AWS/SQS": { names: ["ApproximateNumberOfMessagesVisible"], dimension: "QueueName" },
};

describe("metrics", () => {
  const stack = synthesizeConfig(config)["prod-tokyo-monitoring"] as Json;
  const { resource } = stack;
  const alarms: Used[] = Object.values<Json>(resource.aws_cloudwatch_metric_alarm).map(
    ({ namespace, metric_name, dimensions }) => ({ namespace, name: metric_name, dimensions }),
  );
  const { widgets } = JSON.parse(resource.aws_cloudwatch_dashboard.screen_dashboard.dashboard_body);
  const graphs: Used[] = widgets.flatMap(({ type, properties }: Json) =>
    type !== "metric"
      ? []
      : properties.metrics.map(([namespace, name, ...rest]: Json[]) => {
          const words = rest.filter((part) => typeof part === "string");
          const pairs = words.flatMap((key, index) => (index % 2 === 0 ? [[key, words[index + 1]]] : []));
          return { namespace, name, dimensions: Object.fromEntries(pairs) };
        }),
  );
  const used = [...alarms, ...graphs];
  const own = used.filter(({ namespace }) => namespace === METRICS_NAMESPACE);
  const published = { ...SERVER_METRICS, ...FUNCTION_METRICS, ...AGENT_METRICS };

  it("that an alarm or the dashboard names are published, by site", () => {
    for (const { name, dimensions } of own) {
      expect(published).to.have.property(name);
      expect(dimensions, name).to.deep.equal(siteDimensions(everything));
    }
  });

  it("of AWS's own are named as AWS names them", () => {
    for (const { namespace, name, dimensions } of used.filter((each) => each.namespace !== METRICS_NAMESPACE)) {
      expect(OF_AWS[namespace]?.names, `${namespace} ${name}`).to.include(name);
      expect(Object.keys(dimensions), `${namespace} ${name}`).to.deep.equal([OF_AWS[namespace]?.dimension]);
    }
  });

  it("that are published are all looked at", () => {
    expect(Object.keys(published).filter((name) => !own.some((each) => each.name === name))).to.deep.equal([]);
  });

  it("are what the server's script publishes, each with its unit and the site's dimensions", () => {
    const script = read("assets/userdata/stingy-health");
    const units = [...new Set(Object.values(SERVER_METRICS))].join("|");
    const said = [...script.matchAll(new RegExp(`\\b([A-Z][a-z]+[A-Z][A-Za-z]*)\\b[^\\n]*?\\b(${units})\\b`, "g"))];
    expect(Object.fromEntries(said.map(([, name = "", unit]) => [name, unit]))).to.deep.equal(SERVER_METRICS);
    expect(script).to.include(`Namespace=${METRICS_NAMESPACE}`);
    expect([...script.matchAll(/\}\d\.Name=(\w+)/g)].map(([, name]) => name)).to.deep.equal(
      Object.keys(siteDimensions(everything)),
    );
  });

  it("are what the functions count, and nothing else, with unit, namespace and dimensions", () => {
    const code = sources("assets/lambda");
    const counted = [...code.matchAll(/metrics\.(?:count|set)\("(\w+)"/g)].map(([, name = ""]) => name);
    expect([...new Set(counted)]).to.have.members(Object.keys(FUNCTION_METRICS));
    const lines: string[] = [];
    const metrics = createMetrics(siteDimensions(everything), (line) => lines.push(line));
    for (const name of Object.keys(FUNCTION_METRICS) as FunctionMetric[]) metrics.set(name, 1);
    metrics.flush();
    const [definition] = JSON.parse(lines.join(""))._aws.CloudWatchMetrics;
    expect(definition.Namespace).to.equal(METRICS_NAMESPACE);
    expect(definition.Dimensions).to.deep.equal([Object.keys(siteDimensions(everything))]);
    expect(Object.fromEntries(definition.Metrics.map(({ Name, Unit }: Json) => [Name, Unit]))).to.deep.equal(
      FUNCTION_METRICS,
    );
  });

  it("have the same dimensions in every function", () => {
    const lines: string[] = [];
    const metrics = siteMetrics({ SITE: "tokyo", ENVIRONMENT: "prod" }, (line) => lines.push(line));
    metrics.count("Failures");
    metrics.flush();
    expect(JSON.parse(lines.join(""))).to.deep.include(siteDimensions(everything));
    // In no other way; the two that talk to the internet do it in shared/tools.ts.
    const makes = (name: string) => /\b(siteMetrics|toolsOf)\(variables/.test(read(`assets/lambda/${name}/index.ts`));
    expect(FUNCTIONS.filter(makes)).to.deep.equal(FUNCTIONS);
    expect(sources("assets/lambda").match(/\bcreateMetrics\(/g)).to.have.length(2);
  });

  it("are what the CloudWatch agent is told to publish", () => {
    const { files } = serverBootstrap(bootstrapOptions(everything, "203.0.113.7"));
    const { metrics } = JSON.parse(files.find(({ path }) => path.endsWith("cloudwatch-agent.json"))?.content ?? "{}");
    expect(metrics.namespace).to.equal(METRICS_NAMESPACE);
    const measured = Object.entries<Json>(metrics.metrics_collected);
    expect(measured.map(([plugin, { measurement }]) => `${plugin}_${measurement}`)).to.have.members(
      Object.keys(AGENT_METRICS),
    );
    for (const [, { append_dimensions }] of measured)
      expect(append_dimensions).to.deep.equal(siteDimensions(everything));
  });

  describe("and what the logs are asked for", () => {
    const queries: string[] = [
      ...Object.values<Json>(resource.aws_cloudwatch_query_definition).map(({ query_string }) => query_string),
      ...widgets.flatMap(({ type, properties }: Json) => (type === "log" ? [properties.query] : [])),
    ];

    it("are messages that a function writes", () => {
      const code = sources("assets/lambda");
      const messages = queries.flatMap((query) =>
        [...query.matchAll(/\bmessage (?:=|in) (\[[^\]]*\]|"[^"]*")/g)].flatMap(([, list = ""]) =>
          [...list.matchAll(/"([^"]*)"/g)].map(([, message = ""]) => message),
        ),
      );
      expect(messages).to.include.members(["looked", "launched", "done"]);
      for (const message of messages) expect(code).to.match(new RegExp(`log\\.\\w+\\("${message}"`));
    });

    it("are fields that a function writes", () => {
      const code = sources("assets/lambda");
      const ofFunctions = queries.filter((query) => !query.includes("event="));
      for (const query of ofFunctions) {
        const [, list = ""] = /\bfields (.*)/.exec(query) ?? [];
        const fields = list
          .replace(/ as \w+|coalesce|[()]/g, "")
          .split(",")
          .map((field) => field.trim());
        expect(fields.length).to.be.at.least(4);
        for (const field of fields.filter((name) => !name.startsWith("@"))) {
          const name = field
            .split(".")
            .filter((part) => !/^\d$/.test(part))
            .at(-1);
          expect(code, field).to.match(new RegExp(`\\b${name}\\b[?:,]|: ${name}\\b| ${name} `));
        }
      }
    });

    it("are actions that the controller takes, and levels that it has", () => {
      const code = read("assets/lambda/recovery-handler/decide.ts");
      const did = queries.flatMap((query) => [
        ...(/action\.do in \[([^\]]*)\]/.exec(query)?.[1] ?? "").matchAll(/"([^"]*)"/g),
      ]);
      expect(did.length).to.be.greaterThan(0);
      for (const [, action] of did) expect(code).to.include(`readonly do: "${action}"`);
      expect(queries.join("\n")).to.match(/level in \["warn", "error"\]/);
      expect(read("assets/lambda/shared/log.ts")).to.match(/\["debug", "info", "warn", "error"\]/);
    });

    it("are events of the server's scripts", () => {
      const scripts = ["sync", "promote", "watch", "health"]
        .map((name) => read(`assets/userdata/stingy-${name}`))
        .join("\n");
      const events = queries.flatMap((query) =>
        (/event=\(([^)]*)\)/.exec(query)?.[1] ?? "").split("|").filter(Boolean),
      );
      expect(events).to.have.length.at.least(3);
      for (const event of events) expect(scripts).to.match(new RegExp(`\\blog \\w+ ${event}\\b`));
    });
  });
});
