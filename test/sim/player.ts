/** The simulation together with the controller it drives: the entry of what compile.ts makes. */
export { createController } from "../../assets/lambda/recovery-handler/run";
export { runBatch } from "./batch";
export { generate } from "./generate";
export { report } from "./report";
export { shrink } from "./shrink";
export { simulate } from "./simulate";
