import { listed, say } from "../sentence";
import type { Rule } from "./rule";

export const OTHER_RULES: readonly Rule[] = [
  {
    id: "drift",
    finds: "something was changed by another hand than Terraform's",
    look: ({ drifted }) => {
      const found = drifted.map(({ address }) => address);
      return found.length === 0
        ? []
        : [
            {
              severity: "attention",
              about: [],
              text: say`Changed by another hand since the last apply: ${listed(found)}. What the plan changes there puts it back.`,
            },
          ];
    },
  },
  {
    id: "terraform-version",
    finds: "the state was written by an older Terraform",
    look: ({ plan, changed }) => {
      const [was, is] = [plan.prior_state?.terraform_version, plan.terraform_version];
      // Without changes the state is not written.
      return was === undefined || is === undefined || was === is || changed.length === 0
        ? []
        : [
            {
              severity: "info",
              about: [],
              text: say`The plan was made with version ${is}, the state with ${was}: after the apply, everybody needs ${is} or later.`,
            },
          ];
    },
  },
  {
    id: "moved",
    finds: "a resource gets another address in Terraform and stays itself",
    look: ({ resources }) => {
      const moved = resources.filter(
        ({ change }) => change.previous_address !== undefined && change.previous_address !== change.address,
      );
      return moved.length === 0
        ? []
        : [
            {
              severity: "info",
              about: moved.map(({ address }) => address),
              text: say`Only their names in Terraform change: ${listed(moved.map(({ change, address }) => `${change.previous_address} → ${address}`))}.`,
            },
          ];
    },
  },
];
