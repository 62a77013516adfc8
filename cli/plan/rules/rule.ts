import type { Sentence } from "../sentence";
import type { PlanView } from "../view";

export const SEVERITIES = ["danger", "attention", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a change means to those who use the VPN. */
export interface Meaning {
  readonly severity: Severity;
  readonly text: Sentence;
  /** The resources it is about, by their addresses. */
  readonly about: readonly string[];
  /** More people or machines reach or read something than before. */
  readonly exposure?: boolean;
}

export interface Rule {
  /** Stable: documented in docs/plan-review.md. */
  readonly id: string;
  /** In a few words, for the documentation. */
  readonly finds: string;
  readonly look: (plan: PlanView) => readonly Meaning[];
}
