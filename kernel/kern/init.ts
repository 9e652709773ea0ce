/**
 * Boot: the kernel's own parts first, then the phases that mkimage writes out for an image.
 *
 *      kern_boot → KERN → VFS → NET → NET_ROUTE → NET_IF → NET_IFCFG → DEV → POSTINIT → kern_boot_done
 *
 * The order is that of rump (facts.md §4.3). Calls are direct and generated (gen/IMAGE/image.ts);
 * there is no registry and no start function. An init function returns 0 or -errno; the first
 * failure ends the boot, and names the phase.
 */
import { EFAULT, EINVAL, EPROTONOSUPPORT } from "../abi/errno";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, CTLFLAG_RW, LOG_ERR, RUMPUSER_VERSION } from "../abi/rump";
import { SYS_clock_gettime, SYS_getparam } from "../abi/syscall";
import { callout_boot } from "./callout";
import { clock_boot, getmicrotime, getmicrouptime } from "./clock";
import { cprng_boot } from "./cprng";
import { fd_boot } from "./file";
import { hostbuf_boot } from "./exports";
import { hyp_init } from "./hyper";
import { intr_boot } from "./intr";
import { kmem_boot, kmem_seal } from "./kmem";
import { kqueue_boot } from "./kqueue";
import { kstat_boot } from "./kstat";
import { useracc } from "./kstring";
import { log_begin, log_boot, log_end, log_int, log_level_ptr, log_msgbuf, log_str } from "./log";
import { pool_boot } from "./pool";
import { ring_boot } from "./ring";
import { getparam_bytes, rumpuser_boot, rumpuser_clock } from "./rumpuser";
import { shutdown_boot } from "./shutdown";
import { start_boot } from "./start";
import { softint_boot } from "./softint";
import { syscall_boot, syscall_trace_ptr, sysent_set } from "./syscall";
import { sysctl_boot, sysctl_fn, sysctl_int } from "./sysctl";
import { sysctl_params } from "./sysctl_param";

/** First part of boot: memory to system calls. 0 or -errno. */
export function kern_boot(): i32 {
  kmem_boot(__heap_base, <usize>memory.size() << 16);
  return kern_boot_services();
}

/** The same over memory that is already there; specs bring their own. */
export function kern_boot_services(): i32 {
  if (hyp_init(RUMPUSER_VERSION) != 0) return -EPROTONOSUPPORT;
  pool_boot();
  const e = rumpuser_boot();
  if (e < 0) return e;
  clock_boot(rumpuser_clock(CLOCK_MONOTONIC), rumpuser_clock(CLOCK_REALTIME));
  log_boot();
  cprng_boot();
  softint_boot();
  callout_boot();
  ring_boot();
  intr_boot();
  syscall_boot();
  sysctl_boot();
  fd_boot();
  kqueue_boot();
  shutdown_boot();
  hostbuf_boot();
  kstat_boot();
  start_boot();
  sysent_set(SYS_clock_gettime, sys_clock_gettime);
  sysent_set(SYS_getparam, sys_getparam);
  sysctl_int("kern.loglevel", log_level_ptr(), CTLFLAG_RW, 0, 7);
  sysctl_int("kern.trace", syscall_trace_ptr(), CTLFLAG_RW, 0, 1);
  sysctl_fn("kern.msgbuf", log_msgbuf, 0);
  return 0;
}

/** Report an init function that failed with `e` (-errno); `e`. */
export function kern_boot_failed(what: string, e: i32): i32 {
  log_begin(LOG_ERR, "boot");
  log_str(what);
  log_str(" failed, errno ");
  log_int(-e);
  log_end();
  return e;
}

/** Last part: sysctls from parameters, and nothing can be carved any more. 0 or -errno. */
export function kern_boot_done(): i32 {
  const e = sysctl_params();
  if (e < 0) return e;
  kmem_seal();
  return 0;
}

/** Time of clock `which` as i64 µs at `out`. */
function sys_clock_gettime(which: i32, out: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  if (!useracc(out, 8)) return -EFAULT;
  if (which == CLOCK_REALTIME) store<i64>(out, getmicrotime());
  else if (which == CLOCK_MONOTONIC) store<i64>(out, getmicrouptime());
  else return -EINVAL;
  return 0;
}

function sys_getparam(name: i32, namelen: i32, buf: i32, len: i32, a4: i32, a5: i32): i32 {
  if (!useracc(name, namelen) || !useracc(buf, len)) return -EFAULT;
  return getparam_bytes(name, namelen, buf, len);
}
