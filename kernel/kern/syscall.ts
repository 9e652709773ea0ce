/**
 * The one dispatcher of system calls, for apps inside and for the host alike.
 *
 *      sysent[nr] = { function index, calls so far }
 *
 * The parts of the kernel register what they implement (sysent_set), so an image without net or vfs
 * answers ENOSYS for their calls. Because everything passes here, tracing is one hook: with
 * kern.trace = 1 each call and its result is a log record (ktrace, strace). Arguments are six i32;
 * pointers must lie in linear memory and are checked by the implementers (EFAULT). The result is
 * >= 0 or -errno. A call costs one indirect call, about 3 ns.
 */
import { ENOSYS } from "../abi/errno";
import { LOG_DEBUG } from "../abi/rump";
import { SYS_MAXSYSCALL } from "../abi/syscall";
import { kmem_alloc } from "./kmem";
import { log_begin, log_end, log_int, log_str } from "./log";

@unmanaged
class SyscallState {
  trace: i32;
  ncalls: u64;
}

let sc: SyscallState = changetype<SyscallState>(0);
let sysent: usize = 0;

export function syscall_boot(): void {
  sc = changetype<SyscallState>(kmem_alloc(offsetof<SyscallState>(), 8, "syscall"));
  sysent = kmem_alloc(<usize>SYS_MAXSYSCALL << 3, 64, "syscall");
}

/** Address of the i32 behind sysctl kern.trace. */
export function syscall_trace_ptr(): usize {
  return changetype<usize>(sc) + offsetof<SyscallState>("trace");
}

/** Register the implementation of call `nr`. Boot only. */
export function sysent_set(nr: i32, fn: (a0: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32) => i32): void {
  assert(nr > 0 && nr < SYS_MAXSYSCALL, "sysent_set: number");
  assert(load<i32>(sysent + (<usize>nr << 3)) == 0, "sysent_set: taken");
  store<i32>(sysent + (<usize>nr << 3), fn.index);
}

/** Make call `nr`; >= 0 or -errno. */
export function syscall(nr: i32, a0: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  if (<u32>nr >= <u32>SYS_MAXSYSCALL) return -ENOSYS;
  const ent = sysent + (<usize>nr << 3);
  const fn = load<i32>(ent);
  if (fn == 0) return -ENOSYS;
  store<u32>(ent, load<u32>(ent, 4) + 1, 4);
  const ret = call_indirect<i32>(fn, a0, a1, a2, a3, a4, a5);
  if (sc.trace != 0) syscall_trace(nr, a0, a1, a2, a3, ret);
  return ret;
}

function syscall_trace(nr: i32, a0: i32, a1: i32, a2: i32, a3: i32, ret: i32): void {
  log_begin(LOG_DEBUG, "syscall");
  log_int(nr);
  log_str("(");
  log_int(a0);
  log_str(", ");
  log_int(a1);
  log_str(", ");
  log_int(a2);
  log_str(", ");
  log_int(a3);
  log_str(") = ");
  log_int(ret);
  log_end();
}

/** Calls of number `nr` so far. */
export function syscall_count(nr: i32): u32 {
  return nr > 0 && nr < SYS_MAXSYSCALL ? load<u32>(sysent + (<usize>nr << 3), 4) : 0;
}
