/** The noop scheduler: first come, first served; merging is not its business but must not disturb it. */
import { Bioq, RQ_READ, RQ_WRITE, bioq_before, bioq_create, bioq_pool, rq_append, rq_free, rq_make } from "../../kernel/dev/bioq";
import { BUF_SIZE, Buf } from "../../kernel/dev/buf";
import { kmem_boot } from "../../kernel/kern/kmem";
import { pool_boot } from "../../kernel/kern/pool";
import { iosched_add, iosched_init, iosched_next } from "./noop";

const PAGES: i32 = 8;
const BUFS: usize = memory.data(16 * 80, 8);
let q: Bioq = changetype<Bioq>(0);

beforeAll(() => {
  heap.free(heap.alloc(16));
  const page = memory.grow(PAGES);
  kmem_boot(<usize>page << 16, <usize>(page + PAGES) << 16);
  pool_boot();
  q = bioq_create(bioq_pool(16), 64);
  iosched_init(q, 16);
});

function put(i: i32, dir: i32, sector: u64): void {
  const bp = changetype<Buf>(BUFS + <usize>i * BUF_SIZE);
  bp.b_blkno = sector;
  bp.b_nsect = 8;
  const rq = bioq_before(q, bp, dir, 0);
  if (rq) rq_append(q, rq, bp);
  else iosched_add(q, rq_make(q, bp, dir, 0, 0));
}

function next(): i64 {
  const rq = iosched_next(q, 0);
  if (!rq) return -1;
  const at = <i64>rq.rq_blkno;
  rq_free(q, rq);
  return at;
}

describe("noop", () => {
  it("serves in order of arrival, whatever the sector and the direction", () => {
    put(0, RQ_READ, 500);
    put(1, RQ_WRITE, 100);
    put(2, RQ_READ, 300);
    put(3, RQ_READ, 508);
    put(4, RQ_WRITE, 308);
    expect(q.bq_count).toBe(4);
    expect(next()).toBe(500);
    expect(next()).toBe(100);
    put(5, RQ_READ, 1);
    expect(next()).toBe(300);
    expect(next()).toBe(308);
    expect(next()).toBe(1);
    expect(next()).toBe(-1);
    put(6, RQ_READ, 9);
    expect(next()).toBe(9);
    expect(next()).toBe(-1);
  });
});
