/**
 * The store against a model: two volumes, random writes, discards and resizes, with every setting; memory
 * running out; corruption; sharing, copy on write, and the scanner.
 */
import { ENOSPC, EIO } from "../../kernel/abi/errno";
import { ksm_pages_shared, ksm_pages_sharing, ksm_pages_unshared, ksm_pages_volatile, rd_entries, rd_entry } from "./rd_entry";
import { rdm_get } from "./rd_map";
import { rd_page_ptr, rd_page_set_limit, rd_page_used } from "./rd_page";
import { DST, SRC, check_store, content, is_content, rnd, spec_seed, spec_store } from "./rd_spec";
import { ksm_full_scans, rd_scan_init, rd_scan_set, rd_scan_step } from "./rd_scan";
import {
  RD_DEDUP_OFF, RD_DEDUP_SCAN, RD_DEDUP_WRITE, RD_LEVEL_LZO, RD_LEVEL_MAX, RD_LEVEL_NONE, RdVolume, rdv_create, rdv_discard,
  rdv_map, rdv_read, rdv_resize, rdv_write,
} from "./rd_store";
import { zs_read } from "./rd_zspage";

const N: u32 = 700;
const VOLS: usize = memory.data(512, 8);
/** Tags of what the two volumes should hold; 0 = hole. */
const WANT: usize = memory.data(700 * 8, 4);
const PIECE: usize = memory.data(4096, 8);

function vol(i: u32): RdVolume {
  return changetype<RdVolume>(VOLS + <usize>i * 256);
}

function want(i: u32, b: u32): usize {
  return WANT + (<usize>(i * N + b) << 2);
}

/** Two empty volumes. */
function begin(level: i32, dedup: i32): void {
  assert(offsetof<RdVolume>() <= 256, "spec: volume");
  memory.fill(VOLS, 0, 512);
  memory.fill(WANT, 0, N * 8);
  for (let i: u32 = 0; i < 2; i++) {
    rdv_create(vol(i), N, level, dedup);
    rd_scan_set(i, vol(i));
  }
}

function end(): void {
  for (let i: u32 = 0; i < 2; i++) rdv_discard(vol(i), 0, vol(i).m_nblocks);
  check_store(vol(0), vol(1));
  assert(rd_page_used() == 0 && rd_entries() == 0, "spec: memory left over");
}

function write(i: u32, b: u32, tag: u32): i32 {
  content(tag);
  const e = rdv_write(vol(i), b, SRC);
  if (e == 0) store<u32>(want(i, b), tag);
  return e;
}

/** Does every block hold what it should? */
function verify(): void {
  for (let i: u32 = 0; i < 2; i++) {
    for (let b: u32 = 0; b < vol(i).m_nblocks; b++) {
      assert(rdv_read(vol(i), b, DST) == 0, "spec: read");
      assert(is_content(load<u32>(want(i, b))), "spec: contents");
    }
  }
  check_store(vol(0), vol(1));
}

/** Random operations; tags below `tags`, so that equal blocks are common or not. */
function exercise(rounds: u32, tags: u32): u32 {
  let refused: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    const i = rnd(2);
    const b = rnd(N);
    const what = rnd(20);
    if (what == 0) {
      const n = 1 + rnd(30);
      const stop = min<u32>(b + n, N);
      rdv_discard(vol(i), b, stop);
      for (let k = b; k < stop; k++) store<u32>(want(i, k), 0);
    } else {
      const e = write(i, b, 1 + rnd(tags));
      assert(e == 0 || e == -ENOSPC, "spec: write");
      if (e < 0) refused++;
    }
  }
  return refused;
}

beforeAll(() => {
  spec_store();
  rd_scan_init(2);
});

describe("blocks", () => {
  it("are what was written, at every level, with every kind of deduplication", () => {
    spec_seed(11);
    for (let level = 0; level <= RD_LEVEL_MAX; level++) {
      for (let dedup = 0; dedup <= RD_DEDUP_WRITE; dedup++) {
        begin(level, dedup);
        exercise(1500, 300);
        verify();
        end();
      }
    }
  });
  it("of one word take no memory", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_WRITE);
    for (let b: u32 = 0; b < 500; b++) expect(write(0, b, b * 8 + 8)).toBe(0);
    expect(vol(0).v_same).toBe(500);
    expect(rd_entries()).toBe(0);
    expect(rd_page_used()).toBe(vol(0).m_pages);
    verify();
    end();
  });
  it("that cannot be compressed are kept raw, others small", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_OFF);
    write(0, 0, 2);
    expect(vol(0).v_huge).toBe(1);
    expect(vol(0).v_charged).toBe(4096);
    write(0, 1, 7);
    expect(vol(0).v_huge).toBe(1);
    expect(vol(0).v_bytes).toBeLessThan(4096 + 1500);
    end();
    begin(RD_LEVEL_NONE, RD_DEDUP_OFF);
    write(0, 1, 7);
    expect(vol(0).v_huge).toBe(0, "not compressed by choice");
    expect(vol(0).v_bytes).toBe(4096);
    end();
  });
  it("beyond a smaller size are gone, and do not come back", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_WRITE);
    for (let b: u32 = 0; b < N; b++) write(0, b, b + 2);
    expect(rdv_resize(vol(0), 10)).toBe(0);
    expect(rdv_resize(vol(0), N)).toBe(0);
    for (let b: u32 = 10; b < N; b++) store<u32>(want(0, b), 0);
    verify();
    end();
  });
});

describe("memory that is out", () => {
  it("refuses a write and loses nothing", () => {
    spec_seed(5);
    for (let level = 0; level <= RD_LEVEL_MAX; level++) {
      begin(level, RD_DEDUP_OFF);
      rd_page_set_limit(120);
      const refused = exercise(3000, 100000);
      expect(refused).toBeGreaterThan(100);
      expect(rd_page_used()).toBeLessThan(121);
      verify();
      expect(vol(0).v_failed_writes + vol(1).v_failed_writes).toBe(refused);
      rd_page_set_limit(0);
      end();
    }
  });
  it("can be used again after a discard", () => {
    begin(RD_LEVEL_NONE, RD_DEDUP_OFF);
    rd_page_set_limit(50);
    let b: u32 = 0;
    while (write(0, b, b * 8 + 2) == 0) b++;
    expect(b).toBeGreaterThan(45);
    rdv_discard(vol(0), 0, 10);
    memory.fill(want(0, 0), 0, 40);
    expect(write(0, 600, 10002)).toBe(0);
    verify();
    rd_page_set_limit(0);
    end();
  });
  it("is kept to by a volume's own limit", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_WRITE);
    vol(0).v_limit = 40960;
    let n: u32 = 0;
    for (let b: u32 = 0; b < 50; b++) if (write(0, b, b * 8 + 2) == 0) n++;
    expect(n).toBe(10);
    expect(write(0, 3, 9999 * 8 + 2)).toBe(0, "in place of one as large");
    expect(write(1, 0, 8)).toBe(0);
    verify();
    end();
  });
});

describe("corruption", () => {
  it("is found when a block is read", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_OFF);
    for (let tag: u32 = 2; tag < 8; tag++) {
      write(0, tag, tag);
      const e = rd_entry(<u32>rdm_get(rdv_map(vol(0)), tag));
      let found = 0;
      for (let bit: u32 = 0; bit < 200; bit++) {
        // Every object here lies in one piece, so what zs_read answers is the store's own memory.
        const at = (tag < 4 ? rd_page_ptr(e.e_loc) : zs_read(e.e_loc, e.e_len, PIECE)) + rnd(e.e_len);
        if (at >= PIECE && at < PIECE + 4096) continue;
        const mask: u8 = 1 << <u8>rnd(8);
        store<u8>(at, load<u8>(at) ^ mask);
        const r = rdv_read(vol(0), tag, DST);
        if (r == -EIO) found++;
        else assert(is_content(tag), "spec: corruption went unnoticed");
        store<u8>(at, load<u8>(at) ^ mask);
      }
      expect(found).toBeGreaterThan(tag < 4 ? 199 : 50);
      expect(rdv_read(vol(0), tag, DST)).toBe(0);
    }
    expect(vol(0).v_failed_reads).toBeGreaterThan(500);
    end();
  });
});

describe("equal blocks", () => {
  it("are stored once, and copied when one is written to", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_WRITE);
    for (let b: u32 = 0; b < 100; b++) write(b & 1, b, 7);
    expect(rd_entries()).toBe(1);
    expect(ksm_pages_shared()).toBe(1);
    expect(ksm_pages_sharing()).toBe(99);
    expect(ksm_pages_unshared()).toBe(0);
    write(0, 50, 15);
    expect(vol(0).v_cow).toBe(1);
    expect(rd_entries()).toBe(2);
    expect(ksm_pages_sharing()).toBe(98);
    expect(ksm_pages_unshared()).toBe(1);
    verify();
    rdv_discard(vol(1), 0, N);
    for (let b: u32 = 0; b < N; b++) store<u32>(want(1, b), 0);
    verify();
    end();
    expect(ksm_pages_shared() + ksm_pages_sharing() + ksm_pages_unshared() + ksm_pages_volatile()).toBe(0);
  });
  it("are found by the scanner when they have stayed the same for a round", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_SCAN);
    for (let b: u32 = 0; b < 200; b++) write(b & 1, b, 2 + (b % 10) * 8);
    expect(rd_entries()).toBe(200);
    expect(ksm_pages_volatile()).toBe(200);
    const rounds = ksm_full_scans();
    let steps = 0;
    while (rd_scan_step(50)) steps++;
    expect(steps).toBeGreaterThan(7);
    expect(ksm_full_scans()).toBe(rounds + 3);
    expect(rd_entries()).toBe(10);
    expect(ksm_pages_shared()).toBe(10);
    expect(ksm_pages_sharing()).toBe(190);
    expect(ksm_pages_volatile()).toBe(0);
    verify();
    expect(rd_scan_step(50)).toBe(false, "nothing to do");
    end();
  });
  it("that change all the time are left alone", () => {
    begin(RD_LEVEL_LZO, RD_DEDUP_SCAN);
    for (let round: u32 = 0; round < 20; round++) {
      for (let b: u32 = 0; b < 50; b++) write(0, b, 2 + round * 8);
      rd_scan_step(60);
    }
    expect(ksm_pages_volatile()).toBe(50);
    expect(rd_entries()).toBe(50);
    verify();
    end();
  });
  it("are merged while everything else goes on", () => {
    spec_seed(23);
    begin(RD_LEVEL_LZO, RD_DEDUP_SCAN);
    for (let round = 0; round < 200; round++) {
      exercise(30, 60);
      rd_scan_step(100);
      check_store(vol(0), vol(1));
    }
    while (rd_scan_step(100)) {}
    expect(rd_entries()).toBeLessThan(61);
    verify();
    end();
  });
});
