/**
 * The arena: all memory that the kernel will ever have, carved once, at boot.
 *
 *      __heap_base                                                       memory.size
 *      | Arena | records (name, base, size) × KMEM_RECORDS | carved →   … free …   |
 *
 * Linear memory has its final size from the start (initialMemory == maximumMemory), so the views
 * that the host holds never detach. Components take their state and pools here while booting; then
 * the arena is sealed and a further carve is a panic. Memory that is carved but not written stays
 * untouched zero pages of the host. Every carve has a name: `netstat -m` and the size report add
 * them up. Cost after boot: none.
 */
import { panic } from "./panic";

@unmanaged
export class Arena {
  base: usize;
  brk: usize;
  limit: usize;
  sealed: i32;
  nrecords: i32;
}

@unmanaged
export class KmemRecord {
  name: string;
  base: usize;
  size: usize;
}

/** Most carves that an image can make. */
export const KMEM_RECORDS: i32 = 512;

let arena: Arena = changetype<Arena>(0);

/** Take [base, limit) as the arena. The memory must be zero. */
export function kmem_boot(base: usize, limit: usize): void {
  const at = (base + 63) & ~63;
  const records = <usize>KMEM_RECORDS * offsetof<KmemRecord>();
  if (at + 64 + records >= limit) panic("kmem: no memory to boot in; raise `pages` of the image");
  arena = changetype<Arena>(at);
  arena.base = at;
  arena.brk = (at + 64 + records + 63) & ~63;
  arena.limit = limit;
  arena.sealed = 0;
  arena.nrecords = 0;
}

/** Carve `size` zero bytes aligned to `align` (a power of two), accounted to `name`. Boot only. */
export function kmem_alloc(size: usize, align: usize, name: string): usize {
  assert(arena.sealed == 0, "kmem_alloc after boot");
  assert(align != 0 && (align & (align - 1)) == 0, "kmem_alloc: alignment");
  const p = (arena.brk + align - 1) & ~(align - 1);
  if (p < arena.brk || p + size < p || p + size > arena.limit) {
    panic("kmem: the arena is full; raise `pages` of the image or lower its tunables");
  }
  arena.brk = p + size;
  const n = arena.nrecords;
  assert(n < KMEM_RECORDS, "kmem_alloc: too many carves");
  const r = kmem_record(n);
  r.name = name;
  r.base = p;
  r.size = size;
  arena.nrecords = n + 1;
  return p;
}

/** A polymorphic object: room for T behind a header with its class id, so that virtual calls work. */
export function kobj<T>(name: string): T {
  const p = kmem_alloc(offsetof<T>() + 16, 16, name) + 16;
  store<u32>(p - 8, idof<T>());
  return changetype<T>(p);
}

/** End of boot: from here on nothing can be carved. */
export function kmem_seal(): void {
  arena.sealed = 1;
}

export function kmem_sealed(): bool {
  return arena.sealed != 0;
}

/** Number of carves, for accounting; each by kmem_record(i). */
export function kmem_nrecords(): i32 {
  return arena.nrecords;
}

export function kmem_record(i: i32): KmemRecord {
  return changetype<KmemRecord>(changetype<usize>(arena) + 64 + <usize>i * offsetof<KmemRecord>());
}

/** Bytes carved so far, and bytes there are. */
export function kmem_used(): usize {
  return arena.brk - arena.base;
}

export function kmem_total(): usize {
  return arena.limit - arena.base;
}
