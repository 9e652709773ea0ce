/**
 * Routes as text, one line each, for `rumpwasm route` and netstat -r.
 *
 *      destination/length gateway flags interface use mtu expire metric source table paths metrics
 *
 * Flags are netstat's: U up, G gateway, H host, R reject, B blackhole, P prohibit, M multipath, S static,
 * D dynamic, l local, b broadcast, C connected. `-` is none, expire is in seconds. Paths are
 * "gateway,interface,weight" joined by ";", metrics "name=value" (with "!" when locked) joined by ",".
 */
import { kput_bytes, kput_char, kput_str, kput_u32, kput_u64 } from "../../kernel/kern/kstring";
import { Ifnet } from "../../kernel/net/ifnet";
import { kput_ipv4 } from "../../kernel/net/in_text";
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_CONNECTED, RTF_DYNAMIC, RTF_GATEWAY, RTF_HOST, RTF_LOCAL, RTF_MULTIPATH, RTF_PROHIBIT,
  RTF_REJECT, RTF_STATIC, RTF_UP, RTV_CWND, RTV_MTU, RTV_RTT, RTV_RTTVAR, RTV_SSTHRESH, Rtentry,
} from "../../kernel/net/route";
import { Fibpath } from "./fib_nexthop";
import { Fibent, fe_tableid, rt_static } from "./fib_table";
import { rt_expire_left } from "./route_expire";
import { rt_ifa_in } from "./route_ifa";
import { kput_prefix, kput_table } from "./route_text";

function put_flag(at: usize, end: usize, on: u32, c: i32): usize {
  return on != 0 ? kput_char(at, end, c) : at;
}

function put_flags(at: usize, end: usize, fe: Fibent): usize {
  const f = fe.fe_rt.rt_flags;
  at = put_flag(at, end, f & RTF_UP, 85);
  at = put_flag(at, end, f & RTF_GATEWAY, 71);
  at = put_flag(at, end, f & RTF_HOST, 72);
  at = put_flag(at, end, f & RTF_REJECT, 82);
  at = put_flag(at, end, f & RTF_PROHIBIT, 80);
  at = put_flag(at, end, f & RTF_BLACKHOLE, 66);
  at = put_flag(at, end, f & RTF_MULTIPATH, 77);
  at = put_flag(at, end, f & RTF_STATIC, 83);
  at = put_flag(at, end, !rt_static(fe) ? 1 : f & RTF_DYNAMIC, 68);
  at = put_flag(at, end, f & RTF_LOCAL, 108);
  at = put_flag(at, end, f & RTF_BROADCAST, 98);
  return put_flag(at, end, f & RTF_CONNECTED, 67);
}

/** A space, and the next hop or "-". */
function put_gateway(at: usize, end: usize, rt: Rtentry): usize {
  if ((rt.rt_flags & RTF_GATEWAY) != 0) return kput_ipv4(at, end, rt.rt_gateway4);
  return kput_char(at, end, 45);
}

function put_ifname(at: usize, end: usize, ifp: Ifnet): usize {
  return kput_bytes(at, end, ifp.if_xname, ifp.if_namelen);
}

/** The MTU of `rt`: its own, or that of its interface. */
function mtu_of(rt: Rtentry): u32 {
  return rt.rt_mtu != 0 ? rt.rt_mtu : rt.rt_ifp.if_mtu;
}

function put_source(at: usize, end: usize, rt: Rtentry): usize {
  return rt.rt_ifa ? kput_ipv4(at, end, rt_ifa_in(rt.rt_ifa)) : kput_char(at, end, 45);
}

function put_paths(at: usize, end: usize, rt: Rtentry): usize {
  if (rt.rt_paths == 0) return kput_char(at, end, 45);
  for (let p = changetype<Fibpath>(rt.rt_paths); p; p = changetype<Fibpath>(p.fp_next)) {
    at = kput_char(put_gateway(at, end, p.fp_rt), end, 44);
    at = kput_char(put_ifname(at, end, p.fp_rt.rt_ifp), end, 44);
    at = kput_u32(at, end, p.fp_weight);
    if (p.fp_next != 0) at = kput_char(at, end, 59);
  }
  return at;
}

/** ",name=value" if there is one, without the comma at `from`. */
function put_metric(at: usize, end: usize, from: usize, name: string, value: i32, locked: u32): usize {
  if (value == 0) return at;
  if (at != from) at = kput_char(at, end, 44);
  at = kput_u32(kput_char(kput_str(at, end, name), end, 61), end, value);
  return locked != 0 ? kput_char(at, end, 33) : at;
}

/** The metrics of `rt` that are set; "-" if there are none. */
export function kput_metrics(at: usize, end: usize, rt: Rtentry): usize {
  const from = at;
  const lock = rt.rt_lock;
  at = put_metric(at, end, from, "mtu", rt.rt_mtu, lock & RTV_MTU);
  at = put_metric(at, end, from, "rtt_us", rt.rt_rtt_us, lock & RTV_RTT);
  at = put_metric(at, end, from, "rttvar_us", rt.rt_rttvar_us, lock & RTV_RTTVAR);
  at = put_metric(at, end, from, "ssthresh", rt.rt_ssthresh, lock & RTV_SSTHRESH);
  at = put_metric(at, end, from, "cwnd", rt.rt_cwnd, lock & RTV_CWND);
  return at == from ? kput_char(at, end, 45) : at;
}

/** The line of `fe`. */
export function kput_route(at: usize, end: usize, fe: Fibent): usize {
  const rt = fe.fe_rt;
  at = kput_char(kput_prefix(at, end, fe.fe_dst, fe.fe_len), end, 32);
  at = kput_char(put_gateway(at, end, rt), end, 32);
  at = kput_char(put_flags(at, end, fe), end, 32);
  at = kput_char(put_ifname(at, end, rt.rt_ifp), end, 32);
  at = kput_char(kput_u64(at, end, rt.rt_use), end, 32);
  at = kput_char(kput_u32(at, end, mtu_of(rt)), end, 32);
  if (fe.fe_expire == 0) at = kput_str(at, end, "- ");
  else at = kput_char(kput_u32(at, end, rt_expire_left(fe)), end, 32);
  at = kput_char(kput_u32(at, end, fe.fe_metric), end, 32);
  at = kput_char(put_source(at, end, rt), end, 32);
  at = kput_char(kput_table(at, end, fe_tableid(fe)), end, 32);
  at = kput_char(put_paths(at, end, rt), end, 32);
  return kput_char(kput_metrics(at, end, rt), end, 10);
}

/** "gateway interface source mtu expire metrics" of the way `rt` that a packet takes; `left_s` -1: for ever. */
export function kput_way(at: usize, end: usize, rt: Rtentry, left_s: i64): usize {
  at = kput_char(put_gateway(at, end, rt), end, 32);
  at = kput_char(put_ifname(at, end, rt.rt_ifp), end, 32);
  at = kput_char(put_source(at, end, rt), end, 32);
  at = kput_char(kput_u32(at, end, mtu_of(rt)), end, 32);
  at = left_s < 0 ? kput_char(at, end, 45) : kput_u64(at, end, <u64>left_s);
  return kput_metrics(kput_char(at, end, 32), end, rt);
}
