import { version } from "../../../package.json";
import { EnvironmentError } from "./errors";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface ClientOverrides {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: Credentials;
  readonly maxAttempts?: number;
  readonly connectionTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
}

/** For any client of the AWS SDK. What it does not say, such as the region, the SDK takes from the environment. */
export function clientConfig(overrides: ClientOverrides = {}) {
  const { connectionTimeoutMs = 1_000, requestTimeoutMs = 5_000, ...given } = overrides;
  return {
    retryMode: "standard",
    // Whoever calls looks again within minutes: a second try helps against a blip, more would eat the function's time.
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: connectionTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Without it the SDK only warns, and goes on waiting.
      throwOnRequestTimeout: true,
    },
    customUserAgent: [["stingy-vpn", version]] as [string, string][],
    credentials: environmentCredentials,
    ...given,
  };
}

/** Lambda gives a function its role's credentials as variables. The SDK's own search through files and servers is not needed. */
async function environmentCredentials(): Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
    const missing = Object.entries({ AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY }).flatMap(([name, value]) =>
      value ? [] : [`${name} is missing`],
    );
    throw new EnvironmentError(missing, "Lambda sets it for a function that has a role.");
  }
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  };
}
