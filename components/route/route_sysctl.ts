/**
 * sysctl net.route.table: the table as text, and its control (`rumpwasm route`, netstat -r).
 *
 *      read:   destination/length gateway flags interface use mtu expire metric source      one line each
 *      write:  add DST[/LEN] WAY [metric N] [mtu N] [src ADDR]        DST: an address or "default"
 *              change DST[/LEN] WAY [metric N] [mtu N] [src ADDR]     WAY: a gateway's address,
 *              del DST[/LEN] [GATEWAY] [metric N]                     "dev IF", "reject" or "blackhole"
 *              flush                                                  those of no address
 *      ask:    get ADDR                         the line of the route that a packet to ADDR takes, or ESRCH
 *
 * Flags are netstat's: U up, G gateway, H host, R reject, B blackhole, S static, D dynamic, l local,
 * b broadcast, C connected. `-` is none, expire is in seconds. A DST without a length is a host.
 */
import { EINVAL, ENXIO, ERANGE, ESRCH } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { AF_INET } from "../../kernel/abi/socket";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kparse_u64, kput_bytes, kput_char, kput_u32, kput_u64, kstr_eq } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { if_find } from "../../kernel/net/ifnet";
import { kparse_ipv4, kput_ipv4, ktext_next, ktext_trim, ktext_word } from "../../kernel/net/in_text";
import {
  RTF_BLACKHOLE, RTF_BROADCAST, RTF_CONNECTED, RTF_GATEWAY, RTF_HOST, RTF_LOCAL, RTF_REJECT, RTF_STATIC, RTF_UP,
  RTM_ADD, RTM_CHANGE, RTM_DELETE, Rtinfo,
} from "../../kernel/net/route";
import { rtrequest } from "./route_request";
import { rt_ifa_in } from "./route_ifa";
import { Fibent, RTF_OFADDR, fe_first, fe_nextof, rt_remove, rt_static, table_at, table_route } from "./fib_table";
import { rt_expire_left } from "./route_expire";

/** The command under way: what is left of it, and what it asks for so far. */
@unmanaged
class RouteControl {
  p: usize;
  n: i32;
  info: Rtinfo;
}

let rc: RouteControl = changetype<RouteControl>(0);

export function rt_control_boot(): void {
  rc = changetype<RouteControl>(kmem_alloc(offsetof<RouteControl>(), 8, "route"));
  rc.info = changetype<Rtinfo>(kmem_alloc(offsetof<Rtinfo>(), 8, "route"));
  sysctl_fn("net.route.table", rt_control, CTLFLAG_RW);
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────

function put_flags(at: usize, end: usize, fe: Fibent): usize {
  const f = fe.fe_rt.rt_flags;
  if ((f & RTF_UP) != 0) at = kput_char(at, end, 85);
  if ((f & RTF_GATEWAY) != 0) at = kput_char(at, end, 71);
  if ((f & RTF_HOST) != 0) at = kput_char(at, end, 72);
  if ((f & RTF_REJECT) != 0) at = kput_char(at, end, 82);
  if ((f & RTF_BLACKHOLE) != 0) at = kput_char(at, end, 66);
  if ((f & RTF_STATIC) != 0) at = kput_char(at, end, 83);
  if (!rt_static(fe)) at = kput_char(at, end, 68);
  if ((f & RTF_LOCAL) != 0) at = kput_char(at, end, 108);
  if ((f & RTF_BROADCAST) != 0) at = kput_char(at, end, 98);
  if ((f & RTF_CONNECTED) != 0) at = kput_char(at, end, 67);
  return at;
}

function put_route(at: usize, end: usize, fe: Fibent): usize {
  const rt = fe.fe_rt;
  at = kput_char(kput_ipv4(at, end, fe.fe_dst), end, 47);
  at = kput_char(kput_u32(at, end, fe.fe_len), end, 32);
  if ((rt.rt_flags & RTF_GATEWAY) != 0) at = kput_ipv4(at, end, rt.rt_gateway4);
  else at = kput_char(at, end, 45);
  at = put_flags(kput_char(at, end, 32), end, fe);
  at = kput_bytes(kput_char(at, end, 32), end, rt.rt_ifp.if_xname, rt.rt_ifp.if_namelen);
  at = kput_u64(kput_char(at, end, 32), end, rt.rt_use);
  at = kput_u32(kput_char(at, end, 32), end, rt.rt_mtu != 0 ? rt.rt_mtu : rt.rt_ifp.if_mtu);
  at = kput_char(at, end, 32);
  if (fe.fe_expire == 0) at = kput_char(at, end, 45);
  else at = kput_u32(at, end, rt_expire_left(fe));
  at = kput_u32(kput_char(at, end, 32), end, fe.fe_metric);
  at = kput_char(at, end, 32);
  if (rt.rt_ifa) at = kput_ipv4(at, end, rt_ifa_in(rt.rt_ifa));
  else at = kput_char(at, end, 45);
  return kput_char(at, end, 10);
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

/** Take the next word off the command, which begins at rc.p as it was before: its length, 0 at the end. */
function word_take(): i32 {
  const k = ktext_word(rc.p, rc.n);
  const skip = ktext_next(rc.p, rc.n, k);
  rc.p += skip;
  rc.n -= skip;
  return k;
}

/** The destination: "default", "a.b.c.d" or "a.b.c.d/len". */
function parse_dst(p: usize, n: i32): bool {
  const info = rc.info;
  if (kstr_eq(p, n, "default")) return true;
  let k = 0;
  while (k < n && load<u8>(p + k) != 47) k++;
  const len = k < n ? kparse_u64(p + k + 1, n - k - 1) : 32;
  const addr = kparse_ipv4(p, k);
  if (addr < 0 || len < 0 || len > 32) return false;
  info.ri_dst4 = <u32>addr;
  info.ri_prefixlen = <i32>len;
  return true;
}

/** Where the route leads. 0 or -errno. */
function parse_way(): i32 {
  const info = rc.info;
  let p = rc.p;
  let k = word_take();
  if (kstr_eq(p, k, "reject")) {
    info.ri_flags |= RTF_REJECT;
    return 0;
  }
  if (kstr_eq(p, k, "blackhole")) {
    info.ri_flags |= RTF_BLACKHOLE;
    return 0;
  }
  if (kstr_eq(p, k, "dev")) {
    p = rc.p;
    k = word_take();
    const ifp = if_find(p, k);
    if (changetype<usize>(ifp) == 0) return -ENXIO;
    info.ri_ifindex = ifp.if_index;
    return 0;
  }
  const gw = kparse_ipv4(p, k);
  if (gw < 0) return -EINVAL;
  info.ri_flags |= RTF_GATEWAY;
  info.ri_gateway4 = <u32>gw;
  return 0;
}

/** Pairs of a name and a value, to the end. */
function parse_options(): bool {
  while (rc.n > 0) {
    const name = rc.p;
    const k = word_take();
    const val = rc.p;
    const v = word_take();
    if (kstr_eq(name, k, "src")) {
      const src = kparse_ipv4(val, v);
      if (src < 0) return false;
      rc.info.ri_src4 = <u32>src;
      continue;
    }
    const num = kparse_u64(val, v);
    if (num < 0 || num > 0x7fffffff) return false;
    if (kstr_eq(name, k, "metric")) rc.info.ri_metric = <i32>num;
    else if (kstr_eq(name, k, "mtu")) rc.info.ri_mtu = <i32>num;
    else return false;
  }
  return true;
}

/** Every route that is of no address. */
function rt_flush(): void {
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) {
    if ((fe.fe_rt.rt_flags & RTF_OFADDR) == 0) rt_remove(fe);
  }
}

/** Obey the `n` bytes at `p`. 0 or -errno. */
function rt_command(p: usize, n: i32): i32 {
  rc.p = p;
  rc.n = ktext_trim(p, n);
  memory.fill(changetype<usize>(rc.info), 0, offsetof<Rtinfo>());
  rc.info.ri_family = AF_INET;
  rc.info.ri_flags = RTF_STATIC;
  const verb = rc.p;
  const k = word_take();
  if (kstr_eq(verb, k, "flush") && rc.n == 0) {
    rt_flush();
    return 0;
  }
  const cmd = kstr_eq(verb, k, "add") ? RTM_ADD : kstr_eq(verb, k, "change") ? RTM_CHANGE
    : kstr_eq(verb, k, "del") ? RTM_DELETE : 0;
  const dst = rc.p;
  if (cmd == 0 || !parse_dst(dst, word_take())) return -EINVAL;
  if (cmd == RTM_DELETE) {
    // The gateway may be named, and is then not an option.
    const gw = kparse_ipv4(rc.p, ktext_word(rc.p, rc.n));
    if (gw >= 0) word_take();
    if (gw >= 0) rc.info.ri_gateway4 = <u32>gw;
  } else {
    const e = parse_way();
    if (e < 0) return e;
  }
  return parse_options() ? rtrequest(cmd, rc.info) : -EINVAL;
}

/** Answer the question "get ADDR" of `n` bytes at `p`. Bytes written, -ESRCH, -ERANGE or -EINVAL. */
function rt_question(buf: usize, len: i32, p: usize, n: i32): i32 {
  const k = ktext_word(p, n);
  const skip = ktext_next(p, n, k);
  const addr = kparse_ipv4(p + skip, ktext_trim(p + skip, n - skip));
  if (!kstr_eq(p, k, "get") || addr < 0) return -EINVAL;
  let fe = changetype<Fibent>(0);
  for (let i = 0; i < 3 && !fe; i++) fe = table_route(table_at(i), <u32>addr);
  if (!fe) return -ESRCH;
  const at = put_route(buf, buf + <usize>len, fe);
  return at == buf + <usize>len ? -ERANGE : <i32>(at - buf);
}

/** sysctl net.route.table: a command if there is no room for an answer, a question if there is. */
function rt_control(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0) return len > 0 ? rt_question(buf, len, newp, newlen) : rt_command(newp, newlen);
  const end = buf + <usize>len;
  let at = buf;
  for (let fe = fe_first(); fe; fe = fe_nextof(fe)) at = put_route(at, end, fe);
  return at == end ? -ERANGE : <i32>(at - buf);
}
