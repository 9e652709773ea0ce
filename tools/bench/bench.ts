/**
 * What a benchmark is: tests/bench/NAME.bench.ts with a default export of this form.
 *
 * A benchmark reports rows. A row that has a peer names it (who, exactly), gives its value from the
 * same interleaved rounds, and the ratio; a figure without a peer in the same run says little, because
 * machines differ and this one is not quiet. An aim is what the row has to reach:
 *
 *     "≥ 1.0×"     of the ratio          "< 10"     of the value, in the row's unit
 */
export interface Row {
  metric: string;
  value: number;
  unit: string;
  peer?: string;
  peerValue?: number;
  /** Ours to theirs; more is better, so of times it is theirs to ours. */
  ratio?: number;
  aim?: string;
  /** 0 to 1: a bar of that length, for histograms. */
  share?: number;
}

export interface BenchOptions {
  /** Fewer and shorter rounds: does it still run, not how fast is it. */
  quick: boolean;
  /** Say what is being done; shown as progress. */
  log(text: string): void;
  /** Text to show below the table of rows, as it is. */
  show(text: string): void;
}

export interface Bench {
  name: string;
  about: string;
  run(report: (row: Row) => void, options: BenchOptions): Promise<void>;
}

const AIM = /^\s*(<=|≤|<|>=|≥|>)\s*([\d.]+)\s*(×|x)?/;

/** @returns whether a row reaches its aim; null when it has none */
export function isMet(row: Row): boolean | null {
  const match = AIM.exec(row.aim ?? '');
  if (!match) return null;
  const [, sign, limit, times] = match;
  const value = times ? row.ratio : row.value;
  if (value === undefined) return false;
  const bound = Number(limit);
  if (sign === '<') return value < bound;
  if (sign === '>') return value > bound;
  return sign === '<=' || sign === '≤' ? value <= bound : value >= bound;
}

/** Three significant digits, thousands set apart: 45,600 · 3.21 · 0.0154. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = Math.abs(value) >= 1000 ? Number(value.toPrecision(3)) : value;
  return rounded.toLocaleString('en-US', { minimumFractionDigits: Math.min(digits, 6), maximumFractionDigits: Math.min(digits, 6) });
}
