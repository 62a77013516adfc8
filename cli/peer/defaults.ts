/** What a device is told when nothing else is asked for. */

/** Cloudflare's resolver: it keeps no names, answers over both protocols, and is near every AWS region. */
export const DEVICE_DNS = { ipv4: "1.1.1.1", ipv6: "2606:4700:4700::1111" } as const;

/** Home routers forget a quiet UDP flow after 30 s or more; WireGuard's own documentation advises 25. */
export const DEVICE_KEEPALIVE_SECONDS = 25;

/** WireGuard renews a session in use every two minutes and gives it up after three. */
export const ACTIVE_WITHIN_SECONDS = 180;

/** The server's own timer reads the store this often. */
export const AT_THE_LATEST = "five minutes";
