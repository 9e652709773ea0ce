/**
 * Disks as `-b` names them:
 *
 *      -b rd0,size=1G[,level=1][,dedup=write][,limit=64M]        a RAM disk
 *      -b rd0,file=disk.img[,size=64M][,writeback=5s]…           … with the contents of a file, and back
 *      -b hd0,file=disk.img[,ro][,size=64M]                      a file of the host (made, if there is a size)
 *
 * Names that begin with "rd" and a digit are RAM disks. They become the parameters RAMDISK and ETFS of
 * the image and block stores of the host; what is to be loaded and written back is for writeback.ts.
 */
import { existsSync } from 'node:fs';
import type { BlockStore } from '../bio';
import { UsageError } from '../cli/errors';
import type { ArchiveFormat } from './archive';

export interface DiskSpec {
  name: string;
  ram: boolean;
  readOnly: boolean;
  size?: number;
  file?: string;
  format?: ArchiveFormat;
  /** Milliseconds between write-backs; 0 = at the end only. */
  writebackMs?: number;
  /** Settings of a RAM disk as it takes them: "level=1 dedup=off". */
  settings: string;
}

const keyed = /^(size|file|format|writeback|level|dedup|limit)=(.+)$/;
const units: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const times: Readonly<Record<string, number>> = { ms: 1, s: 1000, '': 1000, m: 60_000, h: 3_600_000 };
const nameMax = 15;
const writebackMaxMs = 2 ** 31 - 1;

/** Is `-b FIRST,fields…` one of these? */
export function isDiskSpec(first: string, fields: readonly string[]): boolean {
  return /^[A-Za-z][\w-]*$/.test(first) && fields.some((field) => keyed.test(field));
}

/** "64M" in bytes. @throws UsageError */
export function parseSize(text: string, where: string): number {
  const m = /^(\d{1,15})([kmgt]?)$/i.exec(text);
  const bytes = m ? Number(m[1]) * units[m[2]!.toLowerCase()]! : 0;
  if (bytes <= 0 || bytes % 512 !== 0 || !Number.isSafeInteger(bytes)) throw new UsageError(`${where}: ${text} is no size in whole sectors of 512 bytes, such as 64M`);
  return bytes;
}

/** "5s" in milliseconds; "exit" is 0. @throws UsageError */
function parsePeriod(text: string, where: string): number {
  if (text === 'exit') return 0;
  const m = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|)$/.exec(text);
  const ms = m ? Math.round(Number(m[1]) * times[m[2]!]!) : 0;
  if (ms < 1 || ms > writebackMaxMs) throw new UsageError(`${where}: writeback=${text} is no time such as 5s, and not "exit"`);
  return ms;
}

function setField(spec: DiskSpec, key: string, value: string, where: string): void {
  if (key === 'size') spec.size = parseSize(value, where);
  else if (key === 'file') spec.file = value;
  else if (key === 'writeback') spec.writebackMs = parsePeriod(value, where);
  else if (key === 'format') {
    if (value !== 'raw' && value !== 'sparse') throw new UsageError(`${where}: format=${value} is neither raw nor sparse`);
    spec.format = value;
  } else if (!/^[\w.]+$/.test(value)) throw new UsageError(`${where}: ${key}=${value} is not understood`);
  else spec.settings += ` ${key}=${value}`;
}

/** What does not go together. @throws UsageError */
function checkSpec(spec: DiskSpec, where: string): void {
  const { ram, file, size } = spec;
  if (spec.name.length > nameMax) throw new UsageError(`${where}: names of disks have at most ${nameMax} characters`);
  if (!ram && file === undefined) throw new UsageError(`${where}: a disk that is not a RAM disk (rd0, rd1 …) needs file=`);
  if (!ram && (spec.writebackMs !== undefined || spec.settings !== '' || spec.format !== undefined)) throw new UsageError(`${where}: writeback, format, level, dedup and limit are for RAM disks (rd0, rd1 …)`);
  if (ram && spec.writebackMs !== undefined && file === undefined) throw new UsageError(`${where}: writeback= needs file=`);
  if (ram && spec.readOnly && spec.writebackMs !== undefined) throw new UsageError(`${where}: a disk that is read-only is not written back`);
  if (size === undefined && (file === undefined || !existsSync(file))) {
    throw new UsageError(file === undefined ? `${where}: size= is missing` : `${where}: there is no file ${file} yet; give size= to begin with an empty disk`);
  }
}

/** @throws UsageError */
export function parseDiskSpec(first: string, fields: readonly string[]): DiskSpec {
  const where = `-b ${[first, ...fields].join(',')}`;
  const spec: DiskSpec = { name: first, ram: /^rd\d/.test(first), readOnly: false, settings: '' };
  for (const field of fields) {
    const m = keyed.exec(field);
    if (m) setField(spec, m[1]!, m[2]!, where);
    else if (field === 'ro') spec.readOnly = true;
    else throw new UsageError(`${where}: ${JSON.stringify(field)} is none of size=, file=, format=, writeback=, level=, dedup=, limit=, ro`);
  }
  checkSpec(spec, where);
  return spec;
}

/** Block stores of the host for those that are files. */
export function storesOf(specs: readonly DiskSpec[]): Record<string, BlockStore> {
  return Object.fromEntries(specs.filter(({ ram }) => !ram).map(({ name, file, readOnly, size }) => [
    name, { path: file!, readOnly, ...(size === undefined ? {} : { size }) },
  ]));
}

/**
 * Parameters of the image. Where any disk is given, those that the image has by default are not made.
 * @param sizeOf bytes of a RAM disk whose size is that of its file
 */
export function paramsOf(specs: readonly DiskSpec[], sizeOf: (spec: DiskSpec) => number): Record<string, string> {
  if (specs.length === 0) return {};
  const ram = specs.filter((spec) => spec.ram).map((spec) => `${spec.name} size=${spec.size ?? sizeOf(spec)}${spec.settings}`);
  const files = specs.filter((spec) => !spec.ram).map(({ name, readOnly }) => `${name}${readOnly ? ' ro' : ''}`);
  return { RAMDISK: ram.join('; '), ETFS: files.join('; ') };
}
