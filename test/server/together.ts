/**
 * Tests that mostly wait, such as for a script that looks every five seconds: the first that runs begins all of them, each with
 * a site of its own, and each is reported by its own name.
 */
export function together(tests: Readonly<Record<string, () => Promise<void>>>, timeoutMs = 150_000): void {
  let begun: Map<string, Promise<void>> | undefined;
  for (const name of Object.keys(tests))
    it(name, async function () {
      this.timeout(timeoutMs);
      if (begun === undefined) {
        begun = new Map(Object.entries(tests).map(([other, test]) => [other, test()]));
        // A failure waits for its turn to be reported.
        for (const test of begun.values()) test.catch(() => undefined);
      }
      await begun.get(name);
    });
}
