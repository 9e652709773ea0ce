/**
 * Sending: from user memory, or from an mbuf chain, to the protocol.
 *
 *      sosend_generic   copies once, into storage that suits the length (inline, 2 KiB, 64 KiB), and
 *                       hands the whole chain to pr_send in one call: one write, one tcp_output
 *      sosend_chain     hands over mbufs that somebody else filled: no copy at all
 *
 * Nothing waits. A stream takes what fits (at least the low-water mark, unless less was asked) or
 * answers -EAGAIN; a datagram goes whole or not at all.
 */
import { EAGAIN, EDESTADDRREQ, EMSGSIZE, ENOBUFS, ENOTCONN, EPIPE } from "../abi/errno";
import { MSG_EOR, MSG_MORE, MSG_OOB } from "../abi/socket";
import { MCLBYTES, MLEN, MNULL, MT_CONTROL, M_EOR, Mbuf, m_clget, m_free, m_freem, m_get, m_scarce, m_size, m_start } from "./mbuf";
import { m_last, m_length } from "./mbuf2";
import { m_getfor } from "./mbuf3";
import { mbwait_add } from "./mbwait";
import { Msg, msg_get } from "./msg";
import { PR_ATOMIC, PR_CONNREQUIRED, PRUS_MORETOCOME, PRUS_OOB } from "./protosw";
import { SS_CANTSENDMORE, SS_ISCONNECTED, SS_ISCONNECTING, Socket } from "./socket";

/** Why nothing can be sent now (0: nothing is in the way). Reports and clears so_error. */
function sosend_check(so: Socket, named: bool): i32 {
  if (so.so_error != 0) {
    const e = so.so_error;
    so.so_error = 0;
    return -e;
  }
  const state = so.so_state;
  if (state & SS_CANTSENDMORE) return -EPIPE;
  if (state & SS_ISCONNECTED) return 0;
  if (so.so_proto.pr_flags & PR_CONNREQUIRED) return state & SS_ISCONNECTING ? -EAGAIN : -ENOTCONN;
  return named ? 0 : -EDESTADDRREQ;
}

/** Bytes of `resid` that may go now, or -EAGAIN, or -EMSGSIZE for a datagram that never could. */
function sosend_room(so: Socket, resid: i32, clen: i32): i32 {
  const space = so.so_proto.pr_sospace(so);
  if (so.so_proto.pr_flags & PR_ATOMIC) {
    if (<u32>resid + <u32>clen > so.so_snd.sb_hiwat) return -EMSGSIZE;
    return space >= resid + clen ? resid : -EAGAIN;
  }
  if (space >= resid) return resid;
  return space < <i32>so.so_snd.sb_lowat || space <= 0 ? -EAGAIN : space;
}

/**
 * `len` bytes of `msg` in a new chain, in few large pieces. When mbufs run out in the middle the chain
 * is shorter (a record: null); null when there is none at all. m_length says how much it took.
 */
function msg_tochain(msg: Msg, len: i32, pkthdr: bool): Mbuf {
  let top = MNULL;
  let tail = MNULL;
  let left = len;
  do {
    const n = m_getfor(left, !top && pkthdr);
    if (!n) {
      if (pkthdr) {
        m_freem(top);
        return n;
      }
      return top;
    }
    const k = min(left, <i32>(m_start(n) + m_size(n) - n.m_data));
    msg_get(msg, n.m_data, k);
    n.m_len = k;
    left -= k;
    if (tail) tail.m_next = n;
    else top = n;
    tail = n;
  } while (left > 0);
  if (pkthdr) top.ph_len = len;
  return top;
}

/** The control messages of `msg` in an mbuf; null when there is none. */
function msg_tocontrol(msg: Msg): Mbuf {
  const m = m_get();
  if (!m) return m;
  if (msg.msg_controllen > MLEN && !m_clget(m)) return m_free(m);
  m.m_type = MT_CONTROL;
  memory.copy(m.m_data, msg.msg_control, msg.msg_controllen);
  m.m_len = msg.msg_controllen;
  return m;
}

function prus(flags: i32, more: bool): i32 {
  return (flags & MSG_OOB ? PRUS_OOB : 0) | (more || (flags & MSG_MORE) != 0 ? PRUS_MORETOCOME : 0);
}

/** No mbufs. A stream is not writeable until there are some (mbwait.ts); a datagram may be dropped, its sender goes on. */
function sosend_nobufs(so: Socket, atomic: bool): i32 {
  if (!atomic) mbwait_add(so);
  return -ENOBUFS;
}

/** Protosw.pr_sosend for protocols with mbuf socket buffers: bytes taken or -errno. */
export function sosend_generic(so: Socket, msg: Msg, flags: i32): i32 {
  let e = sosend_check(so, msg.msg_namelen != 0);
  if (e < 0) return e;
  const atomic = (so.so_proto.pr_flags & PR_ATOMIC) != 0;
  const resid = msg.msg_resid;
  if (resid == 0 && !atomic) return 0;
  if (msg.msg_controllen > MCLBYTES) return -EMSGSIZE;
  const room = sosend_room(so, resid, msg.msg_controllen);
  if (room < 0) return room;
  if (m_scarce()) return sosend_nobufs(so, atomic);
  let control = MNULL;
  if (msg.msg_controllen > 0) {
    control = msg_tocontrol(msg);
    if (!control) return -ENOBUFS;
  }
  const m = msg_tochain(msg, room, atomic);
  if (!m) {
    m_freem(control);
    return sosend_nobufs(so, atomic);
  }
  if (flags & MSG_EOR) {
    const last = m_last(m);
    last.m_flags |= M_EOR;
  }
  const taken = resid - msg.msg_resid;
  e = so.so_proto.pr_send(so, m, msg.msg_name, msg.msg_namelen, prus(flags, false), control);
  return e < 0 ? e : taken;
}

/**
 * Send the chain `m` on a connected socket without copying it: all of it or nothing. Its length, and
 * the chain is gone; or -errno, and it is still the caller's (-EAGAIN: no room for all of it).
 * An error of the protocol after it took the chain is left in so_error.
 */
export function sosend_chain(so: Socket, m: Mbuf, flags: i32): i32 {
  let e = sosend_check(so, false);
  if (e < 0) return e;
  const len = m_length(m);
  const room = sosend_room(so, len, 0);
  if (room < len) return room < 0 ? room : -EAGAIN;
  e = so.so_proto.pr_send(so, m, 0, 0, prus(flags, false), MNULL);
  if (e < 0) so.so_error = -e;
  return len;
}
