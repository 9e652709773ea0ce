/**
 * The cache of open files: descriptor, metadata, the head of the response ready to be sent, and for a
 * small file its octets right behind it.
 *
 *      hash[path] ─► FileEnt ── fe_buf ─► "HTTP/1.1 200 OK … Date: ◄29► … \r\n\r\n" [ octets ≤ INLINE_MAX ]
 *                      └ fe_fd             one send, nothing put together, nothing copied
 *
 * The key is the decoded path of the request. A file that changes is reported by the kqueue
 * (EVFILT_VNODE) before any request that came after the change; what that cannot see (a directory
 * above it renamed, a file system without the filter) is found by looking the path up again once a
 * second. An entry that is being sent is kept until the last one is done with it (fe_ref), hashed or
 * not. Entries not asked for in HTTPD_CACHE_US are closed; when there is no free entry, the first
 * one not used since the hand last passed goes (second chance).
 *
 * Look-up: one hash over the path, mostly one comparison. The hash is not keyed, since nothing but
 * existing files gets in.
 */
import { EACCES, EMFILE, ENFILE, ENOMEM } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { O_NONBLOCK, O_RDONLY } from "../../kernel/abi/fcntl";
import * as st from "../../kernel/abi/stat";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_str } from "../../kernel/kern/kstring";
import { pool_get, pool_put } from "../../kernel/kern/pool";
import { sys_close, sys_fstat, sys_open, sys_pread, sys_stat } from "../../kernel/kern/usyscall";
import { file_head_put } from "./httpd_head";
import { INLINE_MAX, PATH_ROOM, hd } from "./httpd_state";
import { httpd_watch } from "./httpd_sys";

/** Longest path that is cached; a longer one is opened anew each time. */
export const FILE_PATH_MAX: i32 = 256;
const HASH_SIZE: u32 = 512;

/** fe_flags. */
const FE_HASHED: i32 = 1;
/** Used since the hand last passed. */
const FE_USED: i32 = 2;
/** The octets are in fe_buf, behind the head. */
export const FE_INLINE: i32 = 4;

@unmanaged
export class FileEnt {
  fe_hnext: FileEnt;
  fe_next: FileEnt;
  fe_prev: FileEnt;
  fe_hash: u32;
  /** -1: not in use. */
  fe_fd: i32;
  fe_ref: i32;
  fe_flags: i32;
  fe_size: i64;
  fe_mtime: i64;
  fe_mtime_ns: i64;
  fe_ino: i64;
  fe_dev: i64;
  /** Second in which the path was last looked up, and in which the entry was last asked for. */
  fe_checked: i64;
  fe_used: i64;
  fe_pathlen: i32;
  fe_buf: usize;
  fe_headlen: i32;
  /** Places in the head: date, media type, entity tag, Last-Modified. */
  fe_dateoff: i32;
  fe_typeoff: i32;
  fe_typelen: i32;
  fe_etagoff: i32;
  fe_etaglen: i32;
  fe_lmoff: i32;
  /** Second that the date in the head names. */
  fe_date: i64;
}

@unmanaged
export class FileCache {
  fc_hash: usize;
  fc_first: FileEnt;
  fc_last: FileEnt;
  fc_count: i32;
}

let fc: FileCache = changetype<FileCache>(0);

export function file_cache_init(): void {
  fc = changetype<FileCache>(kmem_alloc(offsetof<FileCache>(), 8, "httpd"));
  fc.fc_hash = kmem_alloc(<usize>HASH_SIZE << 2, 64, "httpd");
}

/** Files open now. */
export function file_count(): i32 {
  return fc.fc_count;
}

function path_of(fe: FileEnt): usize {
  return changetype<usize>(fe) + offsetof<FileEnt>();
}

function path_hash(p: usize, n: i32): u32 {
  let h: u32 = 2166136261;
  for (let i = 0; i < n; i++) h = (h ^ load<u8>(p + i)) * 16777619;
  return h ^ (h >> 15);
}

function slot_of(hash: u32): usize {
  return fc.fc_hash + (<usize>(hash & (HASH_SIZE - 1)) << 2);
}

/** Take `fe` out of the hash: it is found no more. Closed if nobody sends it. */
export function file_forget(fe: FileEnt): void {
  if ((fe.fe_flags & FE_HASHED) != 0) {
    fe.fe_flags &= ~FE_HASHED;
    let at = slot_of(fe.fe_hash);
    while (load<usize>(at) != changetype<usize>(fe)) at = load<usize>(at) + offsetof<FileEnt>("fe_hnext");
    store<usize>(at, changetype<usize>(fe.fe_hnext));
  }
  if (fe.fe_ref == 0) file_close(fe);
}

function file_close(fe: FileEnt): void {
  assert(fe.fe_ref == 0 && fe.fe_fd >= 0, "file_close: state");
  if (fe.fe_prev) fe.fe_prev.fe_next = fe.fe_next;
  else fc.fc_first = fe.fe_next;
  if (fe.fe_next) fe.fe_next.fe_prev = fe.fe_prev;
  else fc.fc_last = fe.fe_prev;
  fc.fc_count--;
  sys_close(fe.fe_fd);
  fe.fe_fd = -1;
  pool_put((fe.fe_flags & FE_INLINE) != 0 ? hd.smalls : hd.heads, fe.fe_buf);
  pool_put(hd.files, changetype<usize>(fe));
}

/** Keep `fe` while something of it is being sent. */
export function file_ref(fe: FileEnt): void {
  fe.fe_ref++;
}

export function file_unref(fe: FileEnt): void {
  assert(fe.fe_ref > 0, "file_unref: count");
  if (--fe.fe_ref == 0 && (fe.fe_flags & FE_HASHED) == 0) file_close(fe);
}

/** The kqueue reports a change of the file behind descriptor `fd`. */
export function file_event(fe: FileEnt, fd: i32): void {
  if (fe.fe_fd != fd) return;
  hd.stat.stale++;
  file_forget(fe);
}

function file_insert(fe: FileEnt): void {
  fe.fe_next = changetype<FileEnt>(0);
  fe.fe_prev = fc.fc_last;
  if (fc.fc_last) fc.fc_last.fe_next = fe;
  else fc.fc_first = fe;
  fc.fc_last = fe;
  fc.fc_count++;
}

/** Close one entry that nobody needs; false if there is none. Two rounds of the hand at most. */
function file_evict(): bool {
  for (let left = 2 * fc.fc_count; left > 0; left--) {
    const fe = fc.fc_first;
    if (fe.fe_ref == 0 && (fe.fe_flags & FE_USED) == 0) {
      file_forget(fe);
      return true;
    }
    fe.fe_flags &= ~FE_USED;
    if (fe == fc.fc_last) continue;
    fc.fc_first = fe.fe_next;
    fc.fc_first.fe_prev = changetype<FileEnt>(0);
    fc.fc_count--;
    file_insert(fe);
  }
  return false;
}

/** Once a second: close what has not been asked for in a while; everything if `all`. */
export function file_sweep(all: bool): void {
  let fe = fc.fc_first;
  while (fe) {
    const next = fe.fe_next;
    if (all || (fe.fe_ref == 0 && fe.fe_used + hd.cache_s < hd.now_sec)) {
      if (fe.fe_ref == 0 || (fe.fe_flags & FE_HASHED) != 0) file_forget(fe);
    }
    fe = next;
  }
}

/** Does what is at `sb` (struct stat) describe the file as `fe` has it? */
function same_file(fe: FileEnt, sb: usize): bool {
  return load<i64>(sb, st.STAT_INO) == fe.fe_ino && load<i64>(sb, st.STAT_DEV) == fe.fe_dev &&
    load<i64>(sb, st.STAT_SIZE) == fe.fe_size && load<i64>(sb, st.STAT_MTIM) == fe.fe_mtime &&
    load<i64>(sb, st.STAT_MTIM + 8) == fe.fe_mtime_ns;
}

/**
 * The entry for the decoded path of `n` octets at `p`: its address, good until the turn ends (or
 * longer with file_ref), or minus a status: 301 (a directory, asked for without its slash), 403, 404,
 * 503.
 */
export function file_lookup(p: usize, n: i32): i32 {
  const h = path_hash(p, n);
  let fe = changetype<FileEnt>(load<usize>(slot_of(h)));
  while (fe && !(fe.fe_hash == h && fe.fe_pathlen == n && memory.compare(path_of(fe), p, n) == 0)) fe = fe.fe_hnext;
  if (fe) {
    if (fe.fe_checked == hd.now_sec || file_check(fe, p, n)) {
      fe.fe_flags |= FE_USED;
      fe.fe_used = hd.now_sec;
      hd.stat.hits++;
      return <i32>changetype<usize>(fe);
    }
    hd.stat.stale++;
    file_forget(fe);
  }
  hd.stat.misses++;
  return file_open(p, n, h);
}

/** Put together root, path and perhaps the name of the index: the length at hd.fpath. */
function full_path(p: usize, n: i32): i32 {
  assert(n > 0 && n <= PATH_ROOM, "full_path: length");
  let at = hd.fpath + <usize>hd.rootlen;
  memory.copy(at, p, n);
  at += n;
  if (load<u8>(at - 1) == 47) at = kput_str(at, hd.fpath + 2 * PATH_ROOM, "index.html");
  return <i32>(at - hd.fpath);
}

/** Is the file at the path still the one that is open? */
function file_check(fe: FileEnt, p: usize, n: i32): bool {
  if (sys_stat(hd.fpath, full_path(p, n), hd.statbuf) < 0 || !same_file(fe, hd.statbuf)) return false;
  fe.fe_checked = hd.now_sec;
  return true;
}

/** sys_open, making room once if descriptors or memory are short. */
function open_retry(len: i32): i32 {
  const fd = sys_open(hd.fpath, len, O_RDONLY | O_NONBLOCK, 0);
  if (fd != -EMFILE && fd != -ENFILE && fd != -ENOMEM) return fd;
  return file_evict() ? sys_open(hd.fpath, len, O_RDONLY | O_NONBLOCK, 0) : fd;
}

/** Why there is no file at the path of `n` octets, as a status: `e` is what open answered. */
function open_status(e: i32, n: i32, slash: bool): i32 {
  if (e == -EACCES) return -403;
  if (e == -EMFILE || e == -ENFILE || e == -ENOMEM) return -503;
  if (!slash) return -404;
  // A directory without an index is not listed.
  const found = sys_stat(hd.fpath, hd.rootlen + n, hd.statbuf) >= 0;
  return found && (load<i32>(hd.statbuf, st.STAT_MODE) & st.S_IFMT) == st.S_IFDIR ? -403 : -404;
}

function file_open(p: usize, n: i32, h: u32): i32 {
  const slash = load<u8>(p + n - 1) == 47;
  const fd = open_retry(full_path(p, n));
  if (fd < 0) return open_status(fd, n, slash);
  const status = open_check(fd, slash);
  if (status < 0) {
    sys_close(fd);
    return status;
  }
  const fe = file_make(fd, p, n);
  if (changetype<usize>(fe) == 0) return -503;
  if (n <= FILE_PATH_MAX) file_enter(fe, p, n, h);
  return <i32>changetype<usize>(fe);
}

/** What was opened may be sent? 0 or minus a status; struct stat is then at hd.statbuf. */
function open_check(fd: i32, slash: bool): i32 {
  if (sys_fstat(fd, hd.statbuf) < 0) return -404;
  const mode = load<i32>(hd.statbuf, st.STAT_MODE);
  const type = mode & st.S_IFMT;
  if (type == st.S_IFDIR) return slash ? -403 : -301;
  if (type != st.S_IFREG) return -403;
  return (mode & (st.S_IRUSR | st.S_IRGRP | st.S_IROTH)) != 0 ? 0 : -403;
}

/** Objects for a new entry, making room once; 0 if there are none. Which buffer is in fe_flags. */
function file_alloc(small: bool): FileEnt {
  let p = pool_get(hd.files);
  if (p == 0 && file_evict()) p = pool_get(hd.files);
  if (p == 0) return changetype<FileEnt>(0);
  memory.fill(p, 0, offsetof<FileEnt>());
  const fe = changetype<FileEnt>(p);
  fe.fe_buf = pool_get(small ? hd.smalls : hd.heads);
  // As many buffers of either kind as entries: there is one.
  assert(fe.fe_buf != 0, "file_alloc: buffers");
  fe.fe_flags = small ? FE_INLINE : 0;
  return fe;
}

/** An entry for open file `fd`, whose struct stat is at hd.statbuf; 0, and `fd` closed, if there is no room. */
function file_make(fd: i32, p: usize, n: i32): FileEnt {
  const sb = hd.statbuf;
  const size = load<i64>(sb, st.STAT_SIZE);
  const fe = file_alloc(size <= <i64>INLINE_MAX);
  if (changetype<usize>(fe) == 0) {
    sys_close(fd);
    return fe;
  }
  fe.fe_fd = fd;
  fe.fe_size = size;
  fe.fe_mtime = load<i64>(sb, st.STAT_MTIM);
  fe.fe_mtime_ns = load<i64>(sb, st.STAT_MTIM + 8);
  fe.fe_ino = load<i64>(sb, st.STAT_INO);
  fe.fe_dev = load<i64>(sb, st.STAT_DEV);
  fe.fe_checked = fe.fe_used = hd.now_sec;
  file_insert(fe);
  file_head_put(fe, hd.fpath, full_path(p, n));
  if ((fe.fe_flags & FE_INLINE) != 0 && sys_pread(fd, fe.fe_buf + fe.fe_headlen, <i32>size, 0) != <i32>size) {
    file_close(fe);
    return changetype<FileEnt>(0);
  }
  return fe;
}

/** Make `fe` known under the path of `n` octets at `p`, and be told when the file changes. */
function file_enter(fe: FileEnt, p: usize, n: i32, h: u32): void {
  const notes = ev.NOTE_WRITE | ev.NOTE_EXTEND | ev.NOTE_DELETE | ev.NOTE_RENAME | ev.NOTE_ATTRIB;
  httpd_watch(fe.fe_fd, ev.EVFILT_VNODE, ev.EV_ADD | ev.EV_CLEAR, notes, 0, changetype<usize>(fe));
  fe.fe_hash = h;
  fe.fe_pathlen = n;
  memory.copy(path_of(fe), p, n);
  fe.fe_hnext = changetype<FileEnt>(load<usize>(slot_of(h)));
  store<usize>(slot_of(h), changetype<usize>(fe));
  fe.fe_flags |= FE_HASHED | FE_USED;
}
