/**
 * `rumpwasm disk archive` and `rumpwasm disk restore`: RAM disks of a running instance to files and back.
 *
 *      rumpwasm disk archive rd0 backup.rda          only what is not zeros, compressed, checksummed
 *      rumpwasm disk archive rd0 disk.img --raw      the bytes themselves, for other programs
 *      rumpwasm disk restore rd0 backup.rda          verified first; a torn or foreign file changes nothing
 *      rumpwasm disk restore rd0 disk.img --raw
 *
 * The instance itself reads and writes the files; they are named relative to where the command is given.
 */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type InstanceFlags, instanceCommand, print, withInstance } from '../cli/instance';
import type { Archived } from './archive';
import type { Restored } from './restore';

interface FileFlags extends InstanceFlags {
  raw?: boolean;
  force?: boolean;
}

const mebi = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function showProgress({ data }: Record<string, unknown>): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${mebi(Number(data))} `);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

/** Ask the instance, and wait for as long as it takes. */
async function request<T>(flags: FileFlags, op: string, fields: Record<string, unknown>): Promise<T> {
  return withInstance(flags, async (instance) => {
    const started = instance.start<T>(op, { ...fields, ...(flags.raw ? { format: 'raw' } : {}) }, showProgress);
    const cancel = (): void => started.cancel();
    process.once('SIGINT', cancel);
    try {
      return await started.done;
    } finally {
      process.removeListener('SIGINT', cancel);
      clearProgress();
    }
  });
}

async function archive(name: string, file: string, flags: FileFlags): Promise<void> {
  const done = await request<Archived>(flags, 'disk.archive', { name, path: resolve(file) });
  print(flags, done, () => `${name}: ${mebi(done.data)} of data in ${mebi(done.size)} → ${file}, ${mebi(done.file)}`);
}

async function restore(name: string, file: string, flags: FileFlags): Promise<void> {
  const done = await request<Restored>(flags, 'disk.restore', { name, path: resolve(file), force: flags.force === true });
  print(flags, done, () => `${file} → ${name}: ${mebi(done.data)} of data in ${mebi(done.size)}`);
}

/** Add them to the command `disk`, which is made if no component has it. */
export function registerDiskCommands(program: Command): void {
  const disk = program.commands.find((command) => command.name() === 'disk') ?? program.command('disk').description('block devices of a running instance');
  instanceCommand(disk, 'archive', 'write a RAM disk to a file, as it is at this moment').argument('<name>').argument('<file>')
    .option('--raw', 'the bytes themselves instead of a compressed archive')
    .action((name: string, file: string, flags: FileFlags) => archive(name, file, flags));
  instanceCommand(disk, 'restore', 'let a RAM disk have what a file holds').argument('<name>').argument('<file>')
    .option('--raw', 'the file is a raw image')
    .option('-f, --force', 'although it is in use')
    .action((name: string, file: string, flags: FileFlags) => restore(name, file, flags));
}
