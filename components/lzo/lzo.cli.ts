/**
 * `rumpwasm lzo`: files in the format of lzop, both ways, by the stand-alone lzo module.
 *
 *      rumpwasm lzo -c FILE [-o OUT]     FILE → FILE.lzo
 *      rumpwasm lzo -d FILE.lzo [-o OUT] FILE.lzo → FILE, with its mode and time
 *      rumpwasm lzo -t FILE.lzo          verify only
 *
 * Without FILE, or with "-", it is a filter from standard input to standard output. Exit status: 0; 1
 * after an error, which is one line; 2 when a file was followed by bytes that do not belong to it.
 */
import { basename } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { Lzo } from './lzoModule.user';
import { type Input, openInput, Output, outputName, Progress } from './lzoFiles.user';
import { LZOP_BLOCK, LzopError, type LzopHeader } from './lzopHeader.user';
import { Feed, readLzop } from './lzopReader.user';
import { writeLzop } from './lzopWriter.user';

export interface LzoOptions {
  compress?: boolean;
  decompress?: boolean;
  test?: boolean;
  output?: string;
  force?: boolean;
  crc32?: boolean;
  /** 1 to 9. */
  level?: number;
  quiet?: boolean;
}

const REGULAR_FILE = 0o100644;
const DEFAULT_LEVEL = 5;
const STATUS_ERROR = 1;
const STATUS_GARBAGE = 2;

function say(text: string): void {
  process.stderr.write(`rumpwasm lzo: ${text}\n`);
}

/** Input, output and progress of one run; whatever goes wrong, no half file is left. */
async function transfer(file: string, out: string | null, options: LzoOptions, work: (input: Input, feed: Feed, output: Output | null, step: () => void) => Promise<void>): Promise<void> {
  const input = openInput(file);
  const feed = new Feed(input.stream);
  const output = out === null ? null : new Output(out, options.force === true);
  const progress = new Progress(input.label, input.size, options.quiet === true);
  try {
    await work(input, feed, output, () => progress.show(feed.taken, output?.written ?? 0));
  } catch (error) {
    progress.clear();
    await output?.abandon();
    throw error;
  }
  progress.done(feed.taken, output?.written ?? 0);
}

async function compressFile(file: string, out: string, options: LzoOptions): Promise<void> {
  await transfer(file, out, options, async (input, feed, output, step) => {
    const header = {
      name: input.stdin ? '' : basename(file),
      mode: input.stats?.mode ?? REGULAR_FILE,
      mtime: Math.floor((input.stats?.mtimeMs ?? Date.now()) / 1000),
      level: options.level ?? DEFAULT_LEVEL,
      crc32: options.crc32 === true,
      stdin: input.stdin,
      stdout: output!.stdout,
    };
    for await (const bytes of writeLzop(feed, new Lzo(LZOP_BLOCK), header)) {
      await output!.write(bytes);
      step();
    }
    await output!.commit(input.stats?.mode);
  });
}

/** Decompress, or only verify when `out` is null. @returns exit status */
async function decompressFile(file: string, out: string | null, options: LzoOptions): Promise<number> {
  let status = 0;
  await transfer(file, out, options, async (input, feed, output, step) => {
    let first: LzopHeader | null = null;
    const onGarbage = (): void => {
      say(`${input.label}: ignoring what follows the last member: it is not .lzo`);
      status = STATUS_GARBAGE;
    };
    for await (const part of readLzop(feed, new Lzo(LZOP_BLOCK), { onGarbage })) {
      if ('header' in part) first ??= part.header;
      else await output?.write(part.data);
      step();
    }
    await output?.commit(first?.mode, first?.mtime);
  });
  return status;
}

/** Run the command. @returns exit status */
export async function runLzo(file: string, options: LzoOptions): Promise<number> {
  const modes = [options.compress, options.decompress, options.test].filter(Boolean).length;
  const label = file === '-' ? 'standard input' : file;
  try {
    if (modes > 1) throw new LzopError('only one of -c, -d and -t can be done');
    const unpacking = options.decompress === true || options.test === true;
    const out = options.test ? null : options.output ?? outputName(file, unpacking);
    if (!unpacking && out === '-' && process.stdout.isTTY && !options.force) throw new LzopError('compressed data is not written to a terminal; give -o, or -f if you want it');
    if (unpacking) return await decompressFile(file, out, options);
    await compressFile(file, out!, options);
    return 0;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof LzopError) && code === undefined) throw error;
    say(`${label}: ${(error as Error).message.split('\n')[0]}`);
    return STATUS_ERROR;
  }
}

function parseLevel(text: string): number {
  if (!/^[1-9]$/.test(text)) throw new InvalidArgumentError('it is a number from 1 to 9');
  return Number(text);
}

export function registerCommands(program: Command): void {
  program.command('lzo')
    .description('compress or decompress files in the format of lzop')
    .argument('[file]', 'file to read; "-" is standard input', '-')
    .option('-c, --compress', 'compress (what is done without -d and -t)')
    .option('-d, --decompress', 'decompress')
    .option('-t, --test', 'verify a compressed file')
    .option('-o, --output <file>', 'name of the result; "-" is standard output')
    .option('-f, --force', 'overwrite the result if it exists')
    .option('-l, --level <n>', 'with -c: 1 to 9; from 7 on slow and small', parseLevel)
    .option('--crc32', 'with -c: CRC-32 instead of Adler-32')
    .option('-q, --quiet', 'no progress')
    .addHelpText('after', '\nExamples:\n  rumpwasm lzo -c disk.img\n  rumpwasm lzo -d disk.img.lzo -o copy.img\n  tar c . | rumpwasm lzo > all.tar.lzo')
    .action(async (file: string, options: LzoOptions) => {
      process.exitCode = await runLzo(file, options);
    });
}
