/**
 * namei: from a path to a vnode.
 *
 *      ni_path: [ s i t e / d i r / / f i l e ............ ]  PATH_MAX bytes, one buffer a Nameidata
 *                          ▲ ni_at            ▲ ni_end
 *
 * The walk is a loop, not a recursion, and allocates nothing: a symbolic link's target is put into
 * the buffer in front of what is left of the path, and the walk goes on. MAXSYMLINKS of them are a
 * loop (ELOOP). Paths count from the root whether or not they start with "/": there is no process
 * and so no current directory. Mount points are crossed downwards after each lookup, upwards at "..";
 * ".." of the root is the root. A trailing slash asks for a directory, and makes the walk follow a
 * link there, as POSIX.1-2017 §4.13 has it. Each step costs one vop_lookup and two counts.
 */
import { EFAULT, EINVAL, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from "../abi/errno";
import { MAXSYMLINKS, NAME_MAX, PATH_MAX } from "../abi/fcntl";
import { useracc } from "../kern/kstring";
import { vfs_root, vfs_state } from "./mount";
import { VDIR, VLNK, VROOT, Vnode, vn_isnull, vref, vrele } from "./vnode";

/** Follow a symbolic link in the last component. */
export const FOLLOW: i32 = 1;
/** Answer the parent too, and let the last component be absent. */
export const WANTPARENT: i32 = 2;

/** ni_last: what the last component is. Only a NORMAL one names an entry of ni_dvp. */
export const LAST_NORMAL: i32 = 0;
export const LAST_ROOT: i32 = 1;
export const LAST_DOT: i32 = 2;
export const LAST_DOTDOT: i32 = 3;

/** A walk and its result. Made at boot by vfs_init; the buffer follows the structure. */
@unmanaged
export class Nameidata {
  /** The vnode, referenced; 0 if it is absent (only with WANTPARENT). */
  ni_vp: Vnode;
  /** With WANTPARENT and LAST_NORMAL: the directory it is in, referenced. Else 0. */
  ni_dvp: Vnode;
  /** The last component, in ni_path. */
  ni_name: usize;
  ni_namelen: i32;
  ni_last: i32;
  /** The path ended with a slash. */
  ni_slash: bool;
  ni_flags: i32;
  ni_loops: i32;
  ni_path: usize;
  ni_at: usize;
  ni_end: usize;
}

/** Give back what namei answered in `ni`; harmless when done twice. */
export function ni_release(ni: Nameidata): void {
  if (!vn_isnull(ni.ni_vp)) vrele(ni.ni_vp);
  if (!vn_isnull(ni.ni_dvp)) vrele(ni.ni_dvp);
  ni.ni_vp = changetype<Vnode>(0);
  ni.ni_dvp = changetype<Vnode>(0);
}

/**
 * Walk the `len` bytes at `path`, with FOLLOW and WANTPARENT in `flags`. 0, and the result in `ni`,
 * to be given back by ni_release; or -errno with nothing held.
 */
export function namei(ni: Nameidata, path: usize, len: i32, flags: i32): i32 {
  if (!useracc(path, len)) return -EFAULT;
  if (len == 0) return -ENOENT;
  if (len >= PATH_MAX) return -ENAMETOOLONG;
  for (let i = 0; i < len; i++) {
    if (load<u8>(path + i) == 0) return -EINVAL;
  }
  memory.copy(ni.ni_path, path, len);
  ni.ni_at = ni.ni_path;
  ni.ni_end = ni.ni_path + len;
  ni.ni_flags = flags;
  ni.ni_loops = 0;
  ni.ni_vp = changetype<Vnode>(0);
  ni.ni_dvp = changetype<Vnode>(0);
  const root = vfs_root();
  if (vn_isnull(root)) return -ENOENT;
  return namei_walk(ni, root);
}

/** The loop. `dp` is where it stands, referenced; consumed. */
function namei_walk(ni: Nameidata, dp: Vnode): i32 {
  while (true) {
    if (!namei_next(ni)) {
      ni.ni_last = LAST_ROOT;
      ni.ni_namelen = 0;
      ni.ni_vp = dp;
      return 0;
    }
    const last = ni.ni_at == ni.ni_end;
    const r = namei_step(ni, dp);
    if (r < 0) {
      if (r == -ENOENT && last && (ni.ni_flags & WANTPARENT) != 0) {
        ni.ni_dvp = dp;
        return 0;
      }
      vrele(dp);
      return r;
    }
    const vp = changetype<Vnode>(r);
    if (vp.v_type == VLNK && (!last || ni.ni_slash || (ni.ni_flags & FOLLOW) != 0)) {
      const e = namei_symlink(ni, vp);
      vrele(vp);
      if (e < 0) {
        vrele(dp);
        return e;
      }
      if (load<u8>(ni.ni_path) == 47) {
        vrele(dp);
        dp = vfs_root();
      }
      continue;
    }
    if (last) return namei_done(ni, dp, vp);
    vrele(dp);
    dp = vp;
  }
}

/** Isolate the next component, and pass the slashes after it; false if there is none. */
function namei_next(ni: Nameidata): bool {
  let at = ni.ni_at;
  const end = ni.ni_end;
  while (at < end && load<u8>(at) == 47) at++;
  ni.ni_name = at;
  while (at < end && load<u8>(at) != 47) at++;
  ni.ni_namelen = <i32>(at - ni.ni_name);
  const name_end = at;
  while (at < end && load<u8>(at) == 47) at++;
  ni.ni_slash = at > name_end;
  ni.ni_at = at;
  return ni.ni_namelen > 0;
}

/** What the component isolated names in `dp`: a vnode, mount points crossed, or -errno. */
function namei_step(ni: Nameidata, dp: Vnode): i32 {
  const name = ni.ni_name;
  const len = ni.ni_namelen;
  if (dp.v_type != VDIR) return -ENOTDIR;
  if (len > NAME_MAX) return -ENAMETOOLONG;
  ni.ni_last = LAST_NORMAL;
  if (load<u8>(name) == 46) {
    if (len == 1) {
      ni.ni_last = LAST_DOT;
      vref(dp);
      return <i32>changetype<usize>(dp);
    }
    if (len == 2 && load<u8>(name, 1) == 46) {
      ni.ni_last = LAST_DOTDOT;
      return namei_dotdot(dp);
    }
  }
  const r = dp.vop_lookup(name, len);
  return r < 0 ? r : namei_cross(changetype<Vnode>(r));
}

/** If something is mounted on `vp`, its root instead. Consumes and answers a reference. */
function namei_cross(vp: Vnode): i32 {
  while (changetype<usize>(vp.v_mountedhere) != 0) {
    const mp = vp.v_mountedhere;
    vrele(vp);
    vp = mp.mnt_fs.fs_root(mp);
  }
  return <i32>changetype<usize>(vp);
}

/** The directory above `dp`: of a mount's root, the one above what it covers. */
function namei_dotdot(dp: Vnode): i32 {
  while ((dp.v_flag & VROOT) != 0 && !vn_isnull(dp.v_mount.mnt_covered)) dp = dp.v_mount.mnt_covered;
  if ((dp.v_flag & VROOT) != 0) {
    vref(dp);
    return <i32>changetype<usize>(dp);
  }
  const r = dp.vop_parent();
  return r < 0 ? r : namei_cross(changetype<Vnode>(r));
}

/** Put the target of `vp` in front of the rest of the path. */
function namei_symlink(ni: Nameidata, vp: Vnode): i32 {
  if (++ni.ni_loops > MAXSYMLINKS) return -ELOOP;
  const link = vfs_state().linkbuf;
  const n = vp.vop_readlink(link, PATH_MAX);
  if (n < 0) return n;
  if (n == 0) return -ENOENT;
  // The slashes after the link were passed; what is left must keep one in front of it.
  const from = ni.ni_slash ? ni.ni_at - 1 : ni.ni_at;
  const rest = <i32>(ni.ni_end - from);
  if (n + rest >= PATH_MAX) return -ENAMETOOLONG;
  memory.copy(ni.ni_path + n, from, rest);
  memory.copy(ni.ni_path, link, n);
  ni.ni_at = ni.ni_path;
  ni.ni_end = ni.ni_path + n + rest;
  return 0;
}

/** The last component is there: hand over `vp`, and `dp` if it was asked for and has the name. */
function namei_done(ni: Nameidata, dp: Vnode, vp: Vnode): i32 {
  if (ni.ni_slash && vp.v_type != VDIR) {
    vrele(vp);
    vrele(dp);
    return -ENOTDIR;
  }
  ni.ni_vp = vp;
  if ((ni.ni_flags & WANTPARENT) != 0 && ni.ni_last == LAST_NORMAL) ni.ni_dvp = dp;
  else vrele(dp);
  return 0;
}
