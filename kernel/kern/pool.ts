/**
 * Pools of equal objects, carved at boot, with accounting by name.
 *
 *      base                 fresh                         base + max × size
 *      | used | free | used |  never touched yet …        |
 *                 └─ free list through the first word, last freed first
 *
 * An object comes from the free list, or else from the part never touched, so a large pool costs no
 * memory until it is used. When both are empty pool_get answers 0: the caller drops what it was
 * doing, and pr_fail counts it; that is ENOBUFS or ENOMEM, never a trap. Get and put are O(1).
 *
 * pool_init_obj makes pools of polymorphic objects: each has a 16-byte header with its class id at
 * p-8, as the compiler's virtual calls expect.
 */
import { kmem_alloc } from "./kmem";

@unmanaged
export class Pool {
  pr_name: string;
  pr_base: usize;
  pr_size: u32;
  pr_max: u32;
  pr_fresh: u32;
  pr_free: usize;
  /** Header bytes before the object: 0, or 16 with a class id. */
  pr_hdr: u32;
  pr_rtid: u32;
  pr_nout: u32;
  pr_hiwat: u32;
  pr_fail: u32;
  pr_nget: u64;
  pr_nput: u64;
  pr_next: Pool;
}

@unmanaged
class PoolHead {
  first: Pool;
  last: Pool;
}

let pools: PoolHead = changetype<PoolHead>(0);

/** Before any pool_init. */
export function pool_boot(): void {
  pools = changetype<PoolHead>(kmem_alloc(offsetof<PoolHead>(), 8, "pool"));
}

function pool_make(name: string, hdr: u32, rtid: u32, size: u32, n: u32, align: u32): Pool {
  assert(n > 0 && size > 0, "pool_init: empty");
  assert((<u64>size + hdr + align) * n <= 0xffffffff, "pool_init: more than linear memory");
  const p = changetype<Pool>(kmem_alloc(offsetof<Pool>(), 8, name));
  p.pr_name = name;
  p.pr_hdr = hdr;
  p.pr_rtid = rtid;
  // Room for the link of the free list.
  p.pr_size = (max<u32>(size, 4) + hdr + align - 1) & ~(align - 1);
  p.pr_max = n;
  p.pr_base = kmem_alloc(<usize>p.pr_size * n, align, name);
  if (pools.last) pools.last.pr_next = p;
  else pools.first = p;
  pools.last = p;
  return p;
}

/** A pool of `n` objects of `size` bytes. Boot only. */
export function pool_init(name: string, size: u32, n: u32, align: u32 = 16): Pool {
  return pool_make(name, 0, 0, size, n, align);
}

/** A pool of `n` objects of class T with virtual methods. Boot only. */
export function pool_init_obj<T>(name: string, n: u32): Pool {
  return pool_make(name, 16, idof<T>(), max<u32>(offsetof<T>(), 4), n, 16);
}

/** An object, its contents undefined; 0 when the pool is exhausted, which is counted. */
export function pool_get(p: Pool): usize {
  let at = p.pr_free;
  if (at != 0) {
    p.pr_free = load<usize>(at);
  } else {
    const fresh = p.pr_fresh;
    if (fresh >= p.pr_max) {
      p.pr_fail++;
      return 0;
    }
    p.pr_fresh = fresh + 1;
    at = p.pr_base + <usize>fresh * p.pr_size + p.pr_hdr;
    if (p.pr_hdr != 0) store<u32>(at - 8, p.pr_rtid);
  }
  p.pr_nget++;
  const out = p.pr_nout + 1;
  p.pr_nout = out;
  if (out > p.pr_hiwat) p.pr_hiwat = out;
  return at;
}

/** As pool_get, but zeroed. */
export function pool_getz(p: Pool): usize {
  const at = pool_get(p);
  if (at != 0) memory.fill(at, 0, p.pr_size - p.pr_hdr);
  return at;
}

/** Give `at` back. It must have come from this pool and not be given back twice. */
export function pool_put(p: Pool, at: usize): void {
  const off = at - p.pr_hdr - p.pr_base;
  assert(at >= p.pr_base && off < <usize>p.pr_size * p.pr_fresh, "pool_put: not from this pool");
  assert(off % p.pr_size == 0, "pool_put: not an object");
  assert(p.pr_nout > 0 && at != p.pr_free, "pool_put: given back already");
  store<usize>(at, p.pr_free);
  p.pr_free = at;
  p.pr_nout--;
  p.pr_nput++;
}

/** Index of an object within its pool, from 0; and back. For narrow references in tables. */
export function pool_index(p: Pool, at: usize): u32 {
  return <u32>((at - p.pr_hdr - p.pr_base) / p.pr_size);
}

export function pool_ptr(p: Pool, index: u32): usize {
  assert(index < p.pr_fresh, "pool_ptr: index");
  return p.pr_base + <usize>index * p.pr_size + p.pr_hdr;
}

/** How many more objects pool_get would give. */
export function pool_avail(p: Pool): u32 {
  return p.pr_max - p.pr_nout;
}

/** The first pool made; the others by pr_next. For statistics. */
export function pool_first(): Pool {
  return pools.first;
}
