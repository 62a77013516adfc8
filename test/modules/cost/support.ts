import { parseConfig, type Site } from "../../../modules/config";

/** The default site with these settings. */
export function siteWith(settings: Readonly<Record<string, unknown>> = {}): Site {
  const [site] = parseConfig({ sites: { tokyo: settings } }).sites;
  if (!site) throw new Error("the configuration has no site");
  return site;
}
