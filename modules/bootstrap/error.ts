/** What is wrong with roles or options, in one message that says how to put it right. */
export class BootstrapError extends Error {
  override readonly name = "BootstrapError";
}
