import { createSocket, type Socket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { dnsAnswers } from "../../cli/status/dns";

const NO_SUCH_NAME = 3;
const A = 1;

/** Answers A questions with these bytes, or says that there is no such name. */
function nameServer(address: readonly number[] | undefined): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.on("message", (question, { port }) => {
    const type = question.readUInt16BE(question.length - 4);
    const answers = address && type === A ? 1 : 0;
    const head = Buffer.from(question);
    head.writeUInt16BE(0x8180 | (address ? 0 : NO_SUCH_NAME), 2);
    head.writeUInt16BE(answers, 6);
    const record = [0xc0, 12, 0, A, 0, 1, 0, 0, 0, 60, 0, 4, ...(address ?? [])];
    socket.send(answers ? Buffer.concat([head, Buffer.from(record)]) : head, port, "127.0.0.1");
  });
  return new Promise((resolve) => socket.bind(0, "127.0.0.1", () => resolve(socket)));
}

describe("what the resolver says of a name", () => {
  const sockets: Socket[] = [];

  /** The address of one that answers so. */
  async function server(address: readonly number[] | undefined): Promise<string> {
    const socket = await nameServer(address);
    sockets.push(socket);
    return `127.0.0.1:${(socket.address() as AddressInfo).port}`;
  }

  async function closeAll(): Promise<void> {
    await Promise.all(sockets.splice(0).map((socket) => new Promise<void>((resolve) => socket.close(resolve))));
  }

  afterEach(closeAll);

  it("is its addresses, and none where it has no such record", async () => {
    const at = await server([198, 51, 100, 7]);
    expect(await dnsAnswers("vpn.example.com", ["A", "AAAA"], [at])).to.deep.equal([
      { type: "A", addresses: ["198.51.100.7"] },
      { type: "AAAA", addresses: [] },
    ]);
  });

  it("is nothing where there is no such name", async () => {
    const at = await server(undefined);
    expect(await dnsAnswers("vpn.example.com", ["A"], [at])).to.deep.equal([{ type: "A", addresses: [] }]);
  });

  it("is unknown where the resolver does not answer", async () => {
    const gone = await server([198, 51, 100, 7]);
    await closeAll();
    const error = await dnsAnswers("vpn.example.com", ["A"], [gone]).catch((thrown) => thrown);
    expect(error.message).to.match(/^the resolver does not answer: E(CONNREFUSED|TIMEOUT)$/);
  });
});
