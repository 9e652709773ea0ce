/**
 * Routes as the transports use them: one compare in the common case.
 *
 * A control block keeps the route it used last and the generation of the table at that time; while
 * rt_gen() is the same the answer is the same (kernel/net/route.ts). Otherwise the provider of role
 * `route` is asked again.
 */
import { EADDRNOTAVAIL, EHOSTUNREACH, ENETUNREACH } from "../../kernel/abi/errno";
import { SIN_ADDR } from "../../kernel/abi/sockaddr";
import { RTF_BLACKHOLE, RTF_REJECT, Rtentry } from "../../kernel/net/route";
import { rt_gen, rtalloc4 } from "rump/route";
import { rtcache_out, rtcache_put } from "rump/rtcache";
import { Inpcb } from "./in_pcb";

/** The route from `inp` to its peer (or to `dst` if it has none), or null. */
export function in_pcbroute(inp: Inpcb, dst: u32): Rtentry {
  const gen = rt_gen();
  if (inp.inp_ro_rt != 0 && inp.inp_ro_gen == gen) {
    const rt = changetype<Rtentry>(inp.inp_ro_rt);
    if (inp.inp_faddr == dst) return rt;
  }
  const known = rtcache_out(dst, inp.inp_laddr, inp.inp_tos);
  const rt = known ? known : rtalloc4(dst, inp.inp_laddr, inp.inp_tos, 0);
  if (inp.inp_faddr == dst && dst != 0) {
    if (rt && !known) rtcache_put(dst, inp.inp_laddr, inp.inp_tos, 0, rt);
    inp.inp_ro_rt = changetype<usize>(rt);
    inp.inp_ro_gen = gen;
  }
  return rt;
}

/**
 * RFC 9293 §3.8.3 MUST-20: advice to IP that the peer does not answer by the way it is reached now (R1): the next
 * packet asks the table anew, which may know another.
 */
export function in_losing(inp: Inpcb): void {
  inp.inp_ro_rt = 0;
}

/** Largest packet that `rt` takes: the path's MTU if it is known to be smaller than the link's. */
export function in_rtmtu(rt: Rtentry): i32 {
  const mtu = rt.rt_ifp.if_mtu;
  return rt.rt_mtu != 0 && rt.rt_mtu < mtu ? rt.rt_mtu : mtu;
}

/** Why a packet cannot take `rt` (which may be null): 0 if it can, else -errno. */
export function in_rtcheck(rt: Rtentry): i32 {
  if (!rt) return -ENETUNREACH;
  if ((rt.rt_flags & (RTF_REJECT | RTF_BLACKHOLE)) != 0) return -EHOSTUNREACH;
  return 0;
}

/**
 * The address to send from towards `dst` (RFC 1122 §3.3.4.3): that of the route's interface. As a
 * number through `out` (address of a u32); 0, or -ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL.
 */
export function in_selectsrc(inp: Inpcb, dst: u32, out: usize): i32 {
  const rt = in_pcbroute(inp, dst);
  const e = in_rtcheck(rt);
  if (e < 0) return e;
  if (!rt.rt_ifa) return -EADDRNOTAVAIL;
  store<u32>(out, load<u32>(rt.rt_ifa.ifa_addr, SIN_ADDR));
  return 0;
}
