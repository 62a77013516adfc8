import { type Layer, stackId } from "../../modules/names";
import type { Facts } from "./facts";

type Of = Pick<Facts, "config" | "site">;

/** One of our own commands, as it has to be typed for this site. */
export function stingy({ config, site }: Of, command: string): string {
  const which = config.sites.length > 1 ? ` --site ${site.name}` : "";
  return `npx stingy ${command}${which}`;
}

export function deploy({ site }: Pick<Facts, "site">, ...layers: readonly Layer[]): string {
  const stacks =
    layers.length === 0 ? [`${site.environment}-${site.name}-*`] : layers.map((layer) => stackId(site, layer));
  return `npx cdktf deploy ${stacks.map((stack) => `'${stack}'`).join(" ")}`;
}

export function aws({ site }: Pick<Facts, "site">, command: string): string {
  return `aws ${command} --region ${site.region}`;
}
