/**
 * Choice of ephemeral ports (RFC 6056), by the names that NetBSD gives the algorithms.
 *
 *      bsd           counts down from the top                    predictable, no reuse for long
 *      random_start  a random start, then down            (default; rump's too)
 *      random_pick   a fresh random port each try                RFC 6056 §3.3.2
 *      hash          keyed hash of the peer + one counter        RFC 6056 §3.3.3
 *      doublehash    the same, the counter from a table          RFC 6056 §3.3.4
 *      randinc       a random step from the last                 RFC 6056 §3.3.5
 *
 * Every algorithm ends in the same scan, so a free port is found if there is one. "Free" depends on
 * the caller: for connect(2) the 4-tuple must be new and no listener own the port; for bind(2) to port
 * 0 nobody may own it. Cost: one table look-up a candidate; the first is nearly always free.
 */
import { EADDRNOTAVAIL, EINVAL, ERANGE } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { cprng_fast32, cprng_uniform } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_char, kput_str, kstr_eq } from "../../kernel/kern/kstring";
import { siphash13_2 } from "../../kernel/kern/siphash";
import { sysctl_fn, sysctl_int } from "../../kernel/kern/sysctl";
import {
  INP_LOWPORT, Inpcb, PORTALGO_TABLE, in_pcbportused, in_pcbwildowner,
} from "./in_pcb";
import { TUPLE_FREE, TUPLE_REUSABLE, TUPLE_TAKEN, tcp_tuple } from "./tcp_twreuse";

export const PORTALGO_BSD: i32 = 0;
export const PORTALGO_RANDOM_START: i32 = 1;
export const PORTALGO_RANDOM_PICK: i32 = 2;
export const PORTALGO_HASH: i32 = 3;
export const PORTALGO_DOUBLEHASH: i32 = 4;
export const PORTALGO_RANDINC: i32 = 5;
const PORTALGO_MAX: i32 = 6;
/** RFC 6056 §3.3.5: the trade-off between randomness and reuse. */
const RANDINC_N: u32 = 500;
/** Candidates that are looked at for a free port before one in TIME-WAIT is used again, at most. */
const PREFER_FREE: u32 = 32;

@unmanaged
class PortalgoState {
  selected: i32;
  first: i32;
  last: i32;
  lowfirst: i32;
  lowlast: i32;
  /**
   * How many of PREFER_FREE are looked at: half as many after a search that found none, twice as many after
   * one that did. A client that uses its whole range in 2 MSL would look 32 times in vain for each connection.
   */
  look: u32;
}

let pa: PortalgoState = changetype<PortalgoState>(0);
/** One bit a port: never chosen (sysctl …anonportalgo.reserve). */
let reserved: usize = 0;

function algo_name(i: i32): string {
  if (i == PORTALGO_BSD) return "bsd";
  if (i == PORTALGO_RANDOM_START) return "random_start";
  if (i == PORTALGO_RANDOM_PICK) return "random_pick";
  if (i == PORTALGO_HASH) return "hash";
  if (i == PORTALGO_DOUBLEHASH) return "doublehash";
  return "randinc";
}

export function portalgo_boot(): void {
  pa = changetype<PortalgoState>(kmem_alloc(offsetof<PortalgoState>(), 8, "portalgo"));
  reserved = kmem_alloc(8192, 64, "portalgo");
  pa.selected = PORTALGO_RANDOM_START;
  pa.first = 49152;
  pa.last = 65535;
  pa.lowfirst = 600;
  pa.lowlast = 1023;
  pa.look = PREFER_FREE;
  const at = changetype<usize>(pa);
  sysctl_int("net.inet.ip.anonportmin", at + offsetof<PortalgoState>("first"), CTLFLAG_RW, 1024, 65535);
  sysctl_int("net.inet.ip.anonportmax", at + offsetof<PortalgoState>("last"), CTLFLAG_RW, 1024, 65535);
  sysctl_int("net.inet.ip.lowportmin", at + offsetof<PortalgoState>("lowfirst"), CTLFLAG_RW, 1, 1023);
  sysctl_int("net.inet.ip.lowportmax", at + offsetof<PortalgoState>("lowlast"), CTLFLAG_RW, 1, 1023);
  sysctl_fn("net.inet.ip.anonportalgo.available", portalgo_available, 0);
  sysctl_fn("net.inet.ip.anonportalgo.selected", portalgo_selected, CTLFLAG_RW);
  sysctl_fn("net.inet.ip.anonportalgo.reserve", portalgo_reserve, CTLFLAG_RW);
}

function portalgo_available(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  let at = buf;
  for (let i = 0; i < PORTALGO_MAX; i++) {
    if (i > 0) at = kput_char(at, end, 32);
    at = kput_str(at, end, algo_name(i));
  }
  return at == end ? -ERANGE : <i32>(at - buf);
}

/** The algorithm's number for a name of `len` bytes; -EINVAL if there is none. */
export function portalgo_byname(name: usize, len: i32): i32 {
  for (let i = 0; i < PORTALGO_MAX; i++) if (kstr_eq(name, len, algo_name(i))) return i;
  return -EINVAL;
}

function portalgo_selected(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const at = kput_str(buf, buf + <usize>len, algo_name(pa.selected));
  if (newlen > 0) {
    const i = portalgo_byname(newp, newlen);
    if (i < 0) return i;
    pa.selected = i;
  }
  return <i32>(at - buf);
}

/** Set: a decimal port to reserve, or -port to release it. */
function portalgo_reserve(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen == 0) return 0;
  const release = load<u8>(newp) == 45;
  let port: u32 = 0;
  for (let i = release ? 1 : 0; i < newlen; i++) {
    const d = <u32>load<u8>(newp + i) - 48;
    if (d > 9) return -EINVAL;
    port = port * 10 + d;
    if (port > 65535) return -EINVAL;
  }
  const at = reserved + (port >> 3);
  const bit = <u32>1 << (port & 7);
  store<u8>(at, <u8>(release ? load<u8>(at) & ~bit : load<u8>(at) | bit));
  return 0;
}

/** May `inp` take `port` towards the peer (0: bind)? TUPLE_… (tcp_twreuse.ts). */
function port_state(inp: Inpcb, laddr: u32, port: u32, faddr: u32, fport: u32): i32 {
  if (((<u32>load<u8>(reserved + (port >> 3)) >> (port & 7)) & 1) != 0) return TUPLE_TAKEN;
  const info = inp.inp_info;
  if (fport == 0) return in_pcbportused(info, port) ? TUPLE_TAKEN : TUPLE_FREE;
  if (in_pcbwildowner(info, laddr, port)) return TUPLE_TAKEN;
  return tcp_tuple(info, laddr, port, faddr, fport);
}

/** Where to begin, counted from the first port of the range. */
function port_start(inp: Inpcb, algo: i32, num: u32, laddr: u32, faddr: u32, fport: u32): u32 {
  const info = inp.inp_info;
  if (algo == PORTALGO_BSD) {
    const n = info.ipi_lastport;
    info.ipi_lastport = n + 1;
    return num - 1 - n % num;
  }
  if (algo == PORTALGO_RANDINC) {
    info.ipi_lastport += 1 + cprng_uniform(RANDINC_N);
    return info.ipi_lastport % num;
  }
  if (algo == PORTALGO_HASH || algo == PORTALGO_DOUBLEHASH) {
    const h = siphash13_2(info.ipi_key, (<u64>faddr << 32) | laddr, fport);
    if (algo == PORTALGO_HASH) {
      info.ipi_lastport = info.ipi_lastport + 1;
      return (<u32>(h >> 32) + info.ipi_lastport) % num;
    }
    const slot = info.ipi_ptable + ((<usize>h & (PORTALGO_TABLE - 1)) << 2);
    const n = load<u32>(slot);
    store<u32>(slot, n + 1);
    return (<u32>(h >> 32) + n) % num;
  }
  return cprng_uniform(num);
}

/**
 * The first free port at or after place `start` of the range, going down and round; or, when the next
 * few are not free, one whose connection to this peer is in TIME-WAIT and may be used again. -1: none.
 */
function port_scan(inp: Inpcb, first: u32, num: u32, start: u32, laddr: u32, faddr: u32, fport: u32): i32 {
  let again: i32 = -1;
  for (let i: u32 = 0; i < num; i++) {
    const port = first + (start + num - i) % num;
    const state = port_state(inp, laddr, port, faddr, fport);
    if (state == TUPLE_FREE) {
      pa.look = min(pa.look << 1, PREFER_FREE);
      return port;
    }
    if (state == TUPLE_REUSABLE && again < 0) again = port;
    if (again >= 0 && i >= pa.look) {
      pa.look = max<u32>(pa.look >> 1, 1);
      return again;
    }
  }
  return again;
}

/**
 * A local port for `inp` on `laddr`, towards `faddr`:`fport` or (fport 0) for bind(2) to port 0.
 * The port, or -EADDRNOTAVAIL when all are taken.
 */
export function portalgo_choose(inp: Inpcb, laddr: u32, faddr: u32, fport: u32): i32 {
  const low = (inp.inp_flags & INP_LOWPORT) != 0;
  let first = <u32>(low ? pa.lowfirst : pa.first);
  let last = <u32>(low ? pa.lowlast : pa.last);
  if (first > last) {
    const t = first;
    first = last;
    last = t;
  }
  const num = last - first + 1;
  const algo = inp.inp_portalgo != 0 ? <i32>inp.inp_portalgo - 1 : pa.selected;
  if (algo == PORTALGO_RANDOM_PICK) {
    for (let i: u32 = 0; i < num; i++) {
      const port = first + cprng_fast32() % num;
      if (port_state(inp, laddr, port, faddr, fport) == TUPLE_FREE) return port;
      if (i >= pa.look) break;
    }
  }
  const start = port_start(inp, algo, num, laddr, faddr, fport);
  const port = port_scan(inp, first, num, start, laddr, faddr, fport);
  if (port < 0) return -EADDRNOTAVAIL;
  if (algo == PORTALGO_BSD) inp.inp_info.ipi_lastport += (start + num + first - port) % num;
  return port;
}
