/** What is published of repeated measurements: the median and how far the runs lay apart. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  readonly runs: number;
  /** What the figure should stay under; printed, not asserted. */
  readonly target?: number;
}

export function figure(name: string, unit: string, values: readonly number[], target?: number): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const at = (index: number) => sorted[Math.floor(index)] ?? Number.NaN;
  return {
    name,
    unit,
    median: sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2,
    lowest: at(0),
    highest: at(sorted.length - 1),
    runs: sorted.length,
    ...(target === undefined ? {} : { target }),
  };
}
