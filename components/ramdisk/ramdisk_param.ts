/**
 * What can be said of RAM disks at boot:
 *
 *      RAMDISK_MEM=256M                                          memory for all of them together
 *      RAMDISK="rd0 size=64M level=1; rd1 size=1G dedup=scan"    disks that are there from the start
 *
 * The second is the words of "attach", one device after the other. One that cannot be made ends the
 * boot, because whoever asked for it counts on it.
 */
import { EINVAL } from "../../kernel/abi/errno";
import { LOG_ERR } from "../../kernel/abi/rump";
import { Args, ARGS_SIZE, arg_next, arg_number, args_init } from "../../kernel/dev/blkargs";
import { BlkDriver } from "../../kernel/dev/blkdev";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { log_begin, log_bytes, log_end, log_str } from "../../kernel/kern/log";
import { RAMDISK_PAGES } from "rump/tunables";
import { RD_PAGE_SHIFT } from "./rd_page";
import { getparam } from "../../kernel/kern/rumpuser";

const PARAM_MAX: i32 = 1024;
const MEM_PAGES_MAX: i64 = 1 << 19;
const SEMICOLON: u8 = 0x3b;

/** Attach the device that `n` bytes at `text` describe; unit or -errno. */
function attach_one(driver: BlkDriver, a: Args, text: usize, n: i32): i32 {
  args_init(a, text, n);
  if (!arg_next(a)) return 0;
  const e = driver.dr_owns(a.a_word, a.a_wordlen) ? driver.dr_attach(a.a_word, a.a_wordlen, a) : -EINVAL;
  if (e < 0) {
    log_begin(LOG_ERR, "ramdisk");
    log_str("cannot make ");
    log_bytes(text, n);
    log_end();
  }
  return e;
}

/** Boot: pages for the store, or -EINVAL. */
export function ramdisk_boot_pages(): i32 {
  const text = kmem_alloc(PARAM_MAX, 8, "ramdisk");
  const n = getparam("RAMDISK_MEM", text, PARAM_MAX);
  if (n < 0) return RAMDISK_PAGES;
  const a = changetype<Args>(kmem_alloc(ARGS_SIZE, 8, "ramdisk"));
  a.a_val = text;
  a.a_vallen = n;
  const bytes = arg_number(a);
  const pages = bytes >> RD_PAGE_SHIFT;
  if (pages > 0 && pages < MEM_PAGES_MAX) return <i32>pages;
  log_begin(LOG_ERR, "ramdisk");
  log_str("RAMDISK_MEM must be a size below 2G");
  log_end();
  return -EINVAL;
}

/** Boot: attach what the parameter names. 0 or -errno. */
export function ramdisk_boot_attach(driver: BlkDriver): i32 {
  const text = kmem_alloc(PARAM_MAX, 8, "ramdisk");
  const a = changetype<Args>(kmem_alloc(ARGS_SIZE, 8, "ramdisk"));
  const n = getparam("RAMDISK", text, PARAM_MAX);
  for (let at = 0; at < n;) {
    let to = at;
    while (to < n && load<u8>(text + to) != SEMICOLON) to++;
    const e = attach_one(driver, a, text + at, to - at);
    if (e < 0) return e;
    at = to + 1;
  }
  return 0;
}
