/**
 * Routing sockets: socket(AF_ROUTE, SOCK_RAW, family), readable when routes, addresses or interfaces change.
 *
 *      rtsock_route, rtsock_ifa, rtsock_if … ─▶ one message, built once ─▶ a copy to each socket's buffer
 *                                                          no room: the socket's ENOBUFS, and a count
 *
 * Messages are NetBSD's (kernel/abi/route.ts). Who has lost some finds ENOBUFS, once, behind what it had room for,
 * and must read the tables anew; nobody waits for a slow reader. Nothing is built while there is no socket. What is
 * written is refused: requests go by sysctl (route_sysctl.ts). A look-up that found nothing is told too
 * (RTM_MISS), at most MISSES of them a second, because packets cause it.
 */
import { ENOBUFS, EOPNOTSUPP } from "../../kernel/abi/errno";
import * as r from "../../kernel/abi/route";
import { AF_INET, AF_ROUTE, SOCK_RAW } from "../../kernel/abi/socket";
import { SA_FAMILY, SA_LEN, SIN_ADDR } from "../../kernel/abi/sockaddr";
import { ROUTE_MAXSOCKETS } from "rump/tunables";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { Pool, pool_getz, pool_init, pool_put } from "../../kernel/kern/pool";
import { sysctl_quad } from "../../kernel/kern/sysctl";
import { domain_register } from "../../kernel/net/domain";
import { Ifaddr, Ifnet } from "../../kernel/net/ifnet";
import { MNULL, Mbuf, m_freem } from "../../kernel/net/mbuf";
import { m_devget } from "../../kernel/net/mbuf3";
import { PR_ADDR, PR_ATOMIC, PR_WILDCARD, Protosw, pr_sendfail } from "../../kernel/net/protosw";
import { SS_NOFDREF, Socket, soisdisconnected, sofree, sorwakeup } from "../../kernel/net/socket";
import { sbappendaddr } from "../../kernel/net/sockbuf";
import { rt_mask } from "./fib_mask";
import { RTF_DYNAMIC, RTF_GATEWAY, RTF_HOST, RTF_UP, Rtentry } from "../../kernel/net/route";

/** Room for the longest message; messages of misses a second. */
const BUFFER: usize = 512;
const MISSES: i32 = 100;
const SPACE: u32 = 65536;

/** A routing socket; rs_family 0: told of every family. */
@unmanaged
class Rawcb {
  rs_so: Socket;
  rs_next: usize;
  rs_family: i32;
}

@unmanaged
class RtsockState {
  pool: Pool;
  first: usize;
  /** The message being built, and its length; a sockaddr of AF_ROUTE. */
  buf: usize;
  len: i32;
  misses: i32;
  from: usize;
  miss_second: i64;
  messages: u64;
  overflows: u64;
}

let rss: RtsockState = changetype<RtsockState>(0);

export class RouteProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    const rs = changetype<Rawcb>(pool_getz(rss.pool));
    if (!rs) return -ENOBUFS;
    rs.rs_so = so;
    rs.rs_family = proto;
    rs.rs_next = rss.first;
    rss.first = changetype<usize>(rs);
    so.so_pcb = changetype<usize>(rs);
    return 0;
  }

  pr_detach(so: Socket): void {
    let at = changetype<usize>(rss) + offsetof<RtsockState>("first");
    while (load<usize>(at) != so.so_pcb) at = load<usize>(at) + offsetof<Rawcb>("rs_next");
    store<usize>(at, changetype<Rawcb>(so.so_pcb).rs_next);
    pool_put(rss.pool, so.so_pcb);
    so.so_pcb = 0;
    soisdisconnected(so);
    if ((so.so_state & SS_NOFDREF) != 0) sofree(so);
  }

  pr_abort(so: Socket): void {
    this.pr_detach(so);
  }

  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    return pr_sendfail(m, control, -EOPNOTSUPP);
  }
}

export function rtsock_boot(): void {
  rss = changetype<RtsockState>(kmem_alloc(offsetof<RtsockState>(), 8, "rtsock"));
  rss.pool = pool_init("rtsock", <u32>offsetof<Rawcb>(), ROUTE_MAXSOCKETS, 4);
  rss.buf = kmem_alloc(BUFFER, 8, "rtsock");
  rss.from = kmem_alloc(8, 4, "rtsock");
  store<u8>(rss.from, 2, SA_LEN);
  store<u8>(rss.from, <u8>AF_ROUTE, SA_FAMILY);
  sysctl_quad("net.route.sock_messages", changetype<usize>(rss) + offsetof<RtsockState>("messages"), 0);
  sysctl_quad("net.route.sock_overflows", changetype<usize>(rss) + offsetof<RtsockState>("overflows"), 0);
  const p = kobj<RouteProto>("rtsock");
  p.pr_type = SOCK_RAW;
  p.pr_flags = PR_ATOMIC | PR_ADDR | PR_WILDCARD;
  p.pr_sndspace = 0;
  p.pr_rcvspace = SPACE;
  domain_register(AF_ROUTE, p);
}

// ── messages ─────────────────────────────────────────────────────────────────────────────────────

/** Begin a message of `type` with a header of `len` bytes. */
function begin(type: i32, len: i32): usize {
  const p = rss.buf;
  memory.fill(p, 0, BUFFER);
  store<u8>(p, <u8>r.RTM_VERSION, r.RTM_VERSIONOFF);
  store<u8>(p, <u8>type, r.RTM_TYPE);
  rss.len = len;
  return p;
}

/** Append IPv4 address `a` as the sockaddr that bit `which` of the word at `addrs` names. */
function put_in(addrs: usize, which: i32, a: u32): void {
  const at = rss.buf + rss.len;
  store<u8>(at, 16, SA_LEN);
  store<u8>(at, <u8>AF_INET, SA_FAMILY);
  store<u32>(at, a, SIN_ADDR);
  rss.len += 16;
  store<i32>(rss.buf + addrs, load<i32>(rss.buf + addrs) | which);
}

/** Send what was built, about `family` (0: any), to everyone. */
function deliver(family: i32): void {
  store<u16>(rss.buf, <u16>rss.len, r.RTM_MSGLEN);
  for (let rs = changetype<Rawcb>(rss.first); rs; rs = changetype<Rawcb>(rs.rs_next)) {
    if (family != 0 && rs.rs_family != 0 && rs.rs_family != family) continue;
    const so = rs.rs_so;
    const m = m_devget(rss.buf, rss.len, true);
    if (m && sbappendaddr(so.so_rcv, rss.from, 2, m, MNULL)) rss.messages++;
    else {
      if (m) m_freem(m);
      so.so_rcvdrops++;
      so.so_error = ENOBUFS;
      rss.overflows++;
    }
    sorwakeup(so);
  }
}

/** Does anybody listen? */
export function rtsock_wanted(): bool {
  return rss.first != 0;
}

/** The route to `dst`/`len` by `rt` came, went or changed: RTM_*. */
export function rtsock_route(type: i32, dst: u32, len: i32, rt: Rtentry): void {
  if (!rtsock_wanted()) return;
  const p = begin(type, r.RTM_HDRLEN);
  store<u16>(p, rt.rt_ifp.if_index, r.RTM_INDEX);
  store<u32>(p, rt.rt_flags, r.RTM_FLAGS);
  store<i32>(p, <i32>rt.rt_use, r.RTM_USE);
  store<u32>(p, rt.rt_lock, r.RTM_LOCKS);
  store<u64>(p, <u64>rt.rt_mtu, r.RTM_MTU);
  store<u64>(p, <u64>rt.rt_ssthresh, r.RTM_SSTHRESH);
  store<u64>(p, <u64>rt.rt_rtt_us, r.RTM_RTT);
  store<u64>(p, <u64>rt.rt_rttvar_us, r.RTM_RTTVAR);
  put_in(r.RTM_ADDRS, r.RTA_DST, dst);
  if ((rt.rt_flags & RTF_GATEWAY) != 0) put_in(r.RTM_ADDRS, r.RTA_GATEWAY, rt.rt_gateway4);
  put_in(r.RTM_ADDRS, r.RTA_NETMASK, rt_mask(len));
  if (rt.rt_ifa) put_in(r.RTM_ADDRS, r.RTA_IFA, load<u32>(rt.rt_ifa.ifa_addr, SIN_ADDR));
  deliver(AF_INET);
}

/** A redirect of router `author` was believed: `dst` is now behind `gw`, by interface `index`. */
export function rtsock_redirect(dst: u32, gw: u32, author: u32, index: i32): void {
  if (!rtsock_wanted()) return;
  const p = begin(r.RTM_REDIRECT, r.RTM_HDRLEN);
  store<u16>(p, <u16>index, r.RTM_INDEX);
  store<u32>(p, RTF_UP | RTF_GATEWAY | RTF_HOST | RTF_DYNAMIC, r.RTM_FLAGS);
  put_in(r.RTM_ADDRS, r.RTA_DST, dst);
  put_in(r.RTM_ADDRS, r.RTA_GATEWAY, gw);
  put_in(r.RTM_ADDRS, r.RTA_AUTHOR, author);
  deliver(AF_INET);
}

/** There is no route to `dst`. */
export function rtsock_miss(dst: u32): void {
  if (!rtsock_wanted()) return;
  const second = getmicrouptime() / 1000000;
  if (second != rss.miss_second) rss.misses = 0;
  rss.miss_second = second;
  if (++rss.misses > MISSES) return;
  begin(r.RTM_MISS, r.RTM_HDRLEN);
  put_in(r.RTM_ADDRS, r.RTA_DST, dst);
  deliver(AF_INET);
}

/** Address `ifa` of `ifp` has come (RTM_NEWADDR) or is going (RTM_DELADDR). */
export function rtsock_ifa(type: i32, ifp: Ifnet, ifa: Ifaddr): void {
  if (!rtsock_wanted() || ifa.ifa_family != AF_INET) return;
  const p = begin(type, r.IFAM_HDRLEN);
  const addr = load<u32>(ifa.ifa_addr, SIN_ADDR);
  const mask = rt_mask(ifa.ifa_prefixlen);
  store<u16>(p, ifp.if_index, r.IFAM_INDEX);
  store<u32>(p, ifa.ifa_flags, r.IFAM_FLAGS);
  put_in(r.IFAM_ADDRS, r.RTA_NETMASK, mask);
  put_in(r.IFAM_ADDRS, r.RTA_IFA, addr);
  put_in(r.IFAM_ADDRS, r.RTA_BRD, addr | ~mask);
  deliver(AF_INET);
}

/** Flags or link of `ifp` changed. */
export function rtsock_if(ifp: Ifnet): void {
  if (!rtsock_wanted()) return;
  const p = begin(r.RTM_IFINFO, r.IFM_HDRLEN);
  store<i32>(p, ifp.if_flags, r.IFM_FLAGS);
  store<u16>(p, ifp.if_index, r.IFM_INDEX);
  store<u8>(p, <u8>ifp.if_type, r.IFM_DATA_TYPE);
  store<u8>(p, <u8>ifp.if_addrlen, r.IFM_DATA_ADDRLEN);
  store<u8>(p, <u8>ifp.if_hdrlen, r.IFM_DATA_HDRLEN);
  store<i32>(p, ifp.if_link_state, r.IFM_DATA_LINKSTATE);
  store<u64>(p, <u64>ifp.if_mtu, r.IFM_DATA_MTU);
  store<u64>(p, ifp.ifi_ipackets, r.IFM_DATA_IPACKETS);
  store<u64>(p, ifp.ifi_opackets, r.IFM_DATA_OPACKETS);
  store<u64>(p, ifp.ifi_ibytes, r.IFM_DATA_IBYTES);
  store<u64>(p, ifp.ifi_obytes, r.IFM_DATA_OBYTES);
  deliver(0);
}
