/**
 * What the kernel knows of itself: memory by name, pools, uptime, as sysctl functions.
 *
 * Tables are text, one line an object, fields separated by one space, so that any client can read
 * them without knowing a layout: `kern.pools` is "name size max inuse hiwat fail gets puts",
 * `kern.kmem` is "name bytes". A table that does not fit its buffer is -ERANGE, never cut.
 */
import { ERANGE } from "../abi/errno";
import { callout_npending } from "./callout";
import { getmicrotime, getmicrouptime } from "./clock";
import { fd_nfiles } from "./file";
import { kmem_nrecords, kmem_record, kmem_total, kmem_used } from "./kmem";
import { kput_char, kput_i64, kput_str, kput_u64 } from "./kstring";
import { pool_first } from "./pool";
import { sysctl_fn } from "./sysctl";

export function kstat_boot(): void {
  sysctl_fn("kern.pools", kstat_pools, 0);
  sysctl_fn("kern.kmem", kstat_kmem, 0);
  sysctl_fn("kern.stat", kstat_stat, 0);
}

function field(at: usize, end: usize, v: u64): usize {
  return kput_u64(kput_char(at, end, 32), end, v);
}

/** sysctl kern.pools. */
export function kstat_pools(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  let at = buf;
  for (let p = pool_first(); changetype<usize>(p) != 0; p = p.pr_next) {
    at = kput_str(at, end, p.pr_name);
    at = field(at, end, p.pr_size);
    at = field(at, end, p.pr_max);
    at = field(at, end, p.pr_nout);
    at = field(at, end, p.pr_hiwat);
    at = field(at, end, p.pr_fail);
    at = field(at, end, p.pr_nget);
    at = field(at, end, p.pr_nput);
    at = kput_char(at, end, 10);
  }
  return at == end ? -ERANGE : <i32>(at - buf);
}

/** sysctl kern.kmem: every carve of the arena. */
export function kstat_kmem(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  let at = buf;
  for (let i = 0; i < kmem_nrecords(); i++) {
    const r = kmem_record(i);
    at = kput_str(at, end, r.name);
    at = field(at, end, r.size);
    at = kput_char(at, end, 10);
  }
  return at == end ? -ERANGE : <i32>(at - buf);
}

function stat_line(at: usize, end: usize, name: string, v: i64): usize {
  at = kput_char(kput_str(at, end, name), end, 32);
  return kput_char(kput_i64(at, end, v), end, 10);
}

/** sysctl kern.stat: "name value" lines. */
export function kstat_stat(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  let at = stat_line(buf, end, "uptime_us", getmicrouptime());
  at = stat_line(at, end, "time_us", getmicrotime());
  at = stat_line(at, end, "kmem_used", kmem_used());
  at = stat_line(at, end, "kmem_total", kmem_total());
  at = stat_line(at, end, "files", fd_nfiles());
  at = stat_line(at, end, "callouts", callout_npending());
  return at == end ? -ERANGE : <i32>(at - buf);
}

/**
 * Counters as "name value" lines: `names` is the names separated by one space, `base` the address of
 * as many u64. Bytes written, or -ERANGE.
 */
export function kstat_table(buf: usize, len: i32, names: string, base: usize, count: i32): i32 {
  const end = buf + <usize>len;
  let at = buf;
  let pos = 0;
  for (let i = 0; i < count; i++) {
    for (; pos < names.length && names.charCodeAt(pos) != 32; pos++) at = kput_char(at, end, names.charCodeAt(pos));
    pos++;
    at = field(at, end, load<u64>(base + (<usize>i << 3)));
    at = kput_char(at, end, 10);
  }
  assert(pos > names.length, "kstat_table: names and counters differ");
  return at == end ? -ERANGE : <i32>(at - buf);
}
