/**
 * dhcp: addresses by DHCP (RFC 2131, 2132; conflict detection RFC 5227).
 *
 *      parameter  net.virt0=inet,dhcp[,noprobe]      a client for virt0, at boot   (run -W virt0,inet,dhcp)
 *                 kern.hostname=NAME                 what we call ourselves to the server
 *      sysctl     net.dhcp.table …                   dhcp_control.ts
 *
 * Every Ethernet interface has a client, most of them off; one is started by its parameter or by a
 * command. At an orderly shutdown the leases are given back, when no other app needs the address any
 * more. "noprobe" saves the 4 to 9 seconds in which the address is tried out (RFC 5227) before it is used.
 */
import { EINVAL, ENXIO } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { IFF_UP, IFT_ETHER, LINK_STATE_UP } from "../../kernel/abi/if";
import { LOG_ERR } from "../../kernel/abi/rump";
import { CALLOUT_SIZE, Callout, callout_init, callout_schedule } from "../../kernel/kern/callout";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kqueue_notify } from "../../kernel/kern/kqueue";
import { kstr_eq } from "../../kernel/kern/kstring";
import { log_begin, log_bytes, log_end, log_int, log_str } from "../../kernel/kern/log";
import { param_at, param_count, param_len } from "../../kernel/kern/rumpuser";
import { app_count, app_done, app_register } from "../../kernel/kern/shutdown";
import { sys_kevent, sys_kqueue } from "../../kernel/kern/usyscall";
import { IFH_LINK, Ifnet, if_byindex, if_count, if_find, if_flags_change, if_hook_add } from "../../kernel/net/ifnet";
import { arp_conflict_hook } from "rump/ether";
import { dhcp_control_add, dhcp_control_boot } from "./dhcp_control";
import { dhcp_conflict, dhcp_fsm_boot, dhcp_fsm_init, dhcp_linkup, dhcp_release, dhcp_start } from "./dhcp_fsm";
import { dhcp_lease_boot } from "./dhcp_lease";
import { dhcp_packet_boot } from "./dhcp_packet";
import { DHS_OFF, dhcp_at, dhcp_create, dhcp_var_boot } from "./dhcp_var";

/** How often the end looks whether the others have drained. */
const DRAIN_POLL_US: i64 = 20000;

@unmanaged
class DhcpApp {
  kq: i32;
  event: usize;
  timer: Callout;
}

let da: DhcpApp = changetype<DhcpApp>(0);

/** Bytes up to the next comma or the end. */
function field_len(p: usize, n: i32): i32 {
  let i = 0;
  while (i < n && load<u8>(p + i) != 44) i++;
  return i;
}

/** Parameter "net.<name>=<value>": name and value. 0 (also if it is not for us) or -errno. */
export function dhcp_param(name: usize, namelen: i32, p: usize, n: i32): i32 {
  let k = field_len(p, n);
  if (!kstr_eq(p, k, "inet") || k == n) return 0;
  p += k + 1;
  n -= k + 1;
  k = field_len(p, n);
  if (!kstr_eq(p, k, "dhcp")) return 0;
  const ifp = if_find(name, namelen);
  if (changetype<usize>(ifp) == 0 || !dhcp_at(ifp.if_index)) return -ENXIO;
  const noprobe = k < n && kstr_eq(p + k + 1, n - k - 1, "noprobe");
  if (k < n && !noprobe) return -EINVAL;
  const d = dhcp_at(ifp.if_index);
  d.dh_noprobe = noprobe ? 1 : 0;
  if_flags_change(ifp, IFF_UP, 0);
  dhcp_start(d);
  return 0;
}

/** All parameters: 0, or -errno of one that asks for what cannot be. */
function dhcp_params(): i32 {
  for (let i = 0; i < param_count(); i++) {
    const s = param_at(i);
    const n = param_len(s);
    let eq = 4;
    while (eq < n && load<u8>(s + eq) != 61) eq++;
    if (eq >= n || !kstr_eq(s, 4, "net.")) continue;
    const e = dhcp_param(s + 4, eq - 4, s + eq + 1, n - eq - 1);
    if (e >= 0) continue;
    log_begin(LOG_ERR, "dhcp");
    log_str("cannot configure ");
    log_bytes(s, n);
    log_str(": errno ");
    log_int(-e);
    log_end();
    return e;
  }
  return 0;
}

function dhcp_ifhook(ifp: Ifnet, what: i32, ifa: usize): void {
  const d = dhcp_at(ifp.if_index);
  if (d && what == IFH_LINK && ifp.if_link_state == LINK_STATE_UP) dhcp_linkup(d);
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────

/** Soft interrupt: the shutdown has begun. */
function dhcp_event(arg: usize): void {
  if (sys_kevent(da.kq, 0, 0, da.event, 1) > 0) callout_schedule(da.timer, 1);
}

/** The others first, then the leases; done when every client is off. */
function dhcp_drain(arg: usize): void {
  let left = 0;
  for (let i = 1; i <= if_count(); i++) {
    const d = dhcp_at(i);
    if (!d || d.dh_state == DHS_OFF) continue;
    left++;
    if (app_count() == 1) dhcp_release(d);
  }
  if (left == 0) app_done();
  else callout_schedule(da.timer, DRAIN_POLL_US);
}

function watch_shutdown(): i32 {
  da.kq = sys_kqueue();
  if (da.kq < 0) return da.kq;
  const e = kqueue_notify(da.kq, dhcp_event, 0);
  if (e < 0) return e;
  store<i32>(da.event, ev.KE_IDENT_SHUTDOWN, ev.KE_IDENT);
  store<i16>(da.event, <i16>ev.EVFILT_USER, ev.KE_FILTER);
  store<u16>(da.event, <u16>(ev.EV_ADD | ev.EV_ONESHOT), ev.KE_FLAGS);
  return sys_kevent(da.kq, da.event, 1, 0, 0);
}

/** POSTINIT phase. 0 or -errno. */
export function dhcp_init(): i32 {
  da = changetype<DhcpApp>(kmem_alloc(offsetof<DhcpApp>(), 8, "dhcp"));
  da.event = kmem_alloc(ev.KEVENT_SIZE, 8, "dhcp");
  da.timer = changetype<Callout>(kmem_alloc(CALLOUT_SIZE, 8, "dhcp"));
  callout_init(da.timer, dhcp_drain, 0);
  dhcp_var_boot();
  dhcp_packet_boot();
  dhcp_lease_boot();
  dhcp_fsm_boot();
  dhcp_control_boot();
  for (let i = 1; i <= if_count(); i++) {
    if (if_byindex(i).if_type != IFT_ETHER) continue;
    const d = dhcp_create(if_byindex(i));
    dhcp_fsm_init(d);
    dhcp_control_add(d);
  }
  if_hook_add(dhcp_ifhook);
  arp_conflict_hook(dhcp_conflict);
  const e = watch_shutdown();
  if (e < 0) return e;
  app_register();
  return dhcp_params();
}
