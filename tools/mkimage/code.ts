/**
 * Function bodies, as far as the audit has to see into them: who calls whom, who writes which global.
 *
 *     body = locals │ instruction* │ end        instruction = opcode, immediates
 *
 * Only immediates have to be understood, so one table of their shapes by opcode is the whole decoder
 * (WebAssembly core specification 2.0, §5.4; MVP, sign extension, bulk memory, saturating conversions:
 * what asc emits for a scalar image). Cost: one pass over the code section.
 */
import { Reader, type WasmFunction, type WasmModule } from './wasm';

export interface FunctionUse {
  /** Indexes of functions called directly or taken by ref.func. */
  calls: Set<number>;
  /** Indexes of globals written. */
  sets: Set<number>;
  /** Has a call_indirect: may reach whatever is in the table. */
  indirect: boolean;
}

const CALL = 0x10;
const CALL_INDIRECT = 0x11;
const RETURN_CALL = 0x12;
const GLOBAL_SET = 0x24;
const REF_FUNC = 0xd2;

/** Immediates by opcode: u = u32, s = signed number, m = align and offset, t = block type or type. */
function immediatesOf(op: number): string {
  if (op <= 0x01 || op === 0x05 || op === 0x0b || op === 0x0f || op === 0x1a || op === 0x1b) return '';
  if (op <= 0x04) return 's';
  if (op === 0x0c || op === 0x0d || op === CALL || op === RETURN_CALL) return 'u';
  if (op === CALL_INDIRECT || op === 0x13) return 'uu';
  if (op >= 0x20 && op <= 0x26) return 'u';
  if (op >= 0x28 && op <= 0x3e) return 'uu';
  if (op === 0x3f || op === 0x40) return 'u';
  if (op === 0x41 || op === 0x42) return 's';
  if (op >= 0x45 && op <= 0xc4) return '';
  if (op === 0xd0) return 's';
  if (op === 0xd1) return '';
  if (op === REF_FUNC) return 'u';
  throw new RangeError(`wasm: opcode 0x${op.toString(16)} is none that a scalar image has`);
}

/** Immediates after 0xfc: conversions none, then bulk memory and tables. */
const PREFIXED = ['', '', '', '', '', '', '', '', 'uu', 'u', 'uu', 'u', 'uu', 'u', 'uu', 'u', 'u', 'u'];

function readOperands(r: Reader, shape: string): number {
  let first = 0;
  for (let i = 0; i < shape.length; i++) {
    const value = shape[i] === 'u' ? r.u32() : Number(r.s64());
    if (i === 0) first = value;
  }
  return first;
}

/** One instruction; `use` takes note of what matters. */
function readInstruction(r: Reader, use: FunctionUse): void {
  const op = r.u8();
  if (op === 0x43) return r.skip(4);
  if (op === 0x44) return r.skip(8);
  if (op === 0x0e) {
    r.list(() => r.u32());
    r.u32();
    return;
  }
  if (op === 0x1c) {
    r.list(() => r.u8());
    return;
  }
  if (op === 0xfc) {
    const shape = PREFIXED[r.u32()];
    if (shape === undefined) throw new RangeError(`wasm: unknown prefixed opcode at byte ${r.at}`);
    readOperands(r, shape);
    return;
  }
  const operand = readOperands(r, immediatesOf(op));
  if (op === CALL || op === RETURN_CALL || op === REF_FUNC) use.calls.add(operand);
  else if (op === CALL_INDIRECT || op === 0x13) use.indirect = true;
  else if (op === GLOBAL_SET) use.sets.add(operand);
}

/** What the body of `f` does. */
export function readBody(m: WasmModule, f: WasmFunction): FunctionUse {
  const use: FunctionUse = { calls: new Set(), sets: new Set(), indirect: false };
  if (f.end === 0) return use;
  const r = new Reader(m.bytes, f.start, f.end);
  r.list(() => {
    r.u32();
    r.u8();
  });
  while (r.at < r.end) readInstruction(r, use);
  return use;
}

/** What every function does, by index. */
export function readBodies(m: WasmModule): FunctionUse[] {
  return m.functions.map((f) => readBody(m, f));
}

/**
 * Functions that can run once one of `roots` does; a call_indirect reaches the whole table.
 * The map tells for each from where it was first reached (a root: itself).
 */
export function reachable(m: WasmModule, uses: FunctionUse[], roots: number[]): Map<number, number> {
  const from = new Map(roots.map((index) => [index, index]));
  const pending = [...from.keys()];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const next of [...uses[at].calls, ...(uses[at].indirect ? m.elements : [])]) {
      if (from.has(next)) continue;
      from.set(next, at);
      pending.push(next);
    }
  }
  return from;
}
