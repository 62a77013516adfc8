import type { SSMClient } from "@aws-sdk/client-ssm";
import { STORE } from "../../../modules/store/names";
import { StingyError } from "../shared/errors";
import { isSafeUrl, problemOf, retryAfterMs, whyNoAnswer } from "../shared/http";
import { readParameter } from "../shared/parameter";
import { Failed, type Patience, withRetries } from "../shared/retry";
import { Secret } from "../shared/secret";
import { oneLine } from "./alert";
import type { Post, Webhook } from "./formats";

export interface Target {
  readonly kind: Webhook;
  readonly url: Secret;
  readonly storePrefix: string;
  readonly patience: Patience;
}

/** With the parameter's reading before them they end within the run's time. */
const ATTEMPTS = { most: 3, timeoutMs: 10_000, firstDelayMs: 1_000 } as const;
const LATER = "Lambda tries a failed run twice more; after that the message lies in the dead-letter queue.";

export async function readUrl(ssm: SSMClient, storePrefix: string): Promise<Secret> {
  const name = `${storePrefix}/${STORE.webhookUrl}`;
  const fix = putUrl(storePrefix);
  const value = await readParameter(ssm, name, fix);
  const url = new Secret(value);
  // URL forgives a line break within, and fetch quotes a URL that has a password in its error.
  if (/\s/.test(value) || !isSafeUrl(value) || hasLogin(value)) {
    throw new StingyError(
      `${name} is not a URL to post to: allowed is one https URL, or an http URL of 127.0.0.1, without user and password before its host.`,
      { code: "url-malformed", fix },
    );
  }
  // A service that refuses quotes the path or a part of it. What the fix says is known to everybody anyway.
  for (const part of partsOf(value)) if (!fix.includes(part)) new Secret(part);
  return url;
}

/** The AWS CLI 1 would fetch a URL in --value and store the page; from a file it takes the URL itself, and no history has it. */
function putUrl(storePrefix: string): string {
  return (
    "Write the URL that the service gives, from standard input (paste it, then Enter and Ctrl-D): " +
    `\`aws ssm put-parameter --name ${storePrefix}/${STORE.webhookUrl} --type SecureString --overwrite --value file:///dev/stdin\`.`
  );
}

function hasLogin(url: string): boolean {
  const { username, password } = new URL(url);
  return username !== "" || password !== "";
}

function partsOf(url: string): string[] {
  const { href, pathname, searchParams } = new URL(url);
  const spelled = [url, href].flatMap((whole) => {
    const path = whole.replace(/^\w+:\/\/[^/?#]*/, "");
    return [whole, path, ...path.split(/[/?#&=]/)];
  });
  return [...spelled, pathname, ...searchParams.values()].flatMap((part) => [part, decoded(part)]);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export async function post(target: Target, title: string, message: Post): Promise<void> {
  const { kind, url, storePrefix, patience } = target;
  const newUrl = putUrl(storePrefix);
  await withRetries(`Posting "${title}" to the webhook (${kind})`, patience, ATTEMPTS, async (timeoutMs) => {
    const { response, text } = await send(url, message, timeoutMs);
    const { ok, status } = response;
    if (ok) return;
    if (status === 429 || status >= 500) {
      throw new Failed(problemOf(status, oneLine(text)), {
        code: status === 429 ? "throttled" : "webhook",
        retryAfterMs: retryAfterMs(response, patience.now()),
        fix: LATER,
      });
    }
    if (status >= 300 && status < 400) {
      throw new Failed(`HTTP ${status}, a redirect, which is not followed: the URL has to be the one that it ends at`, {
        code: "redirected",
        permanent: true,
        fix: newUrl,
      });
    }
    throw new Failed(problemOf(status, oneLine(text)), {
      code: "webhook-refused",
      permanent: true,
      fix: `Check that the URL is one of the service that monitoring.webhook says, ${kind}. ${newUrl}`,
    });
  });
}

async function send(url: Secret, { headers, body }: Post, timeoutMs: number) {
  try {
    const response = await fetch(url.reveal(), {
      method: "POST",
      headers,
      body,
      // The alert goes nowhere else.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { response, text: await response.text() };
  } catch (cause) {
    throw new Failed(`no answer (${whyNoAnswer(cause, timeoutMs)})`, { code: "no-answer", cause, fix: LATER });
  }
}
