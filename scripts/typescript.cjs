/**
 * Has Node.js read TypeScript as it is: `node -r ./scripts/typescript.cjs FILE`. tsx alone would look through every JavaScript
 * file of the packages too, which takes a fifth of a second of each start.
 */
const Module = require("node:module");

const javascript = Module._extensions[".js"];
require("tsx/cjs");
Module._extensions[".js"] = javascript;
