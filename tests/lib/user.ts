/**
 * For tests of the command line: rumpwasm as a user runs it, with a runtime directory of its own.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Process, runNode, type RunResult, start } from './spawn';
import { cli, root, tempDir } from './tree';

/** A user of rumpwasm with a runtime directory of its own. */
export class User {
  readonly runtime: string;
  private readonly t: TestContext;

  constructor(t: TestContext) {
    this.t = t;
    this.runtime = tempDir(t);
  }

  get directory(): string { return join(this.runtime, 'rumpwasm'); }

  get sockets(): string[] { return readdirSync(this.directory).filter((file) => file.endsWith('.sock')); }

  async run(...args: string[]): Promise<Process> {
    const child = start(process.execPath, [cli, 'run', ...args], { cwd: root, env: { XDG_RUNTIME_DIR: this.runtime } });
    this.t.after(() => child.stop());
    await child.waitFor(/^(serving|running) /m);
    return child;
  }

  say(...args: string[]): Promise<RunResult> {
    return runNode([cli, ...args], { cwd: root, env: { XDG_RUNTIME_DIR: this.runtime } });
  }

  /** Standard output of a command that must succeed without complaint. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.say(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`);
    assert.equal(stderr, '');
    return stdout;
  }

  /** The one line with which a command fails. */
  async complaint(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.say(...args);
    assert.equal(code, 1, `${args.join(' ')}: ${stdout}${stderr}`);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
    return stderr.trimEnd().replace(/^(rumpwasm|error): /, '');
  }
}
