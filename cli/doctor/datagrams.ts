import { createSocket, type Socket } from "node:dgram";

/** A UDP socket to one place, whose answers are waited for one by one. */
export class Datagrams {
  /** The place said that nobody listens there. */
  refused = false;
  private take: ((datagram: Buffer) => void) | undefined;

  private constructor(private readonly socket: Socket) {
    socket.on("message", (datagram) => this.take?.(datagram));
    socket.on("error", (error: NodeJS.ErrnoException) => this.failed(error));
  }

  static async to(address: string, port: number): Promise<Datagrams> {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    const datagrams = new Datagrams(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.connect(port, address, () => {
        socket.removeListener("error", reject);
        resolve();
      });
    });
    return datagrams;
  }

  /** Sends it and gives what `read` makes of the first answer that it takes; undefined where none comes in time. */
  async ask<T>(datagram: Uint8Array, waitMs: number, read: (answer: Buffer) => T | undefined): Promise<T | undefined> {
    return new Promise((resolve) => {
      const end = (found?: T) => {
        clearTimeout(timer);
        this.take = undefined;
        resolve(found);
      };
      const timer = setTimeout(end, waitMs);
      this.take = (answer) => {
        const found = read(answer);
        if (found !== undefined) end(found);
      };
      // What is too large for the way, or has no way, is lost, as it would be later on.
      this.socket.send(datagram, (error) => error && this.failed(error));
    });
  }

  close(): void {
    this.socket.close();
  }

  private failed(error: NodeJS.ErrnoException): void {
    if (error.code === "ECONNREFUSED") this.refused = true;
  }
}
