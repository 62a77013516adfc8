export type Architecture = "arm64" | "x86_64";

/** What an EC2 instance type looks like: family, dot, size. */
export const INSTANCE_TYPE_PATTERN =
  /^[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|[0-9]*xlarge|metal(-[0-9a-z]+)?)$/;

/** Graviton families are a1 and those with a "g" among the letters after the generation number: t4g, c6gn, im4gn, g5g. */
export function architectureOf(instanceType: string): Architecture {
  const family = instanceType.split(".")[0] ?? "";
  return family === "a1" || /^[a-z]+\d+[a-z]*g/.test(family) ? "arm64" : "x86_64";
}
