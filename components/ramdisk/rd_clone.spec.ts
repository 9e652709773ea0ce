/**
 * Snapshots: two volumes that share what neither has written since, against models of both, through
 * thousands of writes, discards, clones and exchanges, with deduplication on, off, and by the scanner.
 */
import { RD_DEDUP_OFF, RD_DEDUP_SCAN, RD_DEDUP_WRITE, RD_LEVEL_LZO, RdVolume, rdv_clone, rdv_create, rdv_discard, rdv_read, rdv_take, rdv_write } from "./rd_store";
import { ksm_pages_shared, ksm_pages_sharing, rd_entries } from "./rd_entry";
import { rd_page_used } from "./rd_page";
import { rd_scan_init, rd_scan_set, rd_scan_step } from "./rd_scan";
import { DST, SRC, check_store, content, is_content, rnd, spec_seed, spec_store } from "./rd_spec";

const N: u32 = 700;
const A: usize = memory.data(256, 16);
const B: usize = memory.data(256, 16);
const C: usize = memory.data(256, 16);
/** What block i of the volumes should be: a tag, 0 = zeros. */
const WANT_A: usize = memory.data(4 * 700, 4);
const WANT_B: usize = memory.data(4 * 700, 4);

function volume(at: usize): RdVolume {
  return changetype<RdVolume>(at);
}

beforeAll(() => {
  spec_store();
  rd_scan_init(2);
});

function begin(dedup: i32): void {
  memory.fill(A, 0, 256);
  memory.fill(B, 0, 256);
  memory.fill(WANT_A, 0, 4 * N);
  memory.fill(WANT_B, 0, 4 * N);
  rdv_create(volume(A), N, RD_LEVEL_LZO, dedup);
  rdv_create(volume(B), 0, RD_LEVEL_LZO, RD_DEDUP_OFF);
  rd_scan_set(0, volume(A));
}

function put(v: usize, want: usize, b: u32, tag: u32): void {
  content(tag);
  assert(rdv_write(volume(v), b, SRC) == 0, "spec: write");
  store<u32>(want + (b << 2), tag);
}

function verify(v: usize, want: usize): void {
  if (volume(v).m_nblocks == 0) return;
  for (let b: u32 = 0; b < N; b++) {
    assert(rdv_read(volume(v), b, DST) == 0, "spec: read");
    const tag = load<u32>(want + (b << 2));
    if (tag != 0) {
      assert(is_content(tag), "spec: content");
    } else {
      for (let i: usize = 0; i < 4096; i += 8) assert(load<u64>(DST + i) == 0, "spec: a hole");
    }
  }
}

/** Let B be what A is now. */
function snapshot(): void {
  memory.fill(C, 0, 256);
  rdv_create(volume(C), 0, RD_LEVEL_LZO, RD_DEDUP_OFF);
  assert(rdv_clone(volume(C), volume(A)) == 0, "spec: clone");
  rdv_take(volume(B), volume(C));
  memory.copy(WANT_B, WANT_A, 4 * N);
}

function walk(dedup: i32, rounds: u32): void {
  begin(dedup);
  for (let r: u32 = 0; r < rounds; r++) {
    const b = rnd(N);
    const what = rnd(100);
    if (what < 60) {
      put(A, WANT_A, b, rnd(300) + 1);
    } else if (what < 80 && volume(B).m_nblocks > 0) {
      put(B, WANT_B, b, rnd(300) + 1);
    } else if (what < 95) {
      rdv_discard(volume(A), b, b + 1);
      store<u32>(WANT_A + (b << 2), 0);
    } else if (what < 97) {
      snapshot();
    } else {
      rd_scan_step(200);
    }
  }
  check_store(volume(A), volume(B));
  verify(A, WANT_A);
  verify(B, WANT_B);
  rdv_discard(volume(A), 0, N);
  check_store(volume(A), volume(B));
  verify(B, WANT_B);
  if (volume(B).m_nblocks > 0) rdv_discard(volume(B), 0, N);
  assert(rd_entries() == 0 && rd_page_used() == 0, "spec: memory left");
  assert(ksm_pages_shared() == 0 && ksm_pages_sharing() == 0, "spec: counters left");
}

describe("snapshots", () => {
  it("share blocks, and keep what was there, with deduplication on, off, and later", () => {
    spec_seed(11);
    walk(RD_DEDUP_WRITE, 6000);
    walk(RD_DEDUP_OFF, 6000);
    walk(RD_DEDUP_SCAN, 6000);
  });
  it("cost the map and no blocks", () => {
    spec_seed(5);
    begin(RD_DEDUP_OFF);
    for (let b: u32 = 0; b < N; b++) put(A, WANT_A, b, b * 8 + 2);
    const entries = rd_entries();
    const pages = rd_page_used();
    snapshot();
    expect(rd_entries()).toBe(entries);
    assert(rd_page_used() - pages <= 3, "spec: pages of a snapshot");
    put(A, WANT_A, 3, 4711);
    verify(B, WANT_B);
    expect(rd_entries()).toBe(entries + 1);
    rdv_discard(volume(A), 0, N);
    verify(B, WANT_B);
    rdv_discard(volume(B), 0, N);
    expect(rd_page_used()).toBe(0);
  });
});
