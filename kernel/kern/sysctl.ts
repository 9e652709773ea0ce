/**
 * sysctl: everything that can be asked of or set in a running kernel, by dotted name.
 *
 *      sc_nodes: {name, type | flags, address, length or function} × up to KERN_MAXSYSCTLS
 *
 * Components register numbers that live in their own state, strings, and functions that write what
 * they are asked for (tables: connections, routes, pools). Reads and writes come through two system
 * calls, SYS_sysctlbyname and SYS_sysctlnext, from apps and from the host (`rumpwasm sysctl`). The
 * look-up is linear: this is the control path, some hundred names.
 */
import { EFAULT, EINVAL, ENOENT, EPERM, ERANGE } from "../abi/errno";
import { CTLFLAG_RW, CTLTYPE_FUNC, CTLTYPE_INT, CTLTYPE_QUAD, CTLTYPE_STRING } from "../abi/rump";
import { SYS_sysctlbyname, SYS_sysctlnext } from "../abi/syscall";
import { KERN_MAXSYSCTLS } from "rump/tunables";
import { kmem_alloc } from "./kmem";
import { kput_str, kstr_eq, useracc } from "./kstring";
import { sysent_set } from "./syscall";

@unmanaged
class SysctlNode {
  name: string;
  type: i32;
  ptr: usize;
  /** Room for a string; smallest value of a number. */
  len: i32;
  /** Largest value of a number. */
  max: i32;
}

@unmanaged
class SysctlState {
  count: i32;
}

let scs: SysctlState = changetype<SysctlState>(0);
let sc_nodes: usize = 0;

export function sysctl_boot(): void {
  scs = changetype<SysctlState>(kmem_alloc(offsetof<SysctlState>(), 8, "sysctl"));
  sc_nodes = kmem_alloc(<usize>KERN_MAXSYSCTLS * offsetof<SysctlNode>(), 16, "sysctl");
  sysent_set(SYS_sysctlbyname, sys_sysctlbyname);
  sysent_set(SYS_sysctlnext, sys_sysctlnext);
}

function node_at(i: i32): SysctlNode {
  return changetype<SysctlNode>(sc_nodes + <usize>i * offsetof<SysctlNode>());
}

function node_add(name: string, type: i32, ptr: usize, len: i32, max: i32): void {
  assert(scs.count < KERN_MAXSYSCTLS, "sysctl: raise KERN_MAXSYSCTLS");
  const n = node_at(scs.count++);
  n.name = name;
  n.type = type;
  n.ptr = ptr;
  n.len = len;
  n.max = max;
}

/** An i32 at `ptr`; `flags` 0 or CTLFLAG_RW, then anything from `min` to `max` may be set. Boot only. */
export function sysctl_int(name: string, ptr: usize, flags: i32, min: i32 = 0, max: i32 = 0x7fffffff): void {
  node_add(name, CTLTYPE_INT | flags, ptr, min, max);
}

/** A 64-bit counter at `ptr`. Boot only. */
export function sysctl_quad(name: string, ptr: usize, flags: i32): void {
  node_add(name, CTLTYPE_QUAD | flags, ptr, 0, 0);
}

/** A NUL-padded string of at most `len` bytes at `ptr`. Boot only. */
export function sysctl_str(name: string, ptr: usize, len: i32, flags: i32): void {
  node_add(name, CTLTYPE_STRING | flags, ptr, len, 0);
}

/**
 * A function: called with the room for the answer and what is to be set (newlen 0: nothing);
 * bytes written, or -errno. Boot only.
 */
export function sysctl_fn(
  name: string, fn: (buf: usize, len: i32, newp: usize, newlen: i32) => i32, flags: i32,
): void {
  node_add(name, CTLTYPE_FUNC | flags, fn.index, 0, 0);
}

function node_set(n: SysctlNode, newp: usize, newlen: i32): i32 {
  if ((n.type & CTLFLAG_RW) == 0) return -EPERM;
  const type = n.type & 0xff;
  if (type == CTLTYPE_INT) {
    if (newlen != 4) return -EINVAL;
    const v = load<i32>(newp);
    if (v < n.len || v > n.max) return -ERANGE;
    store<i32>(n.ptr, v);
  } else if (type == CTLTYPE_QUAD) {
    if (newlen != 8) return -EINVAL;
    store<i64>(n.ptr, load<i64>(newp));
  } else {
    if (newlen >= n.len) return -ERANGE;
    memory.fill(n.ptr, 0, n.len);
    memory.copy(n.ptr, newp, newlen);
  }
  return 0;
}

function node_get(n: SysctlNode, old: usize, oldlen: i32): i32 {
  const type = n.type & 0xff;
  let len = type == CTLTYPE_INT ? 4 : 8;
  if (type == CTLTYPE_STRING) {
    len = 0;
    while (len < n.len && load<u8>(n.ptr + len) != 0) len++;
  }
  if (oldlen < len) return -ERANGE;
  memory.copy(old, n.ptr, len);
  return len;
}

/** The node called the `len` bytes at `name`, or null. */
function node_find(name: usize, len: i32): SysctlNode {
  for (let i = 0; i < scs.count; i++) {
    const n = node_at(i);
    if (kstr_eq(name, len, n.name)) return n;
  }
  return changetype<SysctlNode>(0);
}

/** CTLTYPE_* of a name, or -ENOENT. */
export function sysctl_type(name: usize, len: i32): i32 {
  const n = node_find(name, len);
  return n ? n.type & 0xff : -ENOENT;
}

/** Set a name to the `newlen` bytes at `newp`, as the system call does: 0 or more, or -errno. */
export function sysctl_write(name: usize, namelen: i32, newp: usize, newlen: i32): i32 {
  const n = node_find(name, namelen);
  if (!n) return -ENOENT;
  if ((n.type & 0xff) != CTLTYPE_FUNC) return node_set(n, newp, newlen);
  if ((n.type & CTLFLAG_RW) == 0) return -EPERM;
  return call_indirect<i32>(<i32>n.ptr, <usize>0, 0, newp, newlen);
}

function sys_sysctlbyname(name: i32, namelen: i32, old: i32, oldlen: i32, newp: i32, newlen: i32): i32 {
  if (!useracc(name, namelen) || !useracc(old, oldlen) || !useracc(newp, newlen)) return -EFAULT;
  const n = node_find(name, namelen);
  if (!n) return -ENOENT;
  if ((n.type & 0xff) == CTLTYPE_FUNC) {
    if (newlen > 0 && (n.type & CTLFLAG_RW) == 0) return -EPERM;
    return call_indirect<i32>(<i32>n.ptr, <usize>old, oldlen, <usize>newp, newlen);
  }
  // The old value first, as sysctl(3) does; asking for none is not an error.
  const got = oldlen > 0 ? node_get(n, old, oldlen) : 0;
  if (got < 0) return got;
  const e = newlen > 0 ? node_set(n, newp, newlen) : 0;
  return e < 0 ? e : got;
}

/** Name of the `index`-th node to `buf`: type | flags in the high half, its length in the low half. */
function sys_sysctlnext(index: i32, buf: i32, len: i32, a3: i32, a4: i32, a5: i32): i32 {
  if (!useracc(buf, len)) return -EFAULT;
  if (index < 0 || index >= scs.count) return -ENOENT;
  const n = node_at(index);
  if (n.name.length > len) return -ERANGE;
  kput_str(buf, <usize>buf + <usize>len, n.name);
  return (n.type << 16) | n.name.length;
}
