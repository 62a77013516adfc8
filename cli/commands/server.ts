import type { Command } from "commander";

export function addServer(_program: Command): void {}
