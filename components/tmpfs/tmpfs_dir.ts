/**
 * Changes of the tree of a tmpfs: make, link, remove, rename, list.
 *
 * Each operation takes what it may lack (node, lines of a name) before it changes anything, so one
 * that fails has changed nothing. Link counts are POSIX's: a directory has 2 and one for each directory
 * in it. vfs has checked types and that names are there or free; what only the tree knows is checked
 * here: not empty, too many links, a directory into itself.
 */
import { EINVAL, EMLINK, ENOENT, ENOSPC, ENOTEMPTY } from "../../kernel/abi/errno";
import * as d from "../../kernel/abi/dirent";
import { VDIR, VLNK, VREG, vrele } from "../../kernel/vfs/vnode";
import {
  TmpfsDirent, dirent_at, dirent_enter, dirent_isnull, dirent_lookup, dirent_move, dirent_name, dirent_remove,
} from "./tmpfs_dirent";
import { tmpfs_setlink } from "./tmpfs_file";
import { tmpfs_node_alloc } from "./tmpfs_mount";
import { TmpfsNode } from "./tmpfs_node";

/** Most names of a file, and subdirectories of a directory plus 2. */
export const TMPFS_LINK_MAX: u32 = 32767;

function isnull(np: TmpfsNode): bool {
  return changetype<usize>(np) == 0;
}

function addr(np: TmpfsNode): usize {
  return changetype<usize>(np);
}

/** The entry `name` of `dp`, known to name `np`. */
function entry_of(dp: TmpfsNode, name: usize, len: i32, np: TmpfsNode): TmpfsDirent {
  const de = dirent_lookup(addr(dp), name, len);
  assert(!dirent_isnull(de) && de.de_node == addr(np), "tmpfs: vfs and the directory disagree");
  return de;
}

/** A new node entered in `dp`: its address, referenced; -ENOSPC. */
function make(dp: TmpfsNode, name: usize, len: i32, type: i32, mode: i32): i32 {
  const np = tmpfs_node_alloc(dp.v_mount, type, mode);
  if (isnull(np)) return -ENOSPC;
  if (!dirent_enter(dp.dir(), addr(dp), name, len, addr(np))) {
    vrele(np);
    return -ENOSPC;
  }
  np.n_nlink = 1;
  dp.modified();
  return <i32>addr(np);
}

export function tmpfs_create(dp: TmpfsNode, name: usize, len: i32, mode: i32): i32 {
  return make(dp, name, len, VREG, mode);
}

export function tmpfs_mkdir(dp: TmpfsNode, name: usize, len: i32, mode: i32): i32 {
  if (dp.n_nlink >= TMPFS_LINK_MAX) return -EMLINK;
  const r = make(dp, name, len, VDIR, mode);
  if (r < 0) return r;
  const np = changetype<TmpfsNode>(<usize>r);
  np.dir().parent = addr(dp);
  np.n_nlink = 2;
  dp.n_nlink++;
  return r;
}

export function tmpfs_symlink(dp: TmpfsNode, name: usize, len: i32, target: usize, tlen: i32): i32 {
  const np = tmpfs_node_alloc(dp.v_mount, VLNK, 0o777);
  if (isnull(np)) return -ENOSPC;
  if (!tmpfs_setlink(np, target, tlen) || !dirent_enter(dp.dir(), addr(dp), name, len, addr(np))) {
    vrele(np);
    return -ENOSPC;
  }
  np.n_nlink = 1;
  dp.modified();
  return <i32>addr(np);
}

export function tmpfs_link(dp: TmpfsNode, name: usize, len: i32, np: TmpfsNode): i32 {
  assert(np.v_type != VDIR, "tmpfs_link: directory");
  // A file that is open but has no name any more must not come back.
  if (np.n_nlink == 0) return -ENOENT;
  if (np.n_nlink >= TMPFS_LINK_MAX) return -EMLINK;
  if (!dirent_enter(dp.dir(), addr(dp), name, len, addr(np))) return -ENOSPC;
  np.n_nlink++;
  np.changed();
  dp.modified();
  return 0;
}

/** `np` has one name fewer; the caller's reference keeps it until it lets go. */
function unlinked(np: TmpfsNode): void {
  assert(np.n_nlink > 0 && np.v_usecount > 0, "tmpfs: unlinked");
  np.n_nlink--;
  np.changed();
}

export function tmpfs_remove(dp: TmpfsNode, name: usize, len: i32, np: TmpfsNode): i32 {
  assert(np.v_type != VDIR, "tmpfs_remove: directory");
  dirent_remove(dp.dir(), entry_of(dp, name, len, np));
  unlinked(np);
  dp.modified();
  return 0;
}

/** Directory `np` in `dp` has lost its entry: it is gone but for open descriptors. */
function rmdir_finish(dp: TmpfsNode, np: TmpfsNode): void {
  assert(np.n_nlink == 2 && np.dir().count == 0, "tmpfs: removed directory has links");
  unlinked(np);
  unlinked(np);
  dp.n_nlink--;
}

export function tmpfs_rmdir(dp: TmpfsNode, name: usize, len: i32, np: TmpfsNode): i32 {
  if (np.dir().count != 0) return -ENOTEMPTY;
  dirent_remove(dp.dir(), entry_of(dp, name, len, np));
  rmdir_finish(dp, np);
  dp.modified();
  return 0;
}

/** Is `dp`, or a directory above it, `np`? */
function is_within(dp: TmpfsNode, np: TmpfsNode): bool {
  while (true) {
    if (dp == np) return true;
    const parent = changetype<TmpfsNode>(dp.dir().parent);
    if (parent == dp) return false;
    dp = parent;
  }
}

/** Move `name` (np) of `dp` to `tname` of `tdp`, over `tnp` if there is one. */
export function tmpfs_rename(
  dp: TmpfsNode, name: usize, len: i32, np: TmpfsNode, tdp: TmpfsNode, tname: usize, tlen: i32, tnp: TmpfsNode,
): i32 {
  const isdir = np.v_type == VDIR;
  if (isdir && dp != tdp && is_within(tdp, np)) return -EINVAL;
  const de = entry_of(dp, name, len, np);
  if (isnull(tnp)) {
    if (isdir && dp != tdp && tdp.n_nlink >= TMPFS_LINK_MAX) return -EMLINK;
    if (!dirent_move(dp.dir(), de, tdp.dir(), addr(tdp), tname, tlen)) return -ENOSPC;
  } else {
    assert(isdir == (tnp.v_type == VDIR) && np != tnp, "tmpfs_rename: types");
    if (isdir && tnp.dir().count != 0) return -ENOTEMPTY;
    entry_of(tdp, tname, tlen, tnp).de_node = addr(np);
    dirent_remove(dp.dir(), de);
    if (isdir) rmdir_finish(tdp, tnp);
    else unlinked(tnp);
  }
  if (isdir && dp != tdp) {
    np.dir().parent = addr(tdp);
    dp.n_nlink--;
    tdp.n_nlink++;
  }
  np.changed();
  dp.modified();
  if (tdp != dp) tdp.modified();
  return 0;
}

/** One struct dirent at `at`; `de` 0 stands for "." or "..", `special` dots. The bytes, 0 if it does not fit. */
function put_dirent(at: usize, room: i32, np: TmpfsNode, de: TmpfsDirent, dots: i32): i32 {
  const namelen = dirent_isnull(de) ? dots : <i32>de.de_namelen;
  const reclen = (d.DIRENT_NAME + namelen + 1 + 7) & ~7;
  if (reclen > room) return 0;
  store<u64>(at, np.n_ino, d.DIRENT_FILENO);
  store<u16>(at, <u16>reclen, d.DIRENT_RECLEN);
  store<u16>(at, <u16>namelen, d.DIRENT_NAMLEN);
  store<u8>(at, <u8>np.v_type, d.DIRENT_TYPE);
  if (dirent_isnull(de)) memory.fill(at + d.DIRENT_NAME, 46, dots);
  else dirent_name(de, at + d.DIRENT_NAME);
  memory.fill(at + d.DIRENT_NAME + namelen, 0, reclen - d.DIRENT_NAME - namelen);
  return reclen;
}

/** As Vnode.vop_readdir. Positions: 0 ".", 1 "..", then the cookies. */
export function tmpfs_readdir(dp: TmpfsNode, offp: usize, buf: usize, len: i32): i32 {
  const list = dp.dir();
  const none = changetype<TmpfsDirent>(0);
  let pos = load<i64>(offp);
  if (pos < 0) return -EINVAL;
  // A directory that was removed has no entries, not even its own.
  if (dp.n_nlink == 0) return 0;
  let used = 0;
  for (; pos < 2; pos++) {
    const np = pos == 0 ? dp : changetype<TmpfsNode>(list.parent);
    const n = put_dirent(buf + used, len - used, np, none, <i32>pos + 1);
    if (n == 0) break;
    used += n;
  }
  let de = pos < 2 ? none : dirent_at(list, pos);
  const more = pos < 2 || !dirent_isnull(de);
  while (!dirent_isnull(de)) {
    const n = put_dirent(buf + used, len - used, changetype<TmpfsNode>(de.de_node), de, 0);
    if (n == 0) break;
    used += n;
    de = de.de_next;
  }
  if (used == 0 && more) return -EINVAL;
  if (pos >= 2) {
    pos = dirent_isnull(de) ? max<i64>(pos, list.cookie) : de.de_cookie;
    list.resume = de;
  }
  store<i64>(offp, pos);
  dp.accessed();
  return used;
}
