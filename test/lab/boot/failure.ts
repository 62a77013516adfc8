/** What can go wrong without being a mistake in this program: told in one message, without a stack trace. */
export class Failure extends Error {
  override readonly name = "Failure";
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
