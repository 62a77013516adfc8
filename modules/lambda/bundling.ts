import { bundleFunctions } from "./bundle";

/** Bundling starts when this is imported: first of all, so that esbuild works while the rest of the code is loaded. */
export const bundling = bundleFunctions();
