/**
 * What the RAM disk says of itself: per device ("stat rd0"), and of the store that all share.
 *
 *      stat NAME     a line each: size, level, dedup, mm_stat's and io_stat's fields of zram …
 *      mm_stat       the store: what is really used, sharing counted
 *      ksm           pages_shared, pages_sharing, pages_unshared, pages_volatile, full_scans
 *      compact       compact now; pages given back
 *      memlimit size=N   most memory that all may use together (0: all there is)
 *      reset_max     begin the high-water mark anew
 *
 * Per device, compr_data_size and mem_used_total count each block as if it were not shared: with sharing
 * there is no telling whose the one copy is. The store's figures are true: mem_used_total is pages in
 * use, maps and entries included.
 */
import { EINVAL, ENOSPC, EOPNOTSUPP } from "../../kernel/abi/errno";
import { DEV_BSHIFT } from "../../kernel/abi/disk";
import { Args, arg_is, arg_key, arg_next, arg_number } from "../../kernel/dev/blkargs";
import { kput_char, kput_str, kput_u64 } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { RamDisk } from "./ramdisk";
import { rd_compact_all, rd_pages_compacted } from "./rd_compact";
import { ksm_pages_shared, ksm_pages_sharing, ksm_pages_unshared, ksm_pages_volatile, rd_entries, rd_entries_bytes, rd_entries_raw } from "./rd_entry";
import { rd_page_hiwat, rd_page_limit, rd_page_reset_hiwat, rd_page_set_limit, rd_page_total, rd_page_used, RD_PAGE_SHIFT } from "./rd_page";
import { ksm_full_scans } from "./rd_scan";
import { RD_DEDUP_OFF, RD_DEDUP_SCAN, rdv_mem_used } from "./rd_store";

function line(at: usize, end: usize, name: string, v: u64): usize {
  at = kput_char(kput_str(at, end, name), end, 32);
  return kput_char(kput_u64(at, end, v), end, 10);
}

/** All numbers of a device. */
export function ramdisk_put_stat(dev: RamDisk, at: usize, end: usize): usize {
  const v = dev.rd_vol;
  at = line(at, end, "size", dev.d_nsect << DEV_BSHIFT);
  at = line(at, end, "level", v.v_level);
  at = kput_str(kput_str(at, end, "dedup "), end, v.v_dedup == RD_DEDUP_OFF ? "off\n" : v.v_dedup == RD_DEDUP_SCAN ? "scan\n" : "write\n");
  at = line(at, end, "orig_data_size", <u64>v.m_used << RD_PAGE_SHIFT);
  at = line(at, end, "compr_data_size", v.v_bytes);
  at = line(at, end, "mem_used_total", rdv_mem_used(v));
  at = line(at, end, "mem_limit", v.v_limit);
  at = line(at, end, "mem_used_max", v.v_mem_max);
  at = line(at, end, "same_pages", v.v_same);
  at = line(at, end, "pages_compacted", rd_pages_compacted());
  at = line(at, end, "huge_pages", v.v_huge);
  at = line(at, end, "huge_pages_since", v.v_huge_since);
  at = line(at, end, "failed_reads", v.v_failed_reads);
  at = line(at, end, "failed_writes", v.v_failed_writes);
  at = line(at, end, "invalid_io", dev.d_invalid);
  at = line(at, end, "notify_free", dev.rd_notify_free);
  at = line(at, end, "reads", dev.rd_reads);
  at = line(at, end, "writes", dev.rd_writes);
  at = line(at, end, "bytes_read", dev.rd_bytes_read);
  at = line(at, end, "bytes_written", dev.rd_bytes_written);
  at = line(at, end, "dedup_writes", v.v_dedup_writes);
  at = line(at, end, "dedup_scans", v.v_dedup_scans);
  at = line(at, end, "cow", v.v_cow);
  return line(at, end, "changes", dev.rd_changes);
}

/** The store's figures; orig_data_size is that of distinct blocks. */
function put_store(at: usize, end: usize): usize {
  at = line(at, end, "orig_data_size", <u64>rd_entries() << RD_PAGE_SHIFT);
  at = line(at, end, "compr_data_size", rd_entries_bytes());
  at = line(at, end, "mem_used_total", <u64>rd_page_used() << RD_PAGE_SHIFT);
  at = line(at, end, "mem_limit", <u64>rd_page_limit() << RD_PAGE_SHIFT);
  at = line(at, end, "mem_used_max", <u64>rd_page_hiwat() << RD_PAGE_SHIFT);
  at = line(at, end, "mem_total", <u64>rd_page_total() << RD_PAGE_SHIFT);
  at = line(at, end, "pages_compacted", rd_pages_compacted());
  return line(at, end, "raw_pages", rd_entries_raw());
}

function put_ksm(at: usize, end: usize): usize {
  at = line(at, end, "pages_shared", ksm_pages_shared());
  at = line(at, end, "pages_sharing", ksm_pages_sharing());
  at = line(at, end, "pages_unshared", ksm_pages_unshared());
  at = line(at, end, "pages_volatile", ksm_pages_volatile());
  return line(at, end, "full_scans", ksm_full_scans());
}

/** A table's length, unless it was cut. */
function whole(from: usize, at: usize, end: usize): i32 {
  return at == end ? -ENOSPC : <i32>(at - from);
}

function sysctl_mm_stat(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  return whole(buf, put_store(buf, end), end);
}

function sysctl_ksm(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  return whole(buf, put_ksm(buf, end), end);
}

/** Boot. */
export function ramdisk_stat_init(): void {
  sysctl_fn("ramdisk.mm_stat", sysctl_mm_stat, 0);
  sysctl_fn("ramdisk.ksm", sysctl_ksm, 0);
}

/** A command for the driver as a whole; see the file comment. Bytes of the answer or -errno. */
export function ramdisk_command(args: Args, at: usize, end: usize): i32 {
  if (!arg_next(args)) return -EOPNOTSUPP;
  if (arg_is(args, "mm_stat")) return whole(at, put_store(at, end), end);
  if (arg_is(args, "ksm")) return whole(at, put_ksm(at, end), end);
  if (arg_is(args, "compact")) return whole(at, line(at, end, "pages", rd_compact_all()), end);
  if (arg_is(args, "reset_max")) {
    rd_page_reset_hiwat();
    return 0;
  }
  if (!arg_is(args, "memlimit")) return -EOPNOTSUPP;
  if (!arg_next(args) || !arg_key(args, "size")) return -EINVAL;
  const n = arg_number(args);
  if (n < 0) return -EINVAL;
  rd_page_set_limit(<u32>min<i64>(n >> RD_PAGE_SHIFT, rd_page_total()));
  return 0;
}
