import { spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { expect } from "chai";
import { Emulator } from "./support/emulator";
import { cleanEnvironment, folderWith, type Ran, ROOT, stingy } from "./support/stingy";

/** A command that reads: it has nothing of its own to say of what goes wrong here. */
const READ = ["peer", "list", "--no-live"];
const STACK = /^\s+at /m;
const ATTEMPTS = 5;

interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** An AWS that always gives the same answer, in JSON or XML as the service does. */
class StubbornAws {
  requests = 0;
  private answer: Answer = { status: 500, code: "InternalServerError", message: "" };
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      this.requests++;
      const { status, code, message } = this.answer;
      request.resume();
      if (request.headers["x-amz-target"]) {
        response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
        response.end(JSON.stringify({ __type: code, message }));
      } else {
        response.writeHead(status, { "content-type": "text/xml" });
        response.end(`<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`);
      }
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
  }

  close(): void {
    this.server.close();
  }

  always(status: number, code: string, message = "no"): void {
    this.answer = { status, code, message };
    this.requests = 0;
  }

  get env(): Record<string, string> {
    const { port } = this.server.address() as AddressInfo;
    return { AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`, AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" };
  }
}

/** One message on standard error, nothing to take for an answer on standard output, and no stack trace. */
function expectRefusal({ code, stdout, stderr }: Ran, wanted: { code: number; says: string; fix: string }): void {
  expect(stderr).to.contain(wanted.says).and.contain(wanted.fix);
  expect(stderr).to.match(/^error: /);
  expect(stderr).to.not.match(STACK);
  expect(stderr).to.not.contain("\x1b");
  expect(stdout).to.equal("");
  expect(code).to.equal(wanted.code);
}

describe("what goes wrong", () => {
  let emulator: Emulator;
  const aws = new StubbornAws();

  before(async () => {
    emulator = await Emulator.start();
    await aws.listen();
  });
  after(() => aws.close());

  describe("with credentials", () => {
    it("that are not there", async () => {
      expectRefusal(await stingy(READ), {
        code: 1,
        says: "There are no AWS credentials.",
        fix: "Run `aws configure sso`",
      });
    });

    it("of a profile that is not there", async () => {
      expectRefusal(await stingy(READ, { env: { AWS_PROFILE: "nobody" } }), {
        code: 1,
        says: 'The AWS profile "nobody" (AWS_PROFILE) gives no credentials',
        fix: "Correct AWS_PROFILE",
      });
    });

    for (const [service, args] of [
      ["JSON", READ],
      ["XML", ["init", "--check"]],
    ] as const) {
      it(`that have expired, said in ${service}`, async () => {
        aws.always(service === "JSON" ? 400 : 403, service === "JSON" ? "ExpiredTokenException" : "ExpiredToken");
        expectRefusal(await stingy(args, { env: aws.env }), {
          code: 1,
          says: "Your AWS credentials have expired.",
          fix: "aws sso login",
        });
      });
    }

    it("that AWS does not know", async () => {
      aws.always(400, "UnrecognizedClientException", "The security token included in the request is invalid.");
      expectRefusal(await stingy(READ, { env: aws.env }), {
        code: 1,
        says: "AWS does not accept your credentials (UnrecognizedClientException).",
        fix: "that the account has the region ap-northeast-1 enabled",
      });
    });

    it("whose role may not do it", async () => {
      const refusal =
        "User: arn:aws:sts::123456789012:assumed-role/reader/me is not authorized to perform: ssm:GetParametersByPath";
      aws.always(400, "AccessDeniedException", refusal);
      expectRefusal(await stingy(READ, { env: aws.env }), {
        code: 1,
        says: `AWS refuses this to your role: ${refusal}`,
        fix: "Add the permission it names to your role",
      });
    });
  });

  describe("with AWS", () => {
    it("which wants fewer calls, after as many attempts as are said", async () => {
      aws.always(400, "ThrottlingException", "Rate exceeded");
      expectRefusal(await stingy(READ, { env: aws.env }), {
        code: 1,
        says: `AWS asks for fewer calls (ThrottlingException, after ${ATTEMPTS} attempts).`,
        fix: "Wait a minute and run the command again",
      });
      expect(aws.requests % ATTEMPTS).to.equal(0);
    });

    it("which has a problem of its own", async () => {
      aws.always(500, "InternalServerError", "try again");
      expectRefusal(await stingy(READ, { env: aws.env }), {
        code: 1,
        says: "AWS has a problem of its own (InternalServerError, HTTP 500): try again",
        fix: "https://health.aws.amazon.com",
      });
    });

    it("which cannot be reached", async () => {
      expectRefusal(await stingy(READ, { env: { ...aws.env, AWS_ENDPOINT_URL: "http://127.0.0.1:9" } }), {
        code: 1,
        says: "AWS cannot be reached in ap-northeast-1",
        fix: "Check the network, a proxy",
      });
    });
  });

  describe("with the configuration", () => {
    it("that is not there", async () => {
      expectRefusal(await stingy(["--config", "/nowhere/stingy.yaml", ...READ]), {
        code: 1,
        says: "/nowhere/stingy.yaml",
        fix: "there is no such file",
      });
    });

    it("that has a mistake, by its line", async () => {
      const file = path.join(folderWith({ "stingy.yaml": "sites:\n  tokyo:\n    regoin: x\n" }), "stingy.yaml");
      expectRefusal(await stingy(["--config", file, ...READ]), {
        code: 1,
        says: `${file}:3:5  sites.tokyo.regoin`,
        fix: 'did you mean "region"?',
      });
    });

    it("that has several sites, of which none is named", async () => {
      expectRefusal(await stingy([...READ, "--config", "examples/two-sites.yaml"], { cwd: ROOT }), {
        code: 64,
        says: "examples/two-sites.yaml has several sites.",
        fix: "--site tokyo (it has: tokyo, frankfurt)",
      });
    });

    it("that has no such site", async () => {
      expectRefusal(await stingy([...READ, "--site", "atlantis"]), {
        code: 64,
        says: 'There is no site "atlantis" in stingy.yaml.',
        fix: "It has: tokyo.",
      });
    });

    it("whose site is not deployed, or in another account or region", async () => {
      await emulator.reset();
      expectRefusal(await stingy(READ, { env: emulator.env }), {
        code: 1,
        says: "The site prod-tokyo is not deployed: ap-northeast-1 has nothing under /stingy-vpn/prod.",
        fix: "this may be another account or region",
      });
    });
  });

  describe("with what was typed", () => {
    for (const [what, args, says] of [
      ["a command that is nearly one", ["peeer"], "(Did you mean peer?)"],
      ["a command that is none", ["frobnicate"], "unknown command 'frobnicate'"],
      ["an option that is nearly one", ["peer", "list", "--jsn"], "(Did you mean --json?)"],
      ["an argument too many", ["status", "tokyo"], "too many arguments"],
      ["a choice that is none", ["init", "--backend", "floppy"], "Allowed choices are local, s3, cloud."],
      ["an option without its value", ["status", "--site"], "argument missing"],
      ["two options that contradict each other", ["init", "--check", "--offline"], "do not go together"],
    ] as const) {
      it(`is ${what}`, async () => {
        expectRefusal(await stingy(args), { code: 64, says, fix: "" });
      });
    }

    it("is no command at all: it shows the help", async () => {
      const { code, stdout, stderr } = await stingy([]);
      expect(code).to.equal(64);
      expect(stdout).to.equal("");
      expect(stderr).to.contain("Usage: stingy").and.contain("Exit codes: 0 done, 1 failed");
    });
  });

  describe("is told", () => {
    it("with its place to who asks for it with --debug", async () => {
      aws.always(400, "AccessDeniedException");
      const { stderr } = await stingy([...READ, "--debug"], { env: aws.env });
      expect(stderr).to.match(/^error: AWS refuses this/);
      expect(stderr).to.match(STACK);
      expect(stderr).to.contain("caused by: AccessDeniedException");
    });

    it("in colours only to who wants them", async () => {
      const coloured = await stingy(READ, { env: { FORCE_COLOR: "1" } });
      expect(coloured.stderr).to.contain("\x1b[31merror:\x1b[39m");
      const plain = await stingy(READ, { env: { NO_COLOR: "1", FORCE_COLOR: undefined } });
      expect(plain.stderr).to.not.contain("\x1b");
      const inCi = await stingy(READ, { env: { CI: "true" } });
      expect(inCi.stderr).to.not.contain("\x1b");
    });

    it("to nobody who has stopped reading", async () => {
      const child = spawn("bash", ["-c", "set -o pipefail; node cli/stingy.cjs --help | head -1"], {
        cwd: ROOT,
        env: cleanEnvironment(),
      });
      let said = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text) => {
          said += text;
        });
      }
      const code = await new Promise((resolve) => child.once("close", resolve));
      expect(said).to.equal("Usage: stingy [options] [command]\n");
      expect(code).to.equal(0);
    });
  });
});
