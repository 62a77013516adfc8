/** What a guest downloads: packages over HTTP, and the stand-in of the SSM agent over TLS. */
import { createReadStream, readdirSync, readFileSync, statSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import path from "node:path";

export interface Download {
  readonly url: string;
  readonly status: number;
  readonly from: string;
  readonly time: number;
}

/** Files of a folder, by the name of the host that is asked: `<folder>/<host>/<path>`. */
export class Downloads {
  readonly requested: Download[] = [];
  readonly plain = http.createServer((request, response) => this.answer(request, response));
  readonly secure: https.Server;

  constructor(
    private readonly folders: readonly string[],
    tls: { readonly key: string; readonly certificate: string },
  ) {
    const given = { key: readFileSync(tls.key), cert: readFileSync(tls.certificate) };
    this.secure = https.createServer(given, (request, response) => this.answer(request, response));
  }

  /** The names of hosts that it answers for. */
  get hosts(): string[] {
    return this.folders.flatMap((folder) => readdirSync(folder));
  }

  private answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    request.resume();
    const { pathname } = new URL(request.url ?? "/", "http://host");
    const host = (request.headers.host ?? "").replace(/:\d+$/, "");
    const file = this.find(path.posix.join("/", host, decodeURIComponent(pathname)));
    this.requested.push({
      url: `${host}${pathname}`,
      status: file === undefined ? 404 : 200,
      from: request.headers["user-agent"] ?? "",
      time: Date.now(),
    });
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-length": file.size });
    createReadStream(file.name).pipe(response);
  }

  private find(asked: string): { readonly name: string; readonly size: number } | undefined {
    for (const folder of this.folders) {
      const name = path.join(folder, asked);
      const found = statSync(name, { throwIfNoEntry: false });
      if (found?.isFile()) return { name, size: found.size };
    }
    return undefined;
  }
}
