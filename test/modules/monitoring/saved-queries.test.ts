import { expect } from "chai";
import { SavedQueries } from "../../../modules/monitoring";
import { alone } from "../../support/alone";
import type { Json } from "../../support/synth";

describe("SavedQueries", () => {
  const queries = (serverLogGroup?: string): Record<string, Json> =>
    alone((stack) => {
      const props = { name: "vpn", controllerLogGroup: "/controller", functionLogGroups: ["/controller", "/updater"] };
      new SavedQueries(stack, "queries", serverLogGroup === undefined ? props : { ...props, serverLogGroup });
    }).resource.aws_cloudwatch_query_definition;
  const groups = (serverLogGroup?: string) =>
    Object.fromEntries(
      Object.values<Json>(queries(serverLogGroup)).map(({ name, log_group_names }) => [name, log_group_names]),
    );

  it("ask the controller's log for recoveries and every function's for errors", () => {
    expect(groups()).to.deep.equal({ "vpn/recoveries": ["/controller"], "vpn/errors": ["/controller", "/updater"] });
  });

  it("ask the server's log for its peers, where there is one", () => {
    expect(groups("/server")["vpn/peers"]).to.deep.equal(["/server"]);
  });

  it("give the newest first, and no more than a person reads", () => {
    for (const { query_string } of Object.values(queries("/server"))) {
      expect(query_string).to.match(/\| sort @timestamp desc\n\| limit 200$/);
    }
  });
});
