/**
 * Barriers: no later request may pass one, nor it an earlier one, whatever is merged, sorted, under way,
 * fails and is tried again. The queue with the scheduler deadline; barrier_noop.spec.ts is the same with
 * noop. The host is the spec: it takes transfers, checks that each may be under way now, and is done with
 * them in any order.
 */
import { EIO } from "../../kernel/abi/errno";
import { BIO_DISCARD, BIO_FLUSH, BIO_READ, BIO_WRITE } from "../../kernel/abi/rump";
import { Blkdev, blkdev_init } from "../../kernel/dev/blkdev";
import { B_BARRIER, B_DONE, B_FUA, BUF_SIZE, Buf, bio_prepare, bio_submit } from "../../kernel/dev/buf";
import { kern_boot_services } from "../../kernel/kern/init";
import { kmem_boot, kobj } from "../../kernel/kern/kmem";
import { EtfsQueue, etfs_queue_busy, etfs_queue_done, etfs_queue_get, etfs_queue_init, etfs_queue_submit } from "./etfs_queue";

const PAGES: i32 = 160;
const N: i32 = 600;
/** Sectors of a request. */
const EACH: u32 = 8;
const BUFS: usize = memory.data(600 * 80, 8);
/** What is under way: | cookie i32 | bytes i32 | */
const FLIGHT: usize = memory.data(64 * 8, 8);
/** Times that a request was sent. */
const SENT: usize = memory.data(600);

let flying: i32 = 0;
let submitted: i32 = 0;
let seed: u32 = 1;
let merged: i32 = 0;
let dev_at: usize = 0;
let queue_at: usize = 0;

class FakeDisk extends Blkdev {
  d_strategy(bp: Buf): void {
    etfs_queue_submit(changetype<EtfsQueue>(queue_at), bp);
  }
  d_detach(): i32 {
    return 0;
  }
}

function below(n: u32): u32 {
  seed = seed * 1103515245 + 12345;
  return (seed >> 8) % n;
}

function buf(i: i32): Buf {
  return changetype<Buf>(BUFS + <usize>i * BUF_SIZE);
}

function is_done(i: i32): bool {
  return (buf(i).b_flags & B_DONE) != 0;
}

/** Place of request `i` on the device: eight in a row lie side by side, in another order. */
function place(i: i32): u64 {
  return <u64>((i & ~7) + ((i * 3) & 7)) * EACH;
}

/** Request `i` goes out: may it? */
function check(i: i32): void {
  store<u8>(SENT + i, load<u8>(SENT + i) + 1);
  assert(!is_done(i), "spec: sent after it was done");
  const barrier = (buf(i).b_flags & B_BARRIER) != 0;
  for (let k = 0; k < i; k++) {
    if (barrier || (buf(k).b_flags & B_BARRIER) != 0) assert(is_done(k), "spec: it has passed a barrier, or is one that passed another");
  }
  for (let k = i + 1; k < submitted; k++) {
    if (barrier || (buf(k).b_flags & B_BARRIER) != 0) assert(load<u8>(SENT + k) == 0, "spec: a later one went first");
  }
}

/** The host: a transfer begins. */
export function mock_hyp_bio(handle: i32, op: i32, ptr: i32, len: i32, off: f64, cookie: i32): i32 {
  assert(flying < 64, "spec: too many at a time");
  if ((op & 0xff) == BIO_FLUSH) {
    // The first flush that is not done: they are barriers, so there is only one that it can be.
    let i = 0;
    while (buf(i).b_op != BIO_FLUSH || is_done(i)) i++;
    check(i);
  } else {
    const from = <u64>off / 512;
    for (let i = 0; i < submitted; i++) {
      if (buf(i).b_op != BIO_FLUSH && place(i) >= from && place(i) < from + (<u32>len >> 9)) check(i);
    }
    if (<u32>len > EACH << 9) merged++;
  }
  store<i32>(FLIGHT + (<usize>flying << 3), cookie);
  store<i32>(FLIGHT + (<usize>flying << 3), len, 4);
  flying++;
  return 0;
}

/** The host is done with one of what it has. */
function finish_one(failing: bool): void {
  const at = FLIGHT + (<usize>below(flying) << 3);
  const cookie = load<i32>(at);
  const len = load<i32>(at, 4);
  flying--;
  store<u64>(at, load<u64>(FLIGHT + (<usize>flying << 3)));
  etfs_queue_done(cookie, failing && below(5) == 0 ? -EIO : len);
}

function make(i: i32, each: u32): void {
  const r = below(each);
  const flags = r == 0 ? B_BARRIER : below(8) == 0 ? B_FUA : 0;
  if (r == 0 && below(2) == 0) bio_prepare(buf(i), BIO_FLUSH, B_BARRIER, 0, 0, 0, 0, 0);
  else bio_prepare(buf(i), below(3) == 0 ? BIO_READ : BIO_WRITE, flags, place(i), 65536, EACH << 9, 0, 0);
  if (r == 1) {
    // Is not sorted, but sent at once.
    bio_prepare(buf(i), BIO_DISCARD, 0, place(i), 0, 0, 0, 0);
    buf(i).b_nsect = EACH;
  }
}

/** N requests, one in `each` a barrier, in bursts; done in between as `seed` has it. */
function storm(from: u32, each: u32, failing: bool): void {
  seed = from;
  submitted = 0;
  memory.fill(BUFS, 0, N * BUF_SIZE);
  memory.fill(SENT, 0, N);
  while (submitted < N || flying > 0) {
    for (let burst = below(40); burst > 0 && submitted < N; burst--) {
      make(submitted, each);
      submitted++;
      bio_submit(changetype<Blkdev>(dev_at), buf(submitted - 1));
    }
    for (let n = below(12); n > 0 && flying > 0; n--) finish_one(failing);
  }
  for (let i = 0; i < N; i++) assert(is_done(i) && load<u8>(SENT + i) > 0, "spec: forgotten");
  assert(!etfs_queue_busy(changetype<EtfsQueue>(queue_at)), "spec: something is left");
}

function boot(): void {
  const page = memory.grow(PAGES);
  kmem_boot(<usize>page << 16, <usize>(page + PAGES) << 16);
  kern_boot_services();
  blkdev_init();
  etfs_queue_init();
  queue_at = changetype<usize>(etfs_queue_get(0));
  dev_at = changetype<usize>(kobj<FakeDisk>("fake"));
  changetype<FakeDisk>(dev_at).d_nsect = <u64>N * EACH;
}

beforeAll(() => {
  heap.free(heap.alloc(16));
  boot();
});

/** Submit a request of two sectors' places, and give its number. */
function put(op: i32, flags: i32): i32 {
  const i = submitted++;
  bio_prepare(buf(i), op, flags, op == BIO_FLUSH ? 0 : place(i), 65536, op == BIO_FLUSH ? 0 : EACH << 9, 0, 0);
  bio_submit(changetype<Blkdev>(dev_at), buf(i));
  return i;
}

describe("a barrier", () => {
  it("waits for all before it, goes alone, and holds up all behind it", () => {
    submitted = 0;
    memory.fill(BUFS, 0, N * BUF_SIZE);
    memory.fill(SENT, 0, N);
    put(BIO_WRITE, 0);
    put(BIO_READ, 0);
    put(BIO_WRITE, B_BARRIER);
    put(BIO_WRITE, 0);
    put(BIO_FLUSH, B_BARRIER);
    put(BIO_READ, 0);
    expect(flying).toBe(2, "the two before the first");
    finish_one(false);
    expect(flying).toBe(1);
    finish_one(false);
    expect(flying).toBe(1, "the barrier");
    expect(load<u8>(SENT + 2)).toBe(1);
    finish_one(false);
    expect(load<u8>(SENT + 3)).toBe(1);
    expect(load<u8>(SENT + 4)).toBe(0);
    finish_one(false);
    expect(load<u8>(SENT + 4)).toBe(1);
    expect(load<u8>(SENT + 5)).toBe(0);
    finish_one(false);
    expect(load<u8>(SENT + 5)).toBe(1);
    finish_one(false);
    expect(flying).toBe(0);
  });
  it("is never passed, in storms of requests of all kinds", () => {
    for (let s: u32 = 1; s <= 12; s++) storm(s, s <= 6 ? 6 : 40, false);
    expect(merged).toBeGreaterThan(100, "neighbours were merged");
  });
  it("nor when transfers fail, and what was merged is tried one by one", () => {
    for (let s: u32 = 100; s <= 112; s++) storm(s, s & 1 ? 6 : 40, true);
  });
});
