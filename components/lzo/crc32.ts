/**
 * CRC-32 as in IEEE 802.3, gzip (RFC 1952 §8) and `.lzo` files: polynomial
 * 0xEDB88320 reflected, register and result inverted.
 *
 * Eight bytes a turn with eight tables: table k holds the effect of a byte
 * that is k bytes further from the end, so the eight look-ups of one turn do
 * not depend on each other.
 *
 *      crc ^ 4 bytes ─► T7 T6 T5 T4 ┐
 *            4 bytes ─► T3 T2 T1 T0 ┴► xor ─► crc
 *
 * Tables: 8 x 256 x 4 bytes, filled at the first call.
 */

const TABLES: usize = memory.data(8 * 1024, 16);
const POLY: u32 = 0xedb88320;

/** Fill the tables; entry 1 of table 0 is never 0 once filled. */
function crc32_init(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let c = i;
    for (let k = 0; k < 8; k++) c = (c >> 1) ^ (POLY & (0 - (c & 1)));
    store<u32>(TABLES + (i << 2), c);
  }
  for (let i: u32 = 0; i < 256; i++) {
    let c = load<u32>(TABLES + (i << 2));
    for (let k: u32 = 1; k < 8; k++) {
      c = (c >> 8) ^ load<u32>(TABLES + ((c & 0xff) << 2));
      store<u32>(TABLES + (k << 10) + (i << 2), c);
    }
  }
}

class Table {
  /** Entry for byte n (0..3) of w in table k. */
  @inline
  static at(k: u32, w: u32, n: u32): u32 {
    return load<u32>(TABLES + (k << 10) + (((w >> (n << 3)) & 0xff) << 2));
  }
}

/**
 * Continue the checksum `sum` (0 to begin) over len bytes at p.
 * @returns the new checksum
 */
export function crc32(sum: u32, p: usize, len: u32): u32 {
  if (load<u32>(TABLES + 4) == 0) crc32_init();
  let c = ~sum;
  const end = p + len;
  const bulk = p + (len & ~7);
  while (p < bulk) {
    const lo = load<u32>(p) ^ c;
    const hi = load<u32>(p, 4);
    c = Table.at(7, lo, 0) ^ Table.at(6, lo, 1) ^ Table.at(5, lo, 2) ^ Table.at(4, lo, 3) ^
      Table.at(3, hi, 0) ^ Table.at(2, hi, 1) ^ Table.at(1, hi, 2) ^ Table.at(0, hi, 3);
    p += 8;
  }
  while (p < end) {
    c = (c >> 8) ^ load<u32>(TABLES + (((c ^ load<u8>(p)) & 0xff) << 2));
    p++;
  }
  return ~c;
}
