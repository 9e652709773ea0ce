/**
 * The bytes that travel: a script gives lengths only, so contents are a function of the position in the
 * stream. Whatever arrives, on the wire or in a read, is checked against it: a byte at the wrong place
 * is found wherever it went wrong.
 */

/** Which side's stream: what the image's user writes, what the peer sends. */
export type Side = 'local' | 'remote';

/** Position within a datagram or stream → byte. */
export function byteAt(side: Side, offset: number): number {
  return (offset * 31 + (offset >>> 8) * 17 + (offset >>> 16) * 59 + (side === 'local' ? 0x41 : 0xa7)) & 0xff;
}

export function patternOf(side: Side, offset: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = byteAt(side, offset + i);
  return out;
}

/** Index of the first byte of `bytes` that is not the one at `offset` of the stream; -1 if all are. */
export function firstDifference(side: Side, offset: number, bytes: Uint8Array): number {
  return bytes.findIndex((byte, i) => byte !== byteAt(side, offset + i));
}
