import type { Command } from "commander";

export function addCost(_program: Command): void {}
