/**
 * Masks of prefixes, as they lie in a packet: what tables, rules, addresses and messages share.
 */

/** The mask of prefix length `len`. */
export function rt_mask(len: i32): u32 {
  return len == 0 ? 0 : bswap<u32>(<u32>0xffffffff << (32 - len));
}
