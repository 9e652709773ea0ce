/**
 * The deadline scheduler in virtual time: order, batches, deadlines, starvation of writes, and merging,
 * against what the algorithm says.
 */
import { Bioq, RQ_READ, RQ_WRITE, Rq, bioq_before, bioq_behind, bioq_create, bioq_pool, rq_append, rq_free, rq_make, rq_prepend } from "../../kernel/dev/bioq";
import { BIO_READ, BIO_WRITE } from "../../kernel/abi/rump";
import { BUF_SIZE, Buf } from "../../kernel/dev/buf";
import { kmem_boot } from "../../kernel/kern/kmem";
import { Pool, pool_avail, pool_boot } from "../../kernel/kern/pool";
import { iosched_add, iosched_init, iosched_moved, iosched_next } from "./deadline";

const PAGES: i32 = 16;
const N: i32 = 256;
const BUFS: usize = memory.data(256 * 80, 8);
let q: Bioq = changetype<Bioq>(0);
let pool: Pool = changetype<Pool>(0);
let used: i32 = 0;

beforeAll(() => {
  heap.free(heap.alloc(16));
  const page = memory.grow(PAGES);
  kmem_boot(<usize>page << 16, <usize>(page + PAGES) << 16);
  pool_boot();
  pool = bioq_pool(N);
  q = bioq_create(pool, 64);
  iosched_init(q, N);
});

/** A request of 8 sectors from `sector` on, at time `ms`. */
function put(dir: i32, sector: u64, ms: i64): void {
  const bp = changetype<Buf>(BUFS + <usize>(used++ % N) * BUF_SIZE);
  memory.fill(changetype<usize>(bp), 0, BUF_SIZE);
  bp.b_op = dir == RQ_READ ? BIO_READ : BIO_WRITE;
  bp.b_blkno = sector;
  bp.b_nsect = 8;
  let rq = bioq_before(q, bp, dir, 0);
  if (rq) {
    rq_append(q, rq, bp);
    return;
  }
  rq = bioq_behind(q, bp, dir, 0);
  if (rq) {
    rq_prepend(q, rq, bp);
    iosched_moved(q, rq);
    return;
  }
  rq = rq_make(q, bp, dir, 0, ms * 1000);
  assert(changetype<usize>(rq) != 0, "spec: no Rq");
  iosched_add(q, rq);
}

/** First sector of what goes next at time `ms`; writes negative; -1 = nothing. */
function next(ms: i64): i64 {
  const rq = iosched_next(q, ms * 1000);
  if (!rq) return -1;
  const at = rq.rq_dir == RQ_READ ? <i64>rq.rq_blkno : -<i64>rq.rq_blkno;
  rq_free(q, rq);
  return at;
}

function drain(): void {
  while (next(0) != -1) {}
  assert(q.bq_count == 0 && pool_avail(pool) == <u32>N, "spec: something is left");
}

describe("deadline", () => {
  it("goes upwards by sector, and begins at the bottom again", () => {
    drain();
    put(RQ_READ, 1000, 0);
    expect(next(0)).toBe(1000);
    put(RQ_READ, 5000, 0);
    put(RQ_READ, 100, 0);
    put(RQ_READ, 2000, 0);
    put(RQ_READ, 1100, 0);
    expect(next(0)).toBe(1100);
    expect(next(0)).toBe(2000);
    expect(next(0)).toBe(5000);
    expect(next(0)).toBe(100);
    expect(next(0)).toBe(-1);
  });
  it("looks at deadlines only between batches of sixteen", () => {
    drain();
    put(RQ_READ, 100000, 0);
    expect(next(0)).toBe(100000);
    put(RQ_READ, 64, 0);
    for (let i = 0; i < 40; i++) put(RQ_READ, 200000 + i * 100, 10);
    // The old one is past its 500 ms all the time; what remains of the batch goes first.
    let before = 0;
    while (next(600) != 64) before++;
    assert(before <= 16, "spec: it waited for more than a batch");
    // And the next batch goes on behind it, upwards.
    expect(next(600)).toBe(200000 + before * 100);
    drain();
  });
  it("prefers reads, but passes writes over only twice", () => {
    drain();
    for (let i = 0; i < 40; i++) put(RQ_WRITE, 1000000 + i * 100, 0);
    for (let i = 0; i < 100; i++) put(RQ_READ, 1000 + i * 100, 0);
    let reads = 0;
    while (next(1) >= 0) reads++;
    // Two batches of reads at most, and what was left of one that had begun before.
    assert(reads >= 32 && reads <= 48, "spec: writes_starved");
    let writes = 1;
    while (next(1) < 0 && writes < 100) writes++;
    expect(writes).toBe(16);
    drain();
  });
  it("does not let a write wait beyond five seconds for others behind it", () => {
    drain();
    put(RQ_WRITE, 500000, 0);
    expect(next(0)).toBe(-500000);
    put(RQ_WRITE, 8, 0);
    for (let i = 0; i < 60; i++) put(RQ_WRITE, 600000 + i * 100, 1);
    let before = 0;
    while (next(5001) != -8) before++;
    assert(before <= 16, "spec: write_expire");
    drain();
  });
  it("keeps merged requests in order, front and back", () => {
    drain();
    put(RQ_READ, 100, 0);
    put(RQ_READ, 108, 0);
    put(RQ_READ, 92, 0);
    put(RQ_READ, 50, 0);
    put(RQ_WRITE, 116, 0);
    expect(q.bq_count).toBe(3);
    const rq: Rq = bioq_at(92);
    expect(rq.rq_nsect).toBe(24);
    expect(rq.rq_nbufs).toBe(3);
    expect(rq.rq_first.b_blkno).toBe(92);
    expect(rq.rq_first.b_next.b_blkno).toBe(100);
    expect(rq.rq_last.b_blkno).toBe(108);
    drain();
  });
  it("merges up to its limit", () => {
    drain();
    for (let i = 0; i < 16; i++) put(RQ_WRITE, 8 * i, 0);
    expect(q.bq_count).toBe(2);
    drain();
  });
});

/** The waiting read that begins at `sector`. */
function bioq_at(sector: u64): Rq {
  const bp = changetype<Buf>(BUFS + <usize>(N - 1) * BUF_SIZE);
  memory.fill(changetype<usize>(bp), 0, BUF_SIZE);
  bp.b_blkno = sector - 8;
  bp.b_nsect = 8;
  return bioq_behind(q, bp, RQ_READ, 0);
}
