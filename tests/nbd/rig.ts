/**
 * A served image NBD in a process of its own, as users start it, and the real clients.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { freePort } from '../lib/net';
import { type Process, run, start } from '../lib/spawn';
import { cli, root } from '../lib/tree';

export interface NbdServer {
  port: number;
  process: Process;
  /** nbd://127.0.0.1:PORT/EXPORT */
  uri(name?: string): string;
}

const servers: Process[] = [];
after(async () => { await Promise.all(servers.map((server) => server.stop())); });

/** A directory of its own, gone at the end of the file's tests. */
export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-nbd-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Start `rumpwasm run NBD` with these arguments; it serves when this resolves. It is stopped at the end of the file's tests. */
export async function serveNbd(args: string[] = []): Promise<NbdServer> {
  const port = await freePort();
  const process_ = start(process.execPath, [cli, 'run', 'NBD', '-e', `NBD_PORT=${port}`, ...args], { cwd: root });
  servers.push(process_);
  await process_.waitFor(/serving .* on nbd:\/\//, 120_000);
  return { port, process: process_, uri: (name = '') => `nbd://127.0.0.1:${port}/${name}` };
}

/** Run a program; what it prints. @throws with its output unless it ends with status 0 */
export async function ok(program: string, args: string[], timeoutMs = 120_000): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, { timeoutMs });
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: status ${code}\n${stdout}${stderr}`);
  return stdout + stderr;
}
