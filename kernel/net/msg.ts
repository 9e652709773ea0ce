/**
 * Msg: what a send or a receive is about, inside the kernel: the uio and the msghdr in one.
 *
 *      msg_base,msg_len   the segment that is next          msg_resid = all that is left
 *      msg_iov,msg_iovcnt the segments after it (struct iovec, abi/socket.ts)
 *      msg_name           send: the destination; receive: where the sender's address goes
 *      msg_control        send: control messages; receive: where they go
 *
 * A plain read or write is one segment and touches no iovec. The socket system calls share one Msg
 * (they never nest: nothing in the kernel makes a system call); other callers bring their own memory.
 */
import { EMSGSIZE } from "../abi/errno";
import { IOV_BASE, IOV_LEN, IOV_MAX, IOVEC_SIZE } from "../abi/socket";
import { iov_copied, iov_copyin } from "../kern/file";

@unmanaged
export class Msg {
  msg_base: usize;
  msg_len: i32;
  msg_resid: i32;
  msg_iov: usize;
  msg_iovcnt: i32;
  /** Address, and its length: in = given or room, out (receive) = length of the sender's address. */
  msg_name: usize;
  msg_namelen: i32;
  /** Control messages, and bytes: in = given or room, out (receive) = bytes written. */
  msg_control: usize;
  msg_controllen: i32;
  /** Receive, out: MSG_TRUNC, MSG_CTRUNC, MSG_EOR, MSG_BCAST, MSG_MCAST. */
  msg_flags: i32;
}

/** Describe one buffer; no address, no control. */
export function msg_init(msg: Msg, buf: usize, len: i32): void {
  memory.fill(changetype<usize>(msg), 0, offsetof<Msg>());
  msg.msg_base = buf;
  msg.msg_len = len;
  msg.msg_resid = len;
}

/** Describe `iovcnt` iovecs at `iov`, of a copy; checks that all of it lies in memory. 0 or -errno. */
export function msg_initv(msg: Msg, iov: usize, iovcnt: i32): i32 {
  memory.fill(changetype<usize>(msg), 0, offsetof<Msg>());
  if (<u32>iovcnt > <u32>IOV_MAX) return -EMSGSIZE;
  const total = iov_copyin(iov, iovcnt);
  if (total < 0) return total;
  msg.msg_iov = iov_copied();
  msg.msg_iovcnt = iovcnt;
  msg.msg_resid = total;
  return 0;
}

/** The next run of contiguous bytes: sets msg_base and msg_len (0 only when nothing is left). */
export function msg_seg(msg: Msg): i32 {
  while (msg.msg_len == 0 && msg.msg_iovcnt > 0) {
    msg.msg_base = load<usize>(msg.msg_iov, IOV_BASE);
    msg.msg_len = load<i32>(msg.msg_iov, IOV_LEN);
    msg.msg_iov += IOVEC_SIZE;
    msg.msg_iovcnt--;
  }
  return msg.msg_len;
}

/** Step over `n` bytes of the present segment. */
export function msg_advance(msg: Msg, n: i32): void {
  assert(<u32>n <= <u32>msg.msg_len, "msg_advance");
  msg.msg_base += n;
  msg.msg_len -= n;
  msg.msg_resid -= n;
}

/** Copy `n` bytes out of what `msg` describes to `to` (sending). */
export function msg_get(msg: Msg, to: usize, n: i32): void {
  assert(n <= msg.msg_resid, "msg_get: beyond the end");
  while (n > 0) {
    const k = min(msg_seg(msg), n);
    memory.copy(to, msg.msg_base, k);
    msg_advance(msg, k);
    to += k;
    n -= k;
  }
}

/** Copy `n` bytes at `from` into what `msg` describes (receiving). */
export function msg_put(msg: Msg, from: usize, n: i32): void {
  assert(n <= msg.msg_resid, "msg_put: beyond the end");
  while (n > 0) {
    const k = min(msg_seg(msg), n);
    memory.copy(msg.msg_base, from, k);
    msg_advance(msg, k);
    from += k;
    n -= k;
  }
}
