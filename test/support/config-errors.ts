import { ConfigError, parseYaml } from "../../modules/config";

/** The error that reading throws. */
export function errorOf(read: () => unknown): ConfigError {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("this is a good configuration");
}

/** The problems of a file: where it stands and, after two spaces, the setting; the rest as it is. */
export function problemsOf(...lines: string[]) {
  return errorOf(() => parseYaml(lines.join("\n"), "stingy.yaml")).problems.map(
    ({ path: at, key: _, position, ...rest }) => ({
      at: [position ? `${position.line}:${position.column}` : "", at.join(".")].join("  ").trim(),
      ...rest,
    }),
  );
}
