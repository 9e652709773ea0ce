/**
 * Socket buffers: queues of mbufs with limits, one each way.
 *
 *      sb_mb ─▶ record ─m_nextpkt─▶ record ─m_nextpkt─▶ 0        a record: [MT_SONAME][MT_CONTROL…] data…
 *                                     └ sb_lastrecord … sb_mbtail = last mbuf of the last record
 *
 * A stream is one record. Data comes in as chains that are linked, not copied; only small pieces are
 * gathered into the room behind their predecessor (sbcompress), so that a peer who sends single bytes
 * cannot pin a cluster for each. Two limits: sb_hiwat counts bytes, sb_mbmax counts the storage behind
 * them; sbspace is the smaller room of the two.
 *
 * A transport that sends from the buffer by offset (TCP) asks sbsndptr, which remembers where the last
 * answer was: sequential sending is O(1), not O(buffer).
 */
import { Mbuf, MNULL, MCLBYTES, MSIZE, MT_CONTROL, MT_DATA, MT_SONAME, M_EOR, M_PKTHDR,
  m_clget, m_free, m_get, m_trailingspace, MLEN } from "./mbuf";

/** Pieces up to this are copied behind their predecessor if it has room. */
const SB_COMPRESS_MAX: i32 = 512;
/** Storage that a buffer may pin, as a multiple of its bytes. */
const SB_EFFICIENCY: u32 = 8;

/** sb_flags: the protocol may make the buffer larger; set by the protocol, cleared by SO_SNDBUF and SO_RCVBUF. */
export const SB_AUTOSIZE: u32 = 1;

@unmanaged
export class Sockbuf {
  sb_mb: Mbuf;
  sb_mbtail: Mbuf;
  sb_lastrecord: Mbuf;
  /** Bytes of everything; of addresses and control messages among them. */
  sb_cc: u32;
  sb_ctl: u32;
  sb_hiwat: u32;
  sb_lowat: u32;
  /** Storage behind sb_cc, and its limit. */
  sb_mbcnt: u32;
  sb_mbmax: u32;
  /** Where sbsndptr was: an mbuf and the offset of its first byte. */
  sb_sndptr: Mbuf;
  sb_sndoff: u32;
  /** SB_*. */
  sb_flags: u32;
  /** Knotes (kern/kqueue.ts: address of this word = the list). */
  sb_klist: usize;
}

/** Bytes of data that a reader would find. */
export function sbavail(sb: Sockbuf): u32 {
  return sb.sb_cc - sb.sb_ctl;
}

/** Bytes of data in the first record. */
export function sbrecordlen(sb: Sockbuf): u32 {
  let len: u32 = 0;
  for (let m = sb.sb_mb; m; m = m.m_next) if (m.m_type == MT_DATA) len += m.m_len;
  return len;
}

/** Room, bytes; negative when over the limit. */
export function sbspace(sb: Sockbuf): i32 {
  return min(<i32>(sb.sb_hiwat - sb.sb_cc), <i32>(sb.sb_mbmax - sb.sb_mbcnt));
}

/** Limit the buffer to `cc` bytes, at most `sbmax`. */
export function sbreserve(sb: Sockbuf, cc: u32, sbmax: u32): void {
  const n = min(cc, sbmax);
  sb.sb_hiwat = n;
  sb.sb_mbmax = n * SB_EFFICIENCY;
  if (sb.sb_lowat > n) sb.sb_lowat = n;
}

function sballoc(sb: Sockbuf, m: Mbuf): void {
  sb.sb_cc += m.m_len;
  if (m.m_type != MT_DATA) sb.sb_ctl += m.m_len;
  sb.sb_mbcnt += MSIZE + (m.m_exttype != 0 ? m.m_extsize : 0);
}

/** Account for an mbuf that leaves. For callers that unlink by themselves. */
export function sbfree(sb: Sockbuf, m: Mbuf): void {
  const mb: u32 = MSIZE + (m.m_exttype != 0 ? m.m_extsize : 0);
  assert(sb.sb_cc >= <u32>m.m_len && sb.sb_mbcnt >= mb, "sbfree: count");
  sb.sb_cc -= m.m_len;
  if (m.m_type != MT_DATA) sb.sb_ctl -= m.m_len;
  sb.sb_mbcnt -= mb;
  if (sb.sb_sndptr == m) sb.sb_sndptr = MNULL;
}

/** Put the chain `m` behind mbuf `n` of the last record (n = null: it is that record), gathering. */
function sbcompress(sb: Sockbuf, m: Mbuf, n: Mbuf): void {
  while (m) {
    const next = m.m_next;
    if (m.m_len == 0 && (m.m_flags & M_EOR) == 0 && changetype<usize>(n) != 0) {
      m_free(m);
      m = next;
      continue;
    }
    if (n && m.m_len <= SB_COMPRESS_MAX && n.m_type == m.m_type && (n.m_flags & M_EOR) == 0
        && m_trailingspace(n) >= m.m_len) {
      memory.copy(n.m_data + n.m_len, m.m_data, m.m_len);
      n.m_len += m.m_len;
      n.m_flags |= m.m_flags & M_EOR;
      sb.sb_cc += m.m_len;
      if (m.m_type != MT_DATA) sb.sb_ctl += m.m_len;
      m_free(m);
      m = next;
      continue;
    }
    if (n) n.m_next = m;
    else {
      if (sb.sb_lastrecord) sb.sb_lastrecord.m_nextpkt = m;
      else sb.sb_mb = m;
      sb.sb_lastrecord = m;
    }
    m.m_next = MNULL;
    m.m_nextpkt = MNULL;
    // Without a packet header the inline data may begin earlier: dropping the flag moves no byte.
    m.m_flags &= ~M_PKTHDR;
    sballoc(sb, m);
    sb.sb_mbtail = m;
    n = m;
    m = next;
  }
}

/** Append a chain to a stream. Consumes it. */
export function sbappendstream(sb: Sockbuf, m: Mbuf): void {
  assert(sb.sb_lastrecord == sb.sb_mb, "sbappendstream: records");
  sbcompress(sb, m, sb.sb_mb ? sb.sb_mbtail : MNULL);
}

/** Append a chain as a record of its own. Consumes it. */
export function sbappendrecord(sb: Sockbuf, m: Mbuf): void {
  assert(changetype<usize>(m) != 0, "sbappendrecord: nothing");
  sbcompress(sb, m, MNULL);
}

function chain_len(m: Mbuf): u32 {
  let n: u32 = 0;
  for (; m; m = m.m_next) n += m.m_len;
  return n;
}

/**
 * Append a datagram: address (0, 0: none), control messages (may be null), data (may be null).
 * Consumes m and control if it answers true; false (and nothing consumed) when there is no room or no
 * mbuf for the address.
 */
export function sbappendaddr(sb: Sockbuf, sa: usize, salen: i32, m: Mbuf, control: Mbuf): bool {
  assert(<u32>salen <= <u32>MLEN, "sbappendaddr: address");
  const need = chain_len(m) + chain_len(control) + <u32>salen;
  if (<i32>need > sbspace(sb)) return false;
  const nam = m_get();
  if (!nam) return false;
  nam.m_type = MT_SONAME;
  memory.copy(nam.m_data, sa, salen);
  nam.m_len = salen;
  nam.m_next = control ? control : m;
  if (control) {
    let last = control;
    while (last.m_next) last = last.m_next;
    last.m_next = m;
  }
  sbappendrecord(sb, nam);
  return true;
}

/** Append control messages and data to the last record of a stream. Consumes both. */
export function sbappendcontrol(sb: Sockbuf, m: Mbuf, control: Mbuf): void {
  let last = control;
  while (last.m_next) last = last.m_next;
  last.m_next = m;
  sbappendrecord(sb, control);
}

/** Drop `len` bytes from the front (a stream), or from the first record (which must be so long). */
export function sbdrop(sb: Sockbuf, len: u32): void {
  assert(len <= sb.sb_cc, "sbdrop: more than there is");
  let m = sb.sb_mb;
  if (!m) return;
  const nextrec = m.m_nextpkt;
  if (sb.sb_sndptr) {
    if (sb.sb_sndoff < len) sb.sb_sndptr = MNULL;
    else sb.sb_sndoff -= len;
  }
  while (len > 0) {
    assert(changetype<usize>(m) != 0, "sbdrop: record too short");
    if (<u32>m.m_len > len) {
      m.m_data += len;
      m.m_len -= len;
      sb.sb_cc -= len;
      if (m.m_type != MT_DATA) sb.sb_ctl -= len;
      break;
    }
    len -= m.m_len;
    sbfree(sb, m);
    m = m_free(m);
  }
  while (m && m.m_len == 0) {
    sbfree(sb, m);
    m = m_free(m);
  }
  sb_setfront(sb, m, nextrec);
}

/** The first record is now `m`, or, when nothing of it is left, `nextrec`. */
export function sb_setfront(sb: Sockbuf, m: Mbuf, nextrec: Mbuf): void {
  const old = sb.sb_mb;
  if (m) {
    sb.sb_mb = m;
    m.m_nextpkt = nextrec;
    if (sb.sb_lastrecord == old) sb.sb_lastrecord = m;
    return;
  }
  sb.sb_mb = nextrec;
  if (!nextrec) {
    sb.sb_mbtail = MNULL;
    sb.sb_lastrecord = MNULL;
    assert(sb.sb_cc == 0 && sb.sb_mbcnt == 0, "sockbuf: empty but counted");
  }
}

/** Drop the first record. */
export function sbdroprecord(sb: Sockbuf): void {
  let m = sb.sb_mb;
  if (!m) return;
  const nextrec = m.m_nextpkt;
  while (m) {
    sbfree(sb, m);
    m = m_free(m);
  }
  sb_setfront(sb, MNULL, nextrec);
}

/** Drop everything. */
export function sbdrop_all(sb: Sockbuf): void {
  while (sb.sb_mb) sbdroprecord(sb);
  sb.sb_sndptr = MNULL;
  assert(sb.sb_cc == 0 && sb.sb_ctl == 0 && sb.sb_mbcnt == 0, "sbflush: count");
}

/**
 * The mbuf of a stream that holds byte `off` (< sb_cc): the mbuf is the answer, and sb_sndoff the
 * offset of its first byte, so the byte is at m_data + (off - sb_sndoff). Remembered for the next call.
 */
export function sbsndptr(sb: Sockbuf, off: u32): Mbuf {
  assert(off < sb.sb_cc, "sbsndptr: offset");
  let m = sb.sb_sndptr;
  let at = sb.sb_sndoff;
  if (!m || off < at) {
    m = sb.sb_mb;
    at = 0;
  }
  while (off - at >= <u32>m.m_len) {
    at += m.m_len;
    m = m.m_next;
  }
  sb.sb_sndptr = m;
  sb.sb_sndoff = at;
  return m;
}

/** A control message (header and `len` bytes of data at `p`, or zeroes if p is 0; padded) in an mbuf; null when there is none. */
export function sbcreatecontrol(p: usize, len: i32, level: i32, type: i32): Mbuf {
  const size = (12 + len + 3) & ~3;
  assert(len >= 0 && size <= MCLBYTES, "sbcreatecontrol: length");
  const m = m_get();
  if (!m) return m;
  if (size > MLEN && !m_clget(m)) return m_free(m);
  m.m_type = MT_CONTROL;
  m.m_len = size;
  memory.fill(m.m_data, 0, size);
  store<u32>(m.m_data, 12 + len, 0);
  store<i32>(m.m_data, level, 4);
  store<i32>(m.m_data, type, 8);
  if (p != 0) memory.copy(m.m_data + 12, p, len);
  return m;
}

/** Recount everything and compare; false when the books are wrong. For tests and the simulator. */
export function sbcheck(sb: Sockbuf): bool {
  let cc: u32 = 0;
  let mbcnt: u32 = 0;
  let last = MNULL;
  let rec = sb.sb_mb;
  let lastrec = MNULL;
  for (; rec; rec = rec.m_nextpkt) {
    lastrec = rec;
    for (let m = rec; m; m = m.m_next) {
      cc += m.m_len;
      mbcnt += MSIZE + (m.m_exttype != 0 ? m.m_extsize : 0);
      last = m;
    }
  }
  return cc == sb.sb_cc && mbcnt == sb.sb_mbcnt && last == sb.sb_mbtail && lastrec == sb.sb_lastrecord;
}
