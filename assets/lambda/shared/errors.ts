import { scrub } from "./secret";

export interface ErrorDetails {
  /** What it is, for machines and filters: short and without spaces. */
  readonly code: string;
  readonly cause?: unknown;
  /** What a person does about it: a sentence, which ends the message. */
  readonly fix?: string;
}

/** An error that a person can act upon. Its message holds no secret, as Lambda logs what an invocation throws. */
export class StingyError extends Error {
  override readonly name: string = "StingyError";
  readonly code: string;
  readonly fix?: string;

  constructor(message: string, { code, cause, fix }: ErrorDetails) {
    super(scrub(fix === undefined ? message : `${message} ${fix}`), cause === undefined ? undefined : { cause });
    this.code = code;
    if (fix !== undefined) this.fix = fix;
  }
}

/** The function's environment variables are incomplete or wrong. */
export class EnvironmentError extends StingyError {
  override readonly name = "EnvironmentError";

  constructor(problems: readonly string[], fix = "`cdktf deploy '*'` sets what the function needs.") {
    super(`The function's environment is not usable: ${problems.join("; ")}.`, { code: "environment", fix });
  }
}

/** What an invocation may throw: Lambda writes it to the log and the dead letters itself, causes and all, and scrubs nothing. */
export function outwardError(error: unknown): Error {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const outward = new Error(scrub(message));
  outward.name = name;
  if (stack !== undefined) outward.stack = scrub(stack);
  return outward;
}
