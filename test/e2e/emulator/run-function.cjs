/**
 * What Lambda's runtime does on Node.js: loads the handler once, then runs one event after another.
 * node run-function.cjs FOLDER HANDLER FD: events come and answers go as lines of JSON over the socket FD.
 */
"use strict";

const { existsSync, rmSync } = require("node:fs");
const net = require("node:net");
const path = require("node:path");
const readline = require("node:readline");
const { pathToFileURL } = require("node:url");

const [, , folder, handlerName, descriptor] = process.argv;
const socket = new net.Socket({ fd: Number(descriptor) });
let millisecondsAhead = 0;

/** Ages are told by the emulator's clock. */
function followClock() {
  const machine = Date;
  const now = () => machine.now() + millisecondsAhead;
  globalThis.Date = new Proxy(machine, {
    apply: () => new machine(now()).toString(),
    construct: (target, given, made) => Reflect.construct(target, given.length === 0 ? [now()] : given, made),
    get: (target, name, receiver) => (name === "now" ? now : Reflect.get(target, name, receiver)),
  });
  machine.prototype.constructor = globalThis.Date;
}

const answer = (message, after) => socket.write(`${JSON.stringify(message)}\n`, after);

function told(error, errorType) {
  if (!(error instanceof Error))
    return { errorType: errorType ?? typeof error, errorMessage: String(error), trace: [] };
  const trace = (error.stack ?? "").split("\n");
  return { errorType: errorType ?? error.name, errorMessage: error.message, trace };
}

function fail(error, errorType) {
  answer({ error: told(error, errorType), over: true }, () => process.exit(129));
}

async function load() {
  const dot = handlerName.lastIndexOf(".");
  const [module, name] = [handlerName.slice(0, dot), handlerName.slice(dot + 1)];
  const file = [".js", ".mjs", ".cjs"].map((suffix) => path.join(folder, module + suffix)).find(existsSync);
  const exported = await requireOrImport(file);
  const handler = exported[name];
  if (typeof handler === "function") return handler;
  throw Object.assign(new Error(`${handlerName} is undefined or not exported`), { name: "Runtime.HandlerNotFound" });
}

async function requireOrImport(file) {
  try {
    return require(file);
  } catch (error) {
    if (error.code !== "ERR_REQUIRE_ESM") throw error;
    return import(pathToFileURL(file));
  }
}

async function run(handler, { id, event, arn, within }) {
  const ends = performance.now() + within;
  const variables = process.env;
  const context = {
    awsRequestId: id,
    invokedFunctionArn: arn,
    functionName: variables.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: variables.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: variables.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: variables.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: variables.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(ends - performance.now())),
  };
  try {
    const result = await handler(event, context);
    answer({ result: result === undefined ? null : result });
  } catch (error) {
    answer({ error: told(error) });
  }
}

// The emulator is gone, however it ended.
socket.on("close", () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit();
});
socket.on("error", () => {});
process.on("uncaughtException", (error) => fail(error));
process.on("unhandledRejection", (error) => fail(error, "Runtime.UnhandledPromiseRejection"));
followClock();

load().then(
  (handler) => {
    readline.createInterface({ input: socket }).on("line", (line) => {
      const { ahead, ...invocation } = JSON.parse(line);
      millisecondsAhead = ahead * 1000;
      if (invocation.id) run(handler, invocation);
    });
    answer({ ready: true });
  },
  (error) => fail(error),
);
