/**
 * What the disks of `-b` mean for one instance: parameters, stores, and what is done before its first run
 * and after its last.
 */
import type { BootOptions } from '../boot';
import { type DiskSpec, paramsOf, storesOf } from './spec';
import { DiskFiles } from './writeback';

export interface RunDisks {
  params: Record<string, string>;
  blk: NonNullable<BootOptions['blk']>;
  beforeRun: NonNullable<BootOptions['beforeRun']>;
  /** The instance has ended. @returns whether every file is what its disk was */
  finish(): Promise<boolean>;
}

/** @throws DiskFileError for a file that cannot be loaded */
export async function openDisks(specs: readonly DiskSpec[]): Promise<RunDisks> {
  const files = await DiskFiles.open(specs);
  return {
    params: paramsOf(specs, (spec) => files?.sizeOf(spec) ?? 0),
    blk: storesOf(specs),
    beforeRun: (kernel) => files?.load(kernel),
    finish: async () => (files === null ? true : files.finish()),
  };
}
