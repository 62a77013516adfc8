import { expect } from "chai";
import { type Json, site, synthesize } from "../support/synth";

const ref = (what: string) => `\${${what}}`;
const bare = (json: Json): Json => JSON.parse(JSON.stringify(json, (key, value) => (key === "//" ? undefined : value)));
const state = (layer: string, output: string) =>
  ref(
    `data.terraform_remote_state.cross-stack-reference-input-prod-tokyo-${layer}.outputs.cross-stack-output-${output}`,
  );

const PREFIX = "stingy-vpn-prod-tokyo";
const DNS = { provider: "cloudflare", zone: "example.com", name: "vpn.example.com" };
const QUEUE = ref("aws_sqs_queue.dead-letters_queue.arn");
const CONTROLLER = ref("aws_lambda_function.recovery-handler_function.function_name");
const TRIGGERS = ["interruption", "rebalance", "state-change", "ready", "tick", "pending-tick"];

const recovery = (settings: object = {}): Json =>
  bare(synthesize(site({ dns: DNS, ...settings }))["prod-tokyo-recovery"]);
const variables = ({ resource }: Json, name: string): Json =>
  resource.aws_lambda_function[`${name}_function`].environment.variables;

describe("the recovery stack's functions", () => {
  let json: Json;
  before(() => {
    json = recovery();
  });

  const fn = (name: string, description: string, memory_size: number, timeout: number) => ({
    function_name: `${PREFIX}-${name}`,
    description,
    role: ref(`aws_iam_role.${name}_iam_role.arn`),
    runtime: "nodejs22.x",
    architectures: ["arm64"],
    handler: "index.handler",
    memory_size,
    timeout,
    filename: ref(`data.archive_file.${name}_archive.output_path`),
    source_code_hash: ref(`data.archive_file.${name}_archive.output_base64sha256`),
    dead_letter_config: { target_arn: QUEUE },
    depends_on: [`aws_iam_role_policy.${name}_iam_policy`, `aws_cloudwatch_log_group.${name}_logs`],
  });
  const functions = ({ resource }: Json) =>
    Object.values<Json>(resource.aws_lambda_function).map(({ environment, ...rest }) => rest);

  it("are the controller with 256 MB and five minutes and the DDNS updater with 128 MB and one", () => {
    expect(functions(json)).to.have.deep.members([
      fn("recovery-handler", "Keeps exactly one server serving", 256, 300),
      fn("ddns-updater", "Writes the server's addresses into its DNS records", 128, 60),
    ]);
  });

  it("tell the controller everything it has to know, and AWS_REGION is left to Lambda", () => {
    expect(variables(json, "recovery-handler")).to.deep.equal({
      ENVIRONMENT: "prod",
      SITE: "tokyo",
      STORE_PREFIX: "/stingy-vpn/prod",
      LAUNCH_TEMPLATE_ID: state("server", "aws_launch_template-server_template-id"),
      LAUNCH_TEMPLATE_VERSION: state("server", "aws_launch_template-server_template-latest_version"),
      SUBNET_IDS: ["apne1-az1", "apne1-az2", "apne1-az4"]
        .map((zone) => state("network", `aws_subnet-network_subnet-${zone}-id`))
        .join(","),
      INSTANCE_TYPES: "t4g.nano",
      ALLOCATION_ID: state("server", "aws_eip-address_elastic-ip-allocation_id"),
      IMAGE_PARAMETER: "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-arm64",
      DDNS_FUNCTION: ref("aws_lambda_function.ddns-updater_function.function_name"),
      PENDING_TICK_RULE: `${PREFIX}-pending-tick`,
      ON_DEMAND_FALLBACK: "after-failures",
      SPOT_ATTEMPTS: "2",
      SPOT_MAX_PRICE: "",
      MAX_AGE_DAYS: "14",
      REBALANCE: "replace",
      MAINTENANCE_WINDOW: "",
      LOG_LEVEL: "info",
    });
  });

  it("tell the DDNS updater which records are the server's", () => {
    expect(variables(json, "ddns-updater")).to.deep.equal({
      ENVIRONMENT: "prod",
      SITE: "tokyo",
      STORE_PREFIX: "/stingy-vpn/prod",
      CLOUDFLARE_ZONE_ID: state("dns", "data-cloudflare_zone-name_zone-zone_id"),
      DNS_NAME: "vpn.example.com",
      DNS_RECORDS: "A,AAAA",
      CLOUDFLARE_RECORD_ID: state("dns", "cloudflare_dns_record-name_a-id"),
      CLOUDFLARE_RECORD_ID_V6: state("dns", "cloudflare_dns_record-name_aaaa-id"),
      ADDRESS: state("server", "aws_eip-address_elastic-ip-public_ip"),
      LOG_LEVEL: "info",
    });
  });

  it("take types, prices, ages, runtime and log retention from the configuration", () => {
    const other = recovery({
      server: {
        instanceTypes: ["t4g.micro", "t4g.nano"],
        spotMaxPrice: 0.004,
        onDemandFallback: "never",
        spotAttempts: 5,
        maxAgeDays: 7,
        rebalance: "ignore",
        maintenanceWindow: { from: "23:00", to: "01:00" },
        image: "ami-0123456789abcdef0",
        distribution: "debian",
      },
      storePrefix: "/my/store",
      elasticIp: "eipalloc-0123456789abcdef0",
      dns: { ...DNS, records: ["A"], zoneId: "0123456789abcdef0123456789abcdef" },
      functions: { runtime: "nodejs24.x" },
      monitoring: { logRetentionDays: 90 },
    });
    expect(variables(other, "recovery-handler")).to.include({
      INSTANCE_TYPES: "t4g.micro,t4g.nano",
      SPOT_MAX_PRICE: "0.004",
      ON_DEMAND_FALLBACK: "never",
      SPOT_ATTEMPTS: "5",
      MAX_AGE_DAYS: "7",
      REBALANCE: "ignore",
      MAINTENANCE_WINDOW:
        '{"days":["mon","tue","wed","thu","fri","sat","sun"],"from":"23:00","to":"01:00","timeZone":"UTC"}',
      IMAGE_PARAMETER: "",
      STORE_PREFIX: "/my/store",
      ALLOCATION_ID: "eipalloc-0123456789abcdef0",
    });
    expect(variables(other, "ddns-updater")).to.include({
      STORE_PREFIX: "/my/store",
      CLOUDFLARE_ZONE_ID: "0123456789abcdef0123456789abcdef",
      DNS_RECORDS: "A",
      CLOUDFLARE_RECORD_ID_V6: "",
    });
    for (const { runtime } of Object.values<Json>(other.resource.aws_lambda_function)) {
      expect(runtime).to.equal("nodejs24.x");
    }
    for (const { retention_in_days } of Object.values<Json>(other.resource.aws_cloudwatch_log_group)) {
      expect(retention_in_days).to.equal(90);
    }
  });

  it("are the controller alone, without an updater to call, where DNS is off", () => {
    const { resource, ...other } = recovery({ dns: { provider: "none" } });
    expect(Object.keys(resource.aws_lambda_function)).to.deep.equal(["recovery-handler_function"]);
    expect(variables({ resource }, "recovery-handler").DDNS_FUNCTION).to.equal("");
    expect(JSON.stringify({ resource, ...other })).not.to.match(/ddns-updater|cloudflare/i);
  });

  it("have no address to move where the site has none", () => {
    const other = recovery({ elasticIp: false });
    expect(variables(other, "recovery-handler").ALLOCATION_ID).to.equal("");
    expect(variables(other, "ddns-updater").ADDRESS).to.equal("");
    expect(JSON.stringify(other.data.aws_iam_policy_document)).not.to.match(/Address/);
  });

  it("share the account's concurrency, unless some of it is kept for the controller", () => {
    const reserved = ({ resource }: Json) =>
      Object.entries<Json>(resource.aws_lambda_function).map(([id, fn]) => [id, fn.reserved_concurrent_executions]);
    expect(reserved(json)).to.have.deep.members([
      ["recovery-handler_function", undefined],
      ["ddns-updater_function", undefined],
    ]);
    expect(reserved(recovery({ functions: { reservedConcurrency: 2 } }))).to.have.deep.members([
      ["recovery-handler_function", 2],
      ["ddns-updater_function", undefined],
    ]);
  });

  it("log into groups with retention, and give an event up after two retries or five minutes", () => {
    expect(json.resource.aws_cloudwatch_log_group).to.deep.equal({
      "recovery-handler_logs": { name: `/aws/lambda/${PREFIX}-recovery-handler`, retention_in_days: 7 },
      "ddns-updater_logs": { name: `/aws/lambda/${PREFIX}-ddns-updater`, retention_in_days: 7 },
    });
    const retries = (name: string) => ({
      function_name: ref(`aws_lambda_function.${name}_function.function_name`),
      maximum_event_age_in_seconds: 300,
      maximum_retry_attempts: 2,
    });
    expect(json.resource.aws_lambda_function_event_invoke_config).to.deep.equal({
      "recovery-handler_retries": retries("recovery-handler"),
      "ddns-updater_retries": retries("ddns-updater"),
    });
  });

  it("are packed from the folders beside the stack", () => {
    for (const [id, { source_dir, ...archive }] of Object.entries<Json>(json.data.archive_file)) {
      const name = id.replace("_archive", "");
      expect(source_dir, id).to.match(new RegExp(`^assets/${name}_code/[0-9A-F]{32}$`));
      expect(archive, id).to.deep.equal({
        type: "zip",
        output_path: `${PREFIX}-${name}.zip`,
        output_file_mode: "0644",
      });
    }
  });
});

describe("the recovery stack's rules", () => {
  let json: Json;
  before(() => {
    json = recovery();
  });

  it("are these six", () => {
    const rules = Object.values<Json>(json.resource.aws_cloudwatch_event_rule).map(
      ({ description, event_pattern, ...rule }) => ({
        ...rule,
        ...(event_pattern ? { event_pattern: JSON.parse(event_pattern) } : {}),
      }),
    );
    const ec2 = (name: string, detailType: string, detail: object) => ({
      name: `${PREFIX}-${name}`,
      event_pattern: { source: ["aws.ec2"], "detail-type": [detailType], detail },
      state: "ENABLED",
    });
    const anyInstance = { "instance-id": [{ exists: true }] };
    expect(rules).to.have.deep.members([
      ec2("interruption", "EC2 Spot Instance Interruption Warning", anyInstance),
      ec2("rebalance", "EC2 Instance Rebalance Recommendation", anyInstance),
      ec2("state-change", "EC2 Instance State-change Notification", {
        state: ["stopping", "stopped", "shutting-down", "terminated"],
      }),
      {
        name: `${PREFIX}-ready`,
        event_pattern: {
          source: ["stingy-vpn"],
          "detail-type": ["Server Ready", "Server Notice"],
          detail: { environment: ["prod"], site: ["tokyo"] },
        },
        state: "ENABLED",
      },
      { name: `${PREFIX}-tick`, schedule_expression: "rate(5 minutes)", state: "ENABLED" },
      {
        name: `${PREFIX}-pending-tick`,
        schedule_expression: "rate(1 minute)",
        // The controller switches it.
        state: "DISABLED",
        lifecycle: { ignore_changes: ["state"] },
      },
    ]);
  });

  it("all call the controller, and what it does not take ends in the dead-letter queue", () => {
    const target = (name: string, input: object = {}) => [
      `${name}_target`,
      {
        rule: ref(`aws_cloudwatch_event_rule.${name}_rule.name`),
        arn: ref("aws_lambda_function.recovery-handler_function.arn"),
        dead_letter_config: { arn: QUEUE },
        retry_policy: { maximum_event_age_in_seconds: 300, maximum_retry_attempts: 4 },
        ...input,
      },
    ];
    const inputs: Record<string, object> = {
      tick: { input: '{"source":"stingy-vpn","detail-type":"Tick"}' },
      "pending-tick": { input: '{"source":"stingy-vpn","detail-type":"Pending Tick"}' },
    };
    expect(json.resource.aws_cloudwatch_event_target).to.deep.equal(
      Object.fromEntries(TRIGGERS.map((name) => target(name, inputs[name]))),
    );
  });

  it("may each call the controller, and nothing else may", () => {
    expect(json.resource.aws_lambda_permission).to.deep.equal(
      Object.fromEntries(
        TRIGGERS.map((name) => [
          `${name}_permission`,
          {
            function_name: CONTROLLER,
            action: "lambda:InvokeFunction",
            principal: "events.amazonaws.com",
            source_arn: ref(`aws_cloudwatch_event_rule.${name}_rule.arn`),
          },
        ]),
      ),
    );
  });

  it("may each write to the dead-letter queue, and nothing else may", () => {
    expect(json.data.aws_iam_policy_document["dead-letters_senders"].statement).to.deep.equal([
      {
        sid: "Rules",
        actions: ["sqs:SendMessage"],
        resources: [QUEUE],
        principals: [{ type: "Service", identifiers: ["events.amazonaws.com"] }],
        condition: [
          {
            test: "ArnEquals",
            variable: "aws:SourceArn",
            values: TRIGGERS.map((name) => ref(`aws_cloudwatch_event_rule.${name}_rule.arn`)),
          },
        ],
      },
    ]);
  });
});

describe("the recovery stack's schedule", () => {
  it("is none, unless the configuration has one", () => {
    expect(JSON.stringify(recovery())).not.to.include("scheduler");
  });

  it("commands this controller to pause and resume, with its own queue behind", () => {
    const { resource, data } = recovery({
      schedule: { pause: "0 22 ? * MON-FRI *", resume: "0 8 ? * MON-FRI *", timeZone: "Asia/Tokyo" },
    });
    const schedules = Object.values<Json>(resource.aws_scheduler_schedule);
    expect(schedules.map(({ name, schedule_expression }) => [name, schedule_expression])).to.deep.equal([
      [`${PREFIX}-pause`, "cron(0 22 ? * MON-FRI *)"],
      [`${PREFIX}-resume`, "cron(0 8 ? * MON-FRI *)"],
    ]);
    const controller = ref("aws_lambda_function.recovery-handler_function.arn");
    for (const { target, schedule_expression_timezone, depends_on } of schedules) {
      // On destroy the site is drained after them, so that none of them resumes it meanwhile.
      expect(depends_on).to.include("aws_lambda_invocation.converge");
      expect(target.arn).to.equal(controller);
      expect(target.dead_letter_config).to.deep.equal({ arn: QUEUE });
      expect(schedule_expression_timezone).to.equal("Asia/Tokyo");
    }
    const grants = data.aws_iam_policy_document.schedule_iam_permissions.statement;
    expect(grants.map(({ actions, resources }: Json) => [actions, resources])).to.deep.equal([
      [["lambda:InvokeFunction"], [controller]],
      [["sqs:SendMessage"], [QUEUE]],
    ]);
  });
});

describe("the recovery stack's first and last call", () => {
  let json: Json;
  before(() => {
    json = recovery();
  });

  it("tells the controller of every new template and DNS record, and comes first on destroy", () => {
    const { depends_on, ...invocation } = json.resource.aws_lambda_invocation.converge;
    const version = (attribute: string) =>
      state("server", `aws_launch_template-server_template-${attribute}`).slice(2, -1);
    const record = (type: string) => state("dns", `cloudflare_dns_record-name_${type}-id`).slice(2, -1);
    const records = `{"A" = ${record("a")}, "AAAA" = ${record("aaaa")}}`;
    expect(invocation).to.deep.equal({
      function_name: CONTROLLER,
      lifecycle_scope: "CRUD",
      input: ref(
        `jsonencode({"source" = "terraform", "detail-type" = "Configuration", "detail" = {"launchTemplate" = ${version("id")}, "version" = ${version("latest_version")}, "records" = ${records}}})`,
      ),
    });
  });

  it("finds the controller's parameters and every rule in place", () => {
    expect(json.resource.aws_lambda_invocation.converge.depends_on).to.have.members([
      "aws_ssm_parameter.desired-state",
      "aws_ssm_parameter.launches",
      ...TRIGGERS.flatMap((name) => [
        `aws_lambda_permission.${name}_permission`,
        `aws_cloudwatch_event_target.${name}_target`,
      ]),
    ]);
  });

  it("starts from `running`, which whoever pauses the site may change for good", () => {
    const parameter = ({ resource }: Json) => resource.aws_ssm_parameter["desired-state"];
    expect(parameter(json)).to.deep.equal({
      name: "/stingy-vpn/prod/desired-state",
      description: "running or stopped; whoever pauses or resumes the site writes it",
      type: "String",
      insecure_value: "running",
      lifecycle: { ignore_changes: ["insecure_value", "description"], prevent_destroy: true },
    });
    expect(parameter(recovery({ protect: false })).lifecycle.prevent_destroy).to.equal(false);
  });

  it("starts from no launch to remember, which is the controller's from then on", () => {
    expect(json.resource.aws_ssm_parameter.launches).to.deep.equal({
      name: "/stingy-vpn/prod/launches",
      description: "What the controller remembers of its launches",
      type: "String",
      insecure_value: "none",
      lifecycle: { ignore_changes: ["insecure_value", "description"], prevent_destroy: true },
    });
  });
});
