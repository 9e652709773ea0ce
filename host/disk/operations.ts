/**
 * Operations of the control socket on disks: "disk.archive" and "disk.restore". Both last: progress comes
 * as events, and what was done as the answer. Paths are absolute, and of the instance's own host.
 */
import { isAbsolute } from 'node:path';
import type { Call } from '../control/operations';
import { ControlError } from '../control/protocol';
import type { Kernel } from '../kernel';
import { archiveDisk, type Archived, type ArchiveFormat } from './archive';
import { restoreDisk, type Restored } from './restore';

const progressMs = 200;

function wanted(kernel: Kernel, { request }: Call): { name: string; path: string; format: ArchiveFormat | undefined } {
  const { op, name, path, format } = request;
  if (!kernel.sysctlList().some((node) => node.name === 'kern.disk')) throw new ControlError('ENOENT', 'this instance has no block devices: its image was linked without them');
  if (typeof name !== 'string' || !/^[\x21-\x7e]{1,15}$/.test(name)) throw new ControlError('EINVAL', `${op} wants name, that of a device`);
  if (typeof path !== 'string' || !isAbsolute(path)) throw new ControlError('EINVAL', `${op} wants path, an absolute one`);
  if (format !== undefined && format !== 'raw' && format !== 'sparse') throw new ControlError('EINVAL', `${op} wants format, raw or sparse`);
  return { name, path, format };
}

export async function archiveOperation(kernel: Kernel, call: Call): Promise<Archived> {
  const { name, path, format } = wanted(kernel, call);
  let told = performance.now();
  return archiveDisk(kernel, name, path, {
    signal: call.signal, ...(format === undefined ? {} : { format }),
    onProgress: (data) => {
      if (performance.now() - told < progressMs) return;
      told = performance.now();
      call.emit({ data });
    },
  });
}

export async function restoreOperation(kernel: Kernel, call: Call): Promise<Restored> {
  const { name, path, format } = wanted(kernel, call);
  return restoreDisk(kernel, name, path, { force: call.request.force === true, ...(format === undefined ? {} : { format }) });
}
