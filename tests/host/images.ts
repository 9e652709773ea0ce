/**
 * Images of this tree for tests of the host API: built if they have changed, then booted quietly.
 */
import { buildImage } from '../../tools/mkimage/index';
import { boot, type BootOptions } from '../../host/boot';
import type { Kernel } from '../../host/kernel';

/** Boot image `name` of the tree; records of level err and worse fail loudly on stderr. */
export async function bootImage(name: string, options: BootOptions = {}): Promise<Kernel> {
  const { wasmFile } = await buildImage(name);
  return boot(wasmFile, { logLevel: 'err', ...options });
}

/** Boot, run `use`, and close whatever happens. */
export async function withImage(name: string, options: BootOptions, use: (kernel: Kernel) => Promise<void>): Promise<void> {
  const kernel = await bootImage(name, options);
  try {
    await use(kernel);
  } finally {
    await kernel.close();
  }
}
