/**
 * sysctl net.route.table: the tables as text, and their control (`rumpwasm route`, netstat -r).
 *
 *      read:   all routes (route_show.ts)
 *      ask:    N                                 the same from line N on, as many as there is room for
 *              get ADDR [from S] [iif IF] [oif IF] [tos N] [mark N]          three lines, or ESRCH:
 *                  the route or "-"; the rule that led to it; the way that a packet takes
 *      write:  add DST[/LEN] WAY [OPTION…]       DST: an address, a prefix or "default"
 *              change DST[/LEN] WAY [OPTION…]    WAY: [via] GATEWAY [dev IF], dev IF, reject, blackhole,
 *              del DST[/LEN] [GATEWAY] [OPTION…]      prohibit, or nexthop via GATEWAY [dev IF] [weight N] …
 *              flush [table T]                   those of no address
 *
 * Options: metric N, mtu [lock] N, src ADDR, table T, rtt [lock] MS, rttvar [lock] MS, ssthresh [lock] N,
 * cwnd [lock] N. A DST without a length is a host. What is written may be many commands, a line each; the
 * first that fails ends it, and net.route.batchline says which it was, from 1.
 */
import { EINVAL, ENXIO, ERANGE } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { AF_INET } from "../../kernel/abi/socket";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kparse_u64 } from "../../kernel/kern/kstring";
import { sysctl_fn, sysctl_int } from "../../kernel/kern/sysctl";
import { ktext_trim } from "../../kernel/net/in_text";
import {
  RTF_BLACKHOLE, RTF_GATEWAY, RTF_MULTIPATH, RTF_PROHIBIT, RTF_REJECT, RTF_STATIC, RTM_ADD, RTM_CHANGE, RTM_DELETE,
  RTV_CWND, RTV_MTU, RTV_RTT, RTV_RTTVAR, RTV_SSTHRESH, Rtinfo, Rtpath,
} from "../../kernel/net/route";
import { RTF_OFADDR, fe_first, fe_nextof, fe_tableid, rt_remove } from "./fib_table";
import { exc_flush } from "./route_exception";
import { rt_question } from "./route_get";
import { rtrequest } from "./route_request";
import { rule_command } from "./route_rule_text";
import { kput_route } from "./route_show";
import {
  text_addr, text_begin, text_done, text_prefixlen, word_accept, word_accept_ipv4, word_interface, word_ipv4, word_is, word_number,
  word_prefix, word_table, word_take,
} from "./route_text";
import { RT_MAXPATHS } from "./route_way";

/** The request that is being read. */
@unmanaged
class RouteControl {
  info: Rtinfo;
  /** Room for RT_MAXPATHS of Rtpath. */
  paths: usize;
  batchline: i32;
}

let rc: RouteControl = changetype<RouteControl>(0);

export function rt_control_boot(): void {
  rc = changetype<RouteControl>(kmem_alloc(offsetof<RouteControl>(), 8, "route"));
  rc.info = changetype<Rtinfo>(kmem_alloc(offsetof<Rtinfo>(), 8, "route"));
  rc.paths = kmem_alloc(<usize>RT_MAXPATHS * offsetof<Rtpath>(), 4, "route");
  sysctl_fn("net.route.table", rt_control, CTLFLAG_RW);
  sysctl_int("net.route.batchline", changetype<usize>(rc) + offsetof<RouteControl>("batchline"), 0);
}

/** The interface named next, to `info`. 0, -EINVAL, -ENXIO. */
function parse_dev(): i32 {
  if (!word_take()) return -EINVAL;
  rc.info.ri_ifindex = word_interface();
  return rc.info.ri_ifindex != 0 ? 0 : -ENXIO;
}

/** "via GATEWAY [dev IF] [weight N]", behind "nexthop". 0 or -errno. */
function parse_path(): i32 {
  const info = rc.info;
  if (info.ri_npaths == RT_MAXPATHS) return -EINVAL;
  const rp = changetype<Rtpath>(rc.paths + <usize>info.ri_npaths * offsetof<Rtpath>());
  info.ri_npaths++;
  memory.fill(changetype<usize>(rp), 0, offsetof<Rtpath>());
  rp.rp_weight = 1;
  if (word_accept("via")) {
    const gw = word_accept_ipv4();
    if (gw <= 0) return -EINVAL;
    rp.rp_gateway4 = <u32>gw;
  }
  if (word_accept("dev")) {
    const e = parse_dev();
    if (e < 0) return e;
    rp.rp_ifindex = info.ri_ifindex;
    info.ri_ifindex = 0;
  }
  if (word_accept("weight")) {
    const weight = word_take() ? word_number() : 0;
    if (weight < 1 || weight > 256) return -EINVAL;
    rp.rp_weight = <i32>weight;
  }
  return rp.rp_gateway4 != 0 || rp.rp_ifindex != 0 ? 0 : -EINVAL;
}

/** Where the route leads. 0 or -errno. */
function parse_way(): i32 {
  const info = rc.info;
  if (word_accept("reject") || word_accept("unreachable")) info.ri_flags |= RTF_REJECT;
  else if (word_accept("prohibit")) info.ri_flags |= RTF_REJECT | RTF_PROHIBIT;
  else if (word_accept("blackhole")) info.ri_flags |= RTF_BLACKHOLE;
  else if (word_accept("dev")) return parse_dev();
  else if (word_accept("nexthop")) {
    info.ri_flags |= RTF_MULTIPATH;
    info.ri_paths = rc.paths;
    let e = parse_path();
    while (e == 0 && word_accept("nexthop")) e = parse_path();
    return e;
  } else {
    word_accept("via");
    const gw = word_accept_ipv4();
    if (gw < 0) return -EINVAL;
    info.ri_flags |= RTF_GATEWAY;
    info.ri_gateway4 = <u32>gw;
    return word_accept("dev") ? parse_dev() : 0;
  }
  return 0;
}

/** The number behind a metric's name, times `scale`; -1 if there is none. Notes in `lock` that it is locked. */
function parse_metric(lock: u32, scale: i64): i32 {
  if (word_accept("lock")) rc.info.ri_lock |= lock;
  const v = word_take() ? word_number() : -1;
  return v >= 0 && v * scale <= 0x7fffffff ? <i32>(v * scale) : -1;
}

/** The option just taken. 0 or -EINVAL. */
function parse_option(): i32 {
  const info = rc.info;
  if (word_is("src")) {
    const src = word_take() ? word_ipv4() : -1;
    info.ri_src4 = <u32>src;
    return src < 0 ? -EINVAL : 0;
  }
  if (word_is("table")) {
    info.ri_table = word_take() ? word_table() : 0;
    return info.ri_table == 0 ? -EINVAL : 0;
  }
  let v = -1;
  if (word_is("metric")) v = info.ri_metric = parse_metric(0, 1);
  else if (word_is("mtu")) v = info.ri_mtu = parse_metric(RTV_MTU, 1);
  else if (word_is("rtt")) v = info.ri_rtt_us = parse_metric(RTV_RTT, 1000);
  else if (word_is("rttvar")) v = info.ri_rttvar_us = parse_metric(RTV_RTTVAR, 1000);
  else if (word_is("ssthresh")) v = info.ri_ssthresh = parse_metric(RTV_SSTHRESH, 1);
  else if (word_is("cwnd")) v = info.ri_cwnd = parse_metric(RTV_CWND, 1);
  return v < 0 ? -EINVAL : 0;
}

/** Every route that is of no address, or those of one table; and what was learned. */
function rt_flush(): i32 {
  let table = 0;
  if (word_accept("table")) {
    table = word_take() ? word_table() : 0;
    if (table == 0) return -EINVAL;
  }
  if (!text_done()) return -EINVAL;
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    if ((fe.fe_rt.rt_flags & RTF_OFADDR) == 0 && (table == 0 || fe_tableid(fe) == table)) rt_remove(fe);
  }
  exc_flush();
  return 0;
}

/** Obey the `n` bytes at `p`. 0 or -errno. */
function rt_command(p: usize, n: i32): i32 {
  text_begin(p, n);
  if (word_accept("rule")) return rule_command(p + 5, n - 5);
  word_accept("route");
  if (word_accept("flush")) return rt_flush();
  const info = rc.info;
  memory.fill(changetype<usize>(info), 0, offsetof<Rtinfo>());
  info.ri_family = AF_INET;
  info.ri_flags = RTF_STATIC;
  const cmd = word_accept("add") ? RTM_ADD : word_accept("change") ? RTM_CHANGE : word_accept("del") ? RTM_DELETE : 0;
  if (cmd == 0 || !word_take() || !word_prefix()) return -EINVAL;
  info.ri_dst4 = text_addr();
  info.ri_prefixlen = text_prefixlen();
  let e = 0;
  if (cmd == RTM_DELETE) {
    // The gateway may be named, and is then not an option.
    word_accept("via");
    const gw = word_accept_ipv4();
    if (gw >= 0) info.ri_gateway4 = <u32>gw;
    if (word_accept("dev")) e = parse_dev();
  } else e = parse_way();
  while (e == 0 && word_take()) e = parse_option();
  return e < 0 ? e : rtrequest(cmd, info);
}

/** Obey the lines of the `n` bytes at `p`. 0, or -errno of the first that failed. */
function rt_batch(p: usize, n: i32): i32 {
  const end = p + <usize>n;
  rc.batchline = 0;
  while (p < end) {
    let k: usize = 0;
    while (p + k < end && load<u8>(p + k) != 10) k++;
    rc.batchline++;
    const empty = ktext_trim(p, <i32>k) == 0 || load<u8>(p) == 35;
    const e = empty && n > 0 ? 0 : rt_command(p, <i32>k);
    if (e < 0) return e;
    p += k + 1;
  }
  return 0;
}

/** All routes from the `skip`-th on, as many as there is room for; all, or -ERANGE, if `whole`. Bytes written. */
function rt_page(buf: usize, len: i32, skip: i64, whole: bool): i32 {
  const end = buf + <usize>len;
  let at = buf;
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    if (skip-- > 0) continue;
    const next = kput_route(at, end, fe);
    if (next == end) return at == buf || whole ? -ERANGE : <i32>(at - buf);
    at = next;
  }
  return <i32>(at - buf);
}

/** sysctl net.route.table: commands if there is no room for an answer, a question if there is. */
function rt_control(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0 && len > 0) {
    const from = kparse_u64(newp, newlen);
    return from >= 0 ? rt_page(buf, len, from, false) : rt_question(buf, len, newp, newlen);
  }
  if (newlen > 0) return rt_batch(newp, newlen);
  return rt_page(buf, len, 0, true);
}
