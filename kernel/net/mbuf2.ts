/**
 * Operations on mbuf chains that move or share bytes: measure, trim, prepend, pull up, copy, append.
 *
 *      m_adj(+n)  ▒▒│███│██     m_adj(-n)  ██│███│▒▒     m_prepend  ▒▒│███│██ (▒ = headroom or a new mbuf)
 *      m_pullup   the first n bytes contiguous in the first mbuf (at most MHLEN), shared bytes untouched
 *      m_copym    a second chain over the same clusters (inline data is copied)
 *
 * Nothing here copies payload that lies in clusters, except m_copydata and m_copyback, whose purpose it
 * is. Those that can run out of mbufs free the chain they were given and answer null, unless they say
 * otherwise. Cost: O(mbufs touched).
 */
import { EXT_NONE, MAX_LINKHDR, Mbuf, MHLEN, MLEN, MNULL, M_COPYALL, M_PKTHDR, VNET_F_NEEDS_CSUM,
  m_clget, m_free, m_freem, m_get, m_leadingspace, m_share, m_start, m_trailingspace, m_writable,
  m_pkthdr_init, MSIZE, MCLBYTES, M_EOR, M_RDONLY } from "./mbuf";

/** Flags of a packet as a whole, which go along with its header. */
const M_COPYFLAGS: u16 = 0x0373;

/** Bytes of a chain, counted. */
export function m_length(m: Mbuf): i32 {
  let n = 0;
  for (; m; m = m.m_next) n += m.m_len;
  return n;
}

/** The last mbuf of a chain. */
export function m_last(m: Mbuf): Mbuf {
  while (m.m_next) m = m.m_next;
  return m;
}

/** Copy the packet header of `from` onto `to`, which becomes a packet head; `to` must be empty. */
export function m_dup_pkthdr(to: Mbuf, from: Mbuf): void {
  assert((from.m_flags & M_PKTHDR) != 0 && to.m_len == 0, "m_dup_pkthdr");
  to.m_flags = (to.m_flags & M_RDONLY) | (from.m_flags & M_COPYFLAGS) | M_PKTHDR;
  memory.copy(changetype<usize>(to) + 64, changetype<usize>(from) + 64, 64);
  if (to.m_exttype == EXT_NONE) to.m_data = m_start(to);
}

/** The packet header moves from `from` (which becomes an ordinary mbuf) to the empty `to`. */
export function m_move_pkthdr(to: Mbuf, from: Mbuf): void {
  m_dup_pkthdr(to, from);
  from.m_flags &= ~M_PKTHDR;
}

/** Keep the checksum offsets of a packet on the same bytes when `n` are put before the first one. */
function vh_shift(m: Mbuf, n: i32): void {
  if (m.vh_flags & VNET_F_NEEDS_CSUM) m.vh_csum_start = <u16>(<i32>m.vh_csum_start + n);
  if (m.vh_hdr_len != 0) m.vh_hdr_len = <u16>(<i32>m.vh_hdr_len + n);
}

/**
 * Make room for `len` (at most MHLEN) bytes before the first; they are undefined. With a packet header
 * ph_len and the checksum offsets follow. The new head, or null (and the chain freed).
 */
export function m_prepend(m: Mbuf, len: i32): Mbuf {
  assert(<u32>len <= <u32>MHLEN, "m_prepend: length");
  if (m_leadingspace(m) >= len) {
    m.m_data -= len;
    m.m_len += len;
  } else {
    const n = m_get();
    if (!n) {
      m_freem(m);
      return n;
    }
    if (m.m_flags & M_PKTHDR) m_move_pkthdr(n, m);
    // The end of the inline data, so that the layers below find headroom.
    n.m_data = changetype<usize>(n) + MSIZE - ((len + 3) & ~3);
    n.m_len = len;
    n.m_next = m;
    n.m_nextpkt = m.m_nextpkt;
    m.m_nextpkt = MNULL;
    m = n;
  }
  if (m.m_flags & M_PKTHDR) {
    m.ph_len += len;
    vh_shift(m, len);
  }
  return m;
}

/** Trim `req` bytes from the front (req > 0) or -req from the end; all there is if it is shorter. */
export function m_adj(mp: Mbuf, req: i32): void {
  let m = mp;
  if (req >= 0) {
    let left = req;
    while (m && left > 0) {
      const k = min(m.m_len, left);
      m.m_data += k;
      m.m_len -= k;
      left -= k;
      m = m.m_next;
    }
    if (mp.m_flags & M_PKTHDR) {
      mp.ph_len -= req - left;
      vh_shift(mp, left - req);
    }
    return;
  }
  let keep = m_length(mp) + req;
  if (keep < 0) keep = 0;
  if (mp.m_flags & M_PKTHDR) mp.ph_len = keep;
  while (m.m_len < keep) {
    keep -= m.m_len;
    m = m.m_next;
  }
  m.m_len = keep;
  // What follows holds nothing any more; an empty tail would only be walked.
  m_freem(m.m_next);
  m.m_next = MNULL;
}

/** Copy `len` bytes from offset `off` of the chain to `to`. They must be there. */
export function m_copydata(m: Mbuf, off: i32, len: i32, to: usize): void {
  assert(off >= 0 && len >= 0, "m_copydata: negative");
  while (m && off >= m.m_len) {
    off -= m.m_len;
    m = m.m_next;
  }
  while (len > 0) {
    assert(changetype<usize>(m) != 0, "m_copydata: chain too short");
    const k = min(m.m_len - off, len);
    memory.copy(to, m.m_data + off, k);
    to += k;
    len -= k;
    off = 0;
    m = m.m_next;
  }
}

/**
 * The first `len` (at most MHLEN) bytes contiguous in the first mbuf, for a header to be read there.
 * Free when they are already. The head (perhaps a new one), or null (chain freed) when the packet is
 * shorter or there is no mbuf.
 */
export function m_pullup(m: Mbuf, len: i32): Mbuf {
  if (m.m_len >= len) return m;
  if (len > MHLEN) {
    m_freem(m);
    return MNULL;
  }
  let n = m;
  let from = m;
  if (m_trailingspace(m) >= len - m.m_len) {
    from = m.m_next;
  } else {
    n = m_get();
    if (!n) {
      m_freem(m);
      return n;
    }
    if (m.m_flags & M_PKTHDR) {
      m_move_pkthdr(n, m);
      if (len <= MHLEN - MAX_LINKHDR) n.m_data += MAX_LINKHDR;
    }
    n.m_type = m.m_type;
    n.m_nextpkt = m.m_nextpkt;
    m.m_nextpkt = MNULL;
  }
  while (from && n.m_len < len) {
    const k = min(from.m_len, len - n.m_len);
    memory.copy(n.m_data + n.m_len, from.m_data, k);
    n.m_len += k;
    from.m_data += k;
    from.m_len -= k;
    if (from.m_len == 0) from = m_free(from);
  }
  n.m_next = from;
  if (n.m_len < len) {
    m_freem(n);
    return MNULL;
  }
  return n;
}

/**
 * As m_pullup, and the first `len` bytes may be changed: copied if their storage is shared (a header
 * to be rewritten when forwarding).
 */
export function m_makewritable(m: Mbuf, len: i32): Mbuf {
  if (m.m_len >= len && m_writable(m)) return m;
  if (!m_writable(m) && len <= MHLEN) {
    const n = m_get();
    if (!n) {
      m_freem(m);
      return n;
    }
    if (m.m_flags & M_PKTHDR) m_move_pkthdr(n, m);
    n.m_type = m.m_type;
    n.m_nextpkt = m.m_nextpkt;
    m.m_nextpkt = MNULL;
    n.m_next = m;
    if (n.m_flags & M_PKTHDR && len <= MHLEN - MAX_LINKHDR) n.m_data += MAX_LINKHDR;
    m = n;
  }
  return m_pullup(m, len);
}

/**
 * A chain over `len` bytes (M_COPYALL: the rest) from offset `off`: clusters are shared, inline data is
 * copied. It has a packet header if off is 0 and `m` has one (ph_len is that of the copy). Null when
 * there is no mbuf; `m` is untouched either way.
 */
export function m_copym(m: Mbuf, off: i32, len: i32): Mbuf {
  assert(off >= 0 && len >= 0, "m_copym: negative");
  const withhdr = off == 0 && (m.m_flags & M_PKTHDR) != 0;
  const src = m;
  while (m && off > 0 && off >= m.m_len) {
    off -= m.m_len;
    m = m.m_next;
  }
  let top = MNULL;
  let tail = MNULL;
  let copied = 0;
  while (m && (copied < len || !top)) {
    const k = min(m.m_len - off, len - copied);
    const n = m_copy1(m, off, k, !top && withhdr ? src : MNULL);
    if (!n) {
      m_freem(top);
      return n;
    }
    if (tail) tail.m_next = n;
    else top = n;
    tail = n;
    copied += k;
    off = 0;
    m = m.m_next;
  }
  assert(len == M_COPYALL || copied == len, "m_copym: chain too short");
  if (withhdr && top) top.ph_len = copied;
  return top;
}

/** One mbuf over `k` bytes from `off` of `m`, with the packet header of `hdr` if that is not null. */
function m_copy1(m: Mbuf, off: i32, k: i32, hdr: Mbuf): Mbuf {
  const n = m_get();
  if (!n) return n;
  n.m_type = m.m_type;
  if (hdr) m_dup_pkthdr(n, hdr);
  if (off + k == m.m_len) n.m_flags |= m.m_flags & M_EOR;
  if (m.m_exttype != EXT_NONE) {
    m_share(n, m);
    n.m_data += off;
    n.m_len = k;
    return n;
  }
  // Inline data may be longer than what is left of the copy beside a packet header.
  if (k > (hdr ? MHLEN : MLEN) && !m_clget(n)) return m_free(n);
  memory.copy(n.m_data, m.m_data + off, k);
  n.m_len = k;
  return n;
}

/** Append `len` bytes at `cp` to the chain, in free room and new clusters. False (nothing changed) without mbufs. */
export function m_append(m: Mbuf, len: i32, cp: usize): bool {
  const last = m_last(m);
  const fit = min(m_trailingspace(last), len);
  let rest = len - fit;
  let top = MNULL;
  let tail = MNULL;
  let from = cp + fit;
  while (rest > 0) {
    const n = m_get();
    if (!n || (rest > MLEN && !m_clget(n))) {
      if (n) m_free(n);
      m_freem(top);
      return false;
    }
    n.m_len = min(rest, n.m_exttype != EXT_NONE ? MCLBYTES : MLEN);
    memory.copy(n.m_data, from, n.m_len);
    from += n.m_len;
    rest -= n.m_len;
    if (tail) tail.m_next = n;
    else top = n;
    tail = n;
  }
  memory.copy(last.m_data + last.m_len, cp, fit);
  last.m_len += fit;
  last.m_next = top;
  if (m.m_flags & M_PKTHDR) m.ph_len += len;
  return true;
}

/** Append chain `n` to chain `m`; n's packet header, if any, is dropped, m's ph_len follows. */
export function m_cat(m: Mbuf, n: Mbuf): void {
  if (!n) return;
  if (m.m_flags & M_PKTHDR) m.ph_len += n.m_flags & M_PKTHDR ? n.ph_len : m_length(n);
  n.m_flags &= ~M_PKTHDR;
  m_last(m).m_next = n;
}
