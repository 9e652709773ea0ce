/**
 * Options of a TCP socket (level IPPROTO_TCP), those of IP that concern it, and its ioctls.
 *
 *      TCP_NODELAY TCP_NOPUSH TCP_QUICKACK         0 or 1
 *      TCP_MAXSEG                                  bytes: to set, a limit (0 none); to get, what is sent now
 *      TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT      s, s, probes: 1 to 32767, 127 for the count, else EINVAL
 *      TCP_USER_TIMEOUT                            ms that data may stay unacknowledged (RFC 5482), 0 none
 *      TCP_DEFER_ACCEPT                            s that a listener waits for data (tcp_syncache.ts)
 *      TCP_INFO                                    kernel/abi/tcp_info.ts, to get
 *
 * TCP_NOPUSH (Linux: TCP_CORK) holds back what does not fill a segment, even of TCP_NODELAY. Clearing it
 * sends the rest at once, whatever Nagle's rule says. Held data with nothing in flight goes after 200 ms
 * in any case (the override of RFC 9293 §3.8.6.2.1).
 *
 * SO_KEEPALIVE and the buffer sizes come by after the socket layer has set them, for what follows.
 */
import { EINVAL, ENOPROTOOPT, ENOTTY } from "../../kernel/abi/errno";
import { SIOCOUTQNSD } from "../../kernel/abi/filio";
import {
  IPPROTO_IP, IPPROTO_TCP, TCP_CONGCTL, TCP_DEFER_ACCEPT, TCP_INFO, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL,
  TCP_MAXSEG, TCP_NODELAY, TCP_NOPUSH, TCP_QUICKACK, TCP_USER_TIMEOUT,
} from "../../kernel/abi/inet";
import { SOL_SOCKET, SO_KEEPALIVE } from "../../kernel/abi/socket";
import { PRCO_GETOPT } from "../../kernel/net/protosw";
import { Socket } from "../../kernel/net/socket";
import { ip_ctloutput } from "./ip_ctloutput";
import { tcp_cc_sockopt } from "./tcp_ccsel";
import { tcp_info } from "./tcp_info";
import { tcp_setmss } from "./tcp_mtu";
import { tcp_output } from "./tcp_output";
import { syn_cache_defer_periods, syn_cache_defer_seconds } from "./tcp_syncache";
import { tcp_keepalive_start, tcp_timer_disarm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcp_inflight, tcps } from "./tcp_var";

function opt_get(tp: Tcpcb, opt: i32): i32 {
  if (opt == TCP_NODELAY) return (tp.t_flags & v.TF_NODELAY) != 0 ? 1 : 0;
  if (opt == TCP_NOPUSH) return (tp.t_flags & v.TF_NOPUSH) != 0 ? 1 : 0;
  if (opt == TCP_QUICKACK) return (tp.t_flags & v.TF_QUICKACK) != 0 ? 1 : 0;
  if (opt == TCP_MAXSEG) return <i32>tp.t_maxseg;
  if (opt == TCP_KEEPIDLE) return tp.t_keepidle_us != 0 ? <i32>(tp.t_keepidle_us / 1000000) : tcps.keepidle / 1000;
  if (opt == TCP_KEEPINTVL) return tp.t_keepintvl_us != 0 ? <i32>(tp.t_keepintvl_us / 1000000) : tcps.keepintvl / 1000;
  if (opt == TCP_KEEPCNT) return tp.t_keepcnt != 0 ? tp.t_keepcnt : tcps.keepcnt;
  if (opt == TCP_USER_TIMEOUT) return <i32>(tp.t_user_timeout_us / 1000);
  if (opt == TCP_DEFER_ACCEPT) return syn_cache_defer_seconds(tp.t_defer);
  return -ENOPROTOOPT;
}

function setflag(tp: Tcpcb, flag: u32, on: bool): void {
  if (on) tp.t_flags |= flag;
  else tp.t_flags &= ~flag;
}

/** Clearing TCP_NOPUSH: what was held goes, past Nagle. */
function uncork(tp: Tcpcb): void {
  const held = (tp.t_flags & v.TF_NOPUSH) != 0;
  tp.t_flags &= ~v.TF_NOPUSH;
  if (!held || tp.t_state < v.TCPS_ESTABLISHED) return;
  const nodelay = tp.t_flags & v.TF_NODELAY;
  tp.t_flags |= v.TF_NODELAY;
  tcp_output(tp);
  if (nodelay == 0) tp.t_flags &= ~v.TF_NODELAY;
}

/** Options that are on or off. False if `opt` is none of them. */
function opt_setflag(tp: Tcpcb, opt: i32, on: bool): bool {
  // RFC 9293 §3.7.4 MUST-17.
  if (opt == TCP_NODELAY) {
    setflag(tp, v.TF_NODELAY, on);
    if (on && tp.t_state >= v.TCPS_ESTABLISHED) tcp_output(tp);
  } else if (opt == TCP_NOPUSH) {
    if (on) tp.t_flags |= v.TF_NOPUSH;
    else uncork(tp);
  } else if (opt == TCP_QUICKACK) {
    setflag(tp, v.TF_QUICKACK, on);
    // One that is owed goes now.
    if (on && (tp.t_flags & v.TF_DELACK) != 0) {
      tp.t_flags |= v.TF_ACKNOW;
      tcp_output(tp);
    }
  } else return false;
  return true;
}

function opt_set(tp: Tcpcb, opt: i32, val: i32): i32 {
  if (opt_setflag(tp, opt, val != 0)) return 0;
  if (opt == TCP_INFO) return -ENOPROTOOPT;
  if (val < 0) return -EINVAL;
  if (opt == TCP_MAXSEG) {
    if (val != 0 && (val < tcps.minmss || val > 65495)) return -EINVAL;
    tp.t_usermss = <u32>val;
    if (tp.t_state >= v.TCPS_ESTABLISHED) tcp_setmss(tp);
    return 0;
  }
  // RFC 9293 §3.8.3 MUST-21.
  if (opt == TCP_USER_TIMEOUT) {
    tp.t_user_timeout_us = <i64>val * 1000;
    return 0;
  }
  if (opt == TCP_DEFER_ACCEPT) {
    tp.t_defer = syn_cache_defer_periods(val);
    return 0;
  }
  const keep = opt == TCP_KEEPIDLE || opt == TCP_KEEPINTVL || opt == TCP_KEEPCNT;
  if (keep && (val == 0 || val > (opt == TCP_KEEPCNT ? 127 : 32767))) return -EINVAL;
  if (opt == TCP_KEEPIDLE) tp.t_keepidle_us = <i64>val * 1000000;
  else if (opt == TCP_KEEPINTVL) tp.t_keepintvl_us = <i64>val * 1000000;
  else if (opt == TCP_KEEPCNT) tp.t_keepcnt = val;
  else return -ENOPROTOOPT;
  if ((tp.t_inpcb.inp_so.so_options & SO_KEEPALIVE) != 0) tcp_keepalive_start(tp);
  return 0;
}

/** Get or set option `opt` of `level`; GETOPT answers the length written. -ENOPROTOOPT, -EINVAL. */
export function tcp_ctloutput(tp: Tcpcb, so: Socket, op: i32, level: i32, opt: i32, buf: usize, len: i32): i32 {
  if (level == IPPROTO_IP) return ip_ctloutput(tp.t_inpcb, op, opt, buf, len);
  if (level == SOL_SOCKET) {
    // RFC 9293 §3.8.4 MUST-24: on or off for this connection.
    if (opt != SO_KEEPALIVE || op == PRCO_GETOPT) return -ENOPROTOOPT;
    if ((so.so_options & SO_KEEPALIVE) != 0) tcp_keepalive_start(tp);
    else if (tp.t_state >= v.TCPS_ESTABLISHED) tcp_timer_disarm(tp, v.TCPT_KEEP);
    return 0;
  }
  if (level != IPPROTO_TCP) return -ENOPROTOOPT;
  if (opt == TCP_CONGCTL) return tcp_cc_sockopt(tp, op, buf, len);
  if (op == PRCO_GETOPT && opt == TCP_INFO) return tcp_info(tp, so, buf, len);
  if (len < 4) return -EINVAL;
  if (op != PRCO_GETOPT) return opt_set(tp, opt, load<i32>(buf));
  const val = opt_get(tp, opt);
  if (val < 0) return val;
  store<i32>(buf, val);
  return 4;
}

/** Device control beyond what the socket layer does: SIOCOUTQNSD. */
export function tcp_ioctl(tp: Tcpcb, so: Socket, cmd: i32, data: usize): i32 {
  if (cmd != SIOCOUTQNSD) return -ENOTTY;
  if (tp.t_state == v.TCPS_LISTEN) return -EINVAL;
  const cc = so.so_snd.sb_cc;
  store<i32>(data, <i32>(cc - min(tcp_inflight(tp), cc)));
  return 0;
}
