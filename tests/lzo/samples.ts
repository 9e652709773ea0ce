/**
 * Input for compressors: random and structured, always the same for the same seed; and mixed data of
 * the kinds that a corpus has (text, programs, logs), made of what every machine has.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/tree';

/** xorshift32: small, and the same everywhere. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** 0 … n-1. */
  below(n: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return Math.floor((this.#state / 2 ** 32) * n);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

function fillWith(length: number, byte: (i: number, done: Uint8Array) => number): Buffer {
  const out = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) out[i] = byte(i, out);
  return out;
}

/** Literals and copies from anywhere before, in runs: what a decoder's input is made of. */
function copies(r: Random, length: number): Buffer {
  const out = Buffer.allocUnsafe(length);
  for (let i = 0; i < length;) {
    const n = Math.min(1 + r.below(r.pick([4, 20, 300])), length - i);
    const distance = i > 0 && r.below(2) === 1 ? 1 + r.below(Math.min(i, r.pick([8, 2048, 16384, 49151]))) : 0;
    for (let k = 0; k < n; k++, i++) out[i] = distance > 0 ? out[i - distance]! : r.below(256);
  }
  return out;
}

function islands(r: Random, length: number): Buffer {
  const out = Buffer.alloc(length);
  for (let i = r.below(3000); i < length; i += r.below(3000)) {
    const end = Math.min(i + r.below(200), length);
    for (; i < end; i++) out[i] = r.below(256);
  }
  return out;
}

let textCache: Buffer | undefined;
let binaryCache: Buffer | undefined;

/** Our own sources and documents, and the machine's text files. */
export function textOfMachine(): Buffer {
  return textCache ??= gather([join(root, 'kernel'), join(root, 'components'), join(root, 'host'), '/usr/share/perl', '/usr/share/common-licenses'], /\.(ts|md|json|pl|pm|pod)$|licenses\/|LICENSE/, 4 << 20);
}

/** Programs and libraries. */
export function binariesOfMachine(): Buffer {
  return binaryCache ??= gather(['/usr/bin', '/usr/lib/x86_64-linux-gnu', process.execPath], /./, 4 << 20, (bytes) => bytes.subarray(0, 4).toString('latin1') === '\x7fELF');
}

function gather(places: string[], names: RegExp, most: number, wanted: (bytes: Buffer) => boolean = () => true): Buffer {
  const parts: Buffer[] = [];
  let total = 0;
  const visit = (path: string): void => {
    if (total >= most || !existsSync(path)) return;
    const stats = statSync(path);
    if (stats.isDirectory()) {
      for (const name of readdirSync(path).sort()) if (!name.startsWith('.')) visit(join(path, name));
    } else if (stats.isFile() && stats.size > 0 && stats.size < 4e8 && names.test(path)) {
      const bytes = readFileSync(path);
      if (!wanted(bytes)) return;
      parts.push(bytes.subarray(0, Math.min(1 << 20, most - total)));
      total += parts.at(-1)!.length;
    }
  };
  places.forEach(visit);
  return Buffer.concat(parts);
}

/** A log of a web server that never was. */
export function logs(length: number, seed = 7): Buffer {
  const r = new Random(seed);
  const lines: string[] = [];
  for (let at = 0, time = 1_700_000_000; at < length; time += r.below(3)) {
    const line = `10.${r.below(4)}.${r.below(256)}.${r.below(256)} - - [${new Date(time * 1000).toISOString()}] "GET /${r.pick(['', 'index.html', 'style.css', 'img/logo.png', `item/${r.below(1e5)}`])} HTTP/1.1" ${r.pick([200, 200, 200, 304, 404])} ${r.below(50000)} "-" "${r.pick(['curl/7.88.1', 'Mozilla/5.0 (X11; Linux x86_64)', 'Googlebot/2.1'])}"\n`;
    lines.push(line);
    at += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, length);
}

/** Text, programs and logs in turn, 64 KiB each. */
export function mixed(length: number): Buffer {
  const kinds = [textOfMachine(), binariesOfMachine(), logs(Math.ceil(length / 3) + 65536)];
  const parts: Buffer[] = [];
  for (let i = 0; i * 65536 < length; i++) {
    const kind = kinds[i % 3]!;
    const at = (Math.floor(i / 3) * 65536) % Math.max(1, kind.length - 65536);
    parts.push(kind.subarray(at, at + 65536));
  }
  return Buffer.concat(parts).subarray(0, length);
}

function slice(r: Random, of: Buffer, length: number): Buffer {
  const n = Math.min(length, of.length);
  const at = r.below(of.length - n + 1);
  return of.subarray(at, at + n);
}

/** One input, of a kind and a length that the seed chooses. */
export function sample(r: Random): Buffer {
  const length = r.below(r.pick([24, 24, 300, 300, 3000, 3000, 3000, 70000]));
  switch (r.below(10)) {
    case 0: return fillWith(length, () => r.below(256));
    case 1: return Buffer.alloc(length, r.below(256));
    case 2: return fillWith(length, () => r.below(3));
    case 3: { const period = 1 + r.below(40); return fillWith(length, (i, done) => (i < period ? r.below(256) : done[i - period]!)); }
    case 4: case 5: return copies(r, length);
    case 6: return islands(r, length);
    case 7: return slice(r, textOfMachine(), length);
    case 8: return slice(r, binariesOfMachine(), length);
    default: return logs(length, 1 + r.below(1e6));
  }
}
