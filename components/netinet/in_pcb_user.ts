/**
 * What bind(2), connect(2) and getsockname(2) mean for control blocks of PF_INET.
 *
 * Shared by TCP, UDP and raw sockets: checks of addresses, the rules of SO_REUSEADDR and SO_REUSEPORT
 * (in_pcbconflict), ephemeral ports (portalgo.ts), choice of the source address (in_route.ts).
 */
import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL } from "../../kernel/abi/errno";
import { AF_INET } from "../../kernel/abi/socket";
import { SA_FAMILY, SA_LEN, SIN_ADDR, SIN_PORT, SOCKADDR_IN_SIZE } from "../../kernel/abi/sockaddr";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { in_ifbroadcast, in_localip, in_multicast } from "./in_ifaddr";
import { INP_ANONPORT, INP_BOUND, Inpcb, in_pcbconflict, in_pcbsetbind, in_pcbsetconn, in_pcbunbind } from "./in_pcb";
import { portalgo_choose } from "./portalgo";
import { in_selectsrc } from "./in_route";

/** One u32: where in_selectsrc answers. */
let scratch: usize = 0;

export function in_pcb_user_boot(): void {
  scratch = kmem_alloc(8, 8, "in_pcb");
}

/** Is `sa` a sockaddr_in? 0, -EINVAL or -EAFNOSUPPORT. */
export function sin_check(sa: usize, len: i32): i32 {
  if (len < SOCKADDR_IN_SIZE) return -EINVAL;
  return <i32>load<u8>(sa, SA_FAMILY) == AF_INET ? 0 : -EAFNOSUPPORT;
}

export function sin_addr(sa: usize): u32 {
  return load<u32>(sa, SIN_ADDR);
}

export function sin_port(sa: usize): u32 {
  return <u32>bswap<u16>(load<u16>(sa, SIN_PORT));
}

/** Write `addr`:`port` as a sockaddr_in at `buf`; its length. */
export function sin_put(buf: usize, addr: u32, port: u32): i32 {
  memory.fill(buf, 0, SOCKADDR_IN_SIZE);
  store<u8>(buf, <u8>SOCKADDR_IN_SIZE, SA_LEN);
  store<u8>(buf, <u8>AF_INET, SA_FAMILY);
  store<u16>(buf, bswap<u16>(<u16>port), SIN_PORT);
  store<u32>(buf, addr, SIN_ADDR);
  return SOCKADDR_IN_SIZE;
}

/** getsockname(2), getpeername(2). */
export function in_setsockaddr(inp: Inpcb, buf: usize): i32 {
  return sin_put(buf, inp.inp_laddr, inp.inp_lport);
}

export function in_setpeeraddr(inp: Inpcb, buf: usize): i32 {
  return sin_put(buf, inp.inp_faddr, inp.inp_fport);
}

/**
 * bind(2): own the address and port of the sockaddr_in at `sa` (0: any; RFC 9293 §3.9.1.1 MUST-43). 0, -EINVAL (bound already),
 * -EADDRNOTAVAIL (not ours), -EADDRINUSE.
 */
export function in_pcbbind(inp: Inpcb, sa: usize): i32 {
  if (inp.inp_lport != 0) return -EINVAL;
  const addr: u32 = sa != 0 ? sin_addr(sa) : 0;
  let port: u32 = sa != 0 ? sin_port(sa) : 0;
  if (addr != 0 && !in_localip(addr) && !in_multicast(addr) && !in_ifbroadcast(addr)) return -EADDRNOTAVAIL;
  if (port != 0) {
    const e = in_pcbconflict(inp, addr, port);
    if (e < 0) return e;
    inp.inp_flags |= INP_BOUND;
  } else {
    const p = portalgo_choose(inp, addr, 0, 0);
    if (p < 0) return -EADDRINUSE;
    port = p;
    inp.inp_flags |= INP_ANONPORT;
  }
  in_pcbsetbind(inp, addr, port);
  return 0;
}

/**
 * connect(2): join the block to the peer at `sa`, with a source address and, if it has none yet, a
 * local port. 0, -EADDRNOTAVAIL (port 0, no port left), -EADDRINUSE (the 4-tuple is taken), -ENETUNREACH.
 */
export function in_pcbconnect(inp: Inpcb, sa: usize): i32 {
  let faddr = sin_addr(sa);
  const fport = sin_port(sa);
  if (fport == 0) return -EADDRNOTAVAIL;
  // RFC 1122 §3.2.1.3: "this host" as a destination is ourselves.
  if (faddr == 0) faddr = 0x0100007f;
  // RFC 9293 §3.9.1.1 MUST-43: the address that the user has bound; else RFC 9293 §3.9.1.1 MUST-44: IP is asked;
  // RFC 9293 §3.9.1.1 MUST-45: it is the connection's from then on.
  let laddr = inp.inp_laddr;
  if (laddr == 0) {
    const e = in_selectsrc(inp, faddr, scratch);
    if (e < 0) return e;
    laddr = load<u32>(scratch);
  }
  if (inp.inp_lport != 0) return in_pcbsetconn(inp, laddr, faddr, fport);
  const port = portalgo_choose(inp, laddr, faddr, fport);
  if (port < 0) return port;
  in_pcbsetbind(inp, laddr, port);
  inp.inp_flags |= INP_ANONPORT;
  const e = in_pcbsetconn(inp, laddr, faddr, fport);
  if (e < 0) in_pcbunbind(inp);
  return e;
}
