/**
 * Internet protocol control blocks: who owns which (local, foreign) address and port pair.
 *
 *      bindhash[lport]   every block with a local port          — asked by bind(2)
 *      wildhash[lport]   those of them without a peer           — listeners, unconnected UDP
 *      connhash          those with a peer: Linehash keyed by SipHash of the 4-tuple
 *
 * Three tables because the questions differ (facts.md §3.3): bind asks about a port, a segment that
 * arrives asks for the connection first and for a listener only if there is none. A connection is
 * found in one cache line and its block; a listener by a chain that is as long as the number of
 * listeners that share the port. Binding only occupies a port; listening makes it reachable.
 *
 * Addresses are u32 as they lie in the packet (network order read little-endian); ports are numbers.
 */
import { EADDRINUSE } from "../../kernel/abi/errno";
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { SO_ACCEPTCONN, SO_REUSEADDR, SO_REUSEPORT } from "../../kernel/abi/socket";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import {
  Linehash, linehash_create, linehash_first, linehash_insert, linehash_next, linehash_remove,
} from "../../kernel/kern/linehash";
import { Pool, pool_getz, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { SIPHASH_KEYLEN, siphash13_2 } from "../../kernel/kern/siphash";
import { Socket } from "../../kernel/net/socket";
import { ip_defttl } from "./ip_output";
import { tcp_tuple_take, tcp_tw_conflict, tcp_tw_portused } from "./tcp_twreuse";

/** Chains of bindhash and of wildhash. */
const PORTHASH: u32 = 1024;

// inp_flags
/** Bound by bind(2) to a port of the user's choice. */
export const INP_BOUND: u32 = 0x01;
/** On connhash. */
export const INP_CONNECTED: u32 = 0x02;
/** Supplies the whole IP header (IP_HDRINCL). */
export const INP_HDRINCL: u32 = 0x04;
export const INP_RECVDSTADDR: u32 = 0x08;
export const INP_RECVTTL: u32 = 0x10;
export const INP_RECVIF: u32 = 0x20;
export const INP_PKTINFO: u32 = 0x40;
export const INP_NOCKSUM: u32 = 0x80;
/** bind(2) or connect(2) choose from the low, the high, the default range of ports. */
export const INP_LOWPORT: u32 = 0x100;
/** The local port was chosen by the stack. */
export const INP_ANONPORT: u32 = 0x200;
export const INP_MULTICAST_LOOP: u32 = 0x400;

@unmanaged
export class Inpcb {
  inp_laddr: u32;
  inp_faddr: u32;
  inp_lport: u16;
  inp_fport: u16;
  inp_flags: u32;
  inp_hash: u64;
  inp_so: Socket;
  inp_ppcb: usize;
  inp_info: Inpcbinfo;
  /** All blocks of the protocol. */
  inp_next: Inpcb;
  inp_prev: Inpcb;
  inp_bindnext: Inpcb;
  inp_bindprev: Inpcb;
  inp_wildnext: Inpcb;
  inp_wildprev: Inpcb;
  inp_ttl: u8;
  inp_tos: u8;
  inp_minttl: u8;
  /** Protocol number of a raw socket. */
  inp_proto: u8;
  inp_portalgo: u8;
  inp_mcttl: u8;
  /** Interface for multicast (its address), and the memberships (in_mcast.ts). */
  inp_mcif: u32;
  inp_moptions: usize;
  /** Route last used (in_route.ts). */
  inp_ro_rt: usize;
  inp_ro_gen: u32;
}

@unmanaged
export class Inpcbinfo {
  ipi_pool: Pool;
  ipi_conn: Linehash;
  ipi_bindhash: usize;
  ipi_wildhash: usize;
  ipi_key: usize;
  ipi_first: Inpcb;
  ipi_count: u32;
  ipi_proto: i32;
  /** portalgo.ts: next offset of the sequential algorithms; their table of increments. */
  ipi_lastport: u32;
  ipi_ptable: usize;
}

/** Tables and pool for up to `n` blocks of protocol `proto`. Boot only. */
export function in_pcbinfo_create(n: u32, proto: i32, name: string): Inpcbinfo {
  const info = changetype<Inpcbinfo>(kmem_alloc(offsetof<Inpcbinfo>(), 64, name));
  info.ipi_pool = pool_init(name, <u32>offsetof<Inpcb>(), n, 8);
  info.ipi_conn = linehash_create(n, name);
  info.ipi_bindhash = kmem_alloc(<usize>PORTHASH << 2, 64, name);
  info.ipi_wildhash = kmem_alloc(<usize>PORTHASH << 2, 64, name);
  info.ipi_key = kmem_alloc(SIPHASH_KEYLEN, 16, name);
  info.ipi_ptable = kmem_alloc(PORTALGO_TABLE << 2, 64, name);
  info.ipi_proto = proto;
  cprng_strong(info.ipi_key, SIPHASH_KEYLEN);
  return info;
}

/** Entries of the double-hash table of RFC 6056 §3.3.4. */
export const PORTALGO_TABLE: usize = 256;

/** Keyed hash of a connection's four numbers. */
export function in_pcbhash(info: Inpcbinfo, laddr: u32, lport: u32, faddr: u32, fport: u32): u64 {
  return siphash13_2(info.ipi_key, (<u64>faddr << 32) | laddr, (<u64>fport << 16) | lport);
}

/** A block for `so`, bound to nothing; 0 when the pool is exhausted. */
export function in_pcballoc(info: Inpcbinfo, so: Socket): Inpcb {
  const inp = changetype<Inpcb>(pool_getz(info.ipi_pool));
  if (!inp) return inp;
  inp.inp_so = so;
  inp.inp_info = info;
  inp.inp_ttl = <u8>ip_defttl();
  inp.inp_mcttl = 1;
  inp.inp_flags = INP_MULTICAST_LOOP;
  inp.inp_next = info.ipi_first;
  if (info.ipi_first) info.ipi_first.inp_prev = inp;
  info.ipi_first = inp;
  info.ipi_count++;
  return inp;
}

/** Off every table, and back to the pool. */
export function in_pcbfree(inp: Inpcb): void {
  const info = inp.inp_info;
  in_pcbunconn(inp);
  in_pcbunbind(inp);
  if (inp.inp_prev) inp.inp_prev.inp_next = inp.inp_next;
  else info.ipi_first = inp.inp_next;
  if (inp.inp_next) inp.inp_next.inp_prev = inp.inp_prev;
  info.ipi_count--;
  pool_put(info.ipi_pool, changetype<usize>(inp));
}

function bind_head(info: Inpcbinfo, lport: u32): usize {
  return info.ipi_bindhash + (<usize>(lport & (PORTHASH - 1)) << 2);
}

function wild_head(info: Inpcbinfo, lport: u32): usize {
  return info.ipi_wildhash + (<usize>(lport & (PORTHASH - 1)) << 2);
}

function wild_insert(inp: Inpcb): void {
  const head = wild_head(inp.inp_info, inp.inp_lport);
  const first = changetype<Inpcb>(load<usize>(head));
  inp.inp_wildprev = changetype<Inpcb>(0);
  inp.inp_wildnext = first;
  if (first) first.inp_wildprev = inp;
  store<usize>(head, changetype<usize>(inp));
}

function wild_remove(inp: Inpcb): void {
  if (inp.inp_wildprev) inp.inp_wildprev.inp_wildnext = inp.inp_wildnext;
  else store<usize>(wild_head(inp.inp_info, inp.inp_lport), changetype<usize>(inp.inp_wildnext));
  if (inp.inp_wildnext) inp.inp_wildnext.inp_wildprev = inp.inp_wildprev;
}

/** Own local `laddr`:`lport` (0 = any address). The caller has made sure that it may. */
export function in_pcbsetbind(inp: Inpcb, laddr: u32, lport: u32): void {
  assert(inp.inp_lport == 0 && lport != 0, "in_pcbsetbind: bound");
  inp.inp_laddr = laddr;
  inp.inp_lport = <u16>lport;
  const head = bind_head(inp.inp_info, lport);
  const first = changetype<Inpcb>(load<usize>(head));
  inp.inp_bindprev = changetype<Inpcb>(0);
  inp.inp_bindnext = first;
  if (first) first.inp_bindprev = inp;
  store<usize>(head, changetype<usize>(inp));
  wild_insert(inp);
}

/** Give the local port up. */
export function in_pcbunbind(inp: Inpcb): void {
  if (inp.inp_lport == 0) return;
  assert((inp.inp_flags & INP_CONNECTED) == 0, "in_pcbunbind: connected");
  wild_remove(inp);
  if (inp.inp_bindprev) inp.inp_bindprev.inp_bindnext = inp.inp_bindnext;
  else store<usize>(bind_head(inp.inp_info, inp.inp_lport), changetype<usize>(inp.inp_bindnext));
  if (inp.inp_bindnext) inp.inp_bindnext.inp_bindprev = inp.inp_bindprev;
  inp.inp_lport = 0;
  inp.inp_laddr = 0;
}

/** Join the (bound) block to peer `faddr`:`fport`. 0, or -EADDRINUSE if that 4-tuple is taken. */
export function in_pcbsetconn(inp: Inpcb, laddr: u32, faddr: u32, fport: u32): i32 {
  assert(inp.inp_lport != 0 && (inp.inp_flags & INP_CONNECTED) == 0, "in_pcbsetconn: state");
  const info = inp.inp_info;
  if (!tcp_tuple_take(info, laddr, inp.inp_lport, faddr, fport)) return -EADDRINUSE;
  const hash = in_pcbhash(info, laddr, inp.inp_lport, faddr, fport);
  if (!linehash_insert(info.ipi_conn, hash, pool_index(info.ipi_pool, changetype<usize>(inp)))) {
    return -EADDRINUSE;
  }
  wild_remove(inp);
  inp.inp_hash = hash;
  inp.inp_laddr = laddr;
  inp.inp_faddr = faddr;
  inp.inp_fport = <u16>fport;
  inp.inp_flags |= INP_CONNECTED;
  return 0;
}

/** Forget the peer; the local port stays. */
export function in_pcbunconn(inp: Inpcb): void {
  if ((inp.inp_flags & INP_CONNECTED) == 0) return;
  const info = inp.inp_info;
  linehash_remove(info.ipi_conn, inp.inp_hash, pool_index(info.ipi_pool, changetype<usize>(inp)));
  inp.inp_flags &= ~INP_CONNECTED;
  inp.inp_faddr = 0;
  inp.inp_fport = 0;
  inp.inp_ro_rt = 0;
  wild_insert(inp);
}

/** The connection with exactly these four numbers, or 0. One line of the table, then the block. */
export function in_pcblookup_conn(info: Inpcbinfo, laddr: u32, lport: u32, faddr: u32, fport: u32): Inpcb {
  const hash = in_pcbhash(info, laddr, lport, faddr, fport);
  const t = info.ipi_conn;
  for (let i = linehash_first(t, hash); i >= 0; i = linehash_next(t)) {
    const inp = changetype<Inpcb>(pool_ptr(info.ipi_pool, i));
    if (inp.inp_faddr == faddr && inp.inp_laddr == laddr && <u32>inp.inp_lport == lport && <u32>inp.inp_fport == fport) {
      return inp;
    }
  }
  return changetype<Inpcb>(0);
}

/**
 * The block without a peer that owns `laddr`:`lport`: one bound to the address before one bound to
 * any; of streams only listeners. Of several with SO_REUSEPORT a keyed hash of the 4-tuple picks one, so
 * that a flow stays with it.
 */
export function in_pcblookup_wild(info: Inpcbinfo, laddr: u32, lport: u32, flow: u32): Inpcb {
  let best = changetype<Inpcb>(0);
  let bestscore: i32 = -1;
  let same: u32 = 0;
  const stream = info.ipi_proto == IPPROTO_TCP;
  let inp = changetype<Inpcb>(load<usize>(wild_head(info, lport)));
  for (; inp; inp = inp.inp_wildnext) {
    if (<u32>inp.inp_lport != lport) continue;
    if (inp.inp_laddr != 0 && inp.inp_laddr != laddr) continue;
    // A stream that is bound and does not listen only occupies the port: others of its group are asked.
    if (stream && (inp.inp_so.so_options & SO_ACCEPTCONN) == 0) continue;
    const score = inp.inp_laddr != 0 ? 1 : 0;
    if (score < bestscore) continue;
    if (score > bestscore) {
      bestscore = score;
      best = inp;
      same = 1;
      continue;
    }
    // One more with the same score: it replaces the choice with probability 1/same, by the flow's hash.
    same++;
    if (<u32>siphash13_2(info.ipi_key, flow, lport) % same == 0) best = inp;
  }
  return best;
}

/**
 * May `inp`'s socket bind `laddr`:`lport` beside those who have it? 0 or -EADDRINUSE. RFC 9293 §3.9.1.1 MUST-42: a
 * port may be listened to at several addresses; RFC 9293 §3.9.1.1 MUST-41: what exists is not affected.
 */
export function in_pcbconflict(inp: Inpcb, laddr: u32, lport: u32): i32 {
  const info = inp.inp_info;
  const opts = inp.inp_so.so_options;
  let t = changetype<Inpcb>(load<usize>(bind_head(info, lport)));
  for (; t; t = t.inp_bindnext) {
    if (<u32>t.inp_lport != lport || t == inp) continue;
    const topts = t.inp_so ? t.inp_so.so_options : SO_REUSEADDR;
    if ((opts & topts & SO_REUSEPORT) != 0) continue;
    const overlap = laddr == 0 || t.inp_laddr == 0 || laddr == t.inp_laddr;
    if (!overlap) continue;
    // With SO_REUSEADDR a port may be shared with connections, not with another unconnected owner of
    // the same address; without it, with nobody.
    const connected = (t.inp_flags & INP_CONNECTED) != 0;
    if ((opts & SO_REUSEADDR) != 0 && (connected || laddr != t.inp_laddr)) continue;
    return -EADDRINUSE;
  }
  return tcp_tw_conflict(info, opts, laddr, lport) ? -EADDRINUSE : 0;
}

/** Is somebody without a peer on `lport`, on an address that overlaps `laddr`? For ephemeral ports. */
export function in_pcbwildowner(info: Inpcbinfo, laddr: u32, lport: u32): bool {
  let t = changetype<Inpcb>(load<usize>(wild_head(info, lport)));
  for (; t; t = t.inp_wildnext) {
    if (<u32>t.inp_lport == lport && (laddr == 0 || t.inp_laddr == 0 || t.inp_laddr == laddr)) return true;
  }
  return false;
}

/** Is `lport` in use by anybody? For bind(2) to port 0. */
export function in_pcbportused(info: Inpcbinfo, lport: u32): bool {
  let t = changetype<Inpcb>(load<usize>(bind_head(info, lport)));
  for (; t; t = t.inp_bindnext) if (<u32>t.inp_lport == lport) return true;
  return tcp_tw_portused(info, lport);
}
