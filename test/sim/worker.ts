import { parentPort, workerData } from "node:worker_threads";
import { load } from "./compile";
import { outsidePromises } from "./engine";

const { file, first, schedules } = workerData as { file: string; first: number; schedules: number };
const { createController, runBatch } = load(file);
outsidePromises(() => runBatch(first, schedules, createController)).then((batch) => parentPort?.postMessage(batch));
