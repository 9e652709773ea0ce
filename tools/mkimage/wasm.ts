/**
 * A reader of WebAssembly binaries: what the linker has to know of its own product.
 *
 *     \0asm 1 │ (section id u8, size u32, content)*   types 1 · imports 2 · functions 3 · tables 4 · memory 5
 *             │                                       globals 6 · exports 7 · start 8 · elements 9 · code 10 · data 11
 *             │                                       custom 0: "name" → functions 1, globals 7
 *
 * WebAssembly core specification 2.0, §5.5. It reads what asc makes (no SIMD, no threads, one memory)
 * and trusts the compiler that the module is valid: a malformed one throws a RangeError, never loops.
 * Cost: one pass over everything but the function bodies.
 */

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'funcref' | 'externref';
export type ExternKind = 'function' | 'table' | 'memory' | 'global' | 'tag';

export interface FuncType {
  params: ValueType[];
  results: ValueType[];
}

export interface WasmImport {
  module: string;
  name: string;
  kind: ExternKind;
  /** Of a function. */
  type: FuncType | null;
}

export interface WasmFunction {
  index: number;
  type: FuncType;
  /** From the name section; null if it has none. */
  name: string | null;
  /** Bytes in the code section, with the size field; 0 for an import. */
  size: number;
  /** Where its instructions are in the file; both 0 for an import. */
  start: number;
  end: number;
}

export interface WasmGlobal {
  name: string | null;
  type: ValueType;
  mutable: boolean;
  imported: boolean;
  /** Value of a constant initialiser; null if it is not a plain number. */
  init: number | bigint | null;
}

export interface WasmExport {
  name: string;
  kind: ExternKind;
  index: number;
}

export interface Limits {
  min: number;
  max: number | null;
}

export interface WasmModule {
  bytes: Uint8Array;
  types: FuncType[];
  imports: WasmImport[];
  /** In index order, imports first. */
  functions: WasmFunction[];
  globals: WasmGlobal[];
  exports: WasmExport[];
  memories: Limits[];
  tables: Limits[];
  /** Function indexes in element segments: what call_indirect can reach. */
  elements: number[];
  startFunction: number | null;
  sections: { id: number; name: string; size: number }[];
}

const VALUE_TYPES: Record<number, ValueType> = {
  0x7f: 'i32', 0x7e: 'i64', 0x7d: 'f32', 0x7c: 'f64', 0x7b: 'v128', 0x70: 'funcref', 0x6f: 'externref',
};
const KINDS: ExternKind[] = ['function', 'table', 'memory', 'global', 'tag'];
const SECTIONS = [
  'custom', 'type', 'import', 'function', 'table', 'memory', 'global', 'export', 'start', 'element', 'code', 'data', 'datacount',
];

/** A cursor over bytes, with the encodings of the format. */
export class Reader {
  private readonly view: DataView;

  constructor(readonly bytes: Uint8Array, public at: number, readonly end: number) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    if (this.at >= this.end) throw new RangeError(`wasm: truncated at byte ${this.at}`);
    return this.bytes[this.at++];
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError(`wasm: number too long at byte ${this.at}`);
  }

  /** Signed LEB128 of at most 64 bits. */
  s64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value | (-1n << (shift + 7n)) : value);
    }
    throw new RangeError(`wasm: number too long at byte ${this.at}`);
  }

  skip(n: number): void {
    this.at += n;
    if (this.at > this.end) throw new RangeError(`wasm: truncated at byte ${this.end}`);
  }

  f32(): number {
    this.skip(4);
    return this.view.getFloat32(this.at - 4, true);
  }

  f64(): number {
    this.skip(8);
    return this.view.getFloat64(this.at - 8, true);
  }

  name(): string {
    const length = this.u32();
    this.skip(length);
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  list<T>(one: () => T): T[] {
    const length = this.u32();
    if (length > this.end - this.at) throw new RangeError(`wasm: list of ${length} at byte ${this.at}`);
    return Array.from({ length }, one);
  }

  valueType(): ValueType {
    const code = this.u8();
    const type = VALUE_TYPES[code];
    if (!type) throw new RangeError(`wasm: unknown type 0x${code.toString(16)} at byte ${this.at - 1}`);
    return type;
  }

  limits(): Limits {
    const flags = this.u8();
    const min = this.u32();
    return { min, max: flags & 1 ? this.u32() : null };
  }

  /** A constant expression; its value if it is one number, else null. */
  constant(): number | bigint | null {
    let value: number | bigint | null = null;
    for (let terms = 0; ; terms++) {
      const op = this.u8();
      if (op === 0x0b) return terms === 1 ? value : null;
      if (op === 0x41) value = Number(this.s64());
      else if (op === 0x42) value = this.s64();
      else if (op === 0x43) value = this.f32();
      else if (op === 0x44) value = this.f64();
      else if (op === 0x23 || op === 0xd2) { this.u32(); value = null; }
      else if (op === 0xd0) { this.u8(); value = null; }
      else value = null;
    }
  }
}

/** Is this a WebAssembly module at all? */
export function isWasm(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0].every((byte, i) => bytes[i] === byte);
}

function readImport(m: WasmModule, r: Reader): void {
  const module = r.name();
  const name = r.name();
  const kind = KINDS[r.u8()];
  let type: FuncType | null = null;
  if (kind === 'function') {
    type = m.types[r.u32()];
    m.functions.push({ index: m.functions.length, type, name: null, size: 0, start: 0, end: 0 });
  } else if (kind === 'table') {
    r.valueType();
    m.tables.push(r.limits());
  } else if (kind === 'memory') {
    m.memories.push(r.limits());
  } else if (kind === 'global') {
    m.globals.push({ name: null, type: r.valueType(), mutable: r.u8() === 1, imported: true, init: null });
  }
  m.imports.push({ module, name, kind, type });
}

/** One element segment (§5.5.12): flag bit 0 passive or declarative, 1 explicit index, 2 expressions. */
function readElements(m: WasmModule, r: Reader): void {
  const flags = r.u32();
  if (!(flags & 1) && flags & 2) r.u32();
  if (!(flags & 1)) r.constant();
  if (flags & 3) r.u8();
  if (flags & 4) throw new RangeError('wasm: element segment of expressions');
  m.elements.push(...r.list(() => r.u32()));
}

function readCode(m: WasmModule, r: Reader): void {
  const imported = m.imports.filter(({ kind }) => kind === 'function').length;
  let index = imported;
  r.list(() => {
    const from = r.at;
    const size = r.u32();
    const f = m.functions[index++];
    f.start = r.at;
    r.skip(size);
    f.end = r.at;
    f.size = r.at - from;
  });
}

/** Names of functions and globals, on those themselves. */
function readNames(m: WasmModule, r: Reader): void {
  while (r.at < r.end) {
    const id = r.u8();
    const size = r.u32();
    const sub = new Reader(r.bytes, r.at, r.at + size);
    r.skip(size);
    const owners = id === 1 ? m.functions : id === 7 ? m.globals : null;
    if (!owners) continue;
    sub.list(() => {
      const owner = owners[sub.u32()];
      const name = sub.name();
      if (owner) owner.name = name;
    });
  }
}

function readSection(m: WasmModule, id: number, r: Reader): void {
  switch (id) {
    case 1: m.types = r.list(() => {
      r.u8();
      return { params: r.list(() => r.valueType()), results: r.list(() => r.valueType()) };
    }); break;
    case 2: r.list(() => readImport(m, r)); break;
    case 3: r.list(() => {
      const type = m.types[r.u32()];
      m.functions.push({ index: m.functions.length, type, name: null, size: 0, start: 0, end: 0 });
    }); break;
    case 4: r.list(() => { r.valueType(); m.tables.push(r.limits()); }); break;
    case 5: r.list(() => m.memories.push(r.limits())); break;
    case 6: r.list(() => m.globals.push({
      name: null, type: r.valueType(), mutable: r.u8() === 1, imported: false, init: r.constant(),
    })); break;
    case 7: r.list(() => m.exports.push({ name: r.name(), kind: KINDS[r.u8()], index: r.u32() })); break;
    case 8: m.startFunction = r.u32(); break;
    case 9: r.list(() => readElements(m, r)); break;
    case 10: readCode(m, r); break;
    default: break;
  }
}

/** Read a module; a RangeError says where it is malformed. */
export function readWasm(bytes: Uint8Array): WasmModule {
  if (!isWasm(bytes)) throw new RangeError('not a WebAssembly module');
  const m: WasmModule = {
    bytes, types: [], imports: [], functions: [], globals: [], exports: [], memories: [], tables: [], elements: [],
    startFunction: null, sections: [],
  };
  const r = new Reader(bytes, 8, bytes.length);
  while (r.at < r.end) {
    const id = r.u8();
    const size = r.u32();
    const content = new Reader(bytes, r.at, r.at + size);
    r.skip(size);
    const name = id === 0 ? content.name() : SECTIONS[id] ?? `section ${id}`;
    m.sections.push({ id, name, size });
    if (id === 0 && name === 'name') readNames(m, content);
    else readSection(m, id, content);
  }
  return m;
}
