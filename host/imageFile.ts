/**
 * Images as files: finding, checking and compiling one, before anything of it runs.
 *
 *      "SOCKIN"          → build/SOCKIN.wasm of this package
 *      "./a/b.wasm"      → that file
 *      bytes, a Module   → themselves
 *
 * What is not an image of ours is refused with one line that says why. An image says its name, its
 * components and its default parameters in a custom section ("rumpwasm", tools/mkimage/manifest.ts),
 * so nothing but the .wasm is needed. Memory can be given more or fewer pages than it was linked with
 * (-M) by rewriting the memory section: the kernel takes whatever it finds at boot.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { imageExportNames } from './instance';

/** The image cannot be used; the message is one line and says why. */
export class ImageError extends Error {
  override readonly name = 'ImageError';
  readonly code = 'ERR_IMAGE';
}

/** What an image says of itself. */
export interface ImageIdentity {
  image: string;
  components: string[];
  /** Default parameters. */
  params: Record<string, string>;
}

export interface ImageFile {
  /** For messages: "SOCKIN". */
  name: string;
  /** Bytes of the .wasm file; 0 when a Module was given. */
  size: number;
  module: WebAssembly.Module;
  /** null for a module that mkimage did not make. */
  identity: ImageIdentity | null;
}

const wasmMagic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** Name of the custom section with an ImageIdentity. */
const identitySection = 'rumpwasm';
const sectionMemory = 5;
const pageSize = 65536;
/** The kernel counts on addresses below 2 GiB: they travel as i32. */
const pagesMax = 32768;

/** The directory with our package.json; sources, bundles and tests all lie somewhere below it. */
export function packageRoot(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'rumpwasm') return dir;
    if (dirname(dir) === dir) throw new Error('the package.json of rumpwasm is not above this module');
  }
}

/** Path of the .wasm file that `image` (a name or a path) means; it need not exist. */
export function imagePath(image: string): string {
  const isPath = extname(image) === '.wasm' || /[\\/]/.test(image) || (existsSync(image) && statSync(image).isFile());
  return isPath ? image : join(packageRoot(), 'build', `${image}.wasm`);
}

/**
 * Find, check and compile an image.
 * @param memoryBytes linear memory to run it with instead of what it was linked with
 * @throws ImageError with a one-line reason
 */
export function loadImage(image: string | Uint8Array | WebAssembly.Module, memoryBytes?: number): ImageFile {
  if (image instanceof WebAssembly.Module) {
    if (memoryBytes !== undefined) throw new ImageError('the memory of a compiled module cannot be changed: give its bytes');
    return describe(image, 'the module', 'image', 0);
  }
  if (typeof image !== 'string') return compileBytes(image, 'image', 'the image', memoryBytes);
  const path = imagePath(image);
  const bytes = readImage(image, path);
  const name = basename(path).replace(/\.wasm$/, '');
  return compileBytes(bytes, name, image === path ? path : image, memoryBytes);
}

function readImage(image: string, path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new ImageError(`cannot read image ${path}: ${code}`);
    if (image === path) throw new ImageError(`there is no file ${path}`);
    throw new ImageError(`there is no image ${image} (${path} does not exist); build it with: rumpwasm build ${image}`);
  }
}

function compileBytes(
  bytes: Uint8Array, name: string, what: string, memoryBytes: number | undefined,
): ImageFile {
  if (!wasmMagic.every((byte, i) => bytes[i] === byte)) throw new ImageError(`${what} is not a WebAssembly module`);
  const patched = memoryBytes === undefined ? bytes : withMemory(bytes, memoryBytes, what);
  let module: WebAssembly.Module;
  try {
    module = new WebAssembly.Module(patched as Uint8Array<ArrayBuffer>);
  } catch (error) {
    throw new ImageError(`${what} is not a valid WebAssembly module: ${(error as Error).message.replace(/^WebAssembly\.Module\(\): /, '')}`);
  }
  return describe(module, what, name, bytes.length);
}

/** Check the exports and read what the image says of itself. */
function describe(module: WebAssembly.Module, what: string, name: string, size: number): ImageFile {
  checkExports(module, what);
  const [section] = WebAssembly.Module.customSections(module, identitySection);
  if (section === undefined) return { name, size, module, identity: null };
  try {
    const identity = JSON.parse(new TextDecoder().decode(section)) as ImageIdentity;
    return { name: identity.image, size, module, identity };
  } catch {
    throw new ImageError(`${what} is damaged: its section "${identitySection}" is not JSON`);
  }
}

function checkExports(module: WebAssembly.Module, what: string): void {
  const kinds = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  const missing = imageExportNames.find((name) => kinds.get(name) !== 'function')
    ?? (kinds.get('memory') === 'memory' ? undefined : 'memory');
  if (missing !== undefined) throw new ImageError(`${what} is a WebAssembly module, but not an image of rumpwasm: it exports no ${missing}`);
}

/**
 * The module with a memory of exactly `memoryBytes`, which are rounded up to pages.
 * @throws ImageError if that is 2 GiB or more, or the module has no memory of its own
 */
export function withMemory(bytes: Uint8Array, memoryBytes: number, what = 'the image'): Uint8Array {
  const pages = Math.ceil(memoryBytes / pageSize);
  if (!(pages >= 1 && pages < pagesMax)) throw new ImageError(`${memoryBytes} bytes of memory: an image can have 64 KiB to just under 2 GiB`);
  for (let at = wasmMagic.length; at < bytes.length;) {
    const id = bytes[at]!;
    const [size, body] = readLeb(bytes, at + 1);
    if (id === sectionMemory) {
      const limits = [...leb(pages), ...leb(pages)];
      const section = [sectionMemory, ...leb(limits.length + 2), 1, 1, ...limits];
      const out = new Uint8Array(at + section.length + bytes.length - body - size);
      out.set(bytes.subarray(0, at));
      out.set(section, at);
      out.set(bytes.subarray(body + size), at + section.length);
      return out;
    }
    at = body + size;
  }
  throw new ImageError(`${what} has no memory of its own`);
}

/** An unsigned LEB128 number at `at`: [value, address after it]. */
function readLeb(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if ((byte & 0x80) === 0) break;
  }
  return [value, at];
}

function leb(value: number): number[] {
  const out: number[] = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    out.push(value === 0 ? low : low | 0x80);
  } while (value !== 0);
  return out;
}
