/**
 * What a check came to, and how checks are counted.
 *
 * A stage (types, tidy, specs, one test file …) is a list of outcomes or, when it is a program with
 * counts of its own, counts and the text to show for the failures. `tally` is the one place that
 * decides what the last line of `npm test` says.
 */
export interface Failure {
  /** Where: "tests/e2e/http.test.ts > keeps the connection open". */
  name: string;
  /** What went wrong, as many lines as it takes. */
  detail: string;
}

export interface Skip {
  name: string;
  reason: string;
}

export interface StageResult {
  name: string;
  passed: number;
  failures: Failure[];
  skips: Skip[];
  ms: number;
  /** Failures that a program counted beyond those it is listed with. */
  moreFailed?: number;
}

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/** @returns how many checks of the stage failed */
export function failedOf(stage: StageResult): number {
  return stage.failures.length + (stage.moreFailed ?? 0);
}

/**
 * @param strict under CI a skipped check has failed: everything it needs is there or can be installed
 */
export function tally(stages: StageResult[], strict: boolean): Tally {
  const sum = (of: (stage: StageResult) => number): number => stages.reduce((n, stage) => n + of(stage), 0);
  const skipped = sum((stage) => stage.skips.length);
  const failed = sum(failedOf) + (strict ? skipped : 0);
  return { passed: sum((stage) => stage.passed), failed, skipped: strict ? 0 : skipped };
}

/** @returns the last line of `npm test` */
export function verdict(count: Tally): string {
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  return `${count.passed} passed, ${count.failed} failed${skipped}`;
}

/**
 * Read the counts that a program of ours prints as its last line.
 * @returns null when there is no such line
 */
export function readVerdict(output: string): Tally | null {
  const lines = output.trimEnd().split('\n').reverse();
  for (const line of lines.slice(0, 5)) {
    const match = /^\s*(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/.exec(line);
    if (match) return { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3] ?? 0) };
  }
  return null;
}
