/**
 * Which algorithm of congestion control: by sysctl for new connections, by socket option for one.
 *
 *      net.inet.tcp.congctl.available   "newreno cubic"
 *      net.inet.tcp.congctl.selected    one of them
 *      TCP_CONGCTL (TCP_CONGESTION)     a name, with or without a NUL; a listener hands it on
 */
import { ENOENT, ERANGE } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { kput_char, kput_str, kstr_eq } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { PRCO_GETOPT } from "../../kernel/net/protosw";
import { CC_CUBIC, CC_NALGOS, tcp_cc_switch } from "./tcp_cc";
import { Tcpcb, tcps } from "./tcp_var";

export function tcp_ccsel_boot(): void {
  sysctl_fn("net.inet.tcp.congctl.available", congctl_available, 0);
  sysctl_fn("net.inet.tcp.congctl.selected", congctl_selected, CTLFLAG_RW);
}

export function tcp_cc_name(algo: i32): string {
  return algo == CC_CUBIC ? "cubic" : "newreno";
}

/** The number of the algorithm called by the `len` bytes at `name`; -ENOENT. "reno" is what others call newreno. */
function cc_byname(name: usize, len: i32): i32 {
  while (len > 0 && load<u8>(name + len - 1) == 0) len--;
  for (let i = 0; i < CC_NALGOS; i++) if (kstr_eq(name, len, tcp_cc_name(i))) return i;
  return kstr_eq(name, len, "reno") ? 0 : -ENOENT;
}

function congctl_available(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  let at = buf;
  for (let i = 0; i < CC_NALGOS; i++) {
    if (i > 0) at = kput_char(at, end, 32);
    at = kput_str(at, end, tcp_cc_name(i));
  }
  return at == end ? -ERANGE : <i32>(at - buf);
}

function congctl_selected(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const at = kput_str(buf, buf + <usize>len, tcp_cc_name(tcps.cc_selected));
  if (newlen > 0) {
    const i = cc_byname(newp, newlen);
    if (i < 0) return i;
    tcps.cc_selected = i;
  }
  return <i32>(at - buf);
}

/** Get or set TCP_CONGCTL: the length written, 0, -ENOENT for a name that is not known, -ERANGE without room. */
export function tcp_cc_sockopt(tp: Tcpcb, op: i32, buf: usize, len: i32): i32 {
  if (op != PRCO_GETOPT) {
    const i = cc_byname(buf, len);
    if (i < 0) return i;
    if (i != tp.t_cc) tcp_cc_switch(tp, i);
    return 0;
  }
  const name = tcp_cc_name(tp.t_cc);
  if (name.length > len) return -ERANGE;
  const end = buf + <usize>len;
  return <i32>(kput_char(kput_str(buf, end, name), end, 0) - buf);
}
