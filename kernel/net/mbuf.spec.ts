/**
 * Mbufs: allocation and exhaustion, sharing and its end, every chain operation against a plain copy.
 */
import { EXT_BIG, MBIG_HEADROOM, MCLBYTES, MHLEN, MLEN, MNULL, M_COPYALL, M_PKTHDR, MAX_LINKHDR, Mbuf,
  VNET_F_NEEDS_CSUM, m_clget, m_extadd, m_free, m_freem, m_get, m_getbig, m_getcl, m_gethdr, m_leadingspace, m_share,
  m_trailingspace, m_writable, mbst } from "./mbuf";
import { m_adj, m_append, m_cat, m_copydata, m_copym, m_length, m_makewritable, m_prepend, m_pullup } from "./mbuf2";
import { m_copyback, m_devget, m_linear, m_sanity, m_split } from "./mbuf3";
import { spec_buf, spec_check, spec_fill, spec_mbufs_inuse, spec_net_boot } from "./net_spec";

spec_net_boot();

/** A packet of `n` bytes in mbufs of `piece` bytes; the bytes are spec_fill's. */
function chain(n: i32, piece: i32): Mbuf {
  const top = m_gethdr();
  let tail = top;
  for (let at = 0; at < n; at += piece) {
    const k = min(piece, n - at);
    const m = at == 0 ? top : m_get();
    if (k > (at == 0 ? MHLEN : MLEN)) m_clget(m);
    spec_fill(m.m_data, k, at);
    m.m_len = k;
    if (at > 0) {
      tail.m_next = m;
      tail = m;
    }
  }
  top.ph_len = n;
  return top;
}

/** Whether the chain holds spec_fill's bytes from `start`, `n` of them, and is sane. */
function holds(m: Mbuf, start: i32, n: i32): bool {
  if (!m_sanity(m) || m_length(m) != n) return false;
  m_copydata(m, 0, n, spec_buf);
  return spec_check(spec_buf, n, start);
}

let nfreed: i32 = 0;
function foreign_free(buf: usize, size: i32, arg: usize): void {
  nfreed += size + <i32>arg;
}

describe("allocation", () => {
  it("lays out inline data, clusters and big clusters", () => {
    const base = spec_mbufs_inuse();
    const m = m_get();
    expect(m_trailingspace(m)).toBe(MLEN);
    expect(m_leadingspace(m)).toBe(0);
    const h = m_gethdr(MAX_LINKHDR);
    expect(m_trailingspace(h)).toBe(MHLEN - MAX_LINKHDR);
    expect(m_leadingspace(h)).toBe(MAX_LINKHDR);
    const c = m_getcl();
    expect(m_trailingspace(c)).toBe(MCLBYTES - MAX_LINKHDR);
    expect((c.m_flags & M_PKTHDR) != 0).toBe(true);
    const b = m_getbig();
    expect(b.m_exttype).toBe(EXT_BIG);
    expect(m_trailingspace(b)).toBe(65536);
    expect(m_leadingspace(b)).toBe(MBIG_HEADROOM);
    expect(changetype<usize>(m) & 63).toBe(0, "aligned to a cache line");
    expect(c.m_extbuf & 63).toBe(0, "cluster aligned");
    m_freem(m);
    m_freem(h);
    m_freem(c);
    m_freem(b);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("answers null when a pool is empty, counts it, and recovers", () => {
    const base = spec_mbufs_inuse();
    const fails = mbst.mb_clpool.pr_fail;
    let list = MNULL;
    let n = 0;
    while (true) {
      const m = m_getcl();
      if (!m) break;
      m.m_nextpkt = list;
      list = m;
      n++;
    }
    expect(mbst.mb_clpool.pr_nout + 0).toBe(mbst.mb_clpool.pr_max);
    expect(mbst.mb_clpool.pr_fail).toBe(fails + 1);
    const m = m_get();
    expect(changetype<usize>(m) != 0).toBe(true, "an mbuf is still to be had: the failed m_getcl gave its own back");
    expect(m_clget(m)).toBe(false);
    m_free(m);
    while (list) {
      const next = list.m_nextpkt;
      m_freem(list);
      list = next;
    }
    expect(spec_mbufs_inuse()).toBe(base);
    expect(n > 0).toBe(true);
  });

  it("is exhausted of plain mbufs without a leak of clusters", () => {
    const base = spec_mbufs_inuse();
    let list = MNULL;
    while (true) {
      const m = m_get();
      if (!m) break;
      m.m_nextpkt = list;
      list = m;
    }
    expect(changetype<usize>(m_getcl())).toBe(0);
    expect(changetype<usize>(m_getbig())).toBe(0);
    expect(changetype<usize>(m_gethdr())).toBe(0);
    while (list) {
      const next = list.m_nextpkt;
      m_freem(list);
      list = next;
    }
    expect(spec_mbufs_inuse()).toBe(base);
  });

  throws("on a second free", () => {
    const m = m_get();
    m_free(m);
    m_free(m);
  });
});

describe("sharing", () => {
  it("m_copym refers to clusters and copies inline data", () => {
    const base = spec_mbufs_inuse();
    const cl = mbst.mb_clpool.pr_nout;
    const m = chain(4000, 1500);
    const c = m_copym(m, 0, M_COPYALL);
    expect(holds(c, 0, 4000)).toBe(true);
    expect(mbst.mb_clpool.pr_nout - cl).toBe(3, "no cluster was added");
    expect(m_writable(m)).toBe(false);
    m_freem(m);
    expect(mbst.mb_clpool.pr_nout - cl).toBe(3, "the copy keeps them alive");
    expect(m_writable(c)).toBe(true);
    expect(holds(c, 0, 4000)).toBe(true);
    m_freem(c);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("m_copym takes any part of a chain", () => {
    const base = spec_mbufs_inuse();
    let bad = 0;
    for (let piece = 50; piece <= 700; piece += 130) {
      const m = chain(1000, piece);
      for (let off = 0; off < 1000; off += 37) {
        for (let len = 1; off + len <= 1000; len += 101) {
          const c = m_copym(m, off, len);
          if (!holds(c, off, len)) bad++;
          if ((off == 0) != ((c.m_flags & M_PKTHDR) != 0)) bad++;
          m_freem(c);
        }
      }
      m_freem(m);
    }
    expect(bad).toBe(0);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("m_copym fails whole when mbufs run out", () => {
    const m = chain(1000, 100);
    let list = MNULL;
    while (mbst.mb_pool.pr_nout < mbst.mb_pool.pr_max - 4) {
      const x = m_get();
      x.m_nextpkt = list;
      list = x;
    }
    const before = spec_mbufs_inuse();
    expect(changetype<usize>(m_copym(m, 0, M_COPYALL))).toBe(0);
    expect(spec_mbufs_inuse()).toBe(before);
    expect(holds(m, 0, 1000)).toBe(true, "the original is whole");
    while (list) {
      const next = list.m_nextpkt;
      m_freem(list);
      list = next;
    }
    m_freem(m);
  });

  it("gives foreign storage back with its last reference", () => {
    const ref = spec_buf + 65536;
    store<u32>(ref, 0);
    nfreed = 0;
    const m = m_gethdr();
    m_extadd(m, spec_buf + 4096, 1000, ref, foreign_free, 7);
    const c = m_copym(m, 100, 200);
    expect(load<u32>(ref)).toBe(2);
    expect(c.m_data).toBe(spec_buf + 4196);
    m_freem(m);
    expect(nfreed).toBe(0);
    m_freem(c);
    expect(nfreed).toBe(1007);
    expect(load<u32>(ref)).toBe(0);
  });

  it("m_makewritable copies only what is shared", () => {
    const m = chain(1500, 1500);
    const at = m.m_data;
    expect(m_makewritable(m, 20).m_data).toBe(at, "not shared: untouched");
    const c = m_copym(m, 0, M_COPYALL);
    const w = m_makewritable(c, 20);
    expect(w.m_data != at).toBe(true);
    expect(w.m_len).toBe(20);
    expect(holds(w, 0, 1500)).toBe(true);
    store<u8>(w.m_data, 0xff);
    expect(holds(m, 0, 1500)).toBe(true, "the original does not see the change");
    m_freem(w);
    m_freem(m);
  });
});

describe("trimming and growing", () => {
  it("m_adj from both ends, by any amount", () => {
    let bad = 0;
    for (let n = 0; n <= 1100; n += 55) {
      const left = max(0, 1000 - n);
      const f = chain(1000, 170);
      m_adj(f, n);
      if (f.ph_len != left || (left > 0 && !holds(f, n, left))) bad++;
      m_freem(f);
      const b = chain(1000, 170);
      m_adj(b, -n);
      if (b.ph_len != left || !holds(b, 0, left)) bad++;
      m_freem(b);
    }
    expect(bad).toBe(0);
  });

  it("m_prepend uses headroom, else a new mbuf with room for more", () => {
    const m = m_gethdr(MAX_LINKHDR);
    m.m_len = 20;
    m.ph_len = 20;
    m.vh_flags = VNET_F_NEEDS_CSUM;
    m.vh_csum_start = 0;
    m.vh_csum_offset = 16;
    const p = m_prepend(m, 14);
    expect(p == m).toBe(true);
    expect(p.ph_len).toBe(34);
    expect(p.vh_csum_start).toBe(14, "the checksum's place moves along");
    const q = m_prepend(p, 40);
    expect(q == p).toBe(false);
    expect(q.ph_len).toBe(74);
    expect(q.vh_csum_start).toBe(54);
    expect(m_sanity(q)).toBe(true);
    expect(m_leadingspace(q) >= MAX_LINKHDR).toBe(true, "and room for the next header");
    m_adj(q, 54);
    expect(q.vh_csum_start).toBe(0);
    m_freem(q);
  });

  it("does not write before shared data", () => {
    const m = m_getcl(64);
    spec_fill(m.m_data, 100, 0);
    m.m_len = 100;
    m.ph_len = 100;
    const c = m_copym(m, 0, M_COPYALL);
    expect(m_leadingspace(c)).toBe(0);
    const p = m_prepend(c, 14);
    expect(p == c).toBe(false);
    m_freem(p);
    expect(holds(m, 0, 100)).toBe(true);
    m_freem(m);
  });

  it("m_append fills free room, then clusters", () => {
    const m = chain(100, 100);
    spec_fill(spec_buf + 65536, 10000, 100);
    expect(m_append(m, 10000, spec_buf + 65536)).toBe(true);
    expect(holds(m, 0, 10100)).toBe(true);
    m_freem(m);
  });

  it("m_cat joins packets", () => {
    const m = chain(300, 120);
    const n = m_get();
    spec_fill(n.m_data, 50, 300);
    n.m_len = 50;
    m_cat(m, n);
    expect(m.ph_len).toBe(350);
    expect(holds(m, 0, 350)).toBe(true);
    m_cat(m, MNULL);
    m_freem(m);
  });
});

describe("headers and pieces", () => {
  it("m_pullup makes any header contiguous", () => {
    const base = spec_mbufs_inuse();
    let bad = 0;
    for (let piece = 1; piece < 60; piece += 7) {
      for (let want = 1; want <= MHLEN; want += 9) {
        const m = m_pullup(chain(200, piece), want);
        if (!m || m.m_len < want || !holds(m, 0, 200)) bad++;
        m_freem(m);
      }
    }
    expect(bad).toBe(0);
    expect(changetype<usize>(m_pullup(chain(30, 10), 31))).toBe(0, "too short: freed");
    expect(changetype<usize>(m_pullup(chain(300, 100), MHLEN + 1))).toBe(0, "too long to be contiguous: freed");
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("m_split cuts anywhere", () => {
    const base = spec_mbufs_inuse();
    let bad = 0;
    for (let piece = 90; piece < 700; piece += 150) {
      for (let at = 0; at <= 1000; at += 25) {
        const m = chain(1000, piece);
        const r = m_split(m, at);
        if (!holds(m, 0, at)) bad++;
        if (at == 1000 ? changetype<usize>(r) != 0 : !holds(r, at, 1000 - at)) bad++;
        m_freem(r);
        m_freem(m);
      }
    }
    expect(bad).toBe(0);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("m_copyback overwrites and extends", () => {
    const m = chain(100, 30);
    spec_fill(spec_buf + 65536, 400, 5000);
    expect(m_copyback(m, 20, 50, spec_buf + 65536)).toBe(true);
    expect(m.ph_len).toBe(100);
    expect(m_copyback(m, 90, 300, spec_buf + 65536)).toBe(true);
    expect(m.ph_len).toBe(390);
    expect(m_copyback(m, 500, 4, spec_buf + 65536)).toBe(true);
    expect(m.ph_len).toBe(504);
    expect(m_sanity(m)).toBe(true);
    m_copydata(m, 0, 504, spec_buf);
    expect(spec_check(spec_buf, 20, 0)).toBe(true);
    expect(spec_check(spec_buf + 20, 50, 5000)).toBe(true);
    expect(spec_check(spec_buf + 70, 20, 70)).toBe(true);
    expect(spec_check(spec_buf + 90, 300, 5000)).toBe(true);
    let zero: u32 = 0;
    for (let i = 390; i < 500; i++) zero |= load<u8>(spec_buf + i);
    expect(zero).toBe(0, "the gap is zero");
    m_freem(m);
  });

  it("m_devget and m_linear", () => {
    const base = spec_mbufs_inuse();
    for (let n = 1; n < 70000; n = n * 3 + 1) {
      spec_fill(spec_buf + 131072, n, 0);
      const m = m_devget(spec_buf + 131072, n, true);
      expect(holds(m, 0, n)).toBe(true);
      const l = m_linear(m);
      if (n <= 65536) {
        expect(changetype<usize>(l.m_next)).toBe(0);
        expect(holds(l, 0, n)).toBe(true);
      }
      m_freem(l);
    }
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("m_share carries the whole storage", () => {
    const m = m_getbig(0);
    m.m_len = 65536;
    const n = m_get();
    m_share(n, m);
    expect(n.m_data).toBe(m.m_data);
    expect(n.m_len).toBe(65536);
    m_freem(m);
    expect(m_writable(n)).toBe(true);
    m_freem(n);
  });
});
