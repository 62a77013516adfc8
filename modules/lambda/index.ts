export { type Bundles, bundleFunctions, bundleFunctionsSync, FUNCTIONS, type FunctionName } from "./bundle";
export { NodeFunction, type NodeFunctionProps } from "./node-function";
