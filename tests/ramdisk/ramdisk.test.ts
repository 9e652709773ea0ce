/**
 * RAM disks in a running image: the verbs, contents against a model, memory running out, sharing, and
 * what the statistics say of it.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Disk, Disks } from '../../components/ramdisk/disks.user';
import { mixed, Random } from '../lzo/samples';
import { BLOCK, content, disks as bootDisks, failure, SECTOR } from './disks';

const MIB = 1 << 20;

describe('verbs', () => {
  test('attach, list, resize, lock, flush, detach', async () => {
    const { disks } = await bootDisks();
    disks.attach('rd0', { size: '8M' });
    disks.attach('rd7', { size: 12345 * SECTOR, level: 9, dedup: 'off', limit: '1M' });
    assert.deepEqual(disks.list(), [
      { name: 'rd0', unit: 0, size: 8 * MIB, blksize: BLOCK, locked: false, open: 0 },
      { name: 'rd7', unit: 1, size: 12345 * SECTOR, blksize: BLOCK, locked: false, open: 0 },
    ]);
    const { level, dedup, mem_limit: limit } = disks.stat('rd7');
    assert.deepEqual([level, dedup, limit], [9, 'off', MIB]);
    const disk = disks.open('rd0');
    assert.equal(disks.list()[0]!.open, 1);
    assert.equal(await failure(() => disks.detach('rd0')), 'EBUSY');
    await disk.write(0, content(7, 5 * BLOCK));
    disks.lock('rd0');
    assert.equal(disks.list()[0]!.locked, true);
    for (const verb of ['flush rd0', 'resize rd0 size=16M']) assert.equal(await failure(() => disks.command(verb)), 'EROFS');
    assert.equal(await failure(() => disk.write(0, Buffer.alloc(512))), 'EROFS');
    assert.equal(await failure(() => disk.discard(0, BLOCK)), 'EROFS');
    assert.deepEqual(await disk.read(0, 5 * BLOCK), content(7, 5 * BLOCK));
    disks.unlock('rd0');
    disks.resize('rd0', '1G');
    assert.equal(disks.list()[0]!.size, 1 << 30);
    assert.deepEqual(await disk.read(0, 5 * BLOCK), content(7, 5 * BLOCK));
    assert.deepEqual(await disk.read((1 << 30) - 1024, 1024), Buffer.alloc(1024));
    disks.flush('rd0');
    assert.deepEqual(await disk.read(0, 5 * BLOCK), Buffer.alloc(5 * BLOCK));
    disk.close();
    disks.detach('rd0');
    disks.detach('rd7');
    assert.deepEqual(disks.list(), []);
    assert.equal(disks.table('mm_stat').mem_used_total, 0);
  });

  test('what makes no sense is refused', async () => {
    const { disks } = await bootDisks();
    disks.attach('rd0', { size: '1M' });
    const wrong: [string, string][] = [
      ['attach rd0 size=1M', 'EEXIST'], ['attach rd1', 'EINVAL'], ['attach rd1 size=0', 'EINVAL'], ['attach rd1 size=1000', 'EINVAL'],
      ['attach rd1 size=1X', 'EINVAL'], ['attach rd1 size=99999999999999999999', 'EINVAL'], ['attach rd1 size=4T', 'EINVAL'],
      ['attach rd1 size=1M level=10', 'EINVAL'], ['attach rd1 size=1M dedup=maybe', 'EINVAL'], ['attach rd1 size=1M colour=red', 'EINVAL'],
      ['attach sd0 size=1M', 'ENXIO'], ['attach rd-with-a-long-name size=1M', 'EINVAL'], ['detach rd9', 'ENXIO'], ['resize rd0', 'EINVAL'],
      ['resize rd0 size=-1', 'EINVAL'], ['stat', 'EINVAL'], ['frobnicate rd0', 'EINVAL'], ['', 'EINVAL'], ['   ', 'EINVAL'],
    ];
    for (const [line, code] of wrong) assert.equal(await failure(() => disks.command(line)), code, line);
    const disk = disks.open('rd0');
    assert.equal(await failure(() => disk.read(MIB - 512, 1024)), 'EINVAL');
    assert.equal(await failure(() => disk.write(MIB, Buffer.alloc(512))), 'EINVAL');
    assert.equal(await failure(() => disk.write(0, Buffer.alloc(100))), 'EINVAL');
    assert.equal(disks.stat('rd0').invalid_io, 3);
    disk.close();
    assert.equal(await failure(() => disk.read(0, 512)), 'EBADF');
    assert.equal(await failure(() => disks.open('rd5')), 'ENXIO');
    for (let i = 1; i < 32; i++) disks.attach(`rd${i}`, { size: '1M' });
    assert.equal(await failure(() => disks.attach('rd32', { size: '1M' })), 'ENFILE');
  });

  test('disks made at boot', async () => {
    const { disks } = await bootDisks({ params: { RAMDISK: 'rd0 size=64M level=2; rd1 size=1G dedup=scan;', RAMDISK_MEM: '10M' } });
    assert.deepEqual(disks.list().map(({ name, size }) => [name, size]), [['rd0', 64 * MIB], ['rd1', 1 << 30]]);
    assert.equal(disks.table('mm_stat').mem_total, 10 * MIB);
    await assert.rejects(bootDisks({ params: { RAMDISK: 'rd0 size=nonsense' } }), /cannot make rd0 size=nonsense/);
    await assert.rejects(bootDisks({ params: { RAMDISK_MEM: '3G' } }), /RAMDISK_MEM/);
  });
});

/** Random operations on a disk and on a buffer that should hold the same. */
class Model {
  readonly want: Buffer;
  /** Sectors that were written to since they were last discarded as whole blocks. */
  readonly r: Random;

  constructor(readonly disk: Disk, readonly size: number, seed: number) {
    this.want = Buffer.alloc(size);
    this.r = new Random(seed);
  }

  async step(): Promise<void> {
    const { r, disk, want } = this;
    const at = r.below(this.size / SECTOR) * SECTOR;
    const length = Math.min((1 + r.below(r.pick([1, 8, 40]))) * SECTOR, this.size - at);
    switch (r.below(8)) {
      case 0: {
        await disk.discard(at, length);
        const from = Math.ceil(at / BLOCK) * BLOCK;
        const end = at + length === this.size ? this.size : Math.floor((at + length) / BLOCK) * BLOCK;
        if (from < end) want.fill(0, from, end);
        break;
      }
      case 1:
        await disk.zero(at, length);
        want.fill(0, at, at + length);
        break;
      case 2: case 3: case 4: {
        const bytes = content(r.below(50), length);
        await disk.write(at, bytes);
        bytes.copy(want, at);
        break;
      }
      default:
        assert.ok((await disk.read(at, length)).equals(want.subarray(at, at + length)), `read ${length} at ${at}`);
    }
  }

  async verify(): Promise<void> {
    assert.ok((await this.disk.read(0, this.size)).equals(this.want));
    for (let at = 0; at < this.size;) {
      const { status, length } = this.disk.status(at, this.size - at);
      assert.ok(length > 0);
      if (status !== 'data') assert.ok(!this.want.subarray(at, at + length).some((byte) => byte !== 0), `${status} at ${at}`);
      at += length;
    }
  }
}

describe('contents', () => {
  for (const options of [{ level: 0 }, { level: 1 }, { level: 2, dedup: 'off' }, { level: 4, dedup: 'scan' }] as const) {
    test(`random sectors, ${JSON.stringify(options)}`, async () => {
      const { kernel, disks } = await bootDisks();
      disks.attach('rd0', { size: MIB + 5 * SECTOR, ...options });
      const model = new Model(disks.open('rd0'), MIB + 5 * SECTOR, 42);
      for (let i = 0; i < 1500; i++) {
        await model.step();
        if (i % 100 === 0) kernel.advance(30_000);
      }
      await model.verify();
      model.disk.close();
      disks.detach('rd0');
      assert.equal(disks.table('mm_stat').mem_used_total, 0);
    });
  }

  test('holes, zeros and data are told apart', async () => {
    const { disks } = await bootDisks();
    disks.attach('rd0', { size: '4G' });
    const disk = disks.open('rd0');
    const runs = (): string[] => {
      const found: string[] = [];
      for (let at = 0; at < 2 ** 32;) {
        const { status, length } = disk.status(at, 2 ** 32 - at);
        if (found.at(-1)?.startsWith(status)) found.push(`${status} ${Number(found.pop()!.split(' ')[1]) + length}`);
        else found.push(`${status} ${length}`);
        at += length;
      }
      return found;
    };
    assert.deepEqual(runs(), [`hole ${2 ** 32}`]);
    await disk.write(MIB, content(3, 8 * BLOCK));
    await disk.write(MIB + 8 * BLOCK, Buffer.alloc(2 * BLOCK));
    await disk.write(2 ** 32 - 512, content(3, 512));
    assert.deepEqual(runs(), [`hole ${MIB}`, `data ${8 * BLOCK}`, `zero ${2 * BLOCK}`, `hole ${2 ** 32 - MIB - 11 * BLOCK}`, `data ${BLOCK}`]);
    await disk.discard(0, 2 ** 32);
    assert.deepEqual(runs(), [`hole ${2 ** 32}`]);
    assert.equal(disks.stat('rd0').notify_free, 11);
  });

  test('what is cut off does not come back', async () => {
    const { disks } = await bootDisks();
    disks.attach('rd0', { size: '1M' });
    const disk = disks.open('rd0');
    await disk.write(0, content(1, MIB));
    disks.resize('rd0', 3 * SECTOR);
    disks.resize('rd0', '2M');
    const want = Buffer.alloc(2 * MIB);
    content(1, MIB).copy(want, 0, 0, 3 * SECTOR);
    assert.ok((await disk.read(0, 2 * MIB)).equals(want));
  });
});

describe('memory', () => {
  test('is not touched before it is used', async () => {
    const { kernel, disks } = await bootDisks();
    disks.attach('rd0', { size: '1T' });
    const idle = kernel.touchedMemory().bytes;
    assert.ok(idle < MIB / 2, `${idle} bytes`);
    const disk = disks.open('rd0');
    await disk.write(2 ** 39, mixed(MIB));
    const used = kernel.touchedMemory().bytes - idle;
    const { mem_used_total: stored } = disks.table('mm_stat');
    assert.ok(used < Number(stored) + 350_000, `${used} bytes touched to store ${stored}`);
  });

  test('of a disk that is deduplicated later', async () => {
    const { kernel, disks } = await bootDisks();
    disks.attach('rd0', { size: '2M', dedup: 'off' });
    const disk = disks.open('rd0');
    await disk.write(0, mixed(MIB));
    await disk.write(MIB, mixed(MIB));
    const before = Number(disks.table('mm_stat').orig_data_size);
    kernel.advance(5_000_000);
    assert.equal(disks.table('mm_stat').orig_data_size, before);
    disks.set('rd0', { dedup: 'scan' });
    kernel.advance(5_000_000);
    assert.ok(Number(disks.table('mm_stat').orig_data_size) <= before / 2);
    assert.ok((await disk.read(MIB, MIB)).equals(mixed(MIB)));
  });

  test('that is out refuses a write; all that was written is there', async () => {
    const { disks } = await bootDisks({ params: { RAMDISK_MEM: '4M' } });
    disks.attach('rd0', { size: '64M', dedup: 'off' });
    const disk = disks.open('rd0');
    let blocks = 0;
    const code = await failure(async () => {
      for (;; blocks++) await disk.write(blocks * BLOCK, content(blocks * 5 + 1 + (blocks % 3), BLOCK));
    });
    assert.equal(code, 'ENOSPC');
    assert.ok(blocks > 1000 && blocks < 4000, `${blocks} blocks`);
    for (let i = 0; i < blocks; i++) assert.ok((await disk.read(i * BLOCK, BLOCK)).equals(content(i * 5 + 1 + (i % 3), BLOCK)), `block ${i}`);
    assert.deepEqual(await disk.read(blocks * BLOCK, BLOCK), Buffer.alloc(BLOCK));
    await disk.discard(0, 100 * BLOCK);
    await disk.write(blocks * BLOCK, content(1, BLOCK));
    const stat = disks.stat('rd0');
    assert.equal(stat.failed_writes, 1);
    const { mem_used_total: used } = disks.table('mm_stat');
    assert.ok(Number(used) <= 4 * MIB);
  });

  test('a large request that runs out says how far it came', async () => {
    const { disks } = await bootDisks();
    disks.attach('rd0', { size: '1M', level: 0, limit: 10 * BLOCK });
    const disk = disks.open('rd0');
    assert.equal(await failure(() => disk.write(0, content(1, 64 * BLOCK))), 'ENOSPC');
    assert.deepEqual(await disk.read(0, 10 * BLOCK), content(1, 64 * BLOCK).subarray(0, 10 * BLOCK));
    assert.deepEqual(await disk.read(10 * BLOCK, BLOCK), Buffer.alloc(BLOCK));
  });

  test('1 GiB of compressible data in 300 MiB', async () => {
    const { kernel, disks } = await bootDisks({ memory: 300 * MIB, params: { RAMDISK_MEM: '285M' } });
    assert.equal(kernel.memory.buffer.byteLength, 300 * MIB);
    disks.attach('rd0', { size: '1G', dedup: 'off' });
    const disk = disks.open('rd0');
    const lines = Buffer.alloc(16 * MIB);
    for (let at = 0, n = 0; at < lines.length; n++) {
      at += lines.write(`${n} Nov 20 19:${n % 60}:${n % 59} gateway kernel: [${n * 7}.${n % 1000}] virt0: link is up, 1000 Mbps, full duplex, ${n % 97} frames dropped\n`, at);
    }
    for (let at = 0; at < 1 << 30; at += lines.length) {
      lines.writeUInt32LE(at, (at >>> 8) % lines.length);
      await disk.write(at, lines);
    }
    const stat = disks.table('mm_stat');
    assert.equal(stat.orig_data_size, 1 << 30);
    assert.ok(Number(stat.mem_used_total) < 285 * MIB, `${stat.mem_used_total}`);
    assert.ok((await disk.read((1 << 30) - lines.length, lines.length)).equals(lines));
  });
});

describe('statistics', () => {
  const fill = async (disks: Disks, name: string, data: Buffer, options: object): Promise<Disk> => {
    disks.attach(name, { size: data.length, ...options });
    const disk = disks.open(name);
    await disk.write(0, data);
    return disk;
  };

  test('mm_stat has zram’s fields and adds up', async () => {
    const { disks } = await bootDisks();
    const data = Buffer.concat([mixed(MIB), Buffer.alloc(20 * BLOCK, 0x55), content(1, 10 * BLOCK)]);
    await fill(disks, 'rd0', data, { dedup: 'off' });
    const s = disks.stat('rd0');
    const zram = ['orig_data_size', 'compr_data_size', 'mem_used_total', 'mem_limit', 'mem_used_max', 'same_pages', 'pages_compacted', 'huge_pages', 'huge_pages_since',
      'failed_reads', 'failed_writes', 'invalid_io', 'notify_free'];
    assert.deepEqual(Object.keys(s).filter((key) => zram.includes(key)), zram, 'all of them, in zram’s order');
    assert.equal(s.orig_data_size, data.length);
    assert.ok(Number(s.same_pages) >= 20);
    assert.ok(Number(s.huge_pages) >= 10);
    assert.equal(s.huge_pages, s.huge_pages_since);
    assert.ok(Number(s.compr_data_size) < data.length * 0.7);
    assert.ok(Number(s.mem_used_total) >= Number(s.compr_data_size));
    assert.ok(Number(s.mem_used_total) < Number(s.compr_data_size) * 1.06 + 3 * BLOCK, 'size classes waste too much');
    assert.equal(s.mem_used_max, s.mem_used_total);
    const store = disks.table('mm_stat');
    assert.ok(Number(store.mem_used_total) < Number(s.compr_data_size) * 1.1 + 130 * BLOCK);
  });

  test('a better level is smaller', async () => {
    const { disks } = await bootDisks();
    const data = mixed(MIB);
    const sizes: number[] = [];
    for (const level of [0, 1, 2, 3, 6, 9]) {
      const disk = await fill(disks, `rd${level}`, data, { level, dedup: 'off' });
      assert.ok((await disk.read(0, data.length)).equals(data), `level ${level}`);
      sizes.push(Number(disks.stat(`rd${level}`).compr_data_size));
    }
    const [none, fast, rle, ...slow] = sizes as [number, number, number, ...number[]];
    assert.ok(fast < none * 0.7 && rle < none * 0.7);
    assert.ok(slow[0]! < fast * 0.93 && slow.every((size, i) => i === 0 || size <= slow[i - 1]! * 1.005), sizes.join(' '));
  });

  test('equal blocks share memory, within a disk and between disks; a write makes its own', async () => {
    const { disks } = await bootDisks();
    const data = mixed(MIB);
    await fill(disks, 'rd0', data, {});
    const before = Number(disks.table('mm_stat').mem_used_total);
    const copy = await fill(disks, 'rd1', Buffer.concat([data, data]), {});
    const after = Number(disks.table('mm_stat').mem_used_total);
    assert.ok(after - before < 10 * BLOCK, `${after - before} bytes more`);
    const ksm = disks.table('ksm');
    assert.ok(Number(ksm.pages_shared) > 200 && Number(ksm.pages_sharing) >= 2 * Number(ksm.pages_shared));
    assert.equal(ksm.pages_volatile, 0);
    await copy.write(0, content(1, BLOCK));
    assert.equal(disks.stat('rd1').cow, 1);
    const other = disks.open('rd0');
    assert.ok((await other.read(0, data.length)).equals(data));
    other.close();
  });

  test('the scanner finds the rest at its pace, and then rests', async () => {
    const { kernel, disks } = await bootDisks();
    const data = mixed(MIB);
    await fill(disks, 'rd0', Buffer.concat([data, data]), { dedup: 'scan' });
    const stored = (): number => Number(disks.table('mm_stat').orig_data_size);
    const before = stored();
    assert.ok(Number(disks.table('ksm').pages_volatile) > 400);
    kernel.advance(100_000);
    assert.equal(stored(), before, 'nothing is merged before it has stayed the same for a round');
    kernel.advance(2_000_000);
    assert.ok(stored() <= before / 2, `${stored()} of ${before}`);
    const { full_scans: scans, pages_volatile: rest } = disks.table('ksm');
    assert.equal(rest, 0);
    kernel.advance(60_000_000);
    assert.equal(disks.table('ksm').full_scans, scans, 'it goes on scanning');
    const disk = disks.open('rd0');
    assert.ok((await disk.read(MIB, MIB)).equals(data));
  });

  test('compaction gives pages back', async () => {
    const { disks } = await bootDisks();
    const data = mixed(8 * MIB);
    const disk = await fill(disks, 'rd0', data, { dedup: 'off' });
    for (let b = 0; b < data.length / BLOCK; b++) if (b % 4 !== 0) await disk.discard(b * BLOCK, BLOCK);
    const before = Number(disks.table('mm_stat').mem_used_total);
    const { pages } = disks.table('compact');
    const after = Number(disks.table('mm_stat').mem_used_total);
    assert.equal(before - after, Number(pages) * BLOCK);
    assert.ok(after < before * 0.8, `${before} to ${after}`);
    for (let b = 0; b < data.length / BLOCK; b += 4) assert.ok((await disk.read(b * BLOCK, BLOCK)).equals(data.subarray(b * BLOCK, (b + 1) * BLOCK)));
  });
});

test('the same operations end in the same memory', async () => {
  const hashes: string[] = [];
  for (let run = 0; run < 2; run++) {
    const { kernel, disks } = await bootDisks();
    disks.attach('rd0', { size: '2M', dedup: 'scan' });
    const model = new Model(disks.open('rd0'), 2 * MIB, 5);
    for (let i = 0; i < 300; i++) await model.step();
    kernel.advance(500_000);
    hashes.push(kernel.memoryHash());
  }
  assert.equal(hashes[0], hashes[1]);
});
