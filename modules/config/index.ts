export type { Architecture } from "./instance-types";
export { CONFIG_VARIABLE, loadConfig, parseConfig, parseYaml } from "./load";
export { ConfigError } from "./problem";
export type {
  Backend,
  CloudflareSettings,
  Config,
  Distribution,
  Site,
} from "./resolve";
export { jsonSchema } from "./schema";
export type { ExtraAlarm } from "./site-schema";
