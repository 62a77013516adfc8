import type { InvokeCommand } from "@aws-sdk/client-lambda";
import { expect } from "chai";
import { COMMANDS, hintOf } from "../../assets/lambda/recovery-handler/hint";
import type { Aws } from "../../cli/aws";
import { type ControllerCommand, commandController } from "../../cli/controller";
import { EXIT, type ExitCode } from "../../cli/exit";
import { tone } from "../../cli/output";
import { ended } from "../../cli/server/order";
import type { Progress } from "../../cli/server/wait";

const HOME = { environment: "prod", site: "tokyo" };

describe("a command to the controller", () => {
  let input: InvokeCommand["input"];
  /** How long the answer is waited for, in milliseconds; undefined is as long as any other of AWS's. */
  let waited: number | undefined;

  function give(command: ControllerCommand, answer = '{"done":[],"problems":[]}', FunctionError?: string) {
    return giveTo(async () => ({ Payload: { transformToString: () => answer }, FunctionError }), command);
  }

  function giveTo(lambda: () => Promise<unknown>, command: ControllerCommand = "replace") {
    const send = (sent: InvokeCommand, options: { readonly requestTimeout?: number }) => {
      input = sent.input;
      waited = options.requestTimeout;
      return lambda();
    };
    const aws = { region: "eu-west-1", lambda: async () => ({ send }) } as unknown as Aws;
    return commandController(aws, "the-controller", command);
  }

  const thrown = (given: Promise<unknown>) =>
    given.then(
      () => expect.fail("nothing was thrown"),
      (error) => error,
    );

  for (const command of COMMANDS) {
    it(`is ${command} to the controller, too`, async () => {
      await give(command);
      const event = JSON.parse(Buffer.from(input.Payload as Uint8Array).toString());
      expect(input.FunctionName).to.equal("the-controller");
      expect(hintOf(event, HOME, new Date())).to.deep.equal({ kind: "command", command });
    });
  }

  it("is waited for as long as the controller may run, so that it is not given twice", async () => {
    for (const command of ["pause", "resume", "replace"] as const) {
      await give(command);
      expect(waited, command).to.equal(310_000);
    }
  });

  it("that only asks is given up as early as any other question", async () => {
    await give("status");
    expect(waited).to.equal(undefined);
  });

  it("that is answered by something else says so", async () => {
    for (const answer of ["", "null", "{}", '{"done":[]}', "no JSON"]) {
      const error = await thrown(give("replace", answer));
      expect(error.message, answer).to.equal("The controller gave an answer that makes no sense.");
    }
  });

  it("that the controller fails at gives its reason", async () => {
    for (const [answer, reason] of [
      ['{"errorType":"Error","errorMessage":"EC2 is closed"}', "EC2 is closed"],
      ["{}", "it gave no reason"],
      ["", "it gave no reason"],
    ] as const) {
      const error = await thrown(give("replace", answer, "Unhandled"));
      expect(error, answer).to.include({
        message: `The controller failed: ${reason}`,
        fix: "Its log says more: `npx stingy server logs`. It looks again by itself every five minutes.",
      });
    }
  });

  it("that finds no controller says which and where", async () => {
    const missing = Object.assign(new Error("Function not found"), { name: "ResourceNotFoundException" });
    const error = await thrown(giveTo(() => Promise.reject(missing)));
    expect(error).to.include({
      message: "There is no controller the-controller in eu-west-1.",
      fix: "Run `npx cdktf deploy '*'`. If the site is deployed, check AWS_PROFILE and the setting `region`.",
      cause: missing,
    });
  });

  it("that Lambda refuses for another reason says nothing of its own", async () => {
    const refused = Object.assign(new Error("no"), { name: "AccessDeniedException" });
    expect(await thrown(giveTo(() => Promise.reject(refused)))).to.equal(refused);
  });
});

describe("waiting after an order", () => {
  const DONE = { done: true, text: "The site is paused." };
  const NOT_YET = { done: false, text: "Waiting for a new machine" };

  function endedWith(end: Progress | undefined, exit: ExitCode) {
    const said = { stdout: "", stderr: "" };
    const keep = (name: keyof typeof said) => {
      const { write } = process[name];
      process[name].write = (text: unknown) => {
        said[name] += text;
        return true;
      };
      return () => {
        process[name].write = write;
      };
    };
    const giveBack = [keep("stdout"), keep("stderr")];
    try {
      return { code: ended(end, { forMs: 15 * 60_000, exit }), said };
    } finally {
      for (const each of giveBack) each();
    }
  }

  it("ends as the order does when it has happened", () => {
    for (const code of [EXIT.ok, EXIT.attention]) {
      const stdout = `${tone("good", DONE.text)}\n`;
      expect(endedWith(DONE, code)).to.deep.equal({ code, said: { stdout, stderr: "" } });
    }
  });

  it("ends with 2 when it has not happened in time, and says how far it is", () => {
    expect(endedWith(NOT_YET, EXIT.ok)).to.deep.equal({
      code: 2,
      said: {
        stdout: "",
        stderr:
          "It has not happened in 15 min (Waiting for a new machine); the controller goes on by itself. " +
          "Look at it: npx stingy status\n",
      },
    });
  });

  it("ends with 2 when it is given up", () => {
    expect(endedWith(undefined, EXIT.ok)).to.deep.equal({
      code: 2,
      said: {
        stdout: "",
        stderr: "You do not wait any more; the controller goes on by itself. Look at it: npx stingy status --watch\n",
      },
    });
  });
});
