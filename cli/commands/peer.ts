import type { Command } from "commander";

export function addPeer(_program: Command): void {}
