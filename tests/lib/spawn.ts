/**
 * Processes for tests: started, watched for a line of output, and never left behind.
 *
 * Every process is remembered by its id until it has ended. When the test process ends in whatever
 * way, also by the signal that the runner sends to a file that overran its time, all of them are
 * killed. A process started with `group` leads a group of its own, as a shell's job does, so that a
 * signal can be sent to it and to what it started, like Ctrl-C at a terminal.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface StartOptions {
  cwd?: string;
  /** Added to this process's own environment; undefined removes a name. */
  env?: Record<string, string | undefined>;
  /** Lead a process group of its own. */
  group?: boolean;
  /** Text for its standard input, which is closed after it; without, there is none. */
  input?: string;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const alive = new Set<Process>();
let watching = false;

function watchExit(): void {
  if (watching) return;
  watching = true;
  process.on('exit', () => { for (const each of alive) each.signal('SIGKILL'); });
  process.on('SIGTERM', () => process.exit(143));
  process.on('SIGINT', () => process.exit(130));
}

/** A process that runs beside the test. */
export class Process {
  readonly #child: ChildProcess;
  readonly #group: boolean;
  readonly pid: number;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(command: string, args: string[], options: StartOptions) {
    watchExit();
    this.#group = options.group === true;
    const env = { ...process.env, ...options.env };
    for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name];
    this.#child = spawn(command, args, { cwd: options.cwd, env, detached: this.#group, stdio: ['pipe', 'pipe', 'pipe'] });
    this.pid = this.#child.pid ?? 0;
    if (this.pid > 0) alive.add(this);
    this.#child.stdin?.on('error', () => undefined).end(options.input ?? '');
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => { this.stdout += text; });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.stderr += text; });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        alive.delete(this);
        resolve({ code, signal });
      });
    });
    this.ended.catch(() => undefined);  // who does not wait for the end is told by waitFor
  }

  /** Standard output, then standard error. */
  get output(): string {
    return this.stdout + this.stderr;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.pid > 0;
  }

  /** Send a signal, to the whole group if it leads one. Nothing happens when it has ended. */
  signal(signal: NodeJS.Signals): void {
    try {
      if (this.pid > 0) process.kill(this.#group ? -this.pid : this.pid, signal);
    } catch { /* it has ended */ }
  }

  /** Wait until its output matches; rejects with the output when it ends or the time is over. */
  async waitFor(pattern: RegExp, timeoutMs = 30_000): Promise<RegExpExecArray> {
    for (const deadline = Date.now() + timeoutMs; ; ) {
      const match = pattern.exec(this.output);
      if (match) return match;
      if (!this.running) throw new Error(`ended (status ${this.#child.exitCode}) without ${pattern}:\n${this.output}`);
      if (Date.now() > deadline) throw new Error(`no ${pattern} within ${timeoutMs} ms:\n${this.output}`);
      await sleep(10);
    }
  }

  /** End it: SIGTERM, and SIGKILL when it is deaf to that. @returns how it ended */
  async stop(graceMs = 5000): Promise<Ended> {
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), graceMs);
    try {
      return await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Start a process beside the test. */
export function start(command: string, args: string[], options: StartOptions = {}): Process {
  return new Process(command, args, options);
}

export interface RunResult extends Ended {
  stdout: string;
  stderr: string;
}

/** Run a command to its end; one that overruns its time is killed, and that is an error. */
export async function run(command: string, args: string[], options: StartOptions & { timeoutMs?: number } = {}): Promise<RunResult> {
  const { timeoutMs = 60_000, ...rest } = options;
  const child = start(command, args, rest);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.signal('SIGKILL');
  }, timeoutMs);
  try {
    const ended = await child.ended;
    if (late) throw new Error(`${command} ${args.join(' ')} took more than ${timeoutMs} ms:\n${child.output}`);
    return { ...ended, stdout: child.stdout, stderr: child.stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Run Node with these arguments. */
export function runNode(args: string[], options: StartOptions & { timeoutMs?: number } = {}): Promise<RunResult> {
  return run(process.execPath, args, options);
}
