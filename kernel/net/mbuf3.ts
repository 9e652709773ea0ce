/**
 * Operations on mbuf chains that change bytes or cut chains: copy back, split, linearise; the check of
 * the invariants; the mbuf sysctls' figures.
 *
 * Cost: O(mbufs touched), plus the bytes for those that copy.
 */
import { EXT_NONE, Mbuf, MCLBYTES, MHLEN, MLEN, MNULL, M_PKTHDR, MT_FREE, MBIGBYTES, MAX_LINKHDR, MAX_PROTOHDR, MBIG_HEADROOM,
  m_bigget, m_clget, m_free, m_freem, m_get, m_getbig, m_getcl, m_share, m_size, m_start, m_trailingspace,
  m_writable, m_gethdr } from "./mbuf";
import { m_copydata, m_dup_pkthdr, m_last, m_length } from "./mbuf2";

/** From this many bytes on a big cluster is worth its room. */
const M_BIGMIN: i32 = 32768;

/**
 * Overwrite `len` bytes from offset `off` with those at `cp`, extending the chain (zeroes up to `off`)
 * where it is too short. False when it had to be extended and there was no mbuf; the bytes within the
 * chain are then written. Panics if the bytes there are shared: m_makewritable first.
 */
export function m_copyback(mp: Mbuf, off: i32, len: i32, cp: usize): bool {
  assert(off >= 0 && len >= 0, "m_copyback: negative");
  const have = m_length(mp);
  let m = mp;
  let at = off;
  let left = min(len, max(0, have - off));
  let from = cp;
  while (m && at >= m.m_len && m.m_next) {
    at -= m.m_len;
    m = m.m_next;
  }
  while (left > 0) {
    const k = min(m.m_len - at, left);
    assert(m_writable(m), "m_copyback: shared");
    memory.copy(m.m_data + at, from, k);
    from += k;
    left -= k;
    at = 0;
    m = m.m_next;
  }
  const gap = max(0, off - have);
  const more = gap + (len - <i32>(from - cp));
  if (more == 0) return true;
  return m_extend(mp, gap, more, from);
}

/** Append `more` bytes, of which the first `gap` are zero and the others come from `from`. */
function m_extend(mp: Mbuf, gap: i32, more: i32, from: usize): bool {
  let tail = m_last(mp);
  let done = 0;
  while (done < more) {
    let room = m_trailingspace(tail);
    if (room == 0) {
      const n = m_get();
      if (!n || (more - done > MLEN && !m_clget(n))) {
        if (n) m_free(n);
        if (mp.m_flags & M_PKTHDR) mp.ph_len += done;
        return false;
      }
      tail.m_next = n;
      tail = n;
      room = m_size(n);
    }
    const k = min(room, done < gap ? gap - done : more - done);
    const at = tail.m_data + tail.m_len;
    if (done < gap) memory.fill(at, 0, k);
    else memory.copy(at, from + (done - gap), k);
    tail.m_len += k;
    done += k;
  }
  if (mp.m_flags & M_PKTHDR) mp.ph_len += more;
  return true;
}

/**
 * Cut the chain after `len` bytes: `m` keeps them, the rest is the answer (null if there is no rest, or
 * no mbuf: then m is whole, as m_length tells). Packet headers: the rest gets a copy of m's.
 */
export function m_split(mp: Mbuf, len: i32): Mbuf {
  assert(len >= 0, "m_split: negative");
  let m = mp;
  let at = len;
  while (m && at > m.m_len) {
    at -= m.m_len;
    m = m.m_next;
  }
  if (!m || (at == m.m_len && !m.m_next)) return MNULL;
  const rest = m.m_len - at;
  const withhdr = (mp.m_flags & M_PKTHDR) != 0;
  const n = m_get();
  if (!n) return n;
  n.m_type = m.m_type;
  if (withhdr) m_dup_pkthdr(n, mp);
  if (rest > 0) {
    if (m.m_exttype != EXT_NONE) {
      m_share(n, m);
      n.m_data += at;
    } else {
      if (rest > (withhdr ? MHLEN : MLEN) && !m_clget(n)) return m_free(n);
      memory.copy(n.m_data, m.m_data + at, rest);
    }
    n.m_len = rest;
  }
  n.m_next = m.m_next;
  m.m_next = MNULL;
  m.m_len = at;
  if (withhdr) {
    n.ph_len = mp.ph_len - len;
    mp.ph_len = len;
  }
  return n;
}

/**
 * The whole packet in one mbuf, for a device that cannot gather: `m` itself when it is so already, else
 * a copy in the smallest storage that fits and `m` freed. Null (m freed) when it is longer than a big
 * cluster or there is no storage.
 */
export function m_linear(m: Mbuf): Mbuf {
  if (!m.m_next) return m;
  const len = m_length(m);
  let n = MNULL;
  if (len + MAX_LINKHDR <= MHLEN) n = m_gethdr(MAX_LINKHDR);
  else if (len + MAX_LINKHDR <= MCLBYTES) n = m_getcl(MAX_LINKHDR);
  else if (len + MBIG_HEADROOM <= MBIGBYTES) n = m_getbig(MBIG_HEADROOM);
  if (!n) {
    m_freem(m);
    return n;
  }
  if (m.m_flags & M_PKTHDR) {
    const at = n.m_data;
    m_dup_pkthdr(n, m);
    n.m_data = at;
  }
  m_copydata(m, 0, len, n.m_data);
  n.m_len = len;
  if (n.m_flags & M_PKTHDR) n.ph_len = len;
  m_freem(m);
  return n;
}

/** Whether a chain keeps the invariants: live mbufs, data within storage, one packet header, ph_len true. */
export function m_sanity(mp: Mbuf): bool {
  let total = 0;
  for (let m = mp; m; m = m.m_next) {
    if (m.m_type == MT_FREE || m.m_len < 0) return false;
    if (m != mp && (m.m_flags & M_PKTHDR) != 0) return false;
    const lo = m_start(m);
    if (m.m_data < lo || m.m_data + m.m_len > lo + m_size(m)) return false;
    if (m.m_exttype != EXT_NONE && load<u32>(m.m_extref) == 0) return false;
    total += m.m_len;
  }
  return (mp.m_flags & M_PKTHDR) == 0 || mp.ph_len == total;
}

/**
 * Copy `len` bytes from `buf` into a new chain: inline, clusters or big clusters, whichever fits best,
 * big ones only while there are some. With a packet header if `pkthdr`. Null when there is no mbuf.
 */
export function m_devget(buf: usize, len: i32, pkthdr: bool): Mbuf {
  let top = MNULL;
  let tail = MNULL;
  let left = len;
  do {
    const n = m_getfor(left, !top && pkthdr);
    if (!n) {
      m_freem(top);
      return n;
    }
    const k = min(left, <i32>(m_start(n) + m_size(n) - n.m_data));
    memory.copy(n.m_data, buf, k);
    n.m_len = k;
    buf += k;
    left -= k;
    if (tail) tail.m_next = n;
    else top = n;
    tail = n;
  } while (left > 0);
  if (pkthdr) top.ph_len = len;
  return top;
}

/**
 * An empty mbuf, with a packet header and room for protocol headers if `pkthdr`, whose storage suits
 * `len` more bytes: inline, a 2 KiB cluster, or a big cluster for 32 KiB and more. Falls back on what
 * there is.
 */
export function m_getfor(len: i32, pkthdr: bool): Mbuf {
  const m = pkthdr ? m_gethdr(MAX_PROTOHDR) : m_get();
  if (!m) return m;
  if (len <= (pkthdr ? MHLEN - MAX_PROTOHDR : MLEN)) return m;
  const headroom = pkthdr ? MAX_PROTOHDR : 0;
  if ((len >= M_BIGMIN && m_bigget(m)) || m_clget(m)) m.m_data += headroom;
  return m;
}
