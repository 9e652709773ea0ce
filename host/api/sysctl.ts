/**
 * kernel.sysctl: reading and setting what a running kernel exposes by dotted name (kern/sysctl.ts).
 *
 *      type of a node      INT → number    QUAD → number (bigint beyond 2^53)
 *                          STRING, FUNC → string (a Buffer if the bytes are not UTF-8 text)
 *
 * The list of names is fetched once: nodes are only added while booting.
 */
import { E2BIG, ENOENT } from '../../kernel/abi/errno';
import { CTLFLAG_RW, CTLTYPE_FUNC, CTLTYPE_INT, CTLTYPE_QUAD, CTLTYPE_STRING } from '../../kernel/abi/rump';
import { SYS_sysctlbyname, SYS_sysctlnext } from '../../kernel/abi/syscall';
import { SystemError } from '../errtrans';
import { atOption, atPath, atStruct, dataMax, optionMax } from './sysBase';
import type { Sys } from './sysSockets';

export type SysctlValue = number | bigint | string | Buffer;

export interface SysctlNode {
  name: string;
  /** 'int', 'quad', 'string' or 'func'. */
  type: string;
  writable: boolean;
}

const typeNames = new Map([[CTLTYPE_INT, 'int'], [CTLTYPE_QUAD, 'quad'], [CTLTYPE_STRING, 'string'], [CTLTYPE_FUNC, 'func']]);
const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

export class Sysctl {
  private readonly sys: Sys;
  private nodesByName: Map<string, SysctlNode> | undefined;

  constructor(sys: Sys) {
    this.sys = sys;
  }

  /** All nodes, in the order in which they were registered. */
  list(): SysctlNode[] {
    return [...this.nodes().values()];
  }

  /** The value of `name`. @throws SystemError ENOENT for a name that does not exist */
  get(name: string): SysctlValue {
    const { type } = this.node(name);
    const bytes = this.transfer(name, null);
    if (type === 'int') return bytes.readInt32LE(0);
    if (type !== 'quad') return decode(bytes);
    const value = bytes.readBigInt64LE(0);
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }

  /** What the function `name` answers to `question`; every function has its own questions. */
  ask(name: string, question: string): SysctlValue {
    this.node(name);
    return decode(this.transfer(name, Buffer.from(question), true));
  }

  /** Set `name`. @throws SystemError EPERM if it cannot be set, ERANGE if the value is out of range */
  set(name: string, value: SysctlValue): void {
    const { type } = this.node(name);
    this.transfer(name, encode(type, name, value));
  }

  /** Everything readable. Functions that refuse to be asked without a question are left out. */
  all(): Record<string, SysctlValue> {
    const values: Record<string, SysctlValue> = {};
    for (const { name } of this.list()) {
      try {
        values[name] = this.get(name);
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
      }
    }
    return values;
  }

  private node(name: string): SysctlNode {
    const node = this.nodes().get(name);
    if (node === undefined) throw new SystemError(ENOENT, 'sysctl', { path: name });
    return node;
  }

  private nodes(): Map<string, SysctlNode> {
    if (this.nodesByName !== undefined) return this.nodesByName;
    const { sys } = this;
    const found = new Map<string, SysctlNode>();
    const at = sys.base + atStruct;
    for (let i = 0; ; i++) {
      const result = sys.raw(SYS_sysctlnext, i, at, 512);
      if (result < 0) break;
      const name = Buffer.from(sys.u8.subarray(at, at + (result & 0xffff))).toString();
      const flags = result >>> 16;
      found.set(name, { name, type: typeNames.get(flags & 0xff) ?? 'func', writable: (flags & CTLFLAG_RW) !== 0 });
    }
    this.nodesByName = found;
    return found;
  }

  /** Read (value null), set, or both (`answered`); the bytes read. */
  private transfer(name: string, value: Uint8Array | null, answered = false): Buffer {
    const { sys } = this;
    const nameBytes = Buffer.from(name);
    sys.u8.set(nameBytes, sys.base + atPath);
    // What is written stands where options do if there is to be an answer, which takes the data part.
    if (value !== null && value.length > (answered ? optionMax : dataMax)) throw new SystemError(E2BIG, 'sysctl', { path: name });
    const valueAt = answered ? sys.base + atOption : sys.data;
    if (value !== null) sys.u8.set(value, valueAt);
    const reads = value === null || answered;
    const result = sys.raw(SYS_sysctlbyname, sys.base + atPath, nameBytes.length, reads ? sys.data : 0, reads ? dataMax : 0, valueAt, value?.length ?? 0);
    if (result < 0) throw new SystemError(result, 'sysctl', { path: name });
    return sys.takeData(reads ? result : 0);
  }
}

function decode(bytes: Buffer): string | Buffer {
  try {
    const text = strictUtf8.decode(bytes);
    return text.includes('\0') ? bytes : text;
  } catch {
    return bytes;
  }
}

function encode(type: string, name: string, value: SysctlValue): Uint8Array {
  if (type === 'int' || type === 'quad') {
    if (typeof value === 'object' || (typeof value !== 'bigint' && !Number.isSafeInteger(Number(value)))) {
      throw new TypeError(`sysctl ${name} is a whole number, not ${JSON.stringify(String(value))}`);
    }
    const number = BigInt(value);
    const bits = type === 'int' ? 32 : 64;
    if (BigInt.asIntN(bits, number) !== number) throw new RangeError(`sysctl ${name} is a ${bits}-bit number: ${number} is too large`);
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(number);
    return type === 'int' ? bytes.subarray(0, 4) : bytes;
  }
  const bytes = value instanceof Uint8Array ? value : Buffer.from(String(value));
  // No bytes at all would be no value at all.
  return type === 'string' && bytes.length === 0 ? Buffer.of(0) : bytes;
}
