/**
 * The process that one benchmark runs in: what it leaves in memory, and what it breaks, is gone before
 * the next begins. `node build/tools/benchWorker.mjs MODULE [--quick]`; rows and progress go to the
 * parent by process.send().
 */
import { pathToFileURL } from 'node:url';
import type { Bench, Row } from '../bench/bench';

export type WorkerMessage =
  | { type: 'about'; name: string; about: string }
  | { type: 'row'; row: Row }
  | { type: 'log' | 'show'; text: string };

function send(message: WorkerMessage): void {
  process.send?.(message);
}

const [, , module = '', ...flags] = process.argv;
const { default: bench } = await import(pathToFileURL(module).href) as { default: Bench };
send({ type: 'about', name: bench.name, about: bench.about });
try {
  await bench.run((row) => send({ type: 'row', row }), { quick: flags.includes('--quick'), log: (text) => send({ type: 'log', text }), show: (text) => send({ type: 'show', text }) });
  process.disconnect?.();
} catch (error) {
  console.error(process.env.DEBUG ? (error as Error).stack : (error as Error).message);
  process.exit(1);
}
