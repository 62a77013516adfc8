import { expect } from "chai";
import type { Aws } from "../../cli/aws";
import { type ControllerCommand, commandController } from "../../cli/controller";

describe("a command to the controller", () => {
  /** How long the answer is waited for, in milliseconds; undefined is as long as any other of AWS's. */
  async function waited(command: ControllerCommand, answer = '{"done":[],"problems":[]}'): Promise<number | undefined> {
    let given: { readonly requestTimeout?: number } | undefined;
    const send = async (_command: unknown, options: typeof given) => {
      given = options;
      return { Payload: { transformToString: () => answer } };
    };
    await commandController({ region: "eu-west-1", lambda: async () => ({ send }) } as unknown as Aws, "x", command);
    return given?.requestTimeout;
  }

  it("is waited for as long as the controller may run, so that it is not given twice", async () => {
    for (const command of ["pause", "resume", "replace"] as const) {
      expect(await waited(command), command).to.equal(310_000);
    }
  });

  it("that is answered by something else says so", async () => {
    for (const answer of ["", "null", "{}", '{"done":[]}', "no JSON"]) {
      const error = await waited("replace", answer).catch((thrown) => thrown);
      expect(error.message, answer).to.equal("The controller gave an answer that makes no sense.");
    }
  });

  it("that only asks is given up as early as any other question", async () => {
    expect(await waited("status")).to.equal(undefined);
  });
});
