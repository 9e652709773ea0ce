/**
 * For specs: a kernel with its net part booted over memory of its own.
 *
 * as-pect's heap begins at __heap_base, so the arena is taken from memory.grow. A spec file is one
 * instance: boot it once, at the top of the file.
 */
import { kern_boot_services } from "../kern/init";
import { kmem_alloc, kmem_boot } from "../kern/kmem";
import { pool_avail } from "../kern/pool";
import { mbst } from "./mbuf";
import { net_init } from "./net_init";

const SPEC_PAGES: i32 = 512;

/** Memory that specs write their data to. */
export let spec_buf: usize = 0;
export const SPEC_BUF_SIZE: usize = 1 << 20;

/** Boot kernel and net over 32 MiB. */
export function spec_net_boot(): void {
  // The allocator of as-pect takes all memory there is when it is first used: let it do so now.
  heap.free(heap.alloc(16));
  const base = <usize>memory.grow(SPEC_PAGES) << 16;
  kmem_boot(base, base + (<usize>SPEC_PAGES << 16));
  assert(kern_boot_services() == 0, "spec: kern_boot_services");
  assert(net_init() == 0, "spec: net_init");
  spec_buf = kmem_alloc(SPEC_BUF_SIZE, 64, "spec");
}

/** Mbufs, clusters and big clusters in use, in one number: equal before and after = nothing leaked. */
export function spec_mbufs_inuse(): i32 {
  return <i32>(mbst.mb_pool.pr_nout * 1000000 + mbst.mb_clpool.pr_nout * 1000 + mbst.mb_bigpool.pr_nout);
}

/** Mbufs that can still be had. */
export function spec_mbufs_left(): u32 {
  return pool_avail(mbst.mb_pool);
}

/** Fill `len` bytes at `at` with bytes that depend on their place in the stream, from `start`. */
export function spec_fill(at: usize, len: i32, start: i32): void {
  for (let i = 0; i < len; i++) store<u8>(at + i, spec_byte(start + i));
}

/** The byte at place `i` of spec_fill's stream. */
export function spec_byte(i: i32): u8 {
  return <u8>(i ^ (i >> 8) * 31 ^ (i >> 16) * 7);
}

/** Whether `len` bytes at `at` are those of spec_fill from `start`. */
export function spec_check(at: usize, len: i32, start: i32): bool {
  for (let i = 0; i < len; i++) {
    if (load<u8>(at + i) != spec_byte(start + i)) return false;
  }
  return true;
}
