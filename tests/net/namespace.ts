/**
 * Run a whole test file inside a network namespace of its own.
 *
 *      node --test-reporter … file.mjs ── ip netns exec NS ──▶ node --test-reporter … file.mjs
 *           waits, hands on the status                              defines the tests, runs them
 *
 * For tests whose kernels must be in the process of the test and have TAP devices: the process itself
 * has to be inside. The outer process defines no test, so that only the inner one reports.
 */
import { execFileSync, spawnSync } from 'node:child_process';

const MARK = 'RUMPWASM_TEST_NETNS';

/** True in the process that runs inside a namespace; in the other it does not return unless `skip` is given. */
export function insideNetns(skip: string | false): boolean {
  if (process.env[MARK] !== undefined) return true;
  if (skip !== false) return false;
  const name = `rumpwasm-file-${process.pid}`;
  execFileSync('ip', ['netns', 'add', name]);
  const remove = (): void => { spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' }); };
  process.once('exit', remove);
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  const result = spawnSync('ip', ['netns', 'exec', name, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit', env: { ...process.env, [MARK]: name },
  });
  process.exit(result.status ?? 1);
}

/** `ip` with these words, inside. */
export function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
}
