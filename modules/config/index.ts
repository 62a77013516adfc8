export { type Architecture, architectureOf } from "./instance-types";
export { CONFIG_VARIABLE, loadConfig, parseConfig, parseYaml } from "./load";
export { ConfigError } from "./problem";
export {
  type Backend,
  type CloudflareSettings,
  type Config,
  type Distribution,
  isImageId,
  type Providers,
  type RecordType,
  type Site,
} from "./resolve";
export { jsonSchema } from "./schema";
