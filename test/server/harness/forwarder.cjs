// Runs inside a machine and hands each connection to a Unix socket of the test process, which crosses network namespaces:
// so the fakes live in the test process, which controls them directly. argv[2]: JSON, [{host, port, sockets: {<from>: <path>}}],
// where <from> is the caller's address, or "*".
const net = require("node:net");

const routes = JSON.parse(process.argv[2]);
let waiting = routes.length;
for (const { host, port, sockets } of routes) {
  net
    .createServer({ allowHalfOpen: true, noDelay: true }, (outside) => {
      const path = sockets[outside.remoteAddress] ?? sockets["*"];
      if (path === undefined) {
        outside.destroy();
        return;
      }
      const inside = net.connect({ path, allowHalfOpen: true });
      inside.on("error", () => outside.resetAndDestroy());
      outside.on("error", () => inside.destroy());
      inside.on("close", () => outside.destroy());
      outside.on("close", () => inside.destroy());
      outside.pipe(inside).pipe(outside);
    })
    .on("error", (error) => {
      console.error(`${host} ${port}: ${error.message}`);
      process.exit(1);
    })
    .listen(port, host, () => {
      waiting--;
      if (waiting === 0) console.log("forwarding");
    });
}
