/**
 * `rumpwasm route -b FILE`: a file of commands, a line each, in as few requests as they fit in.
 *
 *      # comment
 *      add 10.1.0.0/16 10.0.0.2 metric 5        with or without "route" before it
 *      rule add from 10.9.0.0/24 lookup 100
 *
 * The image obeys the lines in order and stops at the first that fails, of which it keeps the number; the
 * error names file and line. What stands before that line is in force.
 */
import { readFileSync } from 'node:fs';
import { ControlError } from '../control/protocol';
import { UsageError } from './errors';
import { type Instance, tableError } from './instance';

/** Bytes of commands in one request. */
const chunkBytes = 65_536;

/** Lines of a file; "-" is standard input. @throws UsageError */
export function readBatch(file: string): string[] {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').split('\n');
  } catch (error) {
    throw new UsageError(`route -b ${file}: ${(error as Error).message}`);
  }
}

/** Lines in groups, each with the number of its first line, from 1. */
export function chunks(lines: readonly string[], most = chunkBytes): { from: number; lines: string[] }[] {
  const groups: { from: number; lines: string[] }[] = [];
  let size = most;
  lines.forEach((line, i) => {
    size += Buffer.byteLength(line) + 1;
    if (size > most) {
      groups.push({ from: i + 1, lines: [] });
      size = Buffer.byteLength(line) + 1;
    }
    groups.at(-1)!.lines.push(line);
  });
  return groups;
}

/** Obey `lines`; how many commands they were. @throws ControlError that names the line which failed */
export async function runBatch(instance: Instance, table: string, file: string, lines: readonly string[]): Promise<number> {
  for (const chunk of chunks(lines)) {
    try {
      await instance.client.request('sysctl.set', { name: table, value: chunk.lines.join('\n') });
    } catch (error) {
      if (!(error instanceof ControlError) || error.code === 'ENOENT') throw error;
      const line = Number((await instance.sysctl('net.route.batchline')).value);
      throw new ControlError(error.code, `${file}:${chunk.from + line - 1}: ${chunk.lines[line - 1]?.trim() ?? ''}: ${tableError(error)}`);
    }
  }
  return lines.filter((line) => line.trim() !== '' && !line.startsWith('#')).length;
}
