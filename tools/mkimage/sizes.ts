/**
 * Where the bytes of an image are.
 *
 * A function belongs to the unit whose folder its name begins with (names are module paths); after
 * inlining a function's bytes are where it was inlined, which is where they cost. Sizes are compared
 * without custom sections: names are for profiles and stack traces, and can be stripped.
 */
import type { FuncType, WasmModule } from './wasm';

export interface Sizes {
  /** The file. */
  file: number;
  /** The file without custom sections: what sizes are compared by. */
  stripped: number;
  code: number;
  data: number;
  names: number;
  /** Code bytes by unit, and of what belongs to none: "library" (asc's), "image" (generated). */
  byUnit: Record<string, number>;
}

/** The unit that a function or global belongs to, by its name. */
export function unitOf(name: string): string {
  const component = /^components\/([^/]+)\//.exec(name)?.[1];
  const part = /^kernel\/([^/]+)\//.exec(name)?.[1];
  if (component) return component;
  if (part) return part === 'abi' ? 'kern' : part;
  return name.startsWith('~lib/') ? 'library' : 'image';
}

/** Bytes of a section with its header. */
function withHeader(size: number): number {
  let header = 2;
  for (let rest = size; rest > 0x7f; rest = Math.floor(rest / 128)) header++;
  return size + header;
}

export function measure(m: WasmModule): Sizes {
  const sizeOf = (name: string): number => m.sections.filter((s) => s.name === name).reduce((sum, s) => sum + s.size, 0);
  const custom = m.sections.filter((s) => s.id === 0).reduce((sum, s) => sum + withHeader(s.size), 0);
  const byUnit: Record<string, number> = {};
  for (const f of m.functions) {
    if (f.size === 0) continue;
    const unit = unitOf(f.name ?? '');
    byUnit[unit] = (byUnit[unit] ?? 0) + f.size;
  }
  return {
    file: m.bytes.length,
    stripped: m.bytes.length - custom,
    code: sizeOf('code'),
    data: sizeOf('data'),
    names: sizeOf('name'),
    byUnit: Object.fromEntries(Object.entries(byUnit).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** `(i32, f64) -> i32`. */
export function typeText(type: FuncType): string {
  return `(${type.params.join(', ')})${type.results.map((t) => ` -> ${t}`).join('')}`;
}
