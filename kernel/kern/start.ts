/**
 * The image as a WASI command: boot, then run and wait until the image has ended.
 *
 * For hosts that know WASI and nothing of us (`wasmtime image.wasm`, a C embedder): an image whose
 * components need no hypercalls beyond `rumpuser` runs to completion by itself. Waiting is
 * poll_oneoff on the monotonic clock until the deadline that rump_run gave. Under our own host this
 * is not used; the pump (host/pump.ts) drives rump_run.
 *
 *      subscription: @0 userdata │ @8 tag 0 = clock │ @16 clock id │ @24 timeout ns │ @32 precision │ @40 flags 1 = absolute
 */
import { CLOCK_MONOTONIC } from "../abi/rump";
import { rump_run } from "./exports";
import { kmem_alloc } from "./kmem";
import { rumpuser_clock } from "./rumpuser";
import { kern_exit_status, kern_exited, kern_shutdown } from "./shutdown";
import { poll_oneoff, proc_exit } from "./wasi.hyper";

/** subscription 48 bytes, event 32, count 4. */
let start_buf: usize = 0;

export function start_boot(): void {
  start_buf = kmem_alloc(96, 8, "start");
}

function wait_until(at_us: i64): bool {
  memory.fill(start_buf, 0, 96);
  store<u32>(start_buf, <u32>CLOCK_MONOTONIC, 16);
  store<u64>(start_buf, <u64>at_us * 1000, 24);
  store<u16>(start_buf, 1, 40);
  return poll_oneoff(start_buf, start_buf + 48, 1, start_buf + 80) == 0;
}

/** After rump_init returned `e`: run until nothing is left to do, then exit. Does not return. */
export function start_main(e: i32): void {
  if (e < 0) {
    proc_exit(-e & 0x7f);
    return;
  }
  while (!kern_exited()) {
    const now = rumpuser_clock(CLOCK_MONOTONIC);
    const at = <i64>rump_run(<f64>now);
    if (at < 0) kern_shutdown();
    else if (at > now && !wait_until(at)) break;
    if (at < 0 && !kern_exited()) break;
  }
  proc_exit(kern_exit_status());
}
