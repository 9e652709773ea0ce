/**
 * Options of a TCP socket (level IPPROTO_TCP), those of IP that concern it, and its ioctls.
 *
 *      TCP_NODELAY TCP_MAXSEG TCP_KEEPIDLE/INTVL/CNT TCP_USER_TIMEOUT TCP_DEFER_ACCEPT     numbers, i32
 *
 * SO_KEEPALIVE and the buffer sizes come by after the socket layer has set them, for what follows.
 */
import { EINVAL, ENOPROTOOPT, ENOTTY } from "../../kernel/abi/errno";
import {
  IPPROTO_IP, IPPROTO_TCP, TCP_CONGCTL, TCP_DEFER_ACCEPT, TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_MAXSEG,
  TCP_NODELAY, TCP_USER_TIMEOUT,
} from "../../kernel/abi/inet";
import { SOL_SOCKET, SO_KEEPALIVE } from "../../kernel/abi/socket";
import { PRCO_GETOPT } from "../../kernel/net/protosw";
import { Socket } from "../../kernel/net/socket";
import { ip_ctloutput } from "./ip_ctloutput";
import { tcp_cc_sockopt } from "./tcp_ccsel";
import { tcp_setmss } from "./tcp_mtu";
import { tcp_output } from "./tcp_output";
import { syn_cache_defer_periods, syn_cache_defer_seconds } from "./tcp_syncache";
import { tcp_keepalive_start, tcp_timer_disarm } from "./tcp_timer";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

function opt_get(tp: Tcpcb, opt: i32): i32 {
  if (opt == TCP_NODELAY) return (tp.t_flags & v.TF_NODELAY) != 0 ? 1 : 0;
  if (opt == TCP_MAXSEG) return <i32>tp.t_maxseg;
  if (opt == TCP_KEEPIDLE) return tp.t_keepidle_us != 0 ? <i32>(tp.t_keepidle_us / 1000000) : tcps.keepidle / 1000;
  if (opt == TCP_KEEPINTVL) return tp.t_keepintvl_us != 0 ? <i32>(tp.t_keepintvl_us / 1000000) : tcps.keepintvl / 1000;
  if (opt == TCP_KEEPCNT) return tp.t_keepcnt != 0 ? tp.t_keepcnt : tcps.keepcnt;
  if (opt == TCP_USER_TIMEOUT) return <i32>(tp.t_user_timeout_us / 1000);
  if (opt == TCP_DEFER_ACCEPT) return syn_cache_defer_seconds(tp.t_defer);
  return -ENOPROTOOPT;
}

function opt_set(tp: Tcpcb, opt: i32, val: i32): i32 {
  if (opt == TCP_NODELAY) {
    if (val != 0) tp.t_flags |= v.TF_NODELAY;
    else tp.t_flags &= ~v.TF_NODELAY;
    if (val != 0 && tp.t_state >= v.TCPS_ESTABLISHED) tcp_output(tp);
    return 0;
  }
  if (val < 0) return -EINVAL;
  if (opt == TCP_MAXSEG) {
    if (val < tcps.minmss || val > 65495) return -EINVAL;
    tp.t_usermss = <u32>val;
    if (tp.t_state >= v.TCPS_ESTABLISHED) tcp_setmss(tp);
    return 0;
  }
  if (opt == TCP_USER_TIMEOUT) {
    tp.t_user_timeout_us = <i64>val * 1000;
    return 0;
  }
  if (opt == TCP_DEFER_ACCEPT) {
    tp.t_defer = syn_cache_defer_periods(val);
    return 0;
  }
  if (val == 0 || val > 32767) return -EINVAL;
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
    if (opt != SO_KEEPALIVE || op == PRCO_GETOPT) return -ENOPROTOOPT;
    if ((so.so_options & SO_KEEPALIVE) != 0) tcp_keepalive_start(tp);
    else if (tp.t_state >= v.TCPS_ESTABLISHED) tcp_timer_disarm(tp, v.TCPT_KEEP);
    return 0;
  }
  if (level != IPPROTO_TCP) return -ENOPROTOOPT;
  if (opt == TCP_CONGCTL) return tcp_cc_sockopt(tp, op, buf, len);
  if (len < 4) return -EINVAL;
  if (op != PRCO_GETOPT) return opt_set(tp, opt, load<i32>(buf));
  const val = opt_get(tp, opt);
  if (val < 0) return val;
  store<i32>(buf, val);
  return 4;
}

/** Device control of a TCP socket: none beyond what the socket layer does. */
export function tcp_ioctl(tp: Tcpcb, so: Socket, cmd: i32, data: usize): i32 {
  return -ENOTTY;
}
