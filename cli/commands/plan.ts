import type { Command } from "commander";
export function addPlan(_program: Command): void {}
