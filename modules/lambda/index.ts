export { type Bundles, bundleFunctions, FUNCTIONS, type FunctionName } from "./bundle";
export { NodeFunction, type NodeFunctionProps } from "./node-function";
