/**
 * Receiving: from the receive buffer to user memory, or out of it as mbufs.
 *
 * Stream: as many bytes as there are, up to the urgent mark. Records: one a call, [address][control]
 * data; what does not fit is discarded (MSG_TRUNC says so). Nothing waits: -EAGAIN. Data that came in
 * before an error or the end is delivered before them. MSG_WAITALL takes all or nothing (-EAGAIN)
 * unless no more can come; the socket buffer's size is the most that it waits for.
 */
import { EAGAIN, EINVAL, ENOTCONN } from "../abi/errno";
import { CMSGHDR_SIZE, MSG_BCAST, MSG_CTRUNC, MSG_EOR, MSG_MCAST, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL,
  SCM_TIMESTAMP, SOL_SOCKET, SO_ACCEPTCONN, TIMEVAL_SIZE } from "../abi/socket";
import { getmicrotime } from "../kern/clock";
import { MNULL, MT_CONTROL, MT_SONAME, M_BCAST, M_EOR, M_MCAST, Mbuf } from "./mbuf";
import { m_copym } from "./mbuf2";
import { Msg, msg_put } from "./msg";
import { PR_ATOMIC, PR_CONNREQUIRED, PR_WANTRCVD } from "./protosw";
import { SS_CANTRCVMORE, SS_ISCONNECTED, SS_ISCONNECTING, SS_RCVATMARK, Socket } from "./socket";
import { Sockbuf, sb_setfront, sbcreatecontrol, sbdrop, sbdrop_all, sbdroprecord, sbfree, sbspace } from "./sockbuf";

/** Why an empty buffer gives nothing: 0 = the end, -EAGAIN = not yet, or the error (cleared unless `peek`). */
export function soreceive_why(so: Socket, peek: bool): i32 {
  if (so.so_error != 0) {
    const e = so.so_error;
    if (!peek) so.so_error = 0;
    return -e;
  }
  if (so.so_state & SS_CANTRCVMORE) return 0;
  if (so.so_options & SO_ACCEPTCONN) return -ENOTCONN;
  const connreq = (so.so_proto.pr_flags & PR_CONNREQUIRED) != 0;
  if (connreq && (so.so_state & (SS_ISCONNECTED | SS_ISCONNECTING)) == 0) return -ENOTCONN;
  return -EAGAIN;
}

/** Protosw.pr_soreceive for protocols with mbuf socket buffers: bytes, 0 at the end, or -errno. */
export function soreceive_generic(so: Socket, msg: Msg, flags: i32): i32 {
  // Urgent data is in line (design.md: "urgent data read in line"), never beside it.
  if (flags & MSG_OOB) return -EINVAL;
  const n = so.so_proto.pr_flags & PR_ATOMIC ? soreceive_record(so, msg, flags) : soreceive_stream(so, msg, flags);
  if (n >= 0 && (flags & MSG_PEEK) == 0 && (so.so_proto.pr_flags & PR_WANTRCVD) != 0 && so.so_pcb != 0) {
    so.so_proto.pr_rcvd(so, flags);
  }
  return n;
}

/** The urgent mark after `n` bytes were taken. */
function oobmark_pass(so: Socket, n: u32): void {
  if (n == 0) return;
  if (so.so_oobmark == 0) {
    so.so_state &= ~SS_RCVATMARK;
    return;
  }
  so.so_oobmark -= n;
  if (so.so_oobmark == 0) so.so_state |= SS_RCVATMARK;
  else so.so_state &= ~SS_RCVATMARK;
}

function soreceive_stream(so: Socket, msg: Msg, flags: i32): i32 {
  const sb = so.so_rcv;
  const have = sb.sb_cc;
  msg.msg_namelen = 0;
  msg.msg_controllen = 0;
  if (msg.msg_resid == 0) return 0;
  if (have == 0) return soreceive_why(so, (flags & MSG_PEEK) != 0);
  let want = min(<u32>msg.msg_resid, have);
  if ((flags & MSG_WAITALL) != 0 && have < min(<u32>msg.msg_resid, sb.sb_hiwat)) {
    const closed = so.so_error != 0 || (so.so_state & SS_CANTRCVMORE) != 0;
    if (!closed && so.so_oobmark == 0 && sbspace(sb) > 0) return -EAGAIN;
  }
  if (so.so_oobmark != 0) want = min(want, so.so_oobmark);
  let left = want;
  for (let m = sb.sb_mb; left > 0; m = m.m_next) {
    const k = min(left, <u32>m.m_len);
    msg_put(msg, m.m_data, k);
    left -= k;
  }
  if ((flags & MSG_PEEK) == 0) {
    sbdrop(sb, want);
    oobmark_pass(so, want);
  }
  return <i32>want;
}

/** Deliver the sender's address: as much as fits, and its true length. */
function record_name(msg: Msg, m: Mbuf): void {
  if (msg.msg_name != 0) memory.copy(msg.msg_name, m.m_data, min(msg.msg_namelen, m.m_len));
  msg.msg_namelen = m.m_len;
}

/** Deliver one mbuf of control messages behind `used` bytes; the bytes used then. A message that does not fit is cut off whole. */
function record_control(msg: Msg, m: Mbuf, used: i32): i32 {
  const room = msg.msg_controllen - used;
  if (msg.msg_control == 0 || room < m.m_len) {
    if (m.m_len >= CMSGHDR_SIZE) msg.msg_flags |= MSG_CTRUNC;
    return used;
  }
  memory.copy(msg.msg_control + used, m.m_data, m.m_len);
  return used + m.m_len;
}

function soreceive_record(so: Socket, msg: Msg, flags: i32): i32 {
  const sb = so.so_rcv;
  let m = sb.sb_mb;
  if (!m) {
    msg.msg_namelen = 0;
    msg.msg_controllen = 0;
    return soreceive_why(so, (flags & MSG_PEEK) != 0);
  }
  if (m.m_type == MT_SONAME) {
    record_name(msg, m);
    m = m.m_next;
  } else msg.msg_namelen = 0;
  let used = 0;
  for (; m && m.m_type == MT_CONTROL; m = m.m_next) used = record_control(msg, m, used);
  msg.msg_controllen = used;
  let total = 0;
  let copied = 0;
  for (; m; m = m.m_next) {
    const k = min(msg.msg_resid, m.m_len);
    msg_put(msg, m.m_data, k);
    copied += k;
    total += m.m_len;
    if (m.m_flags & M_EOR) msg.msg_flags |= MSG_EOR;
    if (m.m_flags & M_BCAST) msg.msg_flags |= MSG_BCAST;
    if (m.m_flags & M_MCAST) msg.msg_flags |= MSG_MCAST;
  }
  if (copied < total) msg.msg_flags |= MSG_TRUNC;
  if ((flags & MSG_PEEK) == 0) sbdroprecord(sb);
  return flags & MSG_TRUNC ? total : copied;
}

/**
 * Take up to `max` bytes of a stream out as mbufs, without copying (the mbuf that `max` falls into is
 * shared). Null when there is nothing: soreceive_why(so, false) says why. The mbufs have no packet header.
 */
export function soreceive_chain(so: Socket, max: u32): Mbuf {
  assert((so.so_proto.pr_flags & PR_ATOMIC) == 0, "soreceive_chain: records");
  const sb = so.so_rcv;
  let want = min(max, sb.sb_cc);
  if (so.so_oobmark != 0) want = min(want, so.so_oobmark);
  if (want == 0) return MNULL;
  let left = want;
  let top = MNULL;
  let tail = MNULL;
  let m = sb.sb_mb;
  while (m && left >= <u32>m.m_len) {
    sbfree(sb, m);
    left -= m.m_len;
    if (tail) tail.m_next = m;
    else top = m;
    tail = m;
    m = m.m_next;
  }
  if (tail) {
    tail.m_next = MNULL;
    sb.sb_sndptr = MNULL;
    sb_setfront(sb, m, MNULL);
  }
  if (left > 0) {
    const n = m_copym(m, 0, left);
    if (!n) want -= left;
    else {
      sbdrop(sb, left);
      if (tail) tail.m_next = n;
      else top = n;
    }
  }
  oobmark_pass(so, want);
  if (want > 0 && (so.so_proto.pr_flags & PR_WANTRCVD) != 0 && so.so_pcb != 0) so.so_proto.pr_rcvd(so, 0);
  return top;
}

/** Nothing more will be read: drop what is there and what may still be said about it. */
export function sorflush(so: Socket): void {
  const sb: Sockbuf = so.so_rcv;
  sbdrop_all(sb);
  so.so_oobmark = 0;
  so.so_state &= ~SS_RCVATMARK;
}

/** SO_TIMESTAMP: a control message with the present wall time (timeval), to append with a datagram. May be null. */
export function socontrol_timestamp(): Mbuf {
  const m = sbcreatecontrol(0, TIMEVAL_SIZE, SOL_SOCKET, SCM_TIMESTAMP);
  if (!m) return m;
  const us = getmicrotime();
  store<i64>(m.m_data + 12, us / 1000000);
  store<i64>(m.m_data + 20, us % 1000000);
  return m;
}
