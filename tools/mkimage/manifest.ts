/**
 * <IMAGE>.json: what an image is, what it may do, and what it was made of.
 *
 * The manifest stands beside the binary. The few things that a host must know even when it is handed
 * bytes alone are in the binary itself, as JSON in a custom section named `rumpwasm` (Identity): a
 * module without that section is not an image of ours. Neither holds a time or a path of the machine
 * that built it: the same tree gives the same bytes.
 */
import type { Hypercall } from './hypercalls';
import type { Sizes } from './sizes';
import { Reader, type WasmModule } from './wasm';

/** Raise when the generated code or the manifest changes: images of older versions are built anew. */
export const MKIMAGE_VERSION = 1;
/** Name of the custom section. */
export const SECTION = 'rumpwasm';

export interface Identity {
  image: string;
  mkimage: number;
  components: string[];
  /** Defaults of boot parameters. */
  params: Record<string, string>;
  abiHash: string;
}

export interface ManifestUnit {
  name: string;
  kind: 'part' | 'component';
  description: string;
  provides: string[];
  needs: string[];
  /** Bytes of code, after inlining into others or of others. */
  bytes: number;
  sizeBudget: number | null;
}

export interface ManifestGlobal {
  name: string;
  type: string;
  mutable: boolean;
}

export interface Manifest extends Identity {
  description: string;
  target: string;
  optimizeLevel: number;
  compiler: string;
  units: ManifestUnit[];
  roles: Record<string, string>;
  phases: { phase: string; calls: string[] }[];
  tunables: Record<string, number>;
  imports: Hypercall[];
  /** Declared but not imported. */
  unusedHypercalls: string[];
  exports: { name: string; kind: string; type: string }[];
  memory: { pages: number; maxPages: number | null };
  tableSize: number;
  globals: ManifestGlobal[];
  sizes: Sizes;
  /** Of the file. */
  sha256: string;
  inputs: { hash: string; files: string[] };
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  const bytes: number[] = [];
  do {
    bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
    value >>>= 7;
  } while (value > 0);
  return bytes;
}

/** The binary with a custom section `name` at its end. */
export function withSection(wasm: Uint8Array, name: string, content: string): Uint8Array {
  const title = new TextEncoder().encode(name);
  const body = new TextEncoder().encode(content);
  const head = leb(title.length);
  const size = leb(head.length + title.length + body.length);
  return Buffer.concat([wasm, Uint8Array.of(0, ...size, ...head), title, body]);
}

/** Where the custom section `name` has its content; null if there is none. */
function findSection(m: WasmModule, name: string): Uint8Array | null {
  const r = new Reader(m.bytes, 8, m.bytes.length);
  while (r.at < r.end) {
    const id = r.u8();
    const size = r.u32();
    const content = new Reader(m.bytes, r.at, r.at + size);
    r.skip(size);
    if (id === 0 && content.name() === name) return m.bytes.subarray(content.at, content.end);
  }
  return null;
}

/** What the image says of itself; null if it is not an image of ours. */
export function readIdentity(m: WasmModule): Identity | null {
  const content = findSection(m, SECTION);
  if (!content) return null;
  try {
    return JSON.parse(new TextDecoder().decode(content)) as Identity;
  } catch {
    return null;
  }
}
