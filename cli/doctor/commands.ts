import type { NamedSite } from "../../modules/names";
import type { Facts } from "./facts";

type Of = Pick<Facts, "config" | "site">;

/** One of our own commands, as it has to be typed for this site. */
export function stingy({ config, site }: Of, command: string): string {
  const which = config.sites.length > 1 ? ` --site ${site.name}` : "";
  return `npx stingy ${command}${which}`;
}

/** All stacks of the site: cdktf refuses one without those that it depends on. */
export function deploy({ site }: { readonly site: NamedSite }): string {
  return `npx cdktf deploy '${site.environment}-${site.name}-*'`;
}

export function aws({ site }: Pick<Facts, "site">, command: string): string {
  return `aws ${command} --region ${site.region}`;
}
