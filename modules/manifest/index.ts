/** What a synthesis writes into `manifest.json`, as far as it is read. */
export interface Manifest {
  readonly stacks: Readonly<
    Record<string, { readonly synthesizedStackPath: string; readonly dependencies: readonly string[] }>
  >;
}

/** The stacks' ids: each after those it depends on. */
export function deployOrder({ stacks }: Manifest): string[] {
  const done: string[] = [];
  const visit = (id: string): void => {
    if (done.includes(id)) return;
    for (const dependency of stacks[id]?.dependencies ?? []) visit(dependency);
    done.push(id);
  };
  for (const id of Object.keys(stacks).sort()) visit(id);
  return done;
}
