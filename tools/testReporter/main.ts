/**
 * A reporter for Node's test runner that writes one JSON object a line: what tools/test/nodeTest.ts
 * reads. A stream of events survives a test process that dies in the middle, which a summary at the
 * end does not; and it goes to a file, so that a test may print what it likes.
 */
import { inspect } from 'node:util';

/** The events of node:test that we look at. */
interface RunnerEvent {
  type: string;
  data: {
    name: string;
    nesting: number;
    skip?: string | boolean;
    todo?: string | boolean;
    details?: { duration_ms?: number; type?: string; error?: Error & { failureType?: string; cause?: unknown } };
  };
}

/** One line of the file. */
export interface TestLine {
  /** begin: it runs now; start: its results follow (in the order of the file, children first). */
  status: 'pass' | 'fail' | 'start' | 'begin';
  name: string;
  nesting: number;
  suite: boolean;
  ms: number;
  /** Reason, or "" when none was given. */
  skip?: string | undefined;
  failureType?: string | undefined;
  error?: string | undefined;
}

const STATUS: Record<string, TestLine['status']> = {
  'test:pass': 'pass', 'test:fail': 'fail', 'test:start': 'start', 'test:dequeue': 'begin',
};

/** The text of an error without the frames inside Node, which say nothing about the test. */
function errorText(error: Error & { cause?: unknown }): string {
  return inspect(error.cause ?? error, { depth: 4 }).split('\n')
    .filter((line) => !/^\s+at .*\(?node:/.test(line) || line.endsWith('{')).join('\n');
}

function toLine({ type, data }: RunnerEvent): TestLine {
  const { details } = data;
  const reason = data.skip ?? data.todo;
  const error = details?.error;
  return {
    status: STATUS[type],
    name: data.name,
    nesting: data.nesting,
    suite: details?.type === 'suite',
    ms: details?.duration_ms ?? 0,
    skip: reason === undefined || reason === false ? undefined : reason === true ? '' : reason,
    failureType: error?.failureType,
    error: error && errorText(error),
  };
}

export default async function* report(source: AsyncIterable<RunnerEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type in STATUS) yield `${JSON.stringify(toLine(event))}\n`;
  }
}
