import type { Voice } from "./screen";

/** What Terraform did in a stack. */
export interface Applied {
  readonly stack: string;
  readonly added: number;
  readonly changed: number;
  readonly destroyed: number;
}

const DONE = /: (?:Creation|Modifications|Destruction) complete/;
const PLANNED = /Plan: (\d+) to add, (\d+) to change, (\d+) to destroy/;
const APPLIED = /(?:Apply|Destroy) complete! Resources: (?:(\d+) added, )?(?:(\d+) changed, )?(\d+) destroyed/;

/** Understands what cdktf says while it deploys or destroys, a line at a time. */
export class Deploying {
  readonly applied: Applied[] = [];
  #stack = "";
  #planned = 0;
  #done = 0;

  constructor(private readonly voice: Voice) {}

  hear(line: string): void {
    // Only the first line of what a stack says at once has its name.
    const stack = /^([a-z0-9-]+) {2,}/.exec(line)?.[1];
    if (stack !== undefined && stack !== this.#stack) {
      this.#stack = stack;
      this.#planned = 0;
      this.#done = 0;
    }
    const planned = PLANNED.exec(line);
    if (planned) {
      this.#planned = planned.slice(1).reduce((sum, count) => sum + Number(count), 0);
      this.#show();
    }
    if (DONE.test(line)) {
      this.#done++;
      this.#show();
    }
    const [, added, changed, destroyed] = APPLIED.exec(line) ?? [];
    if (destroyed === undefined) return;
    const applied = {
      stack: this.#stack,
      added: Number(added ?? 0),
      changed: Number(changed ?? 0),
      destroyed: Number(destroyed),
    };
    this.applied.push(applied);
    this.voice.tell(`${this.#stack}: ${inWords(applied)}`);
  }

  #show(): void {
    if (this.#stack !== "" && this.#planned > 0) this.voice.now(`${this.#stack}: ${this.#done} of ${this.#planned}`);
  }
}

function inWords({ added, changed, destroyed }: Applied): string {
  const parts = [
    ...(added > 0 ? [`${added} made`] : []),
    ...(changed > 0 ? [`${changed} changed`] : []),
    ...(destroyed > 0 ? [`${destroyed} deleted`] : []),
  ];
  return parts.join(", ") || "nothing to do";
}
