/**
 * Runs inside a device whose tunnel is down, with argv: seconds. Shakes hands with the server of the device's configuration
 * as a device does whose clock is that far off, and prints "answered" when the server takes it for its peer. wireguard-go asks the
 * kernel for the time, which has one clock for all machines.
 */
import dgram from "node:dgram";
import { readFileSync } from "node:fs";
import { parseConfig } from "../../../modules/wireguard";
import { createInitiation } from "../../../modules/wireguard/handshake";

const AGAIN_MS = 1000;

const config = parseConfig(readFileSync("/etc/wireguard/wg0.conf", "utf8"));
const [peer] = config.peers;
const [host, port] = (peer?.endpoint ?? "").split(":");
const socket = dgram.createSocket("udp4");
const attempt = (): void => {
  const initiation = createInitiation({
    privateKey: config.interface.privateKey ?? "",
    serverPublicKey: peer?.publicKey ?? "",
    presharedKey: peer?.presharedKey,
    now: () => Date.now() + Number(process.argv[2]) * 1000,
  });
  socket.removeAllListeners("message").on("message", (datagram) => {
    if (initiation.consume(datagram).kind !== "session") return;
    console.log("answered");
    process.exit(0);
  });
  socket.send(initiation.packet, Number(port), host);
};
attempt();
setInterval(attempt, AGAIN_MS);
