import { CliError } from "../exit";
import { type Tone, tone } from "../output";

/** `note` is worth knowing and in nobody's way; `unknown` could not be looked at. */
export type State = "ok" | "note" | "attention" | "unknown";

export interface Finding {
  readonly id: string;
  readonly state: State;
  readonly says: string;
  readonly fix?: string;
}

export const ok = (id: string, says: string): Finding => ({ id, state: "ok", says });
export const worthKnowing = (id: string, says: string, fix?: string): Finding => ({
  id,
  state: "note",
  says,
  ...(fix === undefined ? {} : { fix }),
});
export const attention = (id: string, says: string, fix: string): Finding => ({ id, state: "attention", says, fix });
export const unknown = (id: string, says: string): Finding => ({ id, state: "unknown", says });

const SHOWN: Readonly<Record<State, readonly [tone: Tone, word: string]>> = {
  ok: ["good", "ok"],
  note: ["dim", "note"],
  attention: ["warn", "attention"],
  unknown: ["dim", "unknown"],
};
const WIDTH = Math.max(...Object.values(SHOWN).map(([, word]) => word.length));

export function findingText({ state, says, fix }: Finding): string {
  const [kind, word] = SHOWN[state];
  const [first, ...more] = [says, ...(fix === undefined ? [] : fix.split("\n"))];
  return [`${tone(kind, word.padEnd(WIDTH))}  ${first}`, ...more.map((line) => `${" ".repeat(WIDTH)}  ${line}`)].join(
    "\n",
  );
}

/** What an error says, as a finding. */
export function fromError(state: "attention" | "unknown", id: string, error: unknown): Finding {
  const says = error instanceof Error ? error.message : String(error);
  const fix = error instanceof CliError ? error.fix : undefined;
  return { id, state, says, ...(fix === undefined ? {} : { fix }) };
}
