/**
 * What an image may import: the hypercalls that its units declare.
 *
 * A declaration is one line of a `*.hyper.ts` file (or of kernel/kern/hyper.ts), such as
 *
 *     export declare function sockin_send(handle: i32, ptr: usize, len: i32): i32;
 *
 * and the image's import section must hold nothing else, with exactly these signatures: it is the
 * privilege list. Arguments are i32 or f64, because an i64 becomes a BigInt at the boundary; WASI,
 * whose signatures are not ours, is the exception.
 */
import { LinkError } from './errors';
import { moduleText, type Unit } from './tree';
import { importModule } from './transform.mjs';

export interface Hypercall {
  module: string;
  name: string;
  params: string[];
  results: string[];
  /** Name of the unit that declares it. */
  unit: string;
}

const WASM_TYPES: Record<string, string> = {
  i64: 'i64', u64: 'i64', f64: 'f64', f32: 'f32', void: 'void',
};
const WASI = 'wasi_snapshot_preview1';

/** The wasm type of an AssemblyScript type: whatever is not 64 bits or floating is an i32. */
const wasmType = (type: string): string => WASM_TYPES[type] ?? 'i32';

function parseDeclaration(unit: Unit, file: string, module: string, text: RegExpMatchArray): Hypercall {
  const [, name, list, result] = text;
  const params = list.split(',').map((part) => part.trim()).filter((part) => part !== '').map((part) => {
    const type = /^\w+\s*:\s*(\w+)/.exec(part)?.[1];
    if (!type) throw new LinkError(`${file}: ${name}: parameter "${part}" has no type`);
    return wasmType(type);
  });
  const results = wasmType(result) === 'void' ? [] : [wasmType(result)];
  if (module !== WASI && [...params, ...results].includes('i64')) {
    throw new LinkError(`${file}: hypercall ${name} has a 64-bit integer; pass i32 or f64`);
  }
  return { module, name, params, results, unit: unit.name };
}

/** All hypercalls that `unit` declares. */
export function declaredHypercalls(root: string, unit: Unit): Hypercall[] {
  return unit.hyper.flatMap((path) => {
    const file = `${path}.ts`;
    const module = importModule(path);
    if (module === null) throw new LinkError(`${unit.described}: "hyper" names ${file}, whose name does not end in .hyper.ts`);
    if (unit.kind === 'component' && module !== unit.name) {
      throw new LinkError(`${unit.described}: "hyper" names ${file}; it must be ${unit.name}.hyper.ts, because the import module is the component`);
    }
    const text = moduleText(root, path).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    const found = [...text.matchAll(/export\s+declare\s+function\s+(\w+)\s*\(([^)]*)\)\s*:\s*(\w+)\s*;/g)];
    const declared = text.match(/\bdeclare\s+function\b/g)?.length ?? 0;
    if (found.length !== declared) {
      throw new LinkError(`${file}: ${declared} function(s) declared, but ${found.length} as "export declare function name(…): type;"`);
    }
    return found.map((match) => parseDeclaration(unit, file, module, match));
  });
}

/** As the import section has it: `rumpuser.hyp_log(i32, i32, i32)`. */
export function signature(call: Omit<Hypercall, 'unit'>): string {
  const results = call.results.length > 0 ? ` -> ${call.results.join(', ')}` : '';
  return `${call.module}.${call.name}(${call.params.join(', ')})${results}`;
}
