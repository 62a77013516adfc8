import type { Command } from "commander";

export function addStatus(_program: Command): void {}
