/**
 * Control blocks of local sockets, and their names.
 *
 *      Socket ──so_pcb──▶ Unpcb ──unp_conn──▶ Unpcb of the peer
 *                           │ unp_refs: datagram sockets that are connected to this one
 *                           └ unp_addr: sockaddr_un, if bound ◀── unp_buckets[hash of the path]
 *
 * A name is a path's bytes in a table of its own: there is no file behind it, any image can use it, and
 * it is free again when its socket is closed. The hash is keyed, as names may come from outside.
 * Look-up, binding and connecting are O(1).
 */
import { EADDRINUSE, EAFNOSUPPORT, EINVAL } from "../../kernel/abi/errno";
import { SA_FAMILY, SA_LEN, SOCKADDR_UN_MAX, SUN_PATH } from "../../kernel/abi/sockaddr";
import { AF_LOCAL } from "../../kernel/abi/socket";
import { cprng_strong } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_getz, pool_init, pool_put } from "../../kernel/kern/pool";
import { siphash13 } from "../../kernel/kern/siphash";
import { Socket } from "../../kernel/net/socket";
import { LOCAL_MAXPCBS } from "rump/tunables";

const BUCKETS: usize = 64;

@unmanaged
export class Unpcb {
  unp_so: Socket;
  unp_conn: Unpcb;
  /** Datagram: those connected to this socket, and this one's place in its peer's list. */
  unp_refs: Unpcb;
  unp_refnext: Unpcb;
  unp_refprev: Unpcb;
  /** A sender looked at the room here and found it not empty: wake the senders when some is read. */
  unp_wanted: bool;
  /** Hash chain of bound sockets. */
  unp_hashnext: Unpcb;
  /** Bytes of the sockaddr_un that follows; 0 = not bound. */
  unp_addrlen: i32;

  @inline
  get unp_addr(): usize {
    return changetype<usize>(this) + offsetof<Unpcb>();
  }
}

@unmanaged
class UnpState {
  unp_pool: Pool;
  unp_buckets: usize;
  unp_key0: u64;
  unp_key1: u64;
}

let unpst: UnpState = changetype<UnpState>(0);

export function unp_boot(): void {
  unpst = changetype<UnpState>(kmem_alloc(offsetof<UnpState>(), 64, "local"));
  unpst.unp_pool = pool_init("unpcb", <u32>offsetof<Unpcb>() + SOCKADDR_UN_MAX, LOCAL_MAXPCBS, 8);
  unpst.unp_buckets = kmem_alloc(BUCKETS << 2, 64, "local.names");
  cprng_strong(changetype<usize>(unpst) + offsetof<UnpState>("unp_key0"), 16);
}

/** A control block for `so`, set as its so_pcb; null when there is none. */
export function unp_alloc(so: Socket): Unpcb {
  const unp = changetype<Unpcb>(pool_getz(unpst.unp_pool));
  if (!unp) return unp;
  unp.unp_so = so;
  so.so_pcb = changetype<usize>(unp);
  return unp;
}

/** Give `unp` back; it must be unconnected and unbound. */
export function unp_free(unp: Unpcb): void {
  assert(!unp.unp_conn && !unp.unp_refs && unp.unp_addrlen == 0, "unp_free: in use");
  unp.unp_so.so_pcb = 0;
  pool_put(unpst.unp_pool, changetype<usize>(unp));
}

/** The control block of a socket of this family; null after the connection's end. */
export function sotounpcb(so: Socket): Unpcb {
  return changetype<Unpcb>(so.so_pcb);
}

/** Bytes of the path in the sockaddr_un of `len` bytes at `sa`: up to a NUL. -errno if it is none. */
function sun_pathlen(sa: usize, len: i32): i32 {
  if (load<u8>(sa, SA_FAMILY) != AF_LOCAL) return -EAFNOSUPPORT;
  if (len > SOCKADDR_UN_MAX) return -EINVAL;
  let n = 0;
  while (n < len - SUN_PATH && load<u8>(sa + SUN_PATH + n) != 0) n++;
  return n > 0 ? n : -EINVAL;
}

/** The chain on which the path of `n` bytes at `path` stands. */
function bucket_of(path: usize, n: i32): usize {
  const h = <usize>siphash13(changetype<usize>(unpst) + offsetof<UnpState>("unp_key0"), path, n);
  return unpst.unp_buckets + ((h & (BUCKETS - 1)) << 2);
}

function chain_find(bucket: usize, path: usize, n: i32): Unpcb {
  let unp = changetype<Unpcb>(load<usize>(bucket));
  while (unp) {
    if (unp.unp_addrlen - SUN_PATH == n && memory.compare(unp.unp_addr + SUN_PATH, path, n) == 0) return unp;
    unp = unp.unp_hashnext;
  }
  return unp;
}

/** The socket bound to the name at `sa`: its address (positive), 0 for nobody, or -errno. */
export function unp_lookup(sa: usize, len: i32): i32 {
  const n = sun_pathlen(sa, len);
  if (n < 0) return n;
  return <i32>changetype<usize>(chain_find(bucket_of(sa + SUN_PATH, n), sa + SUN_PATH, n));
}

/** Bind `unp` to the name at `sa`. 0 or -errno. */
export function unp_bind(unp: Unpcb, sa: usize, len: i32): i32 {
  if (unp.unp_addrlen != 0) return -EINVAL;
  const n = sun_pathlen(sa, len);
  if (n < 0) return n;
  const bucket = bucket_of(sa + SUN_PATH, n);
  if (chain_find(bucket, sa + SUN_PATH, n)) return -EADDRINUSE;
  unp_setaddr(unp, sa, SUN_PATH + n);
  unp.unp_hashnext = changetype<Unpcb>(load<usize>(bucket));
  store<usize>(bucket, changetype<usize>(unp));
  return 0;
}

/** Keep a copy of the name; for an accepted socket that of its listener, which it does not own. */
export function unp_setaddr(unp: Unpcb, sa: usize, len: i32): void {
  memory.copy(unp.unp_addr, sa, len);
  store<u8>(unp.unp_addr, <u8>len, SA_LEN);
  unp.unp_addrlen = len;
}

/** The name of `unp`, if it has one, is free again. */
export function unp_unbind(unp: Unpcb): void {
  const len = unp.unp_addrlen;
  if (len == 0) return;
  const bucket = bucket_of(unp.unp_addr + SUN_PATH, len - SUN_PATH);
  unp.unp_addrlen = 0;
  let at = changetype<Unpcb>(load<usize>(bucket));
  if (at == unp) {
    store<usize>(bucket, changetype<usize>(unp.unp_hashnext));
    return;
  }
  // An accepted socket has its listener's name without being in the table.
  while (at && at.unp_hashnext != unp) at = at.unp_hashnext;
  if (at) at.unp_hashnext = unp.unp_hashnext;
}

/** Write the name of `unp` (null or unbound: the bare family) to `buf`; its length. */
export function unp_getaddr(unp: Unpcb, buf: usize): i32 {
  if (unp && unp.unp_addrlen != 0) {
    memory.copy(buf, unp.unp_addr, unp.unp_addrlen);
    return unp.unp_addrlen;
  }
  store<u8>(buf, 2, SA_LEN);
  store<u8>(buf, AF_LOCAL, SA_FAMILY);
  return 2;
}
