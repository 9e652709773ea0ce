/**
 * IPv4 options (RFC 791 §3.1, RFC 1122 §3.2.1.8, RFC 1812 §4.2.2.1 and §5.2.4): checked, recorded in, kept.
 *
 *      | 0 end | 1 nop |     7 record route   | type length pointer | address address … |
 *                           68 timestamp      | type length pointer | overflow flag | … |
 *                          131, 137 source route, loose and strict: as record route
 *
 * Pointers count from 1 at the type. A packet on its way gets our address (that of the interface which
 * it leaves by) and the time where there is room; options that we do not know go on as they are. Source
 * routes are refused (RFC 7126 §4.3) unless net.inet.ip.forwsrcrt says otherwise. Functions work on the
 * `n` bytes of options at `o`; where they find fault they answer the place in the header, which is what
 * ICMP's parameter problem points at.
 */
import { getmicrotime } from "../../kernel/kern/clock";
import { in_localip } from "./in_ifaddr";
import * as ip from "./ip";

export const IPOPT_EOL: i32 = 0;
export const IPOPT_NOP: i32 = 1;
export const IPOPT_RR: i32 = 7;
export const IPOPT_TS: i32 = 68;
export const IPOPT_LSRR: i32 = 131;
export const IPOPT_SSRR: i32 = 137;

const TS_ONLY: i32 = 0;
const TS_ADDR: i32 = 1;
const TS_PRESPEC: i32 = 3;

/** Milliseconds since midnight UT as they go into a packet (RFC 791 §3.1, RFC 792). */
export function ip_timestamp(): u32 {
  return bswap<u32>(<u32>(getmicrotime() / 1000 % 86400000));
}

/** Length of the option at offset `i` (EOL and NOP: 1), 0 if it does not fit `n`. */
function opt_len(o: usize, n: i32, i: i32): i32 {
  if (<i32>load<u8>(o + i) <= IPOPT_NOP) return 1;
  if (i + 1 >= n) return 0;
  const len = <i32>load<u8>(o + i, 1);
  return len < 2 || i + len > n ? 0 : len;
}

/** Where in the header the options are malformed; 0 if they are not. */
export function ip_opt_check(o: usize, n: i32): i32 {
  for (let i = 0; i < n;) {
    if (<i32>load<u8>(o + i) == IPOPT_EOL) return 0;
    const len = opt_len(o, n, i);
    if (len == 0) return ip.IP_HDRLEN + i + 1;
    i += len;
  }
  return 0;
}

/** Offset in checked options of the source route, or -1. */
export function ip_opt_sourceroute(o: usize, n: i32): i32 {
  for (let i = 0; i < n; i += opt_len(o, n, i)) {
    const type = <i32>load<u8>(o + i);
    if (type == IPOPT_EOL) return -1;
    if (type == IPOPT_LSRR || type == IPOPT_SSRR) return i;
  }
  return -1;
}

/** Record route at `p`: put in `addr`. 0, or the offset of what is wrong. */
function record_route(p: usize, addr: u32): i32 {
  const len = <i32>load<u8>(p, 1);
  if (len < 3) return 1;
  const ptr = <i32>load<u8>(p, 2);
  if (ptr < 4) return 2;
  if (ptr > len) return 0;
  if (ptr + 3 > len) return 2;
  store<u32>(p + ptr - 1, addr);
  store<u8>(p, <u8>(ptr + 4), 2);
  return 0;
}

/** Timestamp at `p`: put in the time, and `addr` if it asks for that. 0, or the offset of what is wrong. */
function record_time(p: usize, addr: u32): i32 {
  const len = <i32>load<u8>(p, 1);
  if (len < 4) return 1;
  const ptr = <i32>load<u8>(p, 2);
  if (ptr < 5) return 2;
  const word = <i32>load<u8>(p, 3);
  const flag = word & 15;
  if (flag != TS_ONLY && flag != TS_ADDR && flag != TS_PRESPEC) return 3;
  const need = flag == TS_ONLY ? 4 : 8;
  if (ptr > len) {
    // RFC 791: the overflow counter counts who found no room; its own overflow is an error.
    if (word >> 4 == 15) return 3;
    store<u8>(p, <u8>(word + 16), 3);
    return 0;
  }
  if (ptr + need - 1 > len) return 2;
  let at = p + ptr - 1;
  if (flag == TS_PRESPEC && !in_localip(load<u32>(at))) return 0;
  if (flag == TS_ADDR) store<u32>(at, addr);
  if (flag != TS_ONLY) at += 4;
  store<u32>(at, ip_timestamp());
  store<u8>(p, <u8>(ptr + need), 2);
  return 0;
}

/** Record `addr`, ours, and the time in checked options that ask for it. 0, or where in the header something is wrong. */
export function ip_opt_record(o: usize, n: i32, addr: u32): i32 {
  for (let i = 0; i < n; i += opt_len(o, n, i)) {
    const type = <i32>load<u8>(o + i);
    if (type == IPOPT_EOL) return 0;
    const e = type == IPOPT_RR ? record_route(o + i, addr) : type == IPOPT_TS ? record_time(o + i, addr) : 0;
    if (e != 0) return ip.IP_HDRLEN + i + e;
  }
  return 0;
}

/** The next hop of the source route at `p`, into whose place `addr` goes; 0 when it is at its end or too short. */
export function ip_opt_nexthop(p: usize, addr: u32): u32 {
  const len = <i32>load<u8>(p, 1);
  const ptr = len < 3 ? 0 : <i32>load<u8>(p, 2);
  if (ptr < 4 || ptr + 3 > len) return 0;
  const next = load<u32>(p + ptr - 1);
  if (addr == 0) return next;
  store<u32>(p + ptr - 1, addr);
  store<u8>(p, <u8>(ptr + 4), 2);
  return next;
}

/**
 * Copy of checked options those that go into every fragment (`fragment`: the copied flag, RFC 791 §3.1), or
 * those that an echo reply returns (RFC 1122 §3.2.2.6: record route and timestamp), to `to`, padded to
 * words. Their length.
 */
export function ip_opt_copy(o: usize, n: i32, to: usize, fragment: bool): i32 {
  let at = 0;
  for (let i = 0; i < n;) {
    const type = <i32>load<u8>(o + i);
    if (type == IPOPT_EOL) break;
    const len = opt_len(o, n, i);
    const wanted = fragment ? (type & 0x80) != 0 : type == IPOPT_RR || type == IPOPT_TS;
    if (wanted) {
      memory.copy(to + at, o + i, len);
      at += len;
    }
    i += len;
  }
  while ((at & 3) != 0) store<u8>(to + at++, IPOPT_EOL);
  return at;
}
