/**
 * A kernel with RAM disks for the tests: image DISK, deterministic clock and entropy, contents to write.
 */
import { after } from 'node:test';
import { boot, type BootOptions } from '../../host/boot';
import { seededEntropy, virtualClock } from '../../host/determinism';
import type { Kernel } from '../../host/kernel';
import { buildImage } from '../../tools/mkimage/build';
import { Disks } from '../../components/ramdisk/disks.user';
import { Random } from '../lzo/samples';

export const BLOCK = 4096;
export const SECTOR = 512;

let built: string | undefined;

/** Boot image DISK. Closed when the tests of the file are done. */
export async function disks(options: BootOptions = {}): Promise<{ kernel: Kernel; disks: Disks }> {
  built ??= (await buildImage('DISK')).wasmFile;
  const kernel = await boot(built, { clock: virtualClock(), random: seededEntropy(1), ...options });
  after(() => kernel.close());
  return { kernel, disks: new Disks(kernel) };
}

/** Bytes that the number names: always the same for the same; some compress, some do not. */
export function content(tag: number, length: number): Buffer {
  const r = new Random(tag * 7919 + 13);
  const out = Buffer.allocUnsafe(length);
  const kind = tag % 5;
  for (let i = 0; i < length; i++) {
    if (kind === 0) out[i] = tag;
    else if (kind === 1) out[i] = r.below(256);
    else out[i] = i % (8 << kind) < 6 ? r.below(256) : tag + (i & 7);
  }
  return out;
}

/** The code of the error that `work` fails with; '' if it does not. */
export async function failure(work: () => unknown): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}
