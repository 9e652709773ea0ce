/**
 * `rumpwasm disk`: the block devices of a running instance, with RapidDisk's verbs.
 *
 *      rumpwasm disk [list] [-j]
 *      rumpwasm disk attach rd0 64M [--level 1] [--dedup write] [--limit 16M]
 *      rumpwasm disk resize rd0 128M        while it is used; what lies beyond a smaller size is gone
 *      rumpwasm disk flush rd0              forget all that is on it
 *      rumpwasm disk lock | unlock rd0      refuse writes, or no longer
 *      rumpwasm disk set rd0 --level 3      for what is written from now on
 *      rumpwasm disk stat [rd0] [-j]        numbers of one, or of the memory that all share
 *      rumpwasm disk compact                give back memory that is free in pieces
 *      rumpwasm disk detach rd0
 *
 * Each is one line of words for the kernel (kernel/dev/diskctl.ts), asked of sysctl kern.disk.
 */
import type { Command } from 'commander';
import { columns, type Instance, instanceCommand, type InstanceFlags, print, withInstance } from '../../host/cli/instance';
import { ControlError } from '../../host/control/protocol';
import { type DiskInfo, parseList, parseTable } from './diskText.user';

interface SettingFlags extends InstanceFlags {
  level?: string;
  dedup?: string;
  limit?: string;
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** What the kernel's refusals mean here. */
const WORDS: Readonly<Record<string, string>> = {
  ENXIO: 'there is no such device, and no driver for that name', EEXIST: 'there is a device of that name', EBUSY: 'it is in use',
  EINVAL: 'that is not understood', EROFS: 'it is locked', ENFILE: 'there are no more devices to be had', ENOSPC: 'there is no memory left for it',
  EOPNOTSUPP: 'that device cannot do that',
};

/** "64.0 MiB". */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(1)} ${UNITS[unit]}`;
}

/** Hand one command to the kernel. @returns its answer */
async function ask(instance: Instance, command: string): Promise<string> {
  try {
    return String((await instance.client.request<{ value: unknown }>('sysctl.get', { name: 'kern.disk', ask: command })).value);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.code === 'ENOENT') throw new ControlError('ENOENT', `instance ${instance.name} has no block devices: its image was linked without them`);
    throw new ControlError(error.code, `disk ${command}: ${WORDS[error.code] ?? error.message}`);
  }
}

/** One command, nothing printed. */
async function tell(flags: InstanceFlags, command: string): Promise<void> {
  await withInstance(flags, async (instance) => { await ask(instance, command); });
}

/** A device's line of the list: what it is, and what its data takes. */
function row(info: DiskInfo, stat: Record<string, number | string>): (string | number)[] {
  const share = Number(stat.orig_data_size) > 0 ? `${Math.round((Number(stat.compr_data_size) / Number(stat.orig_data_size)) * 100)} %` : '';
  const words = [info.locked ? 'locked' : '', info.open > 0 ? `used ${info.open}×` : ''].filter(Boolean).join(', ');
  return [info.name, humanSize(info.size), humanSize(Number(stat.orig_data_size ?? 0)), humanSize(Number(stat.mem_used_total ?? 0)), share, words];
}

async function list(flags: InstanceFlags): Promise<void> {
  const found = await withInstance(flags, async (instance) => {
    const infos = parseList(await ask(instance, 'list'));
    return Promise.all(infos.map(async (info) => ({ ...info, stat: parseTable(await ask(instance, `stat ${info.name}`)) })));
  });
  print(flags, found, (all) => (all.length === 0 ? '' : columns([
    ['device', 'size', 'data', 'memory', 'packed', ''], ...all.map(({ stat, ...info }) => row(info, stat)),
  ], [1, 2, 3, 4])));
}

async function stat(name: string | undefined, flags: InstanceFlags): Promise<void> {
  const tables = await withInstance(flags, async (instance) => (name === undefined
    ? { ...parseTable(await ask(instance, 'mm_stat')), ...parseTable(await ask(instance, 'ksm')) }
    : parseTable(await ask(instance, `stat ${name}`))));
  print(flags, tables, (all) => columns(Object.entries(all), [1]));
}

/** The key=value words of options. */
function settings({ level, dedup, limit }: SettingFlags): string {
  return Object.entries({ level, dedup, limit }).filter(([, value]) => value !== undefined).map(([key, value]) => ` ${key}=${value}`).join('');
}

/** A name as one word; a space would make it two. */
function nameWord(name: string): string {
  if (!/^[\x21-\x7e]+$/.test(name)) throw new ControlError('EINVAL', `${JSON.stringify(name)} is no name of a device`);
  return name;
}

function withSettings(command: Command): Command {
  return command
    .option('--level <n>', 'compression: 0 none, 1 LZO1X-1, 2 lzo-rle, 3 to 9 slow and small')
    .option('--dedup <when>', 'equal blocks are stored once: off, scan (later), write (at once)')
    .option('--limit <size>', 'most memory for its blocks; 0 = no limit');
}

export function registerCommands(program: Command): void {
  const disk = program.command('disk').description('block devices of a running instance');
  instanceCommand(disk, 'list', 'devices, and what they hold').action((flags: InstanceFlags) => list(flags));
  withSettings(instanceCommand(disk, 'attach', 'make a RAM disk (rd0, rd1 …)').argument('<name>').argument('<size>', 'as 64M, 1G'))
    .action((name: string, size: string, flags: SettingFlags) => tell(flags, `attach ${nameWord(name)} size=${nameWord(size)}${settings(flags)}`));
  withSettings(instanceCommand(disk, 'set', 'settings for what is written from now on').argument('<name>'))
    .action((name: string, flags: SettingFlags) => tell(flags, `set ${nameWord(name)}${settings(flags)}`));
  instanceCommand(disk, 'resize', 'change the size, while it is used').argument('<name>').argument('<size>')
    .action((name: string, size: string, flags: InstanceFlags) => tell(flags, `resize ${nameWord(name)} size=${nameWord(size)}`));
  const plain = {
    detach: 'take a device away', flush: 'forget all that is on a device', lock: 'refuse writes', unlock: 'allow writes again',
  };
  for (const [verb, about] of Object.entries(plain)) {
    instanceCommand(disk, verb, about).argument('<name>').action((name: string, flags: InstanceFlags) => tell(flags, `${verb} ${nameWord(name)}`));
  }
  instanceCommand(disk, 'stat', 'numbers of a device, or of the memory that all share').argument('[name]')
    .action((name: string | undefined, flags: InstanceFlags) => stat(name && nameWord(name), flags));
  instanceCommand(disk, 'compact', 'give back memory that is free in pieces').action(async (flags: InstanceFlags) => {
    const answer = await withInstance(flags, async (instance) => parseTable(await ask(instance, 'compact')));
    print(flags, answer, ({ pages }) => `${pages} pages (${humanSize(Number(pages) * 4096)})`);
  });
}
