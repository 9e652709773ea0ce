/**
 * Socket options of level SOL_SOCKET and the ioctls of sockets.
 *
 * What the socket layer keeps (flags, linger, sizes, marks, timeouts) is handled here and then offered
 * to the protocol, which may act on it (SO_KEEPALIVE starts a timer, sockin passes it to the host).
 * Other levels go to the protocol alone.
 */
import { EDOM, EINVAL, ENOPROTOOPT } from "../abi/errno";
import { FIOASYNC, FIONBIO, FIONREAD, FIONSPACE, FIONWRITE, SIOCATMARK } from "../abi/filio";
import * as s from "../abi/socket";
import { PRCO_GETOPT, PRCO_SETOPT } from "./protosw";
import { SS_RCVATMARK, Socket, sost } from "./socket";
import { SB_AUTOSIZE, sbreserve } from "./sockbuf";

/** Options that are one bit of so_options. */
const SO_FLAGS: i32 = s.SO_DEBUG | s.SO_REUSEADDR | s.SO_KEEPALIVE | s.SO_DONTROUTE | s.SO_BROADCAST
  | s.SO_OOBINLINE | s.SO_REUSEPORT | s.SO_NOSIGPIPE | s.SO_TIMESTAMP;

/** Longest SO_LINGER, seconds. */
const LINGER_MAX: i32 = 32767;

function setflag(so: Socket, opt: i32, on: bool): void {
  if (on) so.so_options |= opt;
  else so.so_options &= ~opt;
}

/** The i64 µs of a timeval; -1 if it is none. */
function timeval_us(buf: usize, len: i32): i64 {
  if (len < 12) return -1;
  const sec = load<i64>(buf);
  const usec = load<i32>(buf, 8);
  if (sec < 0 || sec > 1000000000 || usec < 0 || usec >= 1000000) return -1;
  return sec * 1000000 + usec;
}

function setbuf(so: Socket, opt: i32, v: i32): i32 {
  if (v <= 0) return -EINVAL;
  if (opt == s.SO_SNDBUF || opt == s.SO_RCVBUF) {
    const sb = opt == s.SO_SNDBUF ? so.so_snd : so.so_rcv;
    sbreserve(sb, v, sost.so_sbmax);
    // Whoever says how large it is to be wants it so.
    sb.sb_flags &= ~SB_AUTOSIZE;
  } else if (opt == s.SO_SNDLOWAT) so.so_snd.sb_lowat = min<u32>(v, so.so_snd.sb_hiwat);
  else so.so_rcv.sb_lowat = min<u32>(v, so.so_rcv.sb_hiwat);
  return 0;
}

/** SOL_SOCKET, the part that the socket layer keeps. */
function setopt_socket(so: Socket, opt: i32, buf: usize, len: i32): i32 {
  if (opt == s.SO_LINGER) {
    if (len < s.LINGER_SIZE) return -EINVAL;
    const secs = load<i32>(buf, 4);
    if (secs < 0 || secs > LINGER_MAX) return -EDOM;
    so.so_linger = secs;
    setflag(so, s.SO_LINGER, load<i32>(buf) != 0);
    return 0;
  }
  if (opt == s.SO_SNDTIMEO || opt == s.SO_RCVTIMEO) {
    const us = timeval_us(buf, len);
    if (us < 0) return -EDOM;
    if (opt == s.SO_SNDTIMEO) so.so_sndtimeo = us;
    else so.so_rcvtimeo = us;
    return 0;
  }
  if (len < 4) return -EINVAL;
  const v = load<i32>(buf);
  if ((opt & SO_FLAGS) != 0 && (opt & (opt - 1)) == 0) {
    setflag(so, opt, v != 0);
    return 0;
  }
  if (opt >= s.SO_SNDBUF && opt <= s.SO_RCVLOWAT) return setbuf(so, opt, v);
  return -ENOPROTOOPT;
}

/** Ask the protocol, if the socket still has its control block. */
function ctloutput(so: Socket, op: i32, level: i32, opt: i32, buf: usize, len: i32): i32 {
  return so.so_pcb != 0 ? so.so_proto.pr_ctloutput(so, op, level, opt, buf, len) : -EINVAL;
}

/** setsockopt(2): 0 or -errno. `buf` has been checked to be readable. */
export function sosetopt(so: Socket, level: i32, opt: i32, buf: usize, len: i32): i32 {
  if (level != s.SOL_SOCKET) return ctloutput(so, PRCO_SETOPT, level, opt, buf, len);
  const e = setopt_socket(so, opt, buf, len);
  if (e < 0 && e != -ENOPROTOOPT) return e;
  const e2 = so.so_pcb != 0 ? ctloutput(so, PRCO_SETOPT, level, opt, buf, len) : -ENOPROTOOPT;
  return e2 == -ENOPROTOOPT ? e : e2;
}

function put_i32(buf: usize, len: i32, v: i32): i32 {
  if (len < 4) return -EINVAL;
  store<i32>(buf, v);
  return 4;
}

function put_timeval(buf: usize, len: i32, us: i64): i32 {
  if (len < s.TIMEVAL_SIZE) return -EINVAL;
  store<i64>(buf, us / 1000000);
  store<i64>(buf, us % 1000000, 8);
  return s.TIMEVAL_SIZE;
}

function put_linger(so: Socket, buf: usize, len: i32): i32 {
  if (len < s.LINGER_SIZE) return -EINVAL;
  store<i32>(buf, so.so_options & s.SO_LINGER ? 1 : 0);
  store<i32>(buf, so.so_linger, 4);
  return s.LINGER_SIZE;
}

/** The value of an option that is a number; -ENOPROTOOPT for others (no value is so low). */
function getopt_int(so: Socket, opt: i32): i32 {
  if ((opt & (SO_FLAGS | s.SO_ACCEPTCONN)) != 0 && (opt & (opt - 1)) == 0) return so.so_options & opt ? 1 : 0;
  if (opt == s.SO_SNDBUF) return so.so_snd.sb_hiwat;
  if (opt == s.SO_RCVBUF) return so.so_rcv.sb_hiwat;
  if (opt == s.SO_SNDLOWAT) return so.so_snd.sb_lowat;
  if (opt == s.SO_RCVLOWAT) return so.so_rcv.sb_lowat;
  if (opt == s.SO_TYPE) return so.so_type;
  if (opt == s.SO_PROTOCOL) return so.so_protocol;
  if (opt == s.SO_DOMAIN) return so.so_proto.pr_family;
  if (opt == s.SO_OVERFLOWED) return so.so_rcvdrops;
  if (opt == s.SO_LISTENOVERFLOW) return so.so_overflow;
  if (opt == s.SO_LISTENQLEN) return so.so_qlen;
  if (opt == s.SO_LISTENQLIMIT) return so.so_qlimit;
  if (opt == s.SO_ERROR) {
    const e = so.so_error;
    so.so_error = 0;
    return e;
  }
  return -ENOPROTOOPT;
}

/** getsockopt(2): bytes written to `buf` (room for `len`), or -errno. */
export function sogetopt(so: Socket, level: i32, opt: i32, buf: usize, len: i32): i32 {
  if (level != s.SOL_SOCKET) return ctloutput(so, PRCO_GETOPT, level, opt, buf, len);
  if (opt == s.SO_LINGER) return put_linger(so, buf, len);
  if (opt == s.SO_SNDTIMEO) return put_timeval(buf, len, so.so_sndtimeo);
  if (opt == s.SO_RCVTIMEO) return put_timeval(buf, len, so.so_rcvtimeo);
  if (len < 4) return -EINVAL;
  const v = getopt_int(so, opt);
  if (v == -ENOPROTOOPT) return ctloutput(so, PRCO_GETOPT, level, opt, buf, len);
  return put_i32(buf, len, v);
}

/** ioctl(2) on a socket; `data` has been checked to be 4 bytes of memory for the requests known here. */
export function soioctl(so: Socket, cmd: i32, data: usize): i32 {
  const p = so.so_proto;
  if (cmd == FIONREAD) store<i32>(data, p.pr_soavail(so));
  else if (cmd == FIONWRITE) store<i32>(data, p.pr_sounsent(so));
  else if (cmd == FIONSPACE) store<i32>(data, max(0, p.pr_sospace(so)));
  else if (cmd == SIOCATMARK) store<i32>(data, so.so_state & SS_RCVATMARK ? 1 : 0);
  else if (cmd != FIONBIO && cmd != FIOASYNC) return so.so_pcb != 0 ? p.pr_ioctl(so, cmd, data) : -EINVAL;
  return 0;
}
