/**
 * TCP options: what a segment carries, parsed once; and what ours carry.
 *
 *      kind EOL 0, NOP 1: one byte       others: | kind | length | data … |     (RFC 9293 §3.2)
 *
 * RFC 9293 §3.1 MUST-4, RFC 9293 §3.1 MUST-5: end, no-operation and maximum segment size, in any segment.
 * RFC 9293 §3.1 MUST-6: an unknown option is skipped by its length, which all but those two have, ours too
 * (RFC 9293 §3.1 MUST-68). RFC 9293 §3.1 MUST-7: an illegal length (0, 1, beyond the header) ends the
 * parsing; what was understood so far counts, the segment is kept. Window scale RFC 7323 §2,
 * timestamps RFC 7323 §3, SACK RFC 2018.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import * as th from "./tcp";

export const TOF_MSS: i32 = 1;
export const TOF_SCALE: i32 = 2;
export const TOF_TS: i32 = 4;
export const TOF_SACKPERM: i32 = 8;
export const TOF_SACK: i32 = 16;

/** What was found in the segment under way. One for the whole stack: segments do not nest. */
@unmanaged
export class Tcpopt {
  to_flags: i32;
  to_mss: u32;
  to_wscale: i32;
  to_tsval: u32;
  to_tsecr: u32;
  /** SACK blocks: address of the first, and how many. */
  to_sacks: usize;
  to_nsacks: i32;
}

export let tcpopt: Tcpopt = changetype<Tcpopt>(0);

export function tcp_options_boot(): void {
  tcpopt = changetype<Tcpopt>(kmem_alloc(offsetof<Tcpopt>(), 8, "tcpopt"));
}

/**
 * Parse `len` bytes of options at `p` into tcpopt, of any segment (RFC 9293 §3.1 MUST-4, MUST-5). `syn`: options
 * that only a SYN may carry count.
 */
export function tcp_dooptions(p: usize, len: i32, syn: bool): void {
  const to = tcpopt;
  to.to_flags = 0;
  to.to_nsacks = 0;
  // The aligned timestamp alone: nearly every segment of an established connection.
  if (len == th.TCPOLEN_TSTAMP_APPA && load<u32>(p) == 0x0a080101 && !syn) {
    to.to_flags = TOF_TS;
    to.to_tsval = bswap<u32>(load<u32>(p, 4));
    to.to_tsecr = bswap<u32>(load<u32>(p, 8));
    return;
  }
  while (len > 0) {
    // RFC 9293 §3.2 MUST-64: wherever it begins; the machine loads from any address.
    const kind = <i32>load<u8>(p);
    if (kind == th.TCPOPT_EOL) return;
    if (kind == th.TCPOPT_NOP) {
      p++;
      len--;
      continue;
    }
    // RFC 9293 §3.1 MUST-6, MUST-68: all others have a length to be stepped over by. MUST-7: unless it is illegal.
    if (len < 2) return;
    const olen = <i32>load<u8>(p, 1);
    if (olen < 2 || olen > len) return;
    tcp_option(kind, p, olen, syn);
    p += olen;
    len -= olen;
  }
}

function tcp_option(kind: i32, p: usize, olen: i32, syn: bool): void {
  const to = tcpopt;
  if (kind == th.TCPOPT_MAXSEG && olen == th.TCPOLEN_MAXSEG && syn) {
    to.to_flags |= TOF_MSS;
    to.to_mss = <u32>bswap<u16>(load<u16>(p, 2));
  } else if (kind == th.TCPOPT_WINDOW && olen == th.TCPOLEN_WINDOW && syn) {
    to.to_flags |= TOF_SCALE;
    // RFC 7323 §2.3: a shift above 14 is taken for 14.
    to.to_wscale = min(<i32>load<u8>(p, 2), th.TCP_MAX_WINSHIFT);
  } else if (kind == th.TCPOPT_TIMESTAMP && olen == th.TCPOLEN_TIMESTAMP) {
    to.to_flags |= TOF_TS;
    to.to_tsval = bswap<u32>(load<u32>(p, 2));
    to.to_tsecr = bswap<u32>(load<u32>(p, 6));
  } else if (kind == th.TCPOPT_SACK_PERMITTED && olen == th.TCPOLEN_SACK_PERMITTED && syn) {
    to.to_flags |= TOF_SACKPERM;
  } else if (kind == th.TCPOPT_SACK && olen >= 10 && ((olen - 2) & 7) == 0 && !syn) {
    to.to_flags |= TOF_SACK;
    to.to_sacks = p + 2;
    to.to_nsacks = (olen - 2) >> 3;
  }
}

/**
 * Write the options of a SYN at `p`: MSS always (RFC 9293 §3.7.1 MUST-14), and nowhere else (RFC 9293 §3.2 MUST-65),
 * the rest as asked. Bytes written, a multiple of 4: filled up with NOPs, so there is no padding but zeros
 * (RFC 9293 §3.1 MUST-69: none at all).
 */
export function tcp_synoptions(p: usize, mss: u32, scale: i32, sack: bool, ts: bool, tsval: u32, tsecr: u32): i32 {
  store<u16>(p, 0x0402);
  store<u16>(p, bswap<u16>(<u16>mss), 2);
  let at: usize = 4;
  if (sack && ts) {
    // SACK permitted takes the place of the two NOPs before the timestamp.
    store<u16>(p + at, 0x0204);
    at += 2;
  } else if (sack) {
    store<u32>(p + at, 0x02040101);
    at += 4;
  } else if (ts) {
    store<u16>(p + at, 0x0101);
    at += 2;
  }
  if (ts) {
    store<u16>(p + at, 0x0a08);
    store<u32>(p + at, bswap<u32>(tsval), 2);
    store<u32>(p + at, bswap<u32>(tsecr), 6);
    at += 10;
  }
  if (scale >= 0) {
    store<u32>(p + at, 0x00030301 | (<u32>scale << 24));
    at += 4;
  }
  return <i32>at;
}

/** The aligned timestamp option at `p`; 12. */
export function tcp_tsoption(p: usize, tsval: u32, tsecr: u32): i32 {
  store<u32>(p, 0x0a080101);
  store<u32>(p, bswap<u32>(tsval), 4);
  store<u32>(p, bswap<u32>(tsecr), 8);
  return th.TCPOLEN_TSTAMP_APPA;
}
