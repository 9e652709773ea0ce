/**
 * Directory entries: names in 64-byte lines, found by a keyed hash.
 *
 *       0     4      8      12     16     24       32     36    37                64
 *       | dir | node | next | prev | hash | cookie | more | len | name, 27 bytes  |
 *                                                     │      a longer name goes on in further lines:
 *                                                     └─► | more | 60 bytes |
 *
 * A hit reads one line of the hash and one line here, whatever the size of the directory. The entries
 * of a directory are also a list in the order of their making; each has a cookie that only grows, which
 * is the position that getdents works with, so that a listing goes on correctly however the directory
 * changes meanwhile: entries that stay are seen once, new ones come last. All lines come from one
 * pool, so short and long names share one limit (TMPFS_MAXDIRENTS) and neither can starve in private.
 * The hash is SipHash keyed at boot over (directory, name): no chosen names collide.
 */
import { TMPFS_MAXDIRENTS } from "rump/tunables";
import { NAME_MAX } from "../../kernel/abi/fcntl";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import {
  Linehash, linehash_create, linehash_first, linehash_insert, linehash_next, linehash_remove,
} from "../../kernel/kern/linehash";
import { Pool, pool_avail, pool_get, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { SIPHASH_KEYLEN, siphash13 } from "../../kernel/kern/siphash";

const LINE: u32 = 64;
/** Bytes of the name in the first line, where they begin, and bytes in each further line. */
const NAME0: i32 = 27;
const NAME_AT: usize = 37;
const NAMEN: i32 = 60;

/** The fixed part; the name follows at NAME_AT. */
@unmanaged
export class TmpfsDirent {
  /** Address of the directory's node, and of the node named. */
  de_dir: usize;
  de_node: usize;
  de_next: TmpfsDirent;
  de_prev: TmpfsDirent;
  de_hash: u64;
  de_cookie: u64;
  /** Next line of the name, 0 if it fits. */
  de_more: usize;
  de_namelen: u8;
}

/** A directory's part of its node: the list of its entries. */
@unmanaged
export class TmpfsDir {
  /** Address of the node of the directory above; of a mount's root, itself. */
  parent: usize;
  first: TmpfsDirent;
  last: TmpfsDirent;
  /** Where a listing under way will go on: spares it the walk from the start. */
  resume: TmpfsDirent;
  count: u32;
  /** Cookie of the next entry to be made. */
  cookie: u64;
}

@unmanaged
class DirentState {
  pool: Pool;
  names: Linehash;
  key: usize;
  /** A hash's message: directory u32, then the name. */
  msg: usize;
}

let dt: DirentState = changetype<DirentState>(0);

/** Boot. */
export function dirent_init(): void {
  assert(offsetof<TmpfsDirent>("de_namelen") == NAME_AT - 1, "dirent: layout");
  dt = changetype<DirentState>(kmem_alloc(offsetof<DirentState>(), 8, "tmpfs.names"));
  dt.pool = pool_init("tmpfs.dirent", LINE, TMPFS_MAXDIRENTS, 64);
  dt.names = linehash_create(TMPFS_MAXDIRENTS, "tmpfs.names");
  dt.key = kmem_alloc(SIPHASH_KEYLEN, 8, "tmpfs.names");
  dt.msg = kmem_alloc(4 + NAME_MAX + 1, 8, "tmpfs.names");
  cprng_strong(dt.key, SIPHASH_KEYLEN);
}

export function dirent_isnull(de: TmpfsDirent): bool {
  return changetype<usize>(de) == 0;
}

function name_hash(dir: usize, name: usize, len: i32): u64 {
  store<u32>(dt.msg, <u32>dir);
  memory.copy(dt.msg + 4, name, len);
  return siphash13(dt.key, dt.msg, len + 4);
}

// ── names over several lines ─────────────────────────────────────────────────────────────────────

/** Lines that a name of `len` bytes takes beyond the first. */
function name_lines(len: i32): i32 {
  return len <= NAME0 ? 0 : (len - NAME0 + NAMEN - 1) / NAMEN;
}

/** Make room for `len` bytes, whatever was there before; false, and nothing changed, without lines. */
function name_resize(de: TmpfsDirent, len: i32): bool {
  let want = name_lines(len);
  if (want > name_lines(de.de_namelen) + <i32>pool_avail(dt.pool)) return false;
  let link = changetype<usize>(de) + offsetof<TmpfsDirent>("de_more");
  for (; want > 0; want--) {
    let line = load<usize>(link);
    if (line == 0) {
      line = pool_get(dt.pool);
      assert(line != 0, "name_resize: counted before");
      store<usize>(line, 0);
      store<usize>(link, line);
    }
    link = line;
  }
  let rest = load<usize>(link);
  store<usize>(link, 0);
  while (rest != 0) {
    const next = load<usize>(rest);
    pool_put(dt.pool, rest);
    rest = next;
  }
  de.de_namelen = <u8>len;
  return true;
}

/** Write a name into the lines that name_resize made. */
function name_put(de: TmpfsDirent, name: usize): void {
  const len = <i32>de.de_namelen;
  let done = min(len, NAME0);
  memory.copy(changetype<usize>(de) + NAME_AT, name, done);
  for (let line = de.de_more; done < len; line = load<usize>(line)) {
    const n = min(len - done, NAMEN);
    memory.copy(line + 4, name + done, n);
    done += n;
  }
}

/** Copy the name of `de`, de_namelen bytes, to `buf`. */
export function dirent_name(de: TmpfsDirent, buf: usize): void {
  const len = <i32>de.de_namelen;
  let done = min(len, NAME0);
  memory.copy(buf, changetype<usize>(de) + NAME_AT, done);
  for (let line = de.de_more; done < len; line = load<usize>(line)) {
    const n = min(len - done, NAMEN);
    memory.copy(buf + done, line + 4, n);
    done += n;
  }
}

function name_equal(de: TmpfsDirent, name: usize, len: i32): bool {
  if (<i32>de.de_namelen != len) return false;
  let done = min(len, NAME0);
  if (memory.compare(changetype<usize>(de) + NAME_AT, name, done) != 0) return false;
  for (let line = de.de_more; done < len; line = load<usize>(line)) {
    const n = min(len - done, NAMEN);
    if (memory.compare(line + 4, name + done, n) != 0) return false;
    done += n;
  }
  return true;
}

// ── entries ──────────────────────────────────────────────────────────────────────────────────────

/** The entry `name` of the directory whose node is at `dir`; 0 if there is none. */
export function dirent_lookup(dir: usize, name: usize, len: i32): TmpfsDirent {
  assert(len > 0 && len <= NAME_MAX, "dirent_lookup: name");
  const hash = name_hash(dir, name, len);
  for (let i = linehash_first(dt.names, hash); i >= 0; i = linehash_next(dt.names)) {
    const de = changetype<TmpfsDirent>(pool_ptr(dt.pool, i));
    if (de.de_dir == dir && de.de_hash == hash && name_equal(de, name, len)) return de;
  }
  return changetype<TmpfsDirent>(0);
}

/** Put `de`, whose name is set, into directory `dir`, at the end. */
function dirent_insert(list: TmpfsDir, dir: usize, de: TmpfsDirent, name: usize): void {
  de.de_dir = dir;
  de.de_hash = name_hash(dir, name, de.de_namelen);
  de.de_cookie = list.cookie++;
  de.de_next = changetype<TmpfsDirent>(0);
  de.de_prev = list.last;
  if (dirent_isnull(list.last)) list.first = de;
  else list.last.de_next = de;
  list.last = de;
  list.count++;
  const fits = linehash_insert(dt.names, de.de_hash, pool_index(dt.pool, changetype<usize>(de)));
  assert(fits, "dirent: the hash holds as many as the pool");
}

/** Take `de` out of its directory; it keeps its name. */
function dirent_extract(list: TmpfsDir, de: TmpfsDirent): void {
  assert(list.count > 0, "dirent: count");
  linehash_remove(dt.names, de.de_hash, pool_index(dt.pool, changetype<usize>(de)));
  if (list.resume == de) list.resume = de.de_next;
  if (dirent_isnull(de.de_prev)) list.first = de.de_next;
  else de.de_prev.de_next = de.de_next;
  if (dirent_isnull(de.de_next)) list.last = de.de_prev;
  else de.de_next.de_prev = de.de_prev;
  list.count--;
}

/** Enter `name` for the node at `node` into `dir`, which has no such name. False without room. */
export function dirent_enter(list: TmpfsDir, dir: usize, name: usize, len: i32, node: usize): bool {
  const de = changetype<TmpfsDirent>(pool_get(dt.pool));
  if (dirent_isnull(de)) return false;
  de.de_more = 0;
  de.de_namelen = 0;
  if (!name_resize(de, len)) {
    pool_put(dt.pool, changetype<usize>(de));
    return false;
  }
  name_put(de, name);
  de.de_node = node;
  dirent_insert(list, dir, de, name);
  return true;
}

/** Remove `de` from the directory with entries `list`, and free it. */
export function dirent_remove(list: TmpfsDir, de: TmpfsDirent): void {
  dirent_extract(list, de);
  const fits = name_resize(de, 0);
  assert(fits, "dirent_remove: shrinking needs nothing");
  pool_put(dt.pool, changetype<usize>(de));
}

/** Move `de` from `list` to `dir` under a new name, which is free there. False without room. */
export function dirent_move(list: TmpfsDir, de: TmpfsDirent, to: TmpfsDir, dir: usize, name: usize, len: i32): bool {
  // Only the stored hash is needed to extract, so the name may be resized before.
  if (!name_resize(de, len)) return false;
  name_put(de, name);
  dirent_extract(list, de);
  dirent_insert(to, dir, de, name);
  return true;
}

/** The first entry of `list` at position `cookie` or after; 0 at the end. */
export function dirent_at(list: TmpfsDir, cookie: u64): TmpfsDirent {
  if (cookie >= list.cookie) return changetype<TmpfsDirent>(0);
  let de = list.resume;
  const resumes = !dirent_isnull(de) && de.de_cookie >= cookie;
  if (!resumes || !(dirent_isnull(de.de_prev) || de.de_prev.de_cookie < cookie)) de = list.first;
  while (!dirent_isnull(de) && de.de_cookie < cookie) de = de.de_next;
  return de;
}
