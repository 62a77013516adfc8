import { randomBytes } from "node:crypto";
import http from "node:http";

/** What the metadata service hands out for the instance's role. */
export interface RoleCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

export interface ImdsOptions {
  readonly instanceId: string;
  readonly region: string;
  /** @default amazonaws.com */
  readonly domain?: string;
  readonly role: string;
  readonly mac: string;
  readonly localIpv4: string;
  readonly publicIpv4: string | undefined;
  readonly vpcIpv4: readonly string[];
  readonly vpcIpv6: readonly string[];
  /** @returns the role's credentials at this moment */
  readonly credentials: () => RoleCredentials;
}

export interface ImdsRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly time: number;
}

/** hang: says nothing; html: 200 and a page, as a proxy does; empty: 200 and nothing; error: 500. */
export type ImdsFault = "hang" | "html" | "empty" | "error";

const LONGEST_TOKEN_SECONDS = 21600;
const page = (title: string): string =>
  `<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n <head>\n  <title>${title}</title>\n </head>\n <body>\n  <h1>${title}</h1>\n </body>\n</html>\n`;

/** One instance's metadata service, version 2 only. What it says may be changed at any moment. */
export class Imds {
  region: string;
  domain: string;
  publicIpv4: string | undefined;
  /** @default - none: 404 */
  interruption: { readonly action: "terminate" | "stop" | "hibernate"; readonly time: Date } | undefined;
  /** When the recommendation was made. @default - none: 404 */
  rebalance: Date | undefined;
  /** Tells to answer requests for some paths, or all, wrongly. */
  fault: { readonly kind: ImdsFault; readonly path: RegExp } | undefined;
  /** More paths below /latest/, or other answers for those known; undefined means 404. */
  readonly more: Record<string, string | Buffer | undefined> = {};
  readonly requests: ImdsRequest[] = [];
  /** Session tokens given and when they end. */
  readonly tokens = new Map<string, number>();
  readonly server: http.Server;

  constructor(private readonly options: ImdsOptions) {
    this.region = options.region;
    this.domain = options.domain ?? "amazonaws.com";
    this.publicIpv4 = options.publicIpv4;
    this.server = http.createServer((request, response) => this.answer(request, response));
  }

  /** Ends every session, as a restart of the service would. */
  forgetTokens(): void {
    this.tokens.clear();
  }

  /** How often a path that matches was asked for. */
  asked(path: RegExp): number {
    return this.requests.filter((request) => path.test(request.path)).length;
  }

  private answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { method = "", url = "" } = request;
    const reply = (status: number, body: string | Buffer, headers: Record<string, string> = {}): void => {
      this.requests.push({ method, path: url, status, time: Date.now() });
      response.writeHead(status, { "content-type": "text/plain", server: "EC2ws", ...headers }).end(body);
    };
    const refuse = (status: number): void =>
      reply(status, page(`${status} - ${http.STATUS_CODES[status]}`), { "content-type": "text/html" });

    request.resume();
    if (this.fault?.path.test(url)) {
      const { kind } = this.fault;
      if (kind === "hang") this.requests.push({ method, path: url, status: 0, time: Date.now() });
      else if (kind === "error") refuse(500);
      else reply(200, kind === "html" ? page("Welcome") : "", { "content-type": "text/html" });
      return;
    }
    if (/^\/(latest|\d{4}-\d{2}-\d{2})\/api\/token$/.test(url)) {
      if (method !== "PUT") refuse(405);
      // Whoever passes requests on for others gets none.
      else if (request.headers["x-forwarded-for"] !== undefined) refuse(403);
      else {
        const asked = String(request.headers["x-aws-ec2-metadata-token-ttl-seconds"] ?? "");
        const seconds = /^\d{1,5}$/.test(asked) ? Number(asked) : 0;
        if (seconds < 1 || seconds > LONGEST_TOKEN_SECONDS) refuse(400);
        else {
          const token = randomBytes(40).toString("base64");
          this.tokens.set(token, Date.now() + seconds * 1000);
          reply(200, token, { "x-aws-ec2-metadata-token-ttl-seconds": `${seconds}` });
        }
      }
      return;
    }
    const end = this.tokens.get(String(request.headers["x-aws-ec2-metadata-token"] ?? ""));
    if (end === undefined || end < Date.now()) refuse(401);
    else if (method !== "GET" && method !== "HEAD") refuse(405);
    else {
      const value = this.value(url.replace(/^\/(latest|\d{4}-\d{2}-\d{2})\//, ""));
      if (value === undefined) refuse(404);
      else reply(200, value);
    }
  }

  private value(path: string): string | Buffer | undefined {
    if (path in this.more) return this.more[path];
    const { instanceId, role, mac, localIpv4, vpcIpv4, vpcIpv6 } = this.options;
    const ofMac = `meta-data/network/interfaces/macs/${mac}/`;
    const seconds = (date: Date): string => date.toISOString().replace(/\.\d+Z$/, "Z");
    const lines = (values: readonly string[]): string | undefined =>
      values.length === 0 ? undefined : values.join("\n");
    switch (path) {
      case "meta-data/instance-id":
        return instanceId;
      case "meta-data/placement/region":
        return this.region;
      case "meta-data/placement/availability-zone":
        return `${this.region}a`;
      case "meta-data/services/domain":
        return this.domain;
      case "meta-data/services/partition":
        return this.domain.endsWith(".cn") ? "aws-cn" : "aws";
      case "meta-data/local-ipv4":
        return localIpv4;
      case "meta-data/public-ipv4":
      case `${ofMac}public-ipv4s`:
        return this.publicIpv4;
      case "meta-data/mac":
        return mac;
      case "meta-data/network/interfaces/macs/":
        return `${mac}/`;
      case `${ofMac}vpc-ipv4-cidr-block`:
        return vpcIpv4[0];
      case `${ofMac}vpc-ipv4-cidr-blocks`:
        return lines(vpcIpv4);
      case `${ofMac}vpc-ipv6-cidr-blocks`:
        return lines(vpcIpv6);
      case "meta-data/iam/security-credentials/":
        return role;
      case `meta-data/iam/security-credentials/${role}`: {
        const { accessKeyId, secretAccessKey, sessionToken, expiration } = this.options.credentials();
        return JSON.stringify(
          {
            Code: "Success",
            LastUpdated: seconds(new Date()),
            Type: "AWS-HMAC",
            AccessKeyId: accessKeyId,
            SecretAccessKey: secretAccessKey,
            Token: sessionToken,
            Expiration: seconds(expiration),
          },
          undefined,
          2,
        );
      }
      case "meta-data/spot/instance-action":
        return (
          this.interruption &&
          JSON.stringify({ action: this.interruption.action, time: seconds(this.interruption.time) })
        );
      case "meta-data/events/recommendations/rebalance":
        return this.rebalance && JSON.stringify({ noticeTime: seconds(this.rebalance) });
      default:
        return undefined;
    }
  }
}
