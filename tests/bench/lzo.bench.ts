/**
 * LZO1X-1 in WebAssembly (the default build: scalar, one thread) beside native liblzo2 compiled with
 * -O2, on mixed data: text, programs, logs. A round to warm up, then interleaved ones; medians, and of the
 * ratios of each round too, so that a machine that is busy for a while slows both.
 */
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { need } from '../lib/need';
import { Liblzo2 } from '../lzo/liblzo2';
import { type LzoModule, lzoModule } from '../lzo/module';
import { mixed } from '../lzo/samples';

const PEER = 'liblzo2, native -O2';

/** One side's buffers: blocks in, packed blocks out, and back. */
interface Side {
  pack(): number;
  unpack(): void;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function cut(data: Buffer, block: number): Buffer[] {
  return Array.from({ length: Math.ceil(data.length / block) }, (_, i) => data.subarray(i * block, (i + 1) * block));
}

/** Ours: data is in linear memory before the clock starts, as it is for the RAM disk. */
function ourSide(module: LzoModule, data: Buffer, block: number): Side {
  const { exports: e, u8, src, dst, wrkmem } = module;
  const stride = block + (block >> 4) + 67;
  const packedAt = dst;
  const outAt = packedAt + Math.ceil(data.length / block) * stride;
  const lengths: number[] = [];
  const blocks = cut(data, block);
  u8.set(data, src);
  return {
    pack() {
      let total = 0;
      blocks.forEach(({ length }, i) => {
        const n = e.lzo1x_1_compress(src + i * block, length, packedAt + i * stride, stride, wrkmem);
        if (n < 0) throw new Error(`lzo1x_1_compress: ${n}`);
        lengths[i] = n;
        total += n;
      });
      return total;
    },
    unpack() {
      blocks.forEach(({ length }, i) => {
        if (e.lzo1x_decompress_safe(packedAt + i * stride, lengths[i]!, outAt, length, 0) !== length) throw new Error('lzo1x_decompress_safe failed');
      });
    },
  };
}

function theirSide(library: Liblzo2, data: Buffer, block: number): Side {
  const blocks = cut(data, block);
  const packed = blocks.map(() => Buffer.alloc(block + (block >> 4) + 67));
  const lengths: number[] = [];
  const out = Buffer.alloc(block + 64);
  return {
    pack: () => blocks.reduce((total, input, i) => total + (lengths[i] = library.compressInto('lzo1x_1', input, packed[i]!)), 0),
    unpack() {
      packed.forEach((bytes, i) => {
        if (library.decompressInto(bytes.subarray(0, lengths[i]), out, blocks[i]!.length).code !== 0) throw new Error('liblzo2 failed');
      });
    },
  };
}

function timed(work: () => unknown): number {
  const began = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - began) / 1e9;
}

function measure(data: Buffer, block: number, module: LzoModule, library: Liblzo2 | null, rounds: number, report: (row: Row) => void): void {
  const ours = ourSide(module, data, block);
  const theirs = library && theirSide(library, data, block);
  const times: Record<string, number[]> = { pack: [], unpack: [], peerPack: [], peerUnpack: [] };
  let size = 0;
  let peerSize = 0;
  ours.pack();
  ours.unpack();
  for (let round = 0; round < rounds; round++) {
    times.pack!.push(timed(() => { size = ours.pack(); }));
    if (theirs) times.peerPack!.push(timed(() => { peerSize = theirs.pack(); }));
    times.unpack!.push(timed(() => ours.unpack()));
    if (theirs) times.peerUnpack!.push(timed(() => theirs.unpack()));
  }
  const ratios = (mine: string, peer: string): number[] => times[peer]!.map((time, i) => time / times[mine]![i]!);
  const speed = (key: string): number => data.length / 1e6 / median([...times[key]!]);
  const name = block >= 1024 ? `${block / 1024} KiB blocks` : `${block} B blocks`;
  const rows: [string, string, string][] = [['compress', 'pack', 'peerPack'], ['decompress', 'unpack', 'peerUnpack']];
  for (const [what, mine, peer] of rows) {
    const beside = theirs ? { peer: PEER, peerValue: speed(peer), ratio: median(ratios(mine, peer)) } : {};
    report({ metric: `${what}, ${name}`, value: speed(mine), unit: 'MB/s', aim: '≥ 0.8×', ...beside });
  }
  const share = (bytes: number): number => (bytes / data.length) * 100;
  report({ metric: `size, ${name}`, value: share(size), unit: '%', aim: '≥ 0.99×', ...(theirs ? { peer: PEER, peerValue: share(peerSize), ratio: peerSize / size } : {}) });
}

async function run(report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const missing = need('lzop');
  if (missing) log(`no peer: ${missing}`);
  const data = mixed(quick ? 3 << 20 : 12 << 20);
  const module = await lzoModule(data.length * 2);
  const library = missing ? null : new Liblzo2();
  for (const block of [4096, 65536, 262144]) {
    log(`blocks of ${block} bytes`);
    measure(data, block, module, library, quick ? 5 : 15, report);
  }
}

const bench: Bench = { name: 'lzo', about: 'LZO1X-1: speed and ratio beside liblzo2', run };
export default bench;
