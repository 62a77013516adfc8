// Runs inside a machine of the internet. HTTP on 80: / says who asks (like checkip.amazonaws.com), /bytes/N sends N bytes,
// anything else 404. 7 echoes, over TCP and UDP.
const dgram = require("node:dgram");
const http = require("node:http");
const net = require("node:net");

const listening = [
  http
    .createServer((request, response) => {
      const [, bytes] = /^\/bytes\/(\d+)$/.exec(request.url) ?? [];
      if (bytes !== undefined) {
        response.setHeader("content-length", bytes);
        const block = Buffer.alloc(65536);
        let left = Number(bytes);
        const send = () => {
          while (left > 0) {
            const size = Math.min(left, block.length);
            left -= size;
            if (!response.write(block.subarray(0, size)) && left > 0) {
              response.once("drain", send);
              return;
            }
          }
          response.end();
        };
        send();
      } else if (request.url === "/") {
        response.end(`${request.socket.remoteAddress.replace(/^::ffff:/, "")}\n`);
      } else {
        response.statusCode = 404;
        response.end();
      }
    })
    .listen(80, "::"),
  net
    .createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.pipe(socket);
    })
    .listen(7, "::"),
];
const udp = dgram.createSocket("udp6", (message, from) => udp.send(message, from.port, from.address));
udp.bind(7, "::");
listening.push(udp);
let waiting = listening.length;
for (const server of listening) {
  server.on("listening", () => {
    waiting--;
    if (waiting === 0) console.log("serving");
  });
}
