#!/usr/bin/env node
// The command as npm links it. TypeScript is read as it is, so that a clone needs no build.
const Module = require("node:module");

// It would stand above every answer; the supported versions of Node.js are package.json's affair.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
// From Node.js 22 on; what is compiled once need not be again.
Module.enableCompileCache?.();
const javascript = Module._extensions[".js"];
require("tsx/cjs");
// tsx would read every JavaScript file of the packages too, which costs a quarter of a second.
Module._extensions[".js"] = javascript;
require("./main.ts").run();
