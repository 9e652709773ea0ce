/**
 * Child processes that cannot outlive what started them.
 *
 * Every child leads a process group of its own, so that what it starts in turn can be ended with it.
 * A child that overruns its time gets SIGTERM (to clean up its own children), and KILL_AFTER_MS
 * later SIGKILL. When this process ends for whatever reason, the groups still alive are killed.
 */
import { spawn } from 'node:child_process';

const KILL_AFTER_MS = 4000;
/** How long what a child has started may outlive it. */
const LINGER_MS = 1000;
/** How much of a child's output is kept: the end of it. */
const KEEP_CHARS = 400_000;

export interface ChildOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  timeoutMs?: number;
  /** Each line of output as it comes, standard output and standard error alike. */
  onLine?: (line: string) => void;
  /** What a child that is Node sends by process.send(). */
  onMessage?: (message: unknown) => void;
}

export interface ChildResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Standard output and standard error in the order of arrival. */
  output: string;
  timedOut: boolean;
  ms: number;
}

const groups = new Set<number>();
let watching = false;

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch { /* the group is gone, which is what was wanted */ }
}

/** Make sure that an interrupted run leaves nothing behind. */
function watchExit(): void {
  if (watching) return;
  watching = true;
  process.on('exit', () => { for (const pid of groups) signalGroup(pid, 'SIGKILL'); });
  for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
    process.on(signal, () => {
      for (const pid of groups) signalGroup(pid, 'SIGTERM');
      setTimeout(() => process.exit(status), 500);
    });
  }
}

/** @returns a function that takes chunks and calls `onLine` for each line that is complete */
function lineSplitter(onLine: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  };
}

/**
 * Run a command to its end. Never rejects for a failing command: the result says how it ended.
 * @param command program; `process.execPath` for Node
 */
export function runChild(command: string, args: string[], options: ChildOptions = {}): Promise<ChildResult> {
  watchExit();
  const began = Date.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd, env: options.env ?? process.env, detached: true,
      stdio: options.onMessage ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    });
    if (options.onMessage) child.on('message', options.onMessage);
    const pid = child.pid ?? 0;
    if (pid > 0) groups.add(pid);
    let output = '';
    let timedOut = false;
    const split = lineSplitter(options.onLine ?? (() => undefined));
    const take = (chunk: string): void => {
      output = (output + chunk).slice(-KEEP_CHARS);
      split(chunk);
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
    const timers: NodeJS.Timeout[] = [];
    if (options.timeoutMs) {
      timers.push(setTimeout(() => { timedOut = true; signalGroup(pid, 'SIGTERM'); }, options.timeoutMs));
      timers.push(setTimeout(() => signalGroup(pid, 'SIGKILL'), options.timeoutMs + KILL_AFTER_MS));
    }
    child.on('error', reject);
    // A grandchild that kept our pipes open would hold up 'close' for ever.
    child.on('exit', () => { timers.push(setTimeout(() => signalGroup(pid, 'SIGKILL'), LINGER_MS)); });
    child.on('close', (code, signal) => {
      timers.forEach(clearTimeout);
      groups.delete(pid);
      resolve({ code, signal, output, timedOut, ms: Date.now() - began });
    });
  });
}
