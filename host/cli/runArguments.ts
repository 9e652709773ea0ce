/**
 * The words of `rumpwasm run`, which are rumprun's: -b, -e, -I, -W, -M; and -R.
 *
 *      -b PATH[,mount=/www]            a directory or tar archive into a file system of the image
 *      -b NAME=FILE[,ro]               a file as block store NAME
 *      -b NAME,size=…,file=…           a disk (host/disk/spec.ts)
 *      -e NAME=VALUE                   a parameter
 *      -I TAG,DEVICE[,BACKEND…]        a network interface        → parameter if.TAG
 *      -W TAG,inet,static,ADDR/LEN[,GW] its address               → parameter net.TAG
 *      -R DST/LEN,GATEWAY              a static route               → parameter route.0, route.1 …
 *      -M MEGABYTES                    linear memory
 *
 * Everything is checked here, before anything is built or booted, so that a slip costs no time.
 */
import { accessSync, constants, openSync, readSync, closeSync, statSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import type { BootOptions, Volume } from '../boot';
import type { BlockStore } from '../bio';
import { parseInterface } from '../netdev/spec';
import { type DiskSpec, isDiskSpec, parseDiskSpec } from '../disk/spec';
import { parseEnvironArgument } from '../params';
import { UsageError } from './errors';

/** Where a directory or archive goes when -b does not say. */
const defaultMount = '/www';

export interface BlockArguments {
  volumes: Volume[];
  blk: Record<string, BlockStore>;
  disks: DiskSpec[];
}

const words: Record<string, string> = {
  ENOENT: 'there is no such file or directory', EACCES: 'permission denied', ENOTDIR: 'it is not a directory',
};

function readable(path: string): ReturnType<typeof statSync> {
  try {
    const stat = statSync(path);
    accessSync(path, stat.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK);
    return stat;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`cannot read ${path}: ${words[code ?? ''] ?? code}`);
  }
}

/** Is the file a tar archive (by its magic), or compressed as one (by its name)? */
function isArchive(path: string): boolean {
  if (/\.(tar|tgz|tar\.gz)$/i.test(path)) return true;
  const head = Buffer.alloc(512);
  const fd = openSync(path, 'r');
  try {
    return readSync(fd, head, 0, 512, 0) === 512 && head.toString('latin1', 257, 262) === 'ustar';
  } finally {
    closeSync(fd);
  }
}

/**
 * What the -b options mean.
 * @throws UsageError naming the option
 */
export function parseBlocks(specs: readonly string[]): BlockArguments {
  const result: BlockArguments = { volumes: [], blk: {}, disks: [] };
  for (const spec of specs) parseBlock(spec, result);
  return result;
}

function parseBlock(spec: string, result: BlockArguments): void {
  const [first = '', ...fields] = spec.split(',');
  if (isDiskSpec(first, fields)) {
    if (first in result.blk || result.disks.some(({ name }) => name === first)) throw new UsageError(`-b ${spec}: there are two disks ${first}`);
    result.disks.push(parseDiskSpec(first, fields));
    return;
  }
  const named = /^([A-Za-z][\w.-]*)=(.+)$/.exec(first);
  const path = named ? named[2]! : first;
  if (path === '') throw new UsageError(`-b ${spec}: expected PATH[,mount=/DIR] or NAME=FILE[,ro]`);
  let mount: string | undefined;
  let readOnly = false;
  for (const field of fields) {
    if (field === 'ro') readOnly = true;
    else if (field.startsWith('mount=/')) mount = field.slice('mount='.length);
    else if (field.startsWith('/')) mount = field;
    else throw new UsageError(`-b ${spec}: ${JSON.stringify(field)} is not mount=/DIR or ro`);
  }
  const isDirectory = readable(path)!.isDirectory();
  if (isDirectory || (mount === undefined && named === null ? isArchive(path) : mount !== undefined)) {
    if (!isDirectory && !isArchive(path)) throw new UsageError(`-b ${spec}: ${path} is neither a directory nor a tar archive, so it cannot be mounted`);
    result.volumes.push({ source: path, mount: mount ?? defaultMount });
    return;
  }
  const name = named?.[1] ?? `blk${Object.keys(result.blk).length}`;
  if (name in result.blk) throw new UsageError(`-b ${spec}: there are two block devices ${name}`);
  result.blk[name] = { path, readOnly };
}

/** The -e options as parameters. @throws UsageError */
export function parseEnviron(specs: readonly string[]): Record<string, string> {
  try {
    return Object.fromEntries(specs.map(parseEnvironArgument));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function isPrefix(text: string): boolean {
  const [address = '', length = '', ...rest] = text.split('/');
  return rest.length === 0 && isIPv4(address) && /^\d{1,2}$/.test(length) && Number(length) <= 32;
}

/** The -R options as parameters. @throws UsageError */
export function parseRoutes(specs: readonly string[]): Record<string, string> {
  return Object.fromEntries(specs.map((spec, i) => {
    const [destination = '', gateway = '', ...rest] = spec.split(',');
    const prefix = destination === 'default' ? '0.0.0.0/0' : destination;
    if (!isPrefix(prefix) || !isIPv4(gateway) || rest.length > 0) throw new UsageError(`-R ${spec}: expected ADDRESS/LENGTH,GATEWAY or default,GATEWAY`);
    return [`route.${i}`, `${prefix},${gateway}`];
  }));
}

/** -W's words for a static IPv4 address are right. */
function checkStatic(spec: string, words: string): void {
  const [, address = '', gateway] = /^inet,static,([^,]+)(?:,([^,]+))?$/.exec(words) ?? [];
  if (address === '') return;
  if (!isPrefix(address)) throw new UsageError(`-W ${spec}: ${address} is not ADDRESS/LENGTH`);
  if (gateway !== undefined && !isIPv4(gateway)) throw new UsageError(`-W ${spec}: ${gateway} is not the address of a gateway`);
}

/** The -I and -W options as parameters. @throws UsageError */
export function parseInterfaces(interfaces: readonly string[], addresses: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const spec of interfaces) {
    const m = /^([A-Za-z]\w*),([^,]+(?:,.*)?)$/.exec(spec);
    if (!m) throw new UsageError(`-I ${spec}: expected TAG,DEVICE[,BACKEND]`);
    parseInterface(m[1]!, m[2]!);
    params[`if.${m[1]}`] = m[2]!;
  }
  for (const spec of addresses) {
    const m = /^([A-Za-z]\w*),(inet6?,(?:dhcp(?:,noprobe)?|auto|static,[^,]+(?:,[^,]+)?))$/.exec(spec);
    if (!m) throw new UsageError(`-W ${spec}: expected TAG,inet,static,ADDRESS/LENGTH[,GATEWAY] or TAG,inet,dhcp`);
    if (!(`if.${m[1]}` in params)) throw new UsageError(`-W ${spec}: there is no -I ${m[1]},…`);
    checkStatic(spec, m[2]!);
    params[`net.${m[1]}`] = m[2]!;
  }
  return params;
}

/**
 * The -I options with what --pcap says added: FILE for the only interface, or TAG=FILE.
 * @throws UsageError
 */
export function addCaptures(interfaces: readonly string[], captures: readonly string[]): string[] {
  const specs = [...interfaces];
  for (const capture of captures) {
    const [, tag, file] = /^(?:([a-z]+\d+)=)?(.+)$/.exec(capture) ?? [];
    const at = tag === undefined && specs.length === 1 ? 0 : specs.findIndex((spec) => spec.startsWith(`${tag},`));
    if (file === undefined || file.includes(',') || at < 0) {
      const names = specs.map((spec) => `${spec.split(',')[0]}=FILE`).join(' or ');
      throw new UsageError(`--pcap ${capture}: expected ${specs.length === 0 ? 'an interface (-I) beside it' : names}`);
    }
    specs[at] += `,pcap=${file}`;
  }
  return specs;
}

/** -M: megabytes to bytes. @throws UsageError */
export function parseMemory(text: string): number {
  const megabytes = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || megabytes < 1 || megabytes >= 2048) throw new UsageError(`-M ${text}: expected 1 to 2047 megabytes`);
  return Math.ceil(megabytes * 1024 * 1024);
}

/** A port number. @throws UsageError */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535) throw new UsageError(`--port ${text}: expected 0 to 65535`);
  return port;
}

/** Parts of BootOptions which the words above make. */
export type BootArguments = Pick<BootOptions, 'volumes' | 'blk' | 'params' | 'memory'>;
