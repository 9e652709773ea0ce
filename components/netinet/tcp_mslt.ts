/**
 * Maximum segment lifetime truncation: how long TIME-WAIT lasts depends on how near the peer is.
 *
 *      class      peer                                   MSL, half seconds   TIME-WAIT
 *      loopback   ourselves, by whatever address                         2         2 s
 *      local      on a subnet of ours                                   10        10 s
 *      remote     all others                                            60        60 s
 *
 * RFC 9293 §3.4.2 takes 2 minutes for the MSL because a segment might cross the Internet slowly; one
 * that never leaves the machine cannot. The class is fixed when the connection is established. A peer on
 * our subnet whose first round trip took longer than remote_threshold is not near, and counts as remote.
 *
 * sysctl net.inet.tcp.mslt.{enable,loopback,local,remote,remote_threshold}: NetBSD's names, and its unit,
 * the slow tick of 500 ms. enable 0: all are remote. A value of 0 stands for 7.5, 15 and 30 s, as there.
 * net.inet.tcp.msl_us, if it is not 0, overrides them all, for tests of what happens in and after 2 MSL.
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { in_localaddr, in_localip, in_loopback } from "./in_ifaddr";
import { Inpcb } from "./in_pcb";
import { TcpState, Tcpcb, tcps } from "./tcp_var";

export const MSLT_LOOPBACK: i32 = 0;
export const MSLT_LOCAL: i32 = 1;
export const MSLT_REMOTE: i32 = 2;

/** Slow ticks: NetBSD's TCPTV_MSL, 30 s. */
const TCPTV_MSL: i32 = 60;
const SLOWTICK_US: i64 = 500000;
/** One hour in slow ticks: vestiges count ms modulo 2^24. */
const MSLT_MAX: i32 = 7200;

/** Defaults and names. Boot only. */
export function tcp_mslt_boot(): void {
  const s = tcps;
  s.mslt_enable = 1;
  s.mslt_loopback = 2;
  s.mslt_local = 10;
  s.mslt_remote = TCPTV_MSL;
  s.mslt_remote_threshold = 6;
  const at = changetype<usize>(s);
  sysctl_int("net.inet.tcp.mslt.enable", at + offsetof<TcpState>("mslt_enable"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.mslt.loopback", at + offsetof<TcpState>("mslt_loopback"), CTLFLAG_RW, 0, MSLT_MAX);
  sysctl_int("net.inet.tcp.mslt.local", at + offsetof<TcpState>("mslt_local"), CTLFLAG_RW, 0, MSLT_MAX);
  sysctl_int("net.inet.tcp.mslt.remote", at + offsetof<TcpState>("mslt_remote"), CTLFLAG_RW, 0, MSLT_MAX);
  sysctl_int("net.inet.tcp.mslt.remote_threshold", at + offsetof<TcpState>("mslt_remote_threshold"), CTLFLAG_RW, 0, MSLT_MAX);
  sysctl_int("net.inet.tcp.msl_us", at + offsetof<TcpState>("msl_us"), CTLFLAG_RW, 0, 1800000000);
}

/** The class of `inp`'s peer, who is `srtt_us` away (0: not measured). */
export function tcp_msl_class(inp: Inpcb, srtt_us: i32): i32 {
  if (tcps.mslt_enable == 0) return MSLT_REMOTE;
  if (in_localip(inp.inp_faddr) || in_loopback(inp.inp_faddr)) return MSLT_LOOPBACK;
  if (!in_localaddr(inp.inp_faddr)) return MSLT_REMOTE;
  return <i64>srtt_us > <i64>tcps.mslt_remote_threshold * SLOWTICK_US ? MSLT_REMOTE : MSLT_LOCAL;
}

/** The connection stands: its class is this, from now on. */
export function tcp_msl_fix(tp: Tcpcb): void {
  tp.t_mslclass = tcp_msl_class(tp.t_inpcb, tp.t_srtt_us);
}

/** 2 MSL of class `cls`, µs. */
export function tcp_2msl_us(cls: i32): i64 {
  if (tcps.msl_us != 0) return <i64>tcps.msl_us * 2;
  let ticks = tcps.mslt_remote != 0 ? tcps.mslt_remote : TCPTV_MSL;
  if (cls == MSLT_LOOPBACK) ticks = tcps.mslt_loopback != 0 ? tcps.mslt_loopback : TCPTV_MSL >> 2;
  else if (cls == MSLT_LOCAL) ticks = tcps.mslt_local != 0 ? tcps.mslt_local : TCPTV_MSL >> 1;
  return <i64>ticks * 2 * SLOWTICK_US;
}
