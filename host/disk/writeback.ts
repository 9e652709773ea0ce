/**
 * RAM disks with a file behind them: filled from it at boot, written back to it while they change.
 *
 *      boot ─► load ─► ── changed since? ── every period ─► archive ─► … ─► the end: once more
 *
 * A write-back is an archive of the whole disk of one moment (archive.ts): the file is the old one or the
 * new one, whenever the process is killed. What changed after the last one is lost then; nothing is lost
 * when the instance ends in order. One that fails is told once and tried again after the next period.
 */
import { LOG_ERR, LOG_WARNING } from '../../kernel/abi/rump';
import type { Kernel } from '../kernel';
import { archiveDisk, type ArchiveFormat } from './archive';
import { DiskPort } from './device';
import { chunkSize } from './format';
import { ChunkCodec } from './lzo';
import { describeFile, restoreNow } from './restore';
import type { DiskSpec } from './spec';

interface Kept {
  spec: DiskSpec;
  format: ArchiveFormat;
  /** The device's count of changes when it was last written. */
  saved: string;
  timer: NodeJS.Timeout | null;
  busy: Promise<void> | null;
  complaint: string;
}

/** The format of a new file, by its name. */
function formatFor({ file, format }: DiskSpec): ArchiveFormat {
  return format ?? (/\.(img|raw)$/i.test(file!) ? 'raw' : 'sparse');
}

/** Those disks of one instance that have files. */
export class DiskFiles {
  readonly #specs: readonly DiskSpec[];
  readonly #codec: ChunkCodec;
  readonly #kept: Kept[] = [];
  #kernel: Kernel | null = null;

  private constructor(specs: readonly DiskSpec[], codec: ChunkCodec) {
    this.#specs = specs;
    this.#codec = codec;
  }

  /** For the disks that `-b` has named; null when none of them has a file to be loaded. */
  static async open(specs: readonly DiskSpec[]): Promise<DiskFiles | null> {
    const own = specs.filter(({ ram, file }) => ram && file !== undefined);
    return own.length === 0 ? null : new DiskFiles(own, await ChunkCodec.open(chunkSize));
  }

  /** Bytes of the disk in the file of `spec`. @throws DiskFileError */
  sizeOf({ file }: DiskSpec): number {
    return describeFile(file!, this.#codec)?.size ?? 0;
  }

  /** Fill the disks. Before the image runs: nobody may see them empty. @throws DiskFileError */
  load(kernel: Kernel): void {
    this.#kernel = kernel;
    const port = new DiskPort(kernel);
    for (const spec of this.#specs) {
      const found = describeFile(spec.file!, this.#codec);
      if (found !== null) {
        restoreNow(kernel, spec.name, spec.file!, this.#codec, { format: found.format });
        if (spec.size !== undefined && spec.size !== found.size) port.command(`resize ${spec.name} size=${spec.size}`);
      }
      if (spec.readOnly) port.command(`lock ${spec.name}`);
      if (spec.writebackMs === undefined) continue;
      const kept: Kept = { spec, format: spec.format ?? found?.format ?? formatFor(spec), saved: '', timer: null, busy: null, complaint: '' };
      if (found !== null && spec.format === undefined) kept.saved = this.#changes(spec.name);
      this.#kept.push(kept);
      if (spec.writebackMs > 0) this.#schedule(kept);
    }
  }

  #changes(name: string): string {
    return new DiskPort(this.#kernel!).stat(name).get('changes') ?? '';
  }

  #schedule(kept: Kept): void {
    kept.timer = setTimeout(() => {
      kept.busy = this.#save(kept).then(() => {
        kept.busy = null;
        if (kept.timer !== null) this.#schedule(kept);
      });
    }, kept.spec.writebackMs);
    kept.timer.unref();
  }

  /** Write it back if it has changed. @returns whether the file is what the disk was */
  async #save(kept: Kept): Promise<void> {
    const kernel = this.#kernel!;
    const { name, file } = kept.spec;
    try {
      const changes = this.#changes(name);
      if (changes === kept.saved) return;
      await archiveDisk(kernel, name, file!, { format: kept.format });
      kept.saved = changes;
      kept.complaint = '';
    } catch (error) {
      const text = `${name} is not written back: ${(error as Error).message}`;
      if (text !== kept.complaint) kernel.console.log(kernel.isAlive ? LOG_WARNING : LOG_ERR, text);
      kept.complaint = text;
    }
  }

  /** The instance has ended: write back what has changed. @returns whether all files are what the disks were */
  async finish(): Promise<boolean> {
    for (const kept of this.#kept) {
      if (kept.timer !== null) clearTimeout(kept.timer);
      kept.timer = null;
      await kept.busy;
      kept.complaint = '';
      await this.#save(kept);
    }
    return this.#kept.every(({ complaint }) => complaint === '');
  }
}
