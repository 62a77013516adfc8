#!/usr/bin/env node
// The command as npm links it. TypeScript is read as it is, so that a clone needs no build.

// It would stand above every answer; the supported versions of Node.js are package.json's affair.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
// From Node.js 22 on; what is compiled once need not be again.
require("node:module").enableCompileCache?.();
require("../scripts/typescript.cjs");
require("./main.ts").run();
