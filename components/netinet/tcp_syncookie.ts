/**
 * SYN cookies: a connection asked for that takes no memory at all (RFC 4987 §3.6).
 *
 *      ISS:   31            5 4   3 2   0        timestamp:  31        6 5   4    3     0
 *             |  keyed hash  |epoch| MSS |                   | clock    |ECN|SACK| scale |
 *
 * When the SYN cache is full, the SYN,ACK carries in its sequence number what we would have had to remember:
 * SipHash, under a secret, of the addresses, ports, the peer's sequence number, the epoch of 16 s and the
 * index of the MSS. The third segment acknowledges that number; if the hash is right and the epoch at most
 * three old (48 to 64 s), the peer received what we sent, and the connection is made. The secret is replaced
 * every four epochs; the one before it is kept for cookies that are on their way.
 *
 * A peer that uses timestamps echoes ours, whose low six bits hold its window scale (15: none), SACK and
 * ECN. Without timestamps only the MSS is recovered: no scaling, no SACK. The MSS is rounded down to one of
 * eight. What a cookie cannot do: send the SYN,ACK again. If it or the ACK is lost, the peer's SYN, or its
 * data, comes again. So cookies are for a full table only (net.inet.tcp.syncookies 1; 2 always, 0 never),
 * and an ACK out of nowhere is looked at only within the life of the last cookie that was sent.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { SIPHASH_KEYLEN, siphash13 } from "../../kernel/kern/siphash";
import { TOF_TS, tcpopt } from "./tcp_options";
import { tcpstat } from "./tcp_stat";
import { tcp_isshash, tcp_tsoffset } from "./tcp_subr";
import { SCF_COOKIE, SCF_ECN, SCF_MSS, SCF_SACK, SCF_SCALE, SCF_TS, Syncache, syncs } from "./tcp_syncache";
import { TF_REQ_SACK, TF_REQ_SCALE, TF_REQ_TSTMP, Tcpcb, tcps } from "./tcp_var";

const EPOCH_US: i64 = 16000000;
/** Cookies of this many epochs before the present one are good. */
const EPOCHS: i64 = 4;
const LIFE_US: i64 = EPOCH_US * EPOCHS;
const HASH_MASK: u32 = 0xffffffe0;
/** What stands for a peer without window scaling. */
const NOSCALE: u32 = 15;
const TS_SACK: u32 = 0x10;
const TS_ECN: u32 = 0x20;
const TS_MASK: u32 = 0x3f;

@unmanaged
class SyncookieState {
  /** Two secrets, of the even and of the odd generations, and the generation of each. */
  secrets: usize;
  gen0: i64;
  gen1: i64;
  /** What is hashed: SYNCOOKIE_MSG bytes. */
  msg: usize;
}

const SYNCOOKIE_MSG: u32 = 24;
let cookies: SyncookieState = changetype<SyncookieState>(0);

/** Boot only. */
export function syncookie_boot(): void {
  cookies = changetype<SyncookieState>(kmem_alloc(offsetof<SyncookieState>(), 64, "syncookie"));
  cookies.secrets = kmem_alloc(SIPHASH_KEYLEN << 1, 16, "syncookie");
  cookies.msg = kmem_alloc(SYNCOOKIE_MSG, 8, "syncookie");
  cookies.gen0 = -1;
  cookies.gen1 = -1;
}

/** The MSS values that a cookie can say. */
function mss_of(index: u32): u32 {
  switch (index) {
    case 0: return 216;
    case 1: return 536;
    case 2: return 966;
    case 3: return 1220;
    case 4: return 1360;
    case 5: return 1440;
    case 6: return 1460;
    default: return 8960;
  }
}

/** The largest of them that is not above `mss`. */
function mss_index(mss: u32): u32 {
  let i: u32 = 7;
  while (i > 0 && mss_of(i) > mss) i--;
  return i;
}

function secret_at(gen: i64): usize {
  return cookies.secrets + (<usize>(gen & 1) << 4);
}

/** The hash of a cookie of `epoch`, in its place, the other bits 0. */
function cookie_hash(sc: Syncache, irs: u32, epoch: i64, index: u32): u32 {
  const p = cookies.msg;
  store<u32>(p, sc.sc_faddr);
  store<u32>(p, sc.sc_laddr, 4);
  store<u16>(p, sc.sc_fport, 8);
  store<u16>(p, sc.sc_lport, 10);
  store<u32>(p, irs, 12);
  store<u32>(p, <u32>epoch, 16);
  store<u32>(p, index, 20);
  return <u32>siphash13(secret_at(epoch / EPOCHS), p, SYNCOOKIE_MSG) & HASH_MASK;
}

/** Make `sc`, that has no place in the table, a cookie: its sequence number says the rest. */
export function syncookie_make(sc: Syncache): void {
  const now = getmicrouptime();
  const epoch = now / EPOCH_US;
  const gen = epoch / EPOCHS;
  if (((gen & 1) == 0 ? cookies.gen0 : cookies.gen1) != gen) {
    cprng_strong(secret_at(gen), SIPHASH_KEYLEN);
    if ((gen & 1) == 0) cookies.gen0 = gen;
    else cookies.gen1 = gen;
  }
  const index = mss_index((sc.sc_flags & SCF_MSS) != 0 ? sc.sc_peermss : 536);
  sc.sc_iss = cookie_hash(sc, sc.sc_irs, epoch, index) | (<u32>(epoch & 3) << 3) | index;
  sc.sc_flags |= <u16>SCF_COOKIE;
  // Without timestamps nothing would bring these back.
  if ((sc.sc_flags & SCF_TS) == 0) sc.sc_flags &= ~<u16>(SCF_SCALE | SCF_SACK | SCF_ECN);
  syncs.cookie_us = now;
  tcpstat.sc_cookie_sent++;
}

/** The timestamp of a cookie's SYN,ACK: `ticks` or up to 64 ms before, its low bits the options. */
export function syncookie_tsval(sc: Syncache, ticks: u32): u32 {
  let bits: u32 = (sc.sc_flags & SCF_SCALE) != 0 ? sc.sc_sndscale : NOSCALE;
  if ((sc.sc_flags & SCF_SACK) != 0) bits |= TS_SACK;
  if ((sc.sc_flags & SCF_ECN) != 0) bits |= TS_ECN;
  const ts = (ticks & ~TS_MASK) | bits;
  return bits > (ticks & TS_MASK) ? ts - (TS_MASK + 1) : ts;
}

/** What the echoed timestamp of the segment under way says of the options. */
function cookie_options(sc: Syncache, lp: Tcpcb): void {
  const to = tcpopt;
  if ((to.to_flags & TOF_TS) == 0 || (lp.t_flags & TF_REQ_TSTMP) == 0) return;
  const bits = to.to_tsecr & TS_MASK;
  let flags = SCF_TS;
  sc.sc_tsrecent = to.to_tsval;
  if ((bits & 15) != NOSCALE && (lp.t_flags & TF_REQ_SCALE) != 0) {
    flags |= SCF_SCALE;
    sc.sc_sndscale = <u8>(bits & 15);
  }
  if ((bits & TS_SACK) != 0 && (lp.t_flags & TF_REQ_SACK) != 0) flags |= SCF_SACK;
  if ((bits & TS_ECN) != 0) flags |= SCF_ECN;
  sc.sc_flags |= <u16>flags;
  // Its low bits are no time: it gives no sample of the round trip.
  to.to_tsecr = 0;
}

/**
 * The ACK under way belongs to no connection: does it acknowledge a cookie of ours? If so `sc`, which has the
 * 4-tuple and our window, is completed from it.
 */
export function syncookie_check(sc: Syncache, lp: Tcpcb): bool {
  const now = getmicrouptime();
  if (syncs.syncookies == 0 || syncs.cookie_us == 0 || now - syncs.cookie_us >= LIFE_US) return false;
  const iss = tcps.seg.seg_ack - 1;
  const irs = tcps.seg.seg_seq - 1;
  const present = now / EPOCH_US;
  const epoch = present - ((present - <i64>(iss >> 3)) & 3);
  const gen = epoch / EPOCHS;
  const known = epoch >= 0 && ((gen & 1) == 0 ? cookies.gen0 : cookies.gen1) == gen;
  if (!known || cookie_hash(sc, irs, epoch, iss & 7) != (iss & HASH_MASK)) {
    tcpstat.sc_cookie_failed++;
    return false;
  }
  sc.sc_irs = irs;
  sc.sc_iss = iss;
  sc.sc_flags = <u16>(SCF_MSS | SCF_COOKIE);
  sc.sc_peermss = <u16>mss_of(iss & 7);
  sc.sc_tsoffset = tcp_tsoffset(tcp_isshash(sc.sc_laddr, sc.sc_lport, sc.sc_faddr, sc.sc_fport));
  cookie_options(sc, lp);
  tcpstat.sc_cookie_recv++;
  return true;
}
