import type { Command } from "commander";

export function addRender(_program: Command): void {}
