// Runs inside a device and talks to the web host until it is told to end; then says in one line of JSON how that went.
// argv: what, and the host.
//   call      50 UDP packets a second, each echoed: as the sound of a call, both ways
//   type      a line over one TCP connection every three seconds, echoed: a quiet session at a shell
//   stream    50 lines a second over one TCP connection, echoed
const dgram = require("node:dgram");
const net = require("node:net");

const [, , what, host] = process.argv;
const PACKET_MS = 20;
const LINE_MS = { type: 3000, stream: 20 };
let say;
const end = () => {
  console.log(JSON.stringify(say()));
  process.exit(0);
};
process.on("SIGTERM", end);
process.on("SIGINT", end);

/** Notes when things come: the longest time without, the beginning and the end included. */
function watch() {
  let last = Date.now();
  let longest = 0;
  const now = () => {
    const at = Date.now();
    longest = Math.max(longest, at - last);
    last = at;
  };
  return {
    now,
    longest: () => {
      now();
      return longest;
    },
  };
}

if (what === "call") {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  const gaps = watch();
  const sentAt = [];
  const heard = new Set();
  // What is on its way when the call ends is not lost.
  const LATE_MS = 250;
  socket.on("message", (message) => {
    heard.add(message.readUInt32BE(0));
    gaps.now();
  });
  socket.on("error", () => undefined);
  const began = Date.now();
  const send = () => {
    // A late timer is made up for, so that the pace is kept.
    while (sentAt.length * PACKET_MS <= Date.now() - began) {
      const packet = Buffer.alloc(160);
      packet.writeUInt32BE(sentAt.length, 0);
      sentAt.push(Date.now());
      socket.send(packet, 7, host, () => undefined);
    }
  };
  setInterval(send, PACKET_MS / 2);
  say = () => {
    const counted = sentAt.filter((at) => at < Date.now() - LATE_MS).length;
    const lost = sentAt.slice(0, counted).filter((_, index) => !heard.has(index)).length;
    return { sent: counted, lost, lostMs: lost * PACKET_MS, longestGapMs: gaps.longest() };
  };
  console.log("talking");
} else {
  const socket = net.connect({ host, port: 7, noDelay: true });
  const typedAt = [];
  let broken = "";
  let longest = 0;
  let echoed = 0;
  let rest = "";
  const type = () => {
    typedAt.push(Date.now());
    socket.write(`${typedAt.length - 1}\n`);
  };
  socket.on("connect", () => {
    console.log("talking");
    type();
    setInterval(type, LINE_MS[what]);
  });
  socket.on("data", (data) => {
    const lines = (rest + data).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line !== `${echoed}`) broken ||= `"${line}" was echoed for "${echoed}"`;
      longest = Math.max(longest, Date.now() - typedAt[echoed++]);
    }
  });
  socket.on("close", () => {
    broken ||= "closed";
  });
  socket.on("error", (error) => {
    broken ||= error.code;
  });
  say = () => {
    const oldest = typedAt[echoed];
    return { lines: typedAt.length, echoed, stallMs: Math.max(longest, oldest ? Date.now() - oldest : 0), broken };
  };
}
