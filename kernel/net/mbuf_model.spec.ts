/**
 * Random operations on an mbuf chain beside the same on a flat run of bytes: after every step the
 * chain must be sane and hold the same bytes; in between pools run dry; at the end nothing is leaked.
 */
import { MHLEN, MLEN, MNULL, M_COPYALL, Mbuf, m_clget, m_freem, m_get, m_gethdr, m_leadingspace } from "./mbuf";
import { m_adj, m_append, m_cat, m_copydata, m_copym, m_length, m_makewritable, m_prepend, m_pullup } from "./mbuf2";
import { m_copyback, m_linear, m_sanity, m_split } from "./mbuf3";
import { spec_buf, spec_mbufs_inuse, spec_mbufs_left, spec_net_boot } from "./net_spec";

spec_net_boot();

const MOST: i32 = 20000;
/** The flat copy, scratch for what is written, scratch for what is read. */
const flat = spec_buf;
const piece = spec_buf + 262144;
const seen = spec_buf + 524288;

let seed: u32 = 1;
function rnd(n: i32): i32 {
  seed = seed * 1664525 + 1013904223;
  return <i32>((seed >> 8) % <u32>n);
}

let len: i32 = 0;
let m: Mbuf = MNULL;
let serial: i32 = 0;

/** `n` new bytes at `piece`. */
function bytes(n: i32): void {
  for (let i = 0; i < n; i++) store<u8>(piece + i, <u8>(serial++ * 7 + (serial >> 8)));
}

function restart(): void {
  m_freem(m);
  m = m_gethdr();
  len = 0;
}

function agrees(x: Mbuf, at: i32, n: i32): bool {
  if (!m_sanity(x) || m_length(x) != n) return false;
  m_copydata(x, 0, n, seen);
  return memory.compare(seen, flat + at, n) == 0;
}

function op_append(): void {
  const n = rnd(rnd(4) == 0 ? 3000 : 200);
  if (len + n > MOST) return;
  bytes(n);
  if (!m_append(m, n, piece)) return;
  memory.copy(flat + len, piece, n);
  len += n;
}

function op_prepend(): void {
  const n = 1 + rnd(MHLEN);
  if (len + n > MOST) return;
  m = m_prepend(m, n);
  if (!m) {
    restart();
    return;
  }
  bytes(n);
  assert(m_leadingspace(m) >= 0, "leadingspace");
  memory.copy(m.m_data, piece, n);
  memory.copy(flat + n, flat, len);
  memory.copy(flat, piece, n);
  len += n;
}

function op_adj(): void {
  const n = rnd(len / 3 + 1);
  if (rnd(2) == 0) {
    m_adj(m, n);
    memory.copy(flat, flat + n, len - n);
  } else m_adj(m, -n);
  len -= n;
}

function op_pullup(): void {
  if (len == 0) return;
  const n = 1 + rnd(min(len, MHLEN));
  m = rnd(2) == 0 ? m_pullup(m, n) : m_makewritable(m, n);
  if (!m) restart();
  else assert(m.m_len >= n, "pullup: not contiguous");
}

/** Cut in two and join again. */
function op_split(): bool {
  const at = rnd(len + 1);
  const r = m_split(m, at);
  if (!r) return true;
  const good = agrees(m, 0, at) && agrees(r, at, len - at);
  m_cat(m, r);
  return good;
}

/** A copy of a part; sometimes the copy replaces the original, which shares its storage. */
function op_copy(): bool {
  if (len == 0) return true;
  const at = rnd(len);
  const n = 1 + rnd(len - at);
  const c = m_copym(m, at, n);
  if (!c) return true;
  const good = agrees(c, at, n);
  m_freem(c);
  if (rnd(3) == 0) {
    const all = m_copym(m, 0, M_COPYALL);
    if (all) {
      m_freem(m);
      m = all;
    }
  }
  return good;
}

function op_copyback(): void {
  if (len < 2) return;
  const n = 1 + rnd(min(len, MHLEN));
  m = m_makewritable(m, n);
  if (!m) {
    restart();
    return;
  }
  const off = rnd(n);
  bytes(n - off);
  m_copyback(m, off, n - off, piece);
  memory.copy(flat + off, piece, n - off);
}

/** A chain of small pieces in place of what is there. */
function op_fragment(): void {
  restart();
  let tail = m;
  for (let i = rnd(20); i > 0; i--) {
    const n = m_get();
    if (!n) return;
    if (rnd(2) == 0) m_clget(n);
    const k = rnd(MLEN);
    bytes(k);
    memory.copy(n.m_data, piece, k);
    memory.copy(flat + len, piece, k);
    n.m_len = k;
    len += k;
    tail.m_next = n;
    tail = n;
    m.ph_len = len;
  }
}

function step(): bool {
  switch (rnd(10)) {
    case 0: case 1: op_append(); break;
    case 2: op_prepend(); break;
    case 3: op_adj(); break;
    case 4: op_pullup(); break;
    case 5: if (!op_split()) return false; break;
    case 6: if (!op_copy()) return false; break;
    case 7: op_copyback(); break;
    case 8: if (rnd(20) == 0) op_fragment(); break;
    default:
      if (rnd(20) == 0) {
        m = m_linear(m);
        if (!m) restart();
      }
  }
  return agrees(m, 0, len);
}

/** Run `n` steps from `s`; the number of the first that went wrong, or -1. */
function run(s: u32, n: i32): i32 {
  seed = s;
  restart();
  for (let i = 0; i < n; i++) {
    if (!step()) return i;
  }
  return -1;
}

describe("the model", () => {
  it("agrees for ten seeds of 3000 steps", () => {
    const base = spec_mbufs_inuse();
    for (let s: u32 = 1; s <= 10; s++) expect(run(s, 3000)).toBe(-1);
    m_freem(m);
    m = MNULL;
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("agrees when mbufs run out again and again", () => {
    const base = spec_mbufs_inuse();
    let hoard = MNULL;
    while (spec_mbufs_left() > 25) {
      const x = m_get();
      x.m_nextpkt = hoard;
      hoard = x;
    }
    for (let s: u32 = 101; s <= 110; s++) expect(run(s, 1000)).toBe(-1);
    m_freem(m);
    m = MNULL;
    while (hoard) {
      const next = hoard.m_nextpkt;
      m_freem(hoard);
      hoard = next;
    }
    expect(spec_mbufs_inuse()).toBe(base);
  });
});
