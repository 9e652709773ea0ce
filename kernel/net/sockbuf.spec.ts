/**
 * Socket buffers: streams and records, gathering of small pieces, limits, offsets, the books.
 */
import { MCLBYTES, MNULL, M_EOR, MT_CONTROL, MT_SONAME, Mbuf, m_clget, m_freem, m_get, m_getcl } from "./mbuf";
import { m_copydata, m_length } from "./mbuf2";
import { m_devget } from "./mbuf3";
import { spec_buf, spec_check, spec_fill, spec_mbufs_inuse, spec_net_boot } from "./net_spec";
import { Sockbuf, sbappendaddr, sbappendcontrol, sbappendrecord, sbappendstream, sbavail, sbcheck, sbcreatecontrol,
  sbdrop, sbdrop_all, sbdroprecord, sbreserve, sbsndptr, sbspace } from "./sockbuf";
import { kmem_alloc } from "../kern/kmem";

spec_net_boot();
const sb = changetype<Sockbuf>(kmem_alloc(offsetof<Sockbuf>(), 8, "spec.sb"));

function fresh(limit: u32): Sockbuf {
  sbdrop_all(sb);
  memory.fill(changetype<usize>(sb), 0, offsetof<Sockbuf>());
  sbreserve(sb, limit, 1 << 20);
  return sb;
}

/** `n` bytes of spec_fill's stream from `start`, in one allocation. */
function data(n: i32, start: i32): Mbuf {
  spec_fill(spec_buf, n, start);
  return m_devget(spec_buf, n, false);
}

function holds(from: i32, n: i32): bool {
  if (!sbcheck(sb) || sb.sb_cc != <u32>n) return false;
  if (n == 0) return true;
  m_copydata(sb.sb_mb, 0, n, spec_buf);
  return spec_check(spec_buf, n, from);
}

function mbufs(): i32 {
  let n = 0;
  for (let m = sb.sb_mb; m; m = m.m_next) n++;
  return n;
}

describe("a stream", () => {
  it("takes chains and gives bytes", () => {
    fresh(65536);
    let at = 0;
    for (let n = 1; n < 9000; n = n * 2 + 3) {
      sbappendstream(sb, data(n, at));
      at += n;
    }
    expect(holds(0, at)).toBe(true);
    sbdrop(sb, 1);
    expect(holds(1, at - 1)).toBe(true);
    sbdrop(sb, 5000);
    expect(holds(5001, at - 5001)).toBe(true);
    sbdrop(sb, sb.sb_cc);
    expect(sb.sb_mbcnt).toBe(0);
    expect(changetype<usize>(sb.sb_mb)).toBe(0);
    expect(sbcheck(sb)).toBe(true);
  });

  it("gathers small pieces, so that a byte does not pin a cluster", () => {
    fresh(65536);
    const base = spec_mbufs_inuse();
    for (let i = 0; i < 3000; i++) {
      const m = m_get();
      m_clget(m);
      spec_fill(m.m_data, 1, i);
      m.m_len = 1;
      sbappendstream(sb, m);
    }
    expect(mbufs()).toBe(2);
    expect(holds(0, 3000)).toBe(true);
    sbdrop_all(sb);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("links large pieces without copying", () => {
    fresh(65536);
    const m = m_getcl();
    m.m_len = 1500;
    const at = m.m_data;
    sbappendstream(sb, data(100, 0));
    sbappendstream(sb, m);
    expect(sb.sb_mbtail.m_data).toBe(at);
    sbdrop_all(sb);
  });

  it("counts storage as well as bytes", () => {
    fresh(4096);
    expect(sbspace(sb)).toBe(4096);
    let n = 0;
    while (sbspace(sb) > 0) {
      const m = m_get();
      m_clget(m);
      m.m_data += MCLBYTES - 1;
      m.m_len = 1;
      m.m_flags |= M_EOR;
      sbappendstream(sb, m);
      n++;
    }
    expect(n < 20).toBe(true, "single bytes at the ends of clusters fill it early");
    expect(sbcheck(sb)).toBe(true);
    sbdrop_all(sb);
  });

  it("goes over its limit without harm", () => {
    fresh(1000);
    sbappendstream(sb, data(1500, 0));
    expect(sbspace(sb)).toBe(-500);
    sbdrop_all(sb);
  });

  it("finds offsets, in order and out of order", () => {
    fresh(200000);
    let at = 0;
    for (let i = 0; i < 60; i++) {
      sbappendstream(sb, data(1000 + i * 7, at));
      at += 1000 + i * 7;
    }
    let bad = 0;
    for (let off = 0; off < at; off += 333) {
      const m = sbsndptr(sb, off);
      if (!spec_check(m.m_data + (off - sb.sb_sndoff), 1, off)) bad++;
    }
    for (let off = at - 1; off > 0; off -= 1777) {
      const m = sbsndptr(sb, off);
      if (!spec_check(m.m_data + (off - sb.sb_sndoff), 1, off)) bad++;
    }
    let gone = 0;
    while (sb.sb_cc > 5000) {
      const off = sb.sb_cc / 2;
      let m = sbsndptr(sb, off);
      if (!spec_check(m.m_data + (off - sb.sb_sndoff), 1, gone + off)) bad++;
      sbdrop(sb, 1111);
      gone += 1111;
      m = sbsndptr(sb, off);
      if (!spec_check(m.m_data + (off - sb.sb_sndoff), 1, gone + off)) bad++;
    }
    expect(bad).toBe(0);
    sbdrop_all(sb);
  });

  throws("when more is dropped than there is", () => {
    fresh(1000);
    sbappendstream(sb, data(10, 0));
    sbdrop(sb, 11);
  });
});

describe("records", () => {
  it("keep their addresses, control messages and bounds", () => {
    fresh(65536);
    const base = spec_mbufs_inuse();
    memory.fill(spec_buf + 4096, 0xab, 16);
    const control = sbcreatecontrol(spec_buf + 4096, 5, 1, 2);
    expect(control.m_len).toBe(20);
    expect(sbappendaddr(sb, spec_buf + 4096, 16, data(300, 0), control)).toBe(true);
    expect(sbappendaddr(sb, spec_buf + 4096, 16, MNULL, MNULL)).toBe(true);
    expect(sbappendaddr(sb, 0, 0, data(50, 300), MNULL)).toBe(true);
    expect(sbcheck(sb)).toBe(true);
    expect(sbavail(sb)).toBe(350);
    expect(sb.sb_cc).toBe(350 + 16 + 20 + 16);
    expect(sb.sb_mb.m_type).toBe(MT_SONAME);
    expect(sb.sb_mb.m_next.m_type).toBe(MT_CONTROL);
    sbdroprecord(sb);
    expect(m_length(sb.sb_mb)).toBe(16, "a datagram without data");
    sbdroprecord(sb);
    expect(m_length(sb.sb_mb)).toBe(50);
    expect(sbcheck(sb)).toBe(true);
    sbdroprecord(sb);
    expect(sbcheck(sb)).toBe(true);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("refuse what has no room, and leave it to the caller", () => {
    fresh(100);
    const m = data(90, 0);
    expect(sbappendaddr(sb, spec_buf, 16, m, MNULL)).toBe(false);
    expect(m_length(m)).toBe(90);
    m_freem(m);
    expect(sb.sb_cc).toBe(0);
  });

  it("are not gathered into each other", () => {
    fresh(65536);
    for (let i = 0; i < 5; i++) sbappendrecord(sb, data(10, i * 10));
    let n = 0;
    for (let r = sb.sb_mb; r; r = r.m_nextpkt) n++;
    expect(n).toBe(5);
    expect(sbcheck(sb)).toBe(true);
    sbdrop(sb, 10);
    expect(m_length(sb.sb_mb)).toBe(10);
    expect(sbcheck(sb)).toBe(true);
    sbdrop_all(sb);
  });

  it("carry control messages with stream data", () => {
    fresh(65536);
    sbappendcontrol(sb, data(10, 0), sbcreatecontrol(0, 8, 1, 1));
    expect(sbavail(sb)).toBe(10);
    expect(sb.sb_ctl).toBe(20);
    sbdrop_all(sb);
  });
});
