/**
 * The RAM disk: MB/s and memory on mixed data, beside the kernel's own zram with the same algorithm
 * where the machine has it. A round to warm up, then interleaved ones; medians, of each round's ratio too.
 */
import { Disks } from '../../components/ramdisk/disks.user';
import { boot } from '../../host/boot';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { buildImage } from '../../tools/mkimage/build';
import { mixed } from '../lzo/samples';
import { Zram, zramMissing } from './zram';

const PIECE = 192 * 1024;
const MIB = 1 << 20;

/** One way of storing data, ours or theirs. */
interface Store {
  write(at: number, bytes: Buffer): Promise<void> | void;
  read(at: number, length: number): Promise<unknown> | void;
  used(): number;
  /** Forget everything, so that the next round writes to nothing. */
  clear(): Promise<void> | void;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

async function pass(length: number, piece: (at: number, n: number) => Promise<unknown> | void): Promise<number> {
  const began = performance.now();
  for (let at = 0; at < length; at += PIECE) await piece(at, Math.min(PIECE, length - at));
  return length / 1e3 / (performance.now() - began);
}

interface Measured {
  write: number[];
  read: number[];
  used: number;
}

/** What is written: `length` bytes, of which `part` gives some. */
interface Source {
  length: number;
  part(at: number, length: number): Buffer;
}

const fromBuffer = (data: Buffer): Source => ({ length: data.length, part: (at, length) => data.subarray(at, at + length) });

/** `length` bytes of a log, every 12 MiB of it a little different. */
function logSource(length: number): Source {
  const lines = Buffer.alloc(64 * PIECE);
  for (let at = 0, n = 0; at < lines.length; n++) {
    at += lines.write(`${n} Nov 20 19:${n % 60}:${n % 59} gateway kernel: [${n * 7}.${n % 1000}] virt0: link is up, 1000 Mbps, full duplex, ${n % 97} frames dropped\n`, at);
  }
  return {
    length,
    part(at, n) {
      const bytes = lines.subarray(at % lines.length, (at % lines.length) + n);
      for (let i = 0; i < n; i += 4096) bytes.writeUInt32LE(at + i, i);
      return bytes;
    },
  };
}

async function round(store: Store, data: Source, into: Measured): Promise<void> {
  await store.clear();
  into.write.push(await pass(data.length, (at, n) => store.write(at, data.part(at, n))));
  into.read.push(await pass(data.length, (at, n) => store.read(at, n)));
  into.used = store.used();
}

const empty = (): Measured => ({ write: [], read: [], used: 0 });

async function compare(name: string, ours: Store, theirs: Store | null, peer: string, data: Source, rounds: number, report: (row: Row) => void): Promise<void> {
  const mine = empty();
  const other = empty();
  await round(ours, data, empty());
  for (let i = 0; i < rounds; i++) {
    await round(ours, data, mine);
    if (theirs) await round(theirs, data, other);
  }
  for (const what of ['write', 'read'] as const) {
    const ratio = theirs ? median(mine[what].map((speed, i) => speed / other[what][i]!)) : 0;
    const value = median(mine[what]);
    report({ metric: `${what}, ${name}`, value, unit: 'MB/s', ...(theirs ? { peer, peerValue: median(other[what]), ratio } : {}) });
  }
  report({
    metric: `memory, ${name}`, value: (mine.used / data.length) * 100, unit: '% of data',
    ...(theirs ? { peer, peerValue: (other.used / data.length) * 100, ratio: other.used / mine.used } : {}),
  });
}

function zramStore(size: number, algorithm: string): Store & { close(): void } {
  const zram = new Zram(size, algorithm, PIECE);
  return {
    write(at, bytes) {
      bytes.copy(zram.buffer);
      zram.write(at, bytes.length);
    },
    read: (at, length) => zram.read(at, length),
    used: () => zram.used(),
    clear() { /* blocks are written over, as zram knows no other way while it is open */ },
    close: () => zram.close(),
  };
}

async function run(report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const all = mixed((quick ? 6 : 48) * MIB);
  const { wasmFile } = await buildImage('DISK');
  const kernel = await boot(wasmFile, { manual: true, memory: 192 * MIB, params: { RAMDISK_MEM: '128M' } });
  const disks = new Disks(kernel);
  const missing = zramMissing();
  if (missing) log(`no peer: ${missing}`);
  const kinds: [string, object, string | null][] = [
    ['raw', { level: 0, dedup: 'off' }, null], ['LZO1X-1', { level: 1, dedup: 'off' }, 'lzo'], ['lzo-rle', { level: 2, dedup: 'off' }, 'lzo-rle'],
    ['LZO1X-1, deduplicated', { level: 1 }, 'lzo'], ['level 9', { level: 9, dedup: 'off' }, null],
  ];
  for (const [name, options, algorithm] of kinds) {
    log(name);
    const data = name === 'level 9' ? all.subarray(0, all.length / 8) : all;
    disks.attach('rd0', { size: data.length, ...options });
    const disk = disks.open('rd0');
    const used = (): number => Number(disks.table('mm_stat').mem_used_total);
    const ours: Store = { write: (at, bytes) => disk.write(at, bytes), read: (at, length) => disk.read(at, length), used, clear: () => disks.flush('rd0') };
    const zram = algorithm !== null && !missing ? zramStore(data.length, algorithm) : null;
    try {
      await compare(name, ours, zram, `zram, ${algorithm}`, fromBuffer(data), quick ? 3 : 7, report);
    } finally {
      zram?.close();
      disk.close();
      disks.detach('rd0');
    }
  }
  await kernel.close();
  log('1 GiB');
  await gibibyte(!missing, quick, report);
}

/** A device of 1 GiB, full, in an image with 300 MiB of memory. */
async function gibibyte(beside: boolean, quick: boolean, report: (row: Row) => void): Promise<void> {
  const size = 1 << 30;
  const kernel = await boot((await buildImage('DISK')).wasmFile, { manual: true, memory: 300 * MIB, params: { RAMDISK_MEM: '285M' } });
  const disks = new Disks(kernel);
  disks.attach('rd0', { size, dedup: 'off' });
  const disk = disks.open('rd0');
  const used = (): number => Number(disks.table('mm_stat').mem_used_total);
  const ours: Store = { write: (at, bytes) => disk.write(at, bytes), read: (at, length) => disk.read(at, length), used, clear: () => disks.flush('rd0') };
  const zram = beside ? zramStore(size, 'lzo') : null;
  try {
    await compare(`1 GiB of logs in ${kernel.memory.buffer.byteLength / MIB} MiB`, ours, zram, 'zram, lzo', logSource(size), quick ? 1 : 3, report);
  } finally {
    zram?.close();
    disk.close();
    await kernel.close();
  }
}

const bench: Bench = { name: 'ramdisk', about: 'the RAM disk: speed and memory beside zram', run };
export default bench;
