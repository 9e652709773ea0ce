/**
 * A frame on its way between an image and a netdev: pieces of one memory, and what is left to be done.
 *
 *      Frame ── u8 ──▶ linear memory (or any bytes)
 *        ├ words[at], words[at + 1]  address and length of piece 0, then of piece 1, … (n of them)
 *        └ h0 h1 h2                  a virtio_net_hdr (virtio 1.2 §5.1.6) as it lies in memory
 *
 *      h0: | flags u8 | gso_type u8 | hdr_len u16 |   h1: | gso_size u16 | csum_start u16 |
 *      h2: | csum_offset u16 | num_buffers u16 |
 *
 * The bytes are an Ethernet frame without its check sequence. NEEDS_CSUM: the transport checksum at
 * csum_start + csum_offset holds the pseudo-header's sum only. gso_type: payload of several segments
 * of gso_size bytes behind one header. Nothing is copied to make a Frame, and one object serves for
 * all frames of an interface: whoever wants to keep one beyond the call takes a copy().
 */

export const VNET_F_NEEDS_CSUM = 1;
export const VNET_F_DATA_VALID = 2;
export const VNET_GSO_NONE = 0;
export const VNET_GSO_TCPV4 = 1;
export const VNET_GSO_TCPV6 = 4;
/** Set in gso_type beside the type: the segments carry CWR as RFC 3168 wants it. */
export const VNET_GSO_ECN = 0x80;
export const VNET_HDR_SIZE = 12;

/** Ethernet header without tags: destination, source, type. */
export const ETHER_HDR_LEN = 14;
/** Longest frame that any netdev carries: 64 KiB of IP behind an Ethernet header with a tag. */
export const FRAME_MAX = 65535 + ETHER_HDR_LEN + 4;

/** Up to this many bytes words copied one by one beat TypedArray.set, if both ends are aligned alike. */
const WORD_COPY_MAX = 80;

export class Frame {
  u8: Uint8Array = new Uint8Array(0);
  /** Address and length of each piece, from index `at`. */
  words: Int32Array = new Int32Array(0);
  at = 0;
  /** Pieces. */
  n = 0;
  /** Bytes of all pieces. */
  length = 0;
  h0 = 0;
  h1 = 0;
  h2 = 0;

  /** A frame of one piece. @param bytes the frame, without check sequence; not copied */
  static of(bytes: Uint8Array, h0 = 0, h1 = 0, h2 = 0): Frame {
    const frame = new Frame();
    frame.u8 = bytes;
    frame.words = Int32Array.of(0, bytes.length);
    frame.n = 1;
    frame.length = bytes.length;
    frame.h0 = h0;
    frame.h1 = h1;
    frame.h2 = h2;
    return frame;
  }

  get flags(): number { return this.h0 & 0xff; }
  get gsoType(): number { return (this.h0 >>> 8) & 0xff; }
  get gsoSize(): number { return this.h1 & 0xffff; }
  get csumStart(): number { return this.h1 >>> 16; }
  get csumOffset(): number { return this.h2 & 0xffff; }

  /** Is a checksum or the segmentation still to be done? */
  get isUnfinished(): boolean { return (this.h0 & (0xff00 | VNET_F_NEEDS_CSUM)) !== 0; }

  /** The bytes, in one piece of their own. */
  bytes(): Uint8Array<ArrayBuffer> {
    const to = new Uint8Array(this.length);
    this.copyTo(to, 0);
    return to;
  }

  /** A frame that stays as it is. */
  copy(): Frame {
    return Frame.of(this.bytes(), this.h0, this.h1, this.h2);
  }

  /** Write up to `most` bytes of the frame to `to` from index `at`. */
  copyTo(to: Uint8Array, at: number, most = this.length): void {
    let left = most;
    for (let i = this.at, end = i + 2 * this.n; i < end && left > 0; i += 2) {
      const from = this.words[i]! >>> 0;
      const len = Math.min(this.words[i + 1]!, left);
      to.set(this.u8.subarray(from, from + len), at);
      at += len;
      left -= len;
    }
  }
}

/** Copy `len` bytes between memories; `fromWords` and `toWords` are the same memories as 32-bit words. */
export function copyBytes(
  from: Uint8Array, fromWords: Int32Array | null, fromAt: number, to: Uint8Array, toWords: Int32Array, toAt: number, len: number,
): void {
  if (len > WORD_COPY_MAX || fromWords === null || ((fromAt ^ toAt) & 3) !== 0) {
    to.set(from.subarray(fromAt, fromAt + len), toAt);
    return;
  }
  let a = fromAt;
  let b = toAt;
  const end = fromAt + len;
  while (a < end && (a & 3) !== 0) to[b++] = from[a++]!;
  let w = b >> 2;
  for (; a + 4 <= end; a += 4, b += 4) toWords[w++] = fromWords[a >> 2]!;
  while (a < end) to[b++] = from[a++]!;
}

/** The station address at `at` as a number, for tables. */
export function macNumber(b: Uint8Array, at: number): number {
  return ((b[at]! << 8) | b[at + 1]!) * 0x100000000
    + (((b[at + 2]! << 24) | (b[at + 3]! << 16) | (b[at + 4]! << 8) | b[at + 5]!) >>> 0);
}
