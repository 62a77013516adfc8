/** What the process ends with. Documented in docs/cli.md. */
export const EXIT = { ok: 0, failed: 1, attention: 2, usage: 64 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface CliErrorDetails {
  /** What to do about it: a sentence, or lines of them. */
  readonly fix?: string;
  readonly exit?: ExitCode;
  /** Shown with --debug only. */
  readonly cause?: unknown;
}

/** An error as a person gets to see it: which thing, what is wrong, what to do. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly fix: string | undefined;
  readonly exit: ExitCode;

  constructor(message: string, { fix, exit = EXIT.failed, cause }: CliErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.fix = fix;
    this.exit = exit;
  }
}

export function usageError(message: string, fix?: string): CliError {
  return new CliError(message, { exit: EXIT.usage, ...(fix === undefined ? {} : { fix }) });
}
