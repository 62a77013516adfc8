import { isIPv4, isIPv6 } from "node:net";
import { parseRange } from "../network/planner";
import { DISTRIBUTIONS } from "./distribution";
import { BootstrapError } from "./error";
import type { ServerBootstrapOptions } from "./server";

function isInterfaceAddress(value: string, isAddress: (address: string) => boolean, longestPrefix: number): boolean {
  const [, address = "", prefix = ""] = /^([0-9A-Fa-f:.]+)\/([1-9][0-9]{0,2})$/.exec(value) ?? [];
  return isAddress(address) && Number(prefix) <= longestPrefix;
}

const GROUPS: readonly string[] = ["full", "internet", "isolated"];
const NAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;
const MARKER = /^@[A-Z_]+@$/;

/** What passes is a plain word to YAML, the shell, nft and JSON alike. */
export function assertOptions(options: ServerBootstrapOptions): void {
  const check = (name: keyof ServerBootstrapOptions, valid: boolean, allowed: string): void => {
    if (!valid) {
      throw new BootstrapError(`User data: ${name} is ${JSON.stringify(options[name])}; it must be ${allowed}.`);
    }
  };
  const { distribution, environment, site, storePrefix, tunnelIpv4, tunnelIpv6, listenPort, address = "" } = options;
  const distributions = Object.keys(DISTRIBUTIONS);
  check("distribution", distributions.includes(distribution), `one of ${distributions.join(", ")}`);
  check("environment", NAME.test(environment), "up to 63 letters, digits and hyphens");
  check("site", NAME.test(site), "up to 63 letters, digits and hyphens");
  check("storePrefix", /^(\/[A-Za-z0-9_.-]+)+$/.test(storePrefix), "a parameter path such as /stingy-vpn/prod");
  check("tunnelIpv4", isInterfaceAddress(tunnelIpv4, isIPv4, 30), "an address such as 10.8.0.1/24");
  // The store's program counts addresses up in hexadecimal, so no dotted tail.
  const ipv6 = tunnelIpv6 === undefined || (isInterfaceAddress(tunnelIpv6, isIPv6, 126) && !tunnelIpv6.includes("."));
  check("tunnelIpv6", ipv6, "an address such as fd00:8::1/64");
  const port = Number.isInteger(listenPort) && listenPort >= 1 && listenPort <= 65535;
  check("listenPort", port, "a port from 1 to 65535");
  check(
    "address",
    address === "" || isIPv4(address) || MARKER.test(address),
    "an IPv4 address, a marker such as @ADDRESS@, or empty",
  );
  check("defaultGroup", GROUPS.includes(options.defaultGroup), `one of ${GROUPS.join(", ")}`);
  const { logGroup } = options;
  check("logGroup", logGroup === undefined || /^[A-Za-z0-9_./#-]{1,512}$/.test(logGroup), "a log group's name");
  for (const name of ["isolatedNetworks", "adminCidrs"] as const) {
    check(
      name,
      options[name].every((network) => parseRange(network) !== undefined),
      "a list of networks such as 10.0.0.0/24",
    );
  }
}
