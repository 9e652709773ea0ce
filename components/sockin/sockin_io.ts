/**
 * Sending and receiving: straight between the caller's memory and the host's socket, no mbuf between.
 *
 *      pr_sosend    ─▶ sockin_send(handle, ptr, len)     what the host does not take is not taken: EAGAIN
 *      pr_soreceive ─▶ sockin_recv(handle, ptr, len)     nobody reads ahead: a slow reader costs nothing
 *
 * Readiness is kept here as two flags, set by the host's edges and cleared by EAGAIN and by counts
 * that fall short, so that a call which could only answer EAGAIN is not made. A short count proves
 * that the host's buffer is empty, except at the end of a stream and at an urgent mark.
 *
 * In-kernel senders that have mbufs (sosend_chain) come by pr_send; what the host does not take of
 * them waits in so_snd, within its limit, and goes first when there is room.
 */
import { EAGAIN, EDESTADDRREQ, EINVAL, EISCONN, ENOBUFS, ENOTCONN, EPIPE } from "../../kernel/abi/errno";
import { IOV_BASE, IOV_LEN, IOVEC_SIZE, MSG_DONTROUTE, MSG_EOR, MSG_MORE, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL }
  from "../../kernel/abi/socket";
import { SA_LEN } from "../../kernel/abi/sockaddr";
import { Mbuf } from "../../kernel/net/mbuf";
import { Msg } from "../../kernel/net/msg";
import { PRUS_MORETOCOME, PRUS_OOB, pr_sendfail } from "../../kernel/net/protosw";
import { SS_CANTRCVMORE, SS_CANTSENDMORE, SS_ISCONNECTED, SS_ISCONNECTING, SS_RCVATMARK, Socket, socantrcvmore }
  from "../../kernel/net/socket";
import { sbappendstream, sbdrop } from "../../kernel/net/sockbuf";
import { soreceive_why } from "../../kernel/net/uipc_recv";
import { sockin_atmark, sockin_avail, sockin_recv, sockin_recvmsg, sockin_send, sockin_sendmsg } from "./sockin.hyper";
import { SCRATCH_SIZE, SI_AVAILKNOWN, SI_DGRAM, SI_DISCARD, SI_RDHUP, SI_READABLE, SI_URGENT, SI_WRITABLE, SockinPcb,
  sist, sotopcb } from "./sockin_pcb";

/** Flags of a send that the host knows. */
const SEND_FLAGS: i32 = MSG_OOB | MSG_DONTROUTE | MSG_EOR | MSG_MORE;

// ── sending ──────────────────────────────────────────────────────────────────────────────────────

/** Why nothing can be sent now, or 0. Reports and clears so_error. */
function send_check(so: Socket, dgram: bool, named: bool): i32 {
  if (so.so_error != 0) {
    const e = so.so_error;
    so.so_error = 0;
    return -e;
  }
  const state = so.so_state;
  if (state & SS_CANTSENDMORE) return -EPIPE;
  if (state & SS_ISCONNECTED) return named && dgram ? -EISCONN : 0;
  if (!dgram) return state & SS_ISCONNECTING ? -EAGAIN : -ENOTCONN;
  return named ? 0 : -EDESTADDRREQ;
}

/** Protosw.pr_sosend. */
export function sockin_sosend(so: Socket, msg: Msg, flags: i32): i32 {
  const pcb = sotopcb(so);
  if (!pcb) return -EPIPE;
  const dgram = (pcb.pcb_flags & SI_DGRAM) != 0;
  const e = send_check(so, dgram, msg.msg_namelen != 0);
  if (e < 0) return e;
  if (msg.msg_controllen > 0) return -EINVAL;
  const want = msg.msg_resid;
  if (want == 0 && !dgram) return 0;
  if (so.so_snd.sb_cc > 0) sockin_flush(so, pcb);
  if ((pcb.pcb_flags & SI_WRITABLE) == 0) return -EAGAIN;
  const f = flags & SEND_FLAGS;
  let n: i32;
  if (msg.msg_iovcnt == 0 && (msg.msg_namelen == 0 || !dgram)) n = sockin_send(pcb.pcb_handle, msg.msg_base, want, f);
  else n = send_vector(pcb, msg, f, dgram ? msg.msg_namelen : 0);
  if (n == -EAGAIN || (n >= 0 && n < want)) pcb.pcb_flags &= ~SI_WRITABLE;
  assert(n <= want, "sockin_send: more than there was");
  if (n > 0) msg.msg_resid = want - n;
  return n;
}

/** Send what `msg` describes as a vector. */
function send_vector(pcb: SockinPcb, msg: Msg, flags: i32, namelen: i32): i32 {
  let iov = msg.msg_iov;
  let cnt = msg.msg_iovcnt;
  if (cnt == 0) {
    iov = sist.st_scratch;
    cnt = 1;
    iov_put(iov, 0, msg.msg_base, msg.msg_len);
  }
  assert(cnt == 1 || msg.msg_len == 0, "send_vector: between two segments");
  return sockin_sendmsg(pcb.pcb_handle, iov, cnt, flags, msg.msg_name, namelen);
}

function iov_put(iov: usize, i: i32, base: usize, len: i32): void {
  store<usize>(iov + <usize>(i * IOVEC_SIZE), base, IOV_BASE);
  store<i32>(iov + <usize>(i * IOVEC_SIZE), len, IOV_LEN);
}

/** iovecs of the chain `m` at st_scratch, as many as there is room for; their number. */
function iov_ofchain(m: Mbuf): i32 {
  let n = 0;
  for (; m && n < SCRATCH_SIZE / IOVEC_SIZE / 2; m = m.m_next) {
    if (m.m_len > 0) iov_put(sist.st_scratch, n++, m.m_data, m.m_len);
  }
  return n;
}

/** Protosw.pr_send: send a chain. Consumes it. */
export function sockin_sendchain(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
  const pcb = sotopcb(so);
  if (!pcb) return pr_sendfail(m, control, -EPIPE);
  if (control) return pr_sendfail(m, control, -EINVAL);
  if (pcb.pcb_flags & SI_DGRAM) {
    const n = sockin_sendmsg(pcb.pcb_handle, sist.st_scratch, iov_ofchain(m), 0, nam, namlen);
    if (n == -EAGAIN) pcb.pcb_flags &= ~SI_WRITABLE;
    return pr_sendfail(m, control, n == -EAGAIN ? -ENOBUFS : min(n, 0));
  }
  sbappendstream(so.so_snd, m);
  const f = (flags & PRUS_OOB ? MSG_OOB : 0) | (flags & PRUS_MORETOCOME ? MSG_MORE : 0);
  return sockin_drain(so, pcb, f);
}

/** Send what waits in so_snd, as far as the host takes it. 0, or the error that ends the connection. */
function sockin_drain(so: Socket, pcb: SockinPcb, flags: i32): i32 {
  const sb = so.so_snd;
  while (sb.sb_cc > 0 && (pcb.pcb_flags & SI_WRITABLE) != 0) {
    const cnt = iov_ofchain(sb.sb_mb);
    const n = sockin_sendmsg(pcb.pcb_handle, sist.st_scratch, cnt, flags, 0, 0);
    if (n == -EAGAIN) pcb.pcb_flags &= ~SI_WRITABLE;
    else if (n < 0) {
      sbdrop(sb, sb.sb_cc);
      return n;
    } else sbdrop(sb, n);
  }
  return 0;
}

/** There is room: what waits in so_snd goes first. */
export function sockin_flush(so: Socket, pcb: SockinPcb): void {
  const e = sockin_drain(so, pcb, 0);
  if (e < 0) so.so_error = -e;
}

// ── receiving ────────────────────────────────────────────────────────────────────────────────────

/** Bytes that a read would find now; asked of the host once for each change. */
export function sockin_available(pcb: SockinPcb): i32 {
  const flags = pcb.pcb_flags;
  if ((flags & (SI_READABLE | SI_DISCARD)) != SI_READABLE) return 0;
  if (flags & SI_AVAILKNOWN) return pcb.pcb_avail;
  const n = sockin_avail(pcb.pcb_handle);
  if (n < 0) return 0;
  pcb.pcb_avail = n;
  pcb.pcb_flags |= SI_AVAILKNOWN;
  // On a stream nothing to read, and no end of it in sight, is an edge that was consumed already.
  if (n == 0 && (flags & (SI_DGRAM | SI_RDHUP | SI_URGENT)) == 0) pcb.pcb_flags &= ~SI_READABLE;
  return n;
}

/** Protosw.pr_soreceive. */
export function sockin_soreceive(so: Socket, msg: Msg, flags: i32): i32 {
  if (flags & MSG_OOB) return -EINVAL; // urgent data is in line
  const pcb = sotopcb(so);
  msg.msg_controllen = 0;
  if (!pcb || (pcb.pcb_flags & (SI_READABLE | SI_DISCARD)) != SI_READABLE) return nothing(so, msg, flags);
  if (pcb.pcb_flags & SI_DGRAM) return receive_datagram(so, pcb, msg, flags);
  if (msg.msg_resid == 0) return 0;
  if ((flags & MSG_WAITALL) != 0 && !enough(so, pcb, msg)) return -EAGAIN;
  const n = host_recv(pcb, msg, flags & MSG_PEEK, 0, 0);
  if (n <= 0) return receive_end(so, pcb, msg, flags, n);
  if ((flags & MSG_PEEK) == 0) {
    receive_taken(so, pcb, n < msg.msg_resid);
    msg.msg_resid -= n;
  }
  return n;
}

/** MSG_WAITALL: whether all of it is there, or as much as can be waited for, or no more will come. */
function enough(so: Socket, pcb: SockinPcb, msg: Msg): bool {
  if (so.so_error != 0 || (so.so_state & SS_CANTRCVMORE) != 0) return true;
  return sockin_available(pcb) >= min(msg.msg_resid, <i32>so.so_rcv.sb_hiwat);
}

function host_recv(pcb: SockinPcb, msg: Msg, flags: i32, sa: usize, size: i32): i32 {
  if (msg.msg_iovcnt == 0 && size == 0) return sockin_recv(pcb.pcb_handle, msg.msg_base, msg.msg_len, flags);
  let iov = msg.msg_iov;
  let cnt = msg.msg_iovcnt;
  if (cnt == 0) {
    iov = sist.st_scratch;
    cnt = 1;
    iov_put(iov, 0, msg.msg_base, msg.msg_len);
  }
  assert(cnt == 1 || msg.msg_len == 0, "host_recv: between two segments");
  return sockin_recvmsg(pcb.pcb_handle, iov, cnt, flags, sa, size);
}

/** Data of a stream was taken; `short` = less than there was room for. */
function receive_taken(so: Socket, pcb: SockinPcb, short: bool): void {
  pcb.pcb_flags &= ~SI_AVAILKNOWN;
  if (short && (pcb.pcb_flags & (SI_RDHUP | SI_URGENT)) == 0) pcb.pcb_flags &= ~SI_READABLE;
  if (pcb.pcb_flags & SI_URGENT) {
    if (sockin_atmark(pcb.pcb_handle) == 1) so.so_state |= SS_RCVATMARK;
    else so.so_state &= ~SS_RCVATMARK;
  }
}

/** The host had nothing: the end (0), or why (-errno). */
function receive_end(so: Socket, pcb: SockinPcb, msg: Msg, flags: i32, n: i32): i32 {
  pcb.pcb_flags &= ~(SI_READABLE | SI_AVAILKNOWN);
  if (n == -EAGAIN) return nothing(so, msg, flags);
  // A reset that recv reported is not reported again by its event.
  if (n < 0) {
    so.so_error = 0;
    return n;
  }
  if ((so.so_state & SS_CANTRCVMORE) == 0) socantrcvmore(so);
  return nothing(so, msg, flags);
}

/** Nothing to read: why. */
function nothing(so: Socket, msg: Msg, flags: i32): i32 {
  if (msg.msg_name != 0) msg.msg_namelen = 0;
  return soreceive_why(so, (flags & MSG_PEEK) != 0);
}

/** One datagram; what does not fit is lost, MSG_TRUNC says so. */
function receive_datagram(so: Socket, pcb: SockinPcb, msg: Msg, flags: i32): i32 {
  const sa = msg.msg_name;
  const room = msg.msg_resid;
  const n = host_recv(pcb, msg, flags & MSG_PEEK, sa, sa != 0 ? msg.msg_namelen : 0);
  if (n == -EAGAIN) {
    pcb.pcb_flags &= ~(SI_READABLE | SI_AVAILKNOWN);
    return nothing(so, msg, flags);
  }
  pcb.pcb_flags &= ~SI_AVAILKNOWN;
  if (n < 0) return n;
  if (sa != 0) msg.msg_namelen = load<u8>(sa, SA_LEN);
  const got = min(n, room);
  msg.msg_resid = room - got;
  if (n > room) {
    msg.msg_flags |= MSG_TRUNC;
    if (flags & MSG_TRUNC) return n;
  }
  return got;
}

/** After shutdown(SHUT_RD): read and forget, a bounded amount; true when there is more. */
export function sockin_discard(pcb: SockinPcb): bool {
  for (let i = 0; i < 16; i++) {
    const n = sockin_recv(pcb.pcb_handle, sist.st_scratch, SCRATCH_SIZE, 0);
    if (n <= 0) {
      pcb.pcb_flags &= ~SI_READABLE;
      return false;
    }
    sist.st_discarded += n;
  }
  return true;
}
