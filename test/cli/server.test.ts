import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { CreateTagsCommand, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { expect } from "chai";
import type { Action, Problem } from "../../assets/lambda/recovery-handler/decide";
import { readJournal } from "../../cli/server/log-sources";
import { JournalReport } from "../../modules/server";
import { generatePrivateKey } from "../../modules/wireguard";
import { alone } from "../support/alone";
import { Controller } from "./support/controller";
import { type DeployedSite, Emulator, REGION } from "./support/emulator";
import { FaultyAws } from "./support/faulty-aws";
import { folderWith, inTerminal, stingy } from "./support/stingy";

const CONTROLLER = "/aws/lambda/stingy-vpn-prod-tokyo-recovery-handler";

/** What the document has the server run. */
function journalCommand(since: string): string {
  const { resource } = alone((stack) => void new JournalReport(stack, "journal", { name: "journal" }));
  const { mainSteps, parameters } = JSON.parse(resource.aws_ssm_document.journal_document.content);
  expect(since).to.match(new RegExp(parameters.since.allowedPattern));
  return mainSteps[0].inputs.runCommand.join("\n").replaceAll("{{ since }}", since);
}

describe("stingy server", () => {
  let emulator: Emulator;
  let controller: Controller;
  let site: DeployedSite;
  let env: Record<string, string>;

  before(async () => {
    emulator = await Emulator.start();
    controller = await Controller.start();
    env = { ...emulator.env, ...controller.env };
  });

  after(() => controller.stop());

  beforeEach(async () => {
    controller.reset();
    site = await emulator.freshSite();
  });

  function controllerAnswers(done: readonly Action[], problems: readonly Problem[] = []): void {
    controller.answer = { site: "tokyo", done, problems };
  }

  /** What a stream's many pieces may set off only once. */
  function once(work: () => Promise<unknown>): () => void {
    let begun = false;
    return () => {
      if (!begun) void work();
      begun = true;
    };
  }

  const endServer = () => emulator.ec2.send(new TerminateInstancesCommand({ InstanceIds: [site.instanceId] }));
  const tagState = (state: string) =>
    emulator.ec2.send(new CreateTagsCommand({ Resources: [site.instanceId], Tags: [{ Key: "state", Value: state }] }));
  const stop = (): Action => ({ do: "set-desired-state", state: "stopped" });

  describe("pause", () => {
    it("asks, and does nothing without a yes", async () => {
      controllerAnswers([stop()]);
      const { code, screen } = await inTerminal(["server", "pause"], [{ on: "Pause prod-tokyo?", type: "n\r" }], {
        env,
      });
      expect(screen).to.contain("error: Nothing was changed.");
      expect(controller.told).to.deep.equal([]);
      expect(code).to.equal(1);
    });

    it("asks, says what the controller did, and waits until the server has ended", async () => {
      await emulator.put("desired-state", "stopped");
      controllerAnswers([stop(), { do: "terminate", instanceIds: [site.instanceId], reason: "the site is stopped" }]);
      const end = once(endServer);
      const { code, screen } = await inTerminal(["server", "pause"], [{ on: "Pause prod-tokyo?", type: "y\r" }], {
        env,
        during: (child, said) =>
          child.stdout?.on("data", () => {
            if (said().includes("the site is stopped.")) end();
          }),
      });
      expect(screen).to.contain("The site is paused from now on: no server is started.");
      expect(screen).to.contain(`It ended ${site.instanceId}: the site is stopped.`);
      expect(screen).to.match(/The site is paused\.\s*$/);
      expect(code).to.equal(0);
    });

    it("waits on when AWS cannot be reached for a while: the order has been given", async () => {
      await emulator.put("desired-state", "stopped");
      controllerAnswers([stop()]);
      const aws = await FaultyAws.start(emulator);
      const FIRST_LOOK = 1;
      const ALL_TRIES_OF_A_LOOK = 5;
      const end = once(endServer);
      aws.fate = (operation, before) => {
        if (operation !== "" || before < FIRST_LOOK) return "answered";
        if (before < FIRST_LOOK + ALL_TRIES_OF_A_LOOK) return "lost";
        end();
        return "answered";
      };
      const { code, stdout, stderr } = await stingy(["server", "pause", "--yes"], {
        env: { ...aws.env, ...controller.env },
      });
      aws.stop();
      expect(stderr).to.match(/^AWS cannot be reached in ap-northeast-1 \(\w+\)\. It is tried again\.$/m);
      expect(stdout).to.match(/The site is paused\.\n$/);
      expect(code).to.equal(0);
    });

    it("waits no more when three looks in a row find that somebody else wants the site to run", async () => {
      controllerAnswers([stop()]);
      const aws = await FaultyAws.start(emulator);
      const { code, stdout, stderr } = await stingy(["server", "pause", "--yes"], {
        env: { ...aws.env, ...controller.env },
      });
      aws.stop();
      expect(stdout).to.equal("The site is paused from now on: no server is started.\n");
      expect(stderr).to.equal(
        `Waiting for the end of ${site.instanceId}\n` +
          'error: The site\'s desired-state is "running", not "stopped": somebody else changed it.\n' +
          "Look at it: npx stingy status\n",
      );
      expect(aws.count("GetParameters"), "the look before the order and those after it").to.equal(1 + 3);
      expect(code).to.equal(1);
    });

    it("ends with 2 where it has happened, but a person is needed", async () => {
      await emulator.put("desired-state", "stopped");
      controllerAnswers([stop()], [{ code: "launch-refused-quota", message: "Ask for more." }]);
      const { code, stdout } = await stingy(["server", "pause", "--yes"], {
        env,
        during: (child) => child.stdout?.once("data", endServer),
      });
      expect(stdout).to.match(/The site is paused\.\n$/);
      expect(code).to.equal(2);
    });

    it("refuses to go on unasked where nobody can be asked", async () => {
      const { code, stdout, stderr } = await stingy(["server", "pause"], { env });
      expect(stdout).to.equal("");
      expect(stderr).to.equal(
        "error: Pause prod-tokyo? Its server ends and everybody is disconnected until it is resumed. Nobody can be asked here.\n" +
          "Add --yes to say so beforehand.\n",
      );
      expect(code).to.equal(64);
    });

    it("only gives the order with --yes --no-wait", async () => {
      controllerAnswers([stop()]);
      const { code, stdout, stderr } = await stingy(["server", "pause", "--yes", "--no-wait"], { env });
      expect(stdout).to.equal("The site is paused from now on: no server is started.\n");
      expect(stderr).to.equal("It goes on by itself. Look at it: npx stingy status --watch\n");
      expect(controller.told).to.deep.equal([{ kind: "command", command: "pause" }]);
      expect(code).to.equal(0);
    });

    it("has nothing to do where the site is paused", async () => {
      await emulator.put("desired-state", "stopped");
      await endServer();
      const { code, stdout } = await stingy(["server", "pause"], { env });
      expect(stdout).to.equal("The site is paused already.\n");
      expect(code).to.equal(0);
    });
  });

  describe("resume", () => {
    it("follows the new server until it serves", async () => {
      await tagState("");
      await emulator.put("desired-state", "stopped");
      controllerAnswers([{ do: "set-desired-state", state: "running" }]);
      const serve = once(() => tagState("serving"));
      const { code, stdout, stderr } = await stingy(["server", "resume"], {
        env,
        during: (child, said) => {
          child.stdout?.once("data", () => emulator.put("desired-state", "running"));
          child.stderr?.on("data", () => {
            if (said().includes("begins to serve")) serve();
          });
        },
      });
      expect(stdout).to.equal(`The site is to run from now on.\n${site.instanceId} serves.\n`);
      expect(stderr).to.equal(`${site.instanceId} has the address and begins to serve\n${site.instanceId} serves.\n`);
      expect(controller.told).to.deep.equal([{ kind: "command", command: "resume" }]);
      expect(code).to.equal(0);
    });

    it("has nothing to do where a server serves", async () => {
      const { code, stdout } = await stingy(["server", "resume"], { env });
      expect(stdout).to.equal(`The site is not paused: ${site.instanceId} serves.\n`);
      expect(code).to.equal(0);
    });
  });

  describe("replace", () => {
    const noticed = (): Action => ({
      do: "mark",
      instanceId: site.instanceId,
      mark: "notice",
      value: "replace 2026-11-21T12:00:00.000Z",
      why: "the word is not repeated",
    });

    it("leaves the waiting alone at Ctrl-C, and says that the work goes on", async () => {
      controllerAnswers([noticed()]);
      const { code, screen } = await inTerminal(
        ["server", "replace"],
        [
          { on: `It noted that ${site.instanceId} is to be replaced.`, type: "" },
          { on: "Waiting for a new machine", type: "\x03" },
        ],
        { env },
      );
      expect(screen).to.contain("A new server takes over while the old one serves: nobody is disconnected.");
      expect(screen).to.contain("You do not wait any more; the controller goes on by itself.");
      expect(controller.told).to.deep.equal([{ kind: "command", command: "replace" }]);
      expect(code).to.equal(130);
    });

    it("ends with 2 and the controller's words where a person is needed", async () => {
      controllerAnswers([], [{ code: "launch-refused-quota", message: "AWS refused a spot machine. Ask for more." }]);
      const { code, stdout, stderr } = await stingy(["server", "replace", "--no-wait"], { env });
      expect(stdout).to.equal("The controller had nothing to do at this moment.\n");
      expect(stderr).to.contain("A person is needed: AWS refused a spot machine. Ask for more.\n");
      expect(code).to.equal(2);
    });

    it("asks first where the site has no Elastic IP, as devices have to reconnect", async () => {
      const config = path.join(folderWith({ "stingy.yaml": `${NAMED}    elasticIp: false\n` }), "stingy.yaml");
      const { code, stderr } = await stingy(["server", "replace", "--config", config], { env });
      expect(stderr).to.contain("error: Replace the server? The site has no Elastic IP: devices have to reconnect.");
      expect(code).to.equal(64);
    });

    it("refuses where the site is paused", async () => {
      await emulator.put("desired-state", "stopped");
      const { code, stderr } = await stingy(["server", "replace"], { env });
      expect(stderr).to.equal(
        "error: The site is paused: there is no server to replace.\nResume it: npx stingy server resume\n",
      );
      expect(code).to.equal(1);
    });

    it("refuses a time that is none", async () => {
      const { code, stderr } = await stingy(["server", "replace", "--wait-minutes", "0"], { env });
      expect(stderr).to.equal(
        "error: --wait-minutes 0 is no number of minutes.\nGive a whole number from 1 to 1440, or --no-wait.\n",
      );
      expect(code).to.equal(64);
    });

    it("says that a site is not deployed", async () => {
      await emulator.reset();
      const { code, stderr } = await stingy(["server", "replace"], { env });
      expect(stderr).to.contain("error: The site prod-tokyo is not deployed");
      expect(code).to.equal(1);
    });
  });

  describe("shell", () => {
    /** Programs that say how they were called. */
    function toolsNamed(programs: Readonly<Record<string, number>>): string {
      const folder = folderWith();
      for (const [name, code] of Object.entries(programs)) {
        const file = path.join(folder, name);
        writeFileSync(file, `#!/bin/sh\necho "${name} $*"\nexit ${code}\n`);
        chmodSync(file, 0o755);
      }
      return folder;
    }
    const command = () => `aws ssm start-session --region ${REGION} --target ${site.instanceId}\n`;

    it("opens a session on the server", async () => {
      const PATH = toolsNamed({ aws: 0, "session-manager-plugin": 0 });
      const { code, stdout, stderr } = await stingy(["server", "shell"], { env: { ...env, PATH } });
      expect(stdout).to.equal(command());
      expect(stderr).to.equal("");
      expect(code).to.equal(0);
    });

    it("ends as the AWS CLI ends", async () => {
      const PATH = toolsNamed({ aws: 254, "session-manager-plugin": 0 });
      const { code, stderr } = await stingy(["server", "shell"], { env: { ...env, PATH } });
      expect(stderr).to.equal("The AWS CLI says above what is wrong.\n");
      expect(code).to.equal(254);
    });

    it("prints the command, for which no tool is needed", async () => {
      const { code, stdout } = await stingy(["server", "shell", "--print"], { env: { ...env, PATH: folderWith() } });
      expect(stdout).to.equal(command());
      expect(code).to.equal(0);
    });

    it("says where to get the AWS CLI", async () => {
      const { code, stderr } = await stingy(["server", "shell"], { env: { ...env, PATH: folderWith() } });
      expect(stderr).to.match(
        /^error: The AWS CLI \(`aws`\) is not on this computer\.\nInstall it: https:\/\/docs\.aws/,
      );
      expect(code).to.equal(1);
    });

    it("says where to get its plugin", async () => {
      const { code, stderr } = await stingy(["server", "shell"], { env: { ...env, PATH: toolsNamed({ aws: 0 }) } });
      expect(stderr).to.match(/^error: The AWS CLI's Session Manager plugin \(`session-manager-plugin`\) is not on/);
      expect(code).to.equal(1);
    });

    it("opens no session where there is no server", async () => {
      await endServer();
      const gone = await stingy(["server", "shell"], { env });
      expect(gone.stderr).to.equal("error: There is no server at this moment.\nLook at the site: npx stingy status\n");
      expect(gone.code).to.equal(1);
      await emulator.put("desired-state", "stopped");
      const paused = await stingy(["server", "shell"], { env });
      expect(paused.stderr).to.equal(
        "error: The site is paused: there is no server.\nResume it: npx stingy server resume\n",
      );
    });

    it("opens one on an instance of the site alone", async () => {
      const other = await stingy(["server", "shell", "--print", "--instance", "i-0123456789abcdef0"], { env });
      expect(other.stderr).to.contain("error: The site has no instance i-0123456789abcdef0.\n");
      const nonsense = await stingy(["server", "shell", "--print", "--instance", "tokyo; rm -rf"], { env });
      expect(nonsense.stderr).to.contain("error: --instance tokyo; rm -rf is no instance id.\n");
      expect(nonsense.code).to.equal(64);
    });
  });

  describe("logs", () => {
    let base: number;
    const time = (seconds: number) => new Date(base + seconds * 1000).toISOString();
    let logs: CloudWatchLogsClient;

    beforeEach(async () => {
      base = Date.now() - 20_000;
      logs = new CloudWatchLogsClient({
        endpoint: emulator.url,
        region: REGION,
        credentials: { accessKeyId: "test", secretAccessKey: "test" },
      });
      await logs.send(new CreateLogGroupCommand({ logGroupName: CONTROLLER }));
      await logs.send(new CreateLogStreamCommand({ logGroupName: CONTROLLER, logStreamName: "1" }));
      await controllerSays([
        [0, "START RequestId: 1 Version: $LATEST\n"],
        [1, '{"server":"i-1","time":"x","level":"info","message":"looked"}\n'],
        [3, '{"problems":[{"code":"quota"}],"time":"x","level":"error","message":"a person is needed"}\n'],
      ]);
      await serverSays([
        [2, "6", "stingy-watch", 'stingy-watch: level=warning event=notice kind="interruption"'],
        [4, "6", "systemd", "Finished Proves that the server can serve."],
      ]);
    });

    const controllerSays = (lines: readonly (readonly [number, string])[]) =>
      logs.send(
        new PutLogEventsCommand({
          logGroupName: CONTROLLER,
          logStreamName: "1",
          logEvents: lines.map(([at, message]) => ({ timestamp: base + at * 1000, message })),
        }),
      );

    /** What `journalctl` of the command that reads the journal gives. */
    async function serverSays(lines: readonly (readonly [number, string, string, string])[]): Promise<void> {
      const text = lines
        .map(([at, ...rest]) => JSON.stringify([`${(base + at * 1000) * 1000}`, ...rest]))
        .reverse()
        .join("\n");
      const output = gzipSync(text).toString("base64");
      await emulator.moto.answer("stingy-vpn-prod-tokyo-journal", { output });
    }

    it("shows server and Lambdas in one stream, in the order of time, and of a key the beginning alone", async () => {
      const KEY = generatePrivateKey();
      await controllerSays([[5, `{"time":"x","level":"warn","message":"wg set ${KEY}","peer":"${KEY}"}\n`]]);
      await serverSays([
        [2, "6", "stingy-watch", 'stingy-watch: level=warning event=notice kind="interruption"'],
        [4, "6", "stingy-sync", `stingy-sync: level=info event=unknown-peer key="${KEY}"`],
      ]);
      const { code, stdout, stderr } = await stingy(["server", "logs"], { env });
      expect(stdout).to.equal(
        `${time(1)} controller info  looked server=i-1
${time(2)} server     warn  stingy-watch: notice kind=interruption
${time(3)} controller error a person is needed problems=[{"code":"quota"}]
${time(4)} server     info  stingy-sync: unknown-peer key=${KEY.slice(0, 4)}…
${time(5)} controller warn  wg set ${KEY.slice(0, 4)}… peer=${KEY.slice(0, 4)}…
`,
      );
      expect(stderr).to.equal("");
      expect(code).to.equal(0);
    });

    it("leaves nothing out with --all, and gives one JSON object a line with --json", async () => {
      const { stdout } = await stingy(["server", "logs", "--all", "--json"], { env });
      const lines = stdout
        .trim()
        .split("\n")
        .map((text) => JSON.parse(text));
      expect(lines.map(({ source, message }) => [source, message])).to.deep.equal([
        ["controller", "START RequestId: 1 Version: $LATEST"],
        ["controller", "looked"],
        ["server", "stingy-watch: notice"],
        ["controller", "a person is needed"],
        ["server", "systemd: Finished Proves that the server can serve."],
      ]);
    });

    it("shows only what is asked for", async () => {
      const { stdout } = await stingy(["server", "logs", "--source", "controller", "--grep", "QUOTA"], { env });
      expect(stdout).to.equal(`${time(3)} controller error a person is needed problems=[{"code":"quota"}]\n`);
      const late = await stingy(["server", "logs", "--source", "controller", "--since", time(2)], { env });
      expect(late.stdout).to.equal(stdout);
    });

    it("shows the rest where a log group is missing, and fails where there is nothing else", async () => {
      const config = path.join(folderWith({ "stingy.yaml": NAMED }), "stingy.yaml");
      const { code, stdout, stderr } = await stingy(["server", "logs", "--config", config], { env });
      expect(stdout.trim().split("\n")).to.have.length(3);
      expect(stderr).to.equal(
        "The log of the ddns cannot be read: There is no log group /aws/lambda/stingy-vpn-prod-tokyo-ddns-updater in ap-northeast-1.\n",
      );
      expect(code).to.equal(0);
      await emulator.reset();
      const none = await stingy(["server", "logs"], { env });
      expect(none.stderr).to.contain("is not deployed: ap-northeast-1 has nothing under /stingy-vpn/prod.");
      expect(none.code).to.equal(1);
    });

    it("shows what posts alarms to the webhook as one more source, where there is one", async () => {
      const FORWARDER = "/aws/lambda/stingy-vpn-prod-tokyo-alert-forwarder";
      await logs.send(new CreateLogGroupCommand({ logGroupName: FORWARDER }));
      await logs.send(new CreateLogStreamCommand({ logGroupName: FORWARDER, logStreamName: "1" }));
      await logs.send(
        new PutLogEventsCommand({
          logGroupName: FORWARDER,
          logStreamName: "1",
          logEvents: [{ timestamp: Date.now(), message: '{"level":"info","message":"posted"}' }],
        }),
      );
      const config = path.join(
        folderWith({ "stingy.yaml": "sites:\n  tokyo:\n    monitoring: { webhook: json }\n" }),
        "stingy.yaml",
      );
      const { stdout } = await stingy(["server", "logs", "--config", config, "--json"], { env });
      const sources = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).source);
      expect(sources).to.include("webhook").and.to.include("controller");
      const without = await stingy(["server", "logs", "--source", "webhook"], { env });
      expect([without.stdout, without.stderr]).to.deep.equal([
        "",
        "The site has no webhook, so there is nothing to show.\n",
      ]);
    });

    /** A command, while Systems Manager refuses so many times to tell the server anything. */
    async function whileRefused(
      error: string,
      times: number,
      args: readonly string[],
      options: Parameters<typeof stingy>[1] = {},
    ) {
      const aws = await FaultyAws.start(emulator);
      try {
        aws.fate = (operation, before) => (operation === "SendCommand" && before < times ? { error } : "answered");
        return await stingy(["server", "logs", ...args], { env: aws.env, ...options });
      } finally {
        aws.stop();
      }
    }

    it("fails where the server alone is asked for and does not answer", async () => {
      const { code, stdout, stderr } = await whileRefused("InvalidInstanceId", 9, ["--source", "server", "--json"]);
      expect(stdout).to.equal("");
      expect(stderr).to.equal(
        `error: The log of ${site.instanceId} cannot be read: Systems Manager does not reach the server ${site.instanceId}.\n` +
          "`npx stingy doctor` says what keeps a server from answering.\n",
      );
      expect(code).to.equal(1);
    });

    it("shows the rest where the server cannot be read, and says why", async () => {
      const { code, stdout, stderr } = await whileRefused("InvalidDocument", 9, []);
      expect(stdout).to.equal(
        `${time(1)} controller info  looked server=i-1
${time(3)} controller error a person is needed problems=[{"code":"quota"}]
`,
      );
      expect(stderr).to.equal(
        `The log of ${site.instanceId} cannot be read: the site was deployed by an older version: run \`npx cdktf deploy '*'\`.\n`,
      );
      expect(code).to.equal(0);
    });

    it("follows a server that does not answer yet, and shows what it said until it did", async () => {
      await serverSays([[-300, "6", "stingy-boot", "hello"]]);
      const { code, stdout, stderr } = await whileRefused("InvalidInstanceId", 1, ["--follow", "--source", "server"], {
        during: (child, said) =>
          child.stdout?.on("data", () => {
            if (said().includes("hello")) child.kill("SIGINT");
          }),
      });
      expect(stdout).to.equal(`${time(-300)} server     info  stingy-boot: hello\n`);
      expect(stderr).to.equal(
        `The log of ${site.instanceId} cannot be read: Systems Manager does not reach the server ${site.instanceId}.\n`,
      );
      expect(code).to.equal(0);
    });

    it("reads the journal with the tools that the server has", () => {
      const entry = (seconds: number, MESSAGE: unknown) =>
        JSON.stringify({
          __REALTIME_TIMESTAMP: `${(base + seconds * 1000) * 1000}`,
          PRIORITY: "6",
          SYSLOG_IDENTIFIER: "stingy-sync",
          MESSAGE,
          _BOOT_ID: "x",
        });
      const journal = [
        entry(3, 'stingy-sync: level=info event=in-step peers="5"'),
        entry(2, [255, 0]),
        entry(1, "hello"),
      ];
      const folder = folderWith({ journal: `${journal.join("\n")}\n` });
      const fake = path.join(folder, "journalctl");
      writeFileSync(fake, `#!/bin/sh\necho "$@" >${folder}/asked\ncat ${folder}/journal\n`);
      chmodSync(fake, 0o755);
      const output = execFileSync("sh", ["-c", journalCommand("1795262400")], {
        env: { PATH: `${folder}:${process.env.PATH}` },
        encoding: "utf8",
      });
      const lines = readJournal(output, site.instanceId, "server");
      expect(lines.map(({ at, message, fields }) => [at.toISOString(), message, fields])).to.deep.equal([
        [time(1), "stingy-sync: hello", {}],
        [time(3), "stingy-sync: in-step", { peers: "5" }],
      ]);
      expect(readFileSync(path.join(folder, "asked"), "utf8")).to.equal(
        "--quiet --no-pager --reverse --output json --since @1795262400 --unit stingy-* --unit cloud-final\n",
      );
    });

    it("refuses a source and a time that are none", async () => {
      const source = await stingy(["server", "logs", "--source", "client"], { env });
      expect(source.stderr).to.contain("Allowed choices are controller, ddns, webhook, server.");
      expect(source.code).to.equal(64);
      const since = await stingy(["server", "logs", "--since", "yesterday"], { env });
      expect(since.stderr).to.equal(
        "error: --since yesterday is no time.\nGive 30s, 15m, 2h or 3d, or a time such as 2026-11-21T09:00Z.\n",
      );
      expect(since.code).to.equal(64);
    });

    it("follows what is said, each line once, until Ctrl-C", async () => {
      const sayMore = once(() => controllerSays([[5, '{"time":"x","level":"info","message":"launched"}\n']]));
      const { code, stdout } = await stingy(["server", "logs", "--follow", "--source", "controller"], {
        env,
        during: (child, said) =>
          child.stdout?.on("data", () => {
            sayMore();
            if (said().includes("launched")) child.kill("SIGINT");
          }),
      });
      expect(stdout).to.equal(
        `${time(1)} controller info  looked server=i-1
${time(3)} controller error a person is needed problems=[{"code":"quota"}]
${time(5)} controller info  launched
`,
      );
      expect(code).to.equal(0);
    });
  });
});

const NAMED = `
sites:
  tokyo:
    dns:
      provider: cloudflare
      zone: example.com
      zoneId: 0123456789abcdef0123456789abcdef
      name: vpn.example.com
`;
