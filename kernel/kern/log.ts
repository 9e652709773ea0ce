/**
 * The kernel's log: records with a level and a subsystem, put together without allocation.
 *
 *      log_begin(LOG_INFO, "arp"); log_str("who is "); log_ipv4(a); log_end();
 *
 * A record goes to the host (hyp_log), which prints, filters or keeps it, and into the message
 * buffer, a ring of the last KERN_MSGBUFSIZE bytes (sysctl kern.msgbuf), so that a panic can be read
 * with what led to it. Records above kern.loglevel cost one compare.
 */
import { LOG_INFO } from "../abi/rump";
import { KERN_MSGBUFSIZE } from "rump/tunables";
import { hyp_log } from "./hyper";
import { kmem_alloc } from "./kmem";
import { kput_bytes, kput_char, kput_hex, kput_i64, kput_str, kput_u32 } from "./kstring";

const RECORD_MAX: usize = 1024;

@unmanaged
class LogState {
  /** Records of a level above this are dropped. */
  loglevel: i32;
  /** Level of the record being written; -1 when it is one to drop. */
  level: i32;
  at: usize;
  end: usize;
  start: usize;
  msgbuf: usize;
  /** Bytes ever written to msgbuf; the place is this modulo its size. */
  msgbuf_pos: u64;
}

let lg: LogState = changetype<LogState>(0);

export function log_boot(): void {
  lg = changetype<LogState>(kmem_alloc(offsetof<LogState>(), 8, "log"));
  lg.start = kmem_alloc(RECORD_MAX, 16, "log");
  lg.end = lg.start + RECORD_MAX;
  lg.msgbuf = kmem_alloc(KERN_MSGBUFSIZE, 16, "msgbuf");
  lg.loglevel = LOG_INFO;
  lg.level = -1;
}

/** Address of the i32 behind sysctl kern.loglevel. */
export function log_level_ptr(): usize {
  return changetype<usize>(lg) + offsetof<LogState>("loglevel");
}

/** Would a record of `level` be kept? To skip the work of making one. */
export function log_enabled(level: i32): bool {
  return level <= lg.loglevel;
}

/** Begin a record of `level` from subsystem `tag`. Exactly one is open at a time. */
export function log_begin(level: i32, tag: string): void {
  lg.level = -1;
  if (level > lg.loglevel) return;
  lg.level = level;
  lg.at = kput_str(lg.start, lg.end, tag);
  lg.at = kput_str(lg.at, lg.end, ": ");
}

export function log_str(s: string): void {
  if (lg.level >= 0) lg.at = kput_str(lg.at, lg.end, s);
}

export function log_int(v: i64): void {
  if (lg.level >= 0) lg.at = kput_i64(lg.at, lg.end, v);
}

export function log_hex(v: u64, digits: i32): void {
  if (lg.level >= 0) lg.at = kput_hex(lg.at, lg.end, v, digits);
}

export function log_bytes(ptr: usize, len: i32): void {
  if (lg.level >= 0) lg.at = kput_bytes(lg.at, lg.end, ptr, len);
}

/** A NUL-terminated run of bytes. */
export function log_cstr(ptr: usize): void {
  if (lg.level < 0) return;
  for (let i: usize = 0; load<u8>(ptr + i) != 0; i++) lg.at = kput_char(lg.at, lg.end, load<u8>(ptr + i));
}

/** An IPv4 address as it stands in memory (network order, loaded little-endian). */
export function log_ipv4(addr: u32): void {
  if (lg.level < 0) return;
  for (let i = 0; i < 4; i++) {
    if (i > 0) lg.at = kput_char(lg.at, lg.end, 46);
    lg.at = kput_u32(lg.at, lg.end, (addr >> (i << 3)) & 255);
  }
}

/** Six bytes at `ptr` as an Ethernet address. */
export function log_ether(ptr: usize): void {
  if (lg.level < 0) return;
  for (let i: usize = 0; i < 6; i++) {
    if (i > 0) lg.at = kput_char(lg.at, lg.end, 58);
    lg.at = kput_hex(lg.at, lg.end, load<u8>(ptr + i), 2);
  }
}

/** The record is complete: to the host, and into the message buffer. */
export function log_end(): void {
  const level = lg.level;
  if (level < 0) return;
  lg.level = -1;
  const len = <i32>(lg.at - lg.start);
  hyp_log(level, lg.start, len);
  for (let i = 0; i < len; i++) msgbuf_putc(load<u8>(lg.start + i));
  msgbuf_putc(10);
}

function msgbuf_putc(c: u8): void {
  store<u8>(lg.msgbuf + <usize>(lg.msgbuf_pos++ % <u64>KERN_MSGBUFSIZE), c);
}

/** sysctl kern.msgbuf: the message buffer, oldest byte first; the bytes written to `buf`. */
export function log_msgbuf(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const have = lg.msgbuf_pos < <u64>KERN_MSGBUFSIZE ? <i32>lg.msgbuf_pos : KERN_MSGBUFSIZE;
  const n = min(have, len);
  for (let i = 0; i < n; i++) {
    const pos = lg.msgbuf_pos - <u64>n + <u64>i;
    store<u8>(buf + i, load<u8>(lg.msgbuf + <usize>(pos % <u64>KERN_MSGBUFSIZE)));
  }
  return n;
}

/** One line of console output as it is (no level, no tag): access logs and the like. */
export function log_line(level: i32, ptr: usize, len: i32): void {
  if (level <= lg.loglevel) hyp_log(level, ptr, len);
}
