import { GetCommandInvocationCommand, SendCommandCommand } from "@aws-sdk/client-ssm";
import { expect } from "chai";
import type { Aws } from "../../cli/aws";
import { runDocument, whyNot, whyNotDone } from "../../cli/run-document";

const SERVER = "i-0aaaaaaaaaaaaaaaa";
const failure = (name: string, message = name) => Object.assign(new Error(message), { name });

function awsThat(sends: () => object, answers: () => object = () => ({})): Aws {
  const send = async (command: unknown) => {
    if (command instanceof SendCommandCommand) return sends();
    if (command instanceof GetCommandInvocationCommand) return answers();
    throw new Error("unexpected");
  };
  return { region: "eu-west-1", ssm: async () => ({ send }) } as unknown as Aws;
}

const run = (aws: Aws) => runDocument(aws, { document: "d", instanceId: SERVER, waitMs: 0 });
const throws = (name: string) => () => {
  throw failure(name);
};

describe("a document that a server is told to run", () => {
  for (const [what, aws, result, why] of [
    [
      "has run",
      awsThat(
        () => ({ Command: { CommandId: "1" } }),
        () => ({ Status: "Success", StandardOutputContent: "hello" }),
      ),
      { status: "Success", output: "hello" },
      undefined,
    ],
    [
      "has failed",
      awsThat(
        () => ({ Command: { CommandId: "1" } }),
        () => ({ Status: "Failed", StandardOutputContent: "oh" }),
      ),
      { status: "Failed", output: "oh" },
      `the server ${SERVER} says Failed`,
    ],
    [
      "has not been answered",
      awsThat(() => ({ Command: { CommandId: "1" } }), throws("InvocationDoesNotExist")),
      { status: "Pending", output: "" },
      `the server ${SERVER} has not answered in time`,
    ],
    [
      "cannot be passed on to it",
      awsThat(throws("InvalidInstanceId")),
      { status: "Unregistered", output: "" },
      `Systems Manager does not reach the server ${SERVER}`,
    ],
  ] as const) {
    it(`${what}: ${why ?? "there is nothing to say"}`, async () => {
      const found = await run(aws);
      expect(found).to.deep.equal(result);
      expect(whyNotDone(found, SERVER)).to.equal(why);
    });
  }

  it("passes on what else AWS says", async () => {
    const error = await run(awsThat(throws("InvalidDocument"))).catch((thrown) => thrown);
    expect(error).to.include({ name: "InvalidDocument" });
    expect(whyNot(error, "eu-west-1")).to.equal(
      "the site was deployed by an older version: run `npx cdktf deploy '*'`",
    );
    expect(whyNot(failure("AccessDeniedException", "You may not."), "eu-west-1")).to.equal(
      "AWS refuses this to your role: You may not",
    );
  });
});
