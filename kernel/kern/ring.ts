/**
 * Rings that the host shares with the image: Van Jacobson's channel (facts.md §7.4).
 *
 *      @0 head │ @64 tail │ @128 entries, entry size, wants │ @192 entry 0, entry 1, …
 *
 * One side produces, the other consumes; each owns one index, in a cache line of its own. Indexes
 * only grow (u32, wrapping) and are masked on use, so that no value the other side may write can
 * lead outside the ring: with a distance of more than `entries` it is empty for its consumer and full
 * for its producer.
 * Push and pop cost about 10 ns and no call across the boundary.
 */
import { RING_DATA, RING_ENTRIES, RING_ENTRYSIZE, RING_HEAD, RING_MAX, RING_TAIL } from "../abi/rump";
import { kmem_alloc } from "./kmem";

let rings: usize = 0;

export function ring_boot(): void {
  rings = kmem_alloc(<usize>RING_MAX << 2, 64, "ring");
}

/** Make a ring of `entries` (a power of two) of `size` bytes. Boot only. */
export function ring_create(entries: u32, size: u32, name: string): usize {
  assert(entries > 0 && (entries & (entries - 1)) == 0, "ring_create: power of two");
  const r = kmem_alloc(<usize>RING_DATA + <usize>entries * size, 64, name);
  store<u32>(r, entries, RING_ENTRIES);
  store<u32>(r, size, RING_ENTRYSIZE);
  return r;
}

/** Tell the host (rump_ring(id)) where ring or structure `id` is. */
export function ring_register(id: i32, ptr: usize): void {
  assert(id >= 0 && id < RING_MAX, "ring_register: id");
  assert(load<usize>(rings + (<usize>id << 2)) == 0, "ring_register: taken");
  store<usize>(rings + (<usize>id << 2), ptr);
}

export function ring_lookup(id: i32): usize {
  return id >= 0 && id < RING_MAX ? load<usize>(rings + (<usize>id << 2)) : 0;
}

/** Address of the oldest entry, to be read and then given back by ring_consume; 0 if there is none. */
export function ring_peek(r: usize): usize {
  const entries = load<u32>(r, RING_ENTRIES);
  const tail = load<u32>(r, RING_TAIL);
  const n = load<u32>(r, RING_HEAD) - tail;
  if (n == 0 || n > entries) return 0;
  return r + RING_DATA + <usize>(tail & (entries - 1)) * load<u32>(r, RING_ENTRYSIZE);
}

export function ring_consume(r: usize): void {
  store<u32>(r, load<u32>(r, RING_TAIL) + 1, RING_TAIL);
}

/** Address of the next free entry, to be filled and then handed over by ring_produce; 0 if full. */
export function ring_reserve(r: usize): usize {
  const entries = load<u32>(r, RING_ENTRIES);
  const head = load<u32>(r, RING_HEAD);
  if (head - load<u32>(r, RING_TAIL) >= entries) return 0;
  return r + RING_DATA + <usize>(head & (entries - 1)) * load<u32>(r, RING_ENTRYSIZE);
}

export function ring_produce(r: usize): void {
  store<u32>(r, load<u32>(r, RING_HEAD) + 1, RING_HEAD);
}

/** Entries waiting. */
export function ring_count(r: usize): u32 {
  const n = load<u32>(r, RING_HEAD) - load<u32>(r, RING_TAIL);
  return n > load<u32>(r, RING_ENTRIES) ? 0 : n;
}
