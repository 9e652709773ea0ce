/**
 * TCP options: from the words of a script to bytes, from bytes to words, and compared.
 *
 *      <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>     <nop,nop,sack 1001:2001 3001:4001>     <raw 0503aa>
 *
 * Sequence numbers in SACK blocks and timestamp values are relative in scripts; whoever encodes or
 * decodes says by how much (Shift). `*` in an expected packet stands for any value.
 */

export type TcpOption =
  | { kind: 'eol' | 'nop' | 'sackOK' }
  | { kind: 'mss' | 'wscale'; value: number | null }
  | { kind: 'TS'; value: number | null; echo: number | null }
  | { kind: 'sack'; blocks: [left: number, right: number][] }
  | { kind: 'raw'; bytes: number[] };

/** How to get from numbers of the script to those of the wire. */
export interface Shift {
  /** Of sequence numbers that the segment's SACK blocks name. */
  sack: number;
  value: number;
  echo: number;
}

export const noShift: Shift = { sack: 0, value: 0, echo: 0 };

function u32(n: number): number[] {
  const v = n >>> 0;
  return [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255];
}

/** The options as bytes, not padded. @throws RangeError if there are more than 40 */
export function encodeOptions(options: readonly TcpOption[], shift: Shift): Uint8Array {
  const bytes = options.flatMap((option): number[] => {
    switch (option.kind) {
      case 'eol': return [0];
      case 'nop': return [1];
      case 'mss': return [2, 4, (option.value ?? 0) >> 8, (option.value ?? 0) & 255];
      case 'wscale': return [3, 3, option.value ?? 0];
      case 'sackOK': return [4, 2];
      case 'sack': return [5, 2 + 8 * option.blocks.length, ...option.blocks.flatMap(([left, right]) => [...u32(left + shift.sack), ...u32(right + shift.sack)])];
      case 'TS': return [8, 10, ...u32((option.value ?? 0) + shift.value), ...u32((option.echo ?? 0) === 0 ? 0 : option.echo! + shift.echo)];
      case 'raw': return option.bytes;
    }
  });
  if (bytes.length > 40) throw new RangeError(`${bytes.length} bytes of TCP options`);
  return Uint8Array.from(bytes);
}

function read32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function decodeOne(body: Uint8Array): TcpOption {
  const [kind, length] = body;
  if (kind === 2 && length === 4) return { kind: 'mss', value: (body[2]! << 8) | body[3]! };
  if (kind === 3 && length === 3) return { kind: 'wscale', value: body[2]! };
  if (kind === 4 && length === 2) return { kind: 'sackOK' };
  if (kind === 8 && length === 10) return { kind: 'TS', value: read32(body, 2), echo: read32(body, 6) };
  if (kind === 5 && length! >= 10 && (length! - 2) % 8 === 0) {
    const blocks = Array.from({ length: (length! - 2) / 8 }, (_, i): [number, number] => [read32(body, 2 + 8 * i), read32(body, 6 + 8 * i)]);
    return { kind: 'sack', blocks };
  }
  return { kind: 'raw', bytes: [...body] };
}

/** The options in `bytes` with the wire's numbers; what is malformed comes as one raw option at the end. */
export function decodeOptions(bytes: Uint8Array): TcpOption[] {
  const options: TcpOption[] = [];
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at]!;
    if (kind === 0) {
      options.push({ kind: 'eol' });
      if (bytes.subarray(at).some((byte) => byte !== 0)) options.push({ kind: 'raw', bytes: [...bytes.subarray(at + 1)] });
      return options;
    }
    if (kind === 1) {
      options.push({ kind: 'nop' });
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) {
      options.push({ kind: 'raw', bytes: [...bytes.subarray(at)] });
      return options;
    }
    options.push(decodeOne(bytes.subarray(at, at + length)));
    at += length;
  }
  return options;
}

const orAny = (n: number | null): string => (n === null ? '*' : String(n));

/** One option in a script's words. @param shift taken off the numbers of the wire */
export function optionText(option: TcpOption, shift: Shift = noShift): string {
  switch (option.kind) {
    case 'mss':
    case 'wscale': return `${option.kind} ${orAny(option.value)}`;
    case 'TS': {
      const value = option.value === null ? '*' : String((option.value - shift.value) >>> 0);
      const echo = option.echo === null || option.echo === 0 ? orAny(option.echo) : String((option.echo - shift.echo) >>> 0);
      return `TS val ${value} ecr ${echo}`;
    }
    case 'sack': return `sack ${option.blocks.map(([l, r]) => `${(l - shift.sack) >>> 0}:${(r - shift.sack) >>> 0}`).join(' ')}`;
    case 'raw': return `raw ${Buffer.from(option.bytes).toString('hex')}`;
    default: return option.kind;
  }
}

export function optionsText(options: readonly TcpOption[], shift: Shift = noShift): string {
  return `<${options.map((option) => optionText(option, shift)).join(',')}>`;
}

/**
 * Is `actual` (numbers of the wire) what `expected` (numbers of the script) says?
 * @param tsSlack by how much a timestamp's value may differ, ticks
 */
export function sameOptions(expected: readonly TcpOption[], actual: readonly TcpOption[], shift: Shift, tsSlack: number): boolean {
  return expected.length === actual.length && expected.every((want, i) => sameOption(want, actual[i]!, shift, tsSlack));
}

function sameOption(want: TcpOption, got: TcpOption, shift: Shift, tsSlack: number): boolean {
  if (want.kind !== got.kind) return false;
  if (want.kind === 'TS' && got.kind === 'TS') {
    const off = want.value === null ? 0 : Math.abs((got.value! - shift.value - want.value) | 0);
    if (off > tsSlack) return false;
    if (want.echo === null || want.echo === got.echo) return true;
    return want.echo !== 0 && got.echo !== 0 && want.echo === (got.echo! - shift.echo) >>> 0;
  }
  if ((want.kind === 'mss' || want.kind === 'wscale') && want.value === null) return true;
  return optionText(want) === optionText(got, shift);
}
