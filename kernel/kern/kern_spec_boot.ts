/**
 * For the specs of this folder: a kernel over memory of its own, a clock to move, seeded numbers, and
 * a file that can be watched.
 *
 * as-pect's heap begins at __heap_base, so the arena is taken from memory.grow. A spec file is one
 * instance: it boots once, at its top. The host's monotonic clock stands at BOOT_US at that moment.
 */
import { EAGAIN, EINVAL } from "../abi/errno";
import { EVFILT_READ, EVFILT_WRITE } from "../abi/event";
import { callout_run } from "./callout";
import { clock_set } from "./clock";
import { rump_run } from "./exports";
import { DTYPE_MISC, FREAD, FWRITE, File, fd_alloc } from "./file";
import { kern_boot_services } from "./init";
import { kmem_alloc, kmem_boot } from "./kmem";
import { Knote, klist_insert, klist_remove, knote } from "./knote";
import { Pool, pool_getz, pool_init_obj, pool_put } from "./pool";
import { kparse_u64 } from "./kstring";

const PAGES: i32 = 128;
/** What the mocked host's monotonic clock says, µs. */
export const BOOT_US: i64 = 1000000;

/** `pages` of zeroed memory outside of the spec's own heap. */
export function spec_pages(pages: i32): usize {
  // The allocator of as-pect takes all memory there is when it is first used: let it do so now.
  heap.free(heap.alloc(16));
  const page = memory.grow(pages);
  assert(page > 0, "spec_pages: no memory");
  return <usize>page << 16;
}

/** Boot the kernel's own part over 8 MiB, with 64 KiB at spec_buf for the spec's data. */
export function spec_kern_boot(): void {
  const base = spec_pages(PAGES);
  kmem_boot(base, base + (<usize>PAGES << 16));
  assert(kern_boot_services() == 0, "spec: kern_boot_services");
  spec_files = pool_init_obj<SpecFile>("spec.files", 64);
  spec_buf = kmem_alloc(65536, 64, "spec");
}

export let spec_buf: usize = 0;

// ── time and chance ──────────────────────────────────────────────────────────────────────────────

/** Let the uptime be `us` and fire the callouts that are due. */
export function spec_callouts_at(us: i64): void {
  clock_set(BOOT_US + us);
  callout_run();
}

/** One rump_run at uptime `us`; the deadline as an uptime, or -1. */
export function spec_run_at(us: i64): i64 {
  const at = rump_run(<f64>(BOOT_US + us));
  return at < 0 ? -1 : <i64>at - BOOT_US;
}

let seed: u32 = 1;

export function spec_srand(to: u32): void {
  seed = to;
}

/** The next of a fixed sequence of 32-bit numbers (Marsaglia's xorshift). */
export function spec_rand(): u32 {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return seed;
}

export function spec_below(n: u32): u32 {
  return spec_rand() % n;
}

// ── a file to watch ──────────────────────────────────────────────────────────────────────────────

let spec_files: Pool = changetype<Pool>(0);

/** Bytes that are only counted: what is written can be read. Room for ROOM of them. */
export class SpecFile extends File {
  avail: i32;
  rlist: usize;
  wlist: usize;
  /** Filters attached and not detached. */
  attached: i32;
  static ROOM: i32 = 100;

  fo_read(buf: usize, len: i32): i32 {
    if (this.avail == 0) return -EAGAIN;
    const n = min(len, this.avail);
    memory.fill(buf, 0x52, n);
    this.avail -= n;
    knote(changetype<usize>(this) + offsetof<SpecFile>("wlist"), 0);
    return n;
  }
  fo_write(buf: usize, len: i32): i32 {
    const n = min(len, SpecFile.ROOM - this.avail);
    if (n == 0 && len > 0) return -EAGAIN;
    this.avail += n;
    knote(changetype<usize>(this) + offsetof<SpecFile>("rlist"), 0);
    return n;
  }
  fo_close(): i32 {
    assert(this.attached == 0, "SpecFile: closed with knotes");
    pool_put(spec_files, changetype<usize>(this));
    return 0;
  }
  fo_kqfilter(kn: Knote): i32 {
    const me = changetype<usize>(this);
    if (kn.kn_filter == EVFILT_READ) klist_insert(me + offsetof<SpecFile>("rlist"), kn);
    else if (kn.kn_filter == EVFILT_WRITE) klist_insert(me + offsetof<SpecFile>("wlist"), kn);
    else return -EINVAL;
    this.attached++;
    return 0;
  }
  fo_kqdetach(kn: Knote): void {
    klist_remove(kn);
    this.attached--;
  }
  fo_kqevent(kn: Knote, hint: i32): bool {
    kn.kn_data = kn.kn_filter == EVFILT_READ ? this.avail : SpecFile.ROOM - this.avail;
    return kn.kn_data > 0;
  }
}

/** A descriptor for a SpecFile, or -errno. */
export function spec_file(): i32 {
  const p = pool_getz(spec_files);
  assert(p != 0, "spec_file: no more");
  const fp = changetype<SpecFile>(p);
  fp.f_type = DTYPE_MISC;
  fp.f_flag = FREAD | FWRITE;
  const fd = fd_alloc(fp);
  if (fd < 0) pool_put(spec_files, p);
  return fd;
}

/** SpecFiles that are open. */
export function spec_files_open(): i32 {
  return spec_files.pr_nout;
}

/** The number behind `name` in the "name value" lines at `buf`, `len` bytes; -1 if it is not there. */
export function spec_stat(buf: usize, len: i32, name: string): i64 {
  const text = String.UTF8.decodeUnsafe(buf, len);
  const at = text.startsWith(name + " ") ? 0 : text.indexOf("\n" + name + " ") + 1;
  if (at == 0 && !text.startsWith(name + " ")) return -1;
  let end = at + name.length + 1;
  while (end < text.length && text.charCodeAt(end) != 10) end++;
  return kparse_u64(buf + at + name.length + 1, end - at - name.length - 1);
}
