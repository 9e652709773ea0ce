/**
 * DHCP as text: sysctl net.dhcp.table, and net.dhcp.<interface>.dns, .domain and .hostname.
 *
 *      read:   virt0 bound address 10.0.0.7/24 server 10.0.0.1 router 10.0.0.1 lease 3600 left 3590
 *              dns 10.0.0.1,1.1.1.1 domain example.org hostname box          one line each; `-` is none
 *      write:  IF start · IF stop · IF renew · IF release
 *
 * The names of the last three depend on the interface, so their text is made at boot: a string object
 * in the arena, laid out as the compiler's own literals are.
 */
import { EINVAL, ENXIO, ERANGE } from "../../kernel/abi/errno";
import { IFF_UP } from "../../kernel/abi/if";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_bytes, kput_char, kput_str, kput_u32, kput_u64, kstr_eq } from "../../kernel/kern/kstring";
import { sysctl_fn, sysctl_str } from "../../kernel/kern/sysctl";
import { Ifnet, if_count, if_find, if_flags_change } from "../../kernel/net/ifnet";
import { kput_ipv4, ktext_next, ktext_trim, ktext_word } from "../../kernel/net/in_text";
import { dhcp_release, dhcp_renew, dhcp_start, dhcp_stop } from "./dhcp_fsm";
import {
  DHCP_NAMELEN, DHS_BOUND, DHS_INIT, DHS_OFF, DHS_PROBING, DHS_REBINDING, DHS_RELEASING, DHS_RENEWING, DHS_REQUESTING, Dhcp,
  LEASE_INFINITE, dhcp_at,
} from "./dhcp_var";

export function dhcp_control_boot(): void {
  sysctl_fn("net.dhcp.table", dhcp_table, CTLFLAG_RW);
}

/** The string "net.dhcp.<interface>.<leaf>". Boot only. */
function name_of(ifp: Ifnet, leaf: string): string {
  const prefix = "net.dhcp.";
  const len = prefix.length + ifp.if_namelen + 1 + leaf.length;
  // 24 bytes are room for any header that the compiler has; only these two words of it are read.
  const s = kmem_alloc(24 + (<usize>len << 1), 8, "dhcp.name") + 24;
  store<u32>(s - 8, idof<string>());
  store<u32>(s - 4, <u32>len << 1);
  let at = s;
  for (let i = 0; i < prefix.length; i++, at += 2) store<u16>(at, <u16>prefix.charCodeAt(i));
  for (let i = 0; i < ifp.if_namelen; i++, at += 2) store<u16>(at, load<u8>(ifp.if_xname + i));
  store<u16>(at, 46);
  at += 2;
  for (let i = 0; i < leaf.length; i++, at += 2) store<u16>(at, <u16>leaf.charCodeAt(i));
  return changetype<string>(s);
}

/** The names of client `d`. Boot only. */
export function dhcp_control_add(d: Dhcp): void {
  sysctl_str(name_of(d.dh_ifp, "dns"), d.dh_dns, DHCP_NAMELEN, 0);
  sysctl_str(name_of(d.dh_ifp, "domain"), d.dh_domain, DHCP_NAMELEN, 0);
  sysctl_str(name_of(d.dh_ifp, "hostname"), d.dh_hostname, DHCP_NAMELEN, 0);
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────

function put_state(at: usize, end: usize, state: i32): usize {
  switch (state) {
    case DHS_OFF: return kput_str(at, end, " off");
    case DHS_INIT: return kput_str(at, end, " init");
    case DHS_REQUESTING: return kput_str(at, end, " requesting");
    case DHS_PROBING: return kput_str(at, end, " probing");
    case DHS_BOUND: return kput_str(at, end, " bound");
    case DHS_RENEWING: return kput_str(at, end, " renewing");
    case DHS_REBINDING: return kput_str(at, end, " rebinding");
    case DHS_RELEASING: return kput_str(at, end, " releasing");
    default: return kput_str(at, end, " selecting");
  }
}

/** " name a.b.c.d", `-` for 0. */
function put_addr(at: usize, end: usize, name: string, a: u32): usize {
  at = kput_str(at, end, name);
  return a == 0 ? kput_char(at, end, 45) : kput_ipv4(at, end, a);
}

/** " name text" of NUL-padded bytes at `p`, spaces as commas; `-` for none. */
function put_text(at: usize, end: usize, name: string, p: usize): usize {
  at = kput_str(at, end, name);
  if (load<u8>(p) == 0) return kput_char(at, end, 45);
  for (let i = 0; load<u8>(p + i) != 0; i++) {
    const c = load<u8>(p + i);
    at = kput_char(at, end, c == 32 ? 44 : c);
  }
  return at;
}

function put_lease(at: usize, end: usize, d: Dhcp): usize {
  const le = d.dh_lease;
  at = put_addr(at, end, " address ", le.le_addr);
  at = kput_u32(kput_char(at, end, 47), end, le.le_prefixlen);
  at = put_addr(at, end, " server ", le.le_server);
  at = put_addr(at, end, " router ", le.le_router);
  if (le.le_lease_s == LEASE_INFINITE) {
    at = kput_str(at, end, " lease - left -");
  } else {
    at = kput_u32(kput_str(at, end, " lease "), end, le.le_lease_s);
    const left = <i64>le.le_lease_s - (getmicrouptime() - d.dh_leased_us) / 1000000;
    at = kput_u64(kput_str(at, end, " left "), end, <u64>max<i64>(left, 0));
  }
  at = put_text(at, end, " dns ", d.dh_dns);
  at = put_text(at, end, " domain ", d.dh_domain);
  return put_text(at, end, " hostname ", d.dh_hostname);
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

/** Obey the `n` bytes at `p`: "IF verb". 0 or -errno. */
export function dhcp_command(p: usize, n: i32): i32 {
  n = ktext_trim(p, n);
  const k = ktext_word(p, n);
  const ifp = if_find(p, k);
  if (changetype<usize>(ifp) == 0 || !dhcp_at(ifp.if_index)) return -ENXIO;
  const d = dhcp_at(ifp.if_index);
  const skip = ktext_next(p, n, k);
  p += skip;
  n -= skip;
  if (kstr_eq(p, n, "start")) {
    if_flags_change(ifp, IFF_UP, 0);
    dhcp_start(d);
  } else if (kstr_eq(p, n, "stop")) dhcp_stop(d);
  else if (kstr_eq(p, n, "release")) dhcp_release(d);
  else if (!kstr_eq(p, n, "renew") || !dhcp_renew(d)) return -EINVAL;
  return 0;
}

/** sysctl net.dhcp.table. */
function dhcp_table(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0) return dhcp_command(newp, newlen);
  const end = buf + <usize>len;
  let at = buf;
  for (let i = 1; i <= if_count(); i++) {
    const d = dhcp_at(i);
    if (!d) continue;
    at = kput_bytes(at, end, d.dh_ifp.if_xname, d.dh_ifp.if_namelen);
    at = put_state(at, end, d.dh_state);
    if (d.dh_configured != 0) at = put_lease(at, end, d);
    at = kput_char(at, end, 10);
  }
  return at == end && len > 0 ? -ERANGE : <i32>(at - buf);
}
