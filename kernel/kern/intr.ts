/**
 * Interrupts from the host: a number in, a soft interrupt marked.
 *
 * rump_intr(source) does nothing but this, so it may be called at any moment between two calls into
 * the image, as often as the host likes. A source that nobody has established is ignored and counted.
 */
import { INTR_MAX } from "../abi/rump";
import { kmem_alloc } from "./kmem";
import { softint_establish, softint_schedule } from "./softint";

@unmanaged
class IntrState {
  stray: u32;
}

let intr: IntrState = changetype<IntrState>(0);
/** INTR_MAX words: softint handle + 1, or 0. */
let handlers: usize = 0;

export function intr_boot(): void {
  intr = changetype<IntrState>(kmem_alloc(offsetof<IntrState>(), 8, "intr"));
  handlers = kmem_alloc(<usize>INTR_MAX << 2, 64, "intr");
}

/** Call `fn(arg)` in soft interrupt context when the host signals `source`. Boot only. */
export function intr_establish(source: i32, fn: (arg: usize) => void, arg: usize): void {
  assert(source >= 0 && source < INTR_MAX, "intr_establish: source");
  const slot = handlers + (<usize>source << 2);
  assert(load<i32>(slot) == 0, "intr_establish: taken");
  store<i32>(slot, softint_establish(fn, arg) + 1);
}

/** The host signals `source`. */
export function intr_signal(source: i32): void {
  const h = source >= 0 && source < INTR_MAX ? load<i32>(handlers + (<usize>source << 2)) : 0;
  if (h != 0) softint_schedule(h - 1);
  else intr.stray++;
}
