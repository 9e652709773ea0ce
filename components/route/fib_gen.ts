/**
 * The generation of routes: a number that changes whenever an answer of rtalloc4 may differ from before.
 *
 * Every cache of routes, a socket's or rtcache's, keeps the number beside what it remembers; to forget
 * all of them at once is one addition here.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";

@unmanaged
class GenState {
  gen: u32;
}

let gs: GenState = changetype<GenState>(0);

export function rt_gen_boot(): void {
  gs = changetype<GenState>(kmem_alloc(offsetof<GenState>(), 4, "route"));
  gs.gen = 1;
}

/** Routes changed: what was remembered is forgotten. */
export function rt_touch(): void {
  gs.gen++;
}

/** Changes whenever an answer may differ from before. */
export function rt_gen(): u32 {
  return gs.gen;
}
