/**
 * Address conflict detection (RFC 5227): is an address free, tell the link that it is ours, keep it.
 *
 *      probe:     wait 0–1 s, three probes 1–2 s apart, wait 2 s ─▶ free, or taken
 *      announce:  now and after 2 s (§2.3): neighbours that knew another holder learn of us
 *      defend:    a claim by another is answered with one announcement; a second within 10 s means that
 *                 the address is lost (§2.4 b): logged and told to whoever asked to know
 *
 * Addresses of an interface are announced when they come and when the link does. Who configures an
 * address by negotiation has it probed first (arp_probe); a static one is probed only if
 * net.arp.probestatic says so, after the fact, and a conflict is then only reported: what the operator
 * set stays set (§2.4 c, with one defence in 10 s at most). One entry for each address, in a small table.
 */
import { EADDRINUSE, EEXIST, ENOBUFS } from "../../kernel/abi/errno";
import { CTLFLAG_RW, LOG_ERR, LOG_WARNING } from "../../kernel/abi/rump";
import { NET_MAXIFADDR } from "rump/tunables";
import { CALLOUT_SIZE, Callout, callout_init, callout_schedule, callout_stop } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_uniform } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { log_begin, log_bytes, log_end, log_ether, log_ipv4, log_str } from "../../kernel/kern/log";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { Ifnet } from "../../kernel/net/ifnet";
import { ARPOP_REQUEST, arp_request } from "./arp_packet";
import { arpstat } from "./ether_stat";

/** RFC 5227 §1.1. */
const PROBE_WAIT_US: u32 = 1000000;
const PROBE_NUM: i32 = 3;
const PROBE_MIN_US: u32 = 1000000;
const PROBE_MAX_US: u32 = 2000000;
const ANNOUNCE_WAIT_US: i64 = 2000000;
const ANNOUNCE_NUM: i32 = 2;
const ANNOUNCE_INTERVAL_US: i64 = 2000000;
const DEFEND_INTERVAL_US: i64 = 10000000;

/** ac_state: unused; being probed; found free, not yet added; announced; ours. */
const ACD_NONE: i32 = 0;
const ACD_PROBE: i32 = 1;
const ACD_FREE: i32 = 2;
const ACD_ANNOUNCE: i32 = 3;
const ACD_DEFEND: i32 = 4;

@unmanaged
class Acd {
  ac_ifp: Ifnet;
  ac_addr: u32;
  ac_state: i32;
  /** Probes or announcements sent. */
  ac_count: i32;
  /** function (arg, 0 or -EADDRINUSE) => void, 0 = none: who asked for the probing. */
  ac_fn: i32;
  ac_arg: usize;
  /** The address is lost: said once, until there has been peace for DEFEND_INTERVAL. */
  ac_lost: i32;
  ac_conflict_us: i64;

  @inline
  get ac_timer(): Callout {
    return changetype<Callout>(changetype<usize>(this) + ACD_TIMER);
  }
}

const ACD_TIMER: usize = 40;
const ACD_SIZE: usize = ACD_TIMER + CALLOUT_SIZE;

@unmanaged
class AcdState {
  tab: usize;
  probestatic: i32;
  /** function (ifp, addr) => void: told of addresses that are lost. */
  hook: i32;
}

let acd: AcdState = changetype<AcdState>(0);
const NONE: Acd = changetype<Acd>(0);

export function acd_boot(): void {
  assert(offsetof<Acd>() <= ACD_TIMER, "acd: ACD_TIMER");
  acd = changetype<AcdState>(kmem_alloc(offsetof<AcdState>(), 8, "arp.acd"));
  acd.tab = kmem_alloc(<usize>NET_MAXIFADDR * ACD_SIZE, 8, "arp.acd");
  for (let i = 0; i < NET_MAXIFADDR; i++) callout_init(acd_at(i).ac_timer, acd_timer, changetype<usize>(acd_at(i)));
  sysctl_int("net.arp.probestatic", changetype<usize>(acd) + offsetof<AcdState>("probestatic"), CTLFLAG_RW, 0, 1);
}

function acd_at(i: i32): Acd {
  return changetype<Acd>(acd.tab + <usize>i * ACD_SIZE);
}

function acd_find(ifp: Ifnet, addr: u32): Acd {
  for (let i = 0; i < NET_MAXIFADDR; i++) {
    const ac = acd_at(i);
    if (ac.ac_state != ACD_NONE && ac.ac_addr == addr && ac.ac_ifp == ifp) return ac;
  }
  return NONE;
}

function acd_new(ifp: Ifnet, addr: u32): Acd {
  for (let i = 0; i < NET_MAXIFADDR; i++) {
    const ac = acd_at(i);
    if (ac.ac_state != ACD_NONE) continue;
    memory.fill(changetype<usize>(ac), 0, offsetof<Acd>());
    ac.ac_ifp = ifp;
    ac.ac_addr = addr;
    return ac;
  }
  return NONE;
}

function acd_free(ac: Acd): void {
  callout_stop(ac.ac_timer);
  ac.ac_state = ACD_NONE;
}

/** Is `addr` being probed on `ifp`, so not to be used or answered for? */
export function acd_tentative(ifp: Ifnet, addr: u32): bool {
  const ac = acd_find(ifp, addr);
  return ac && ac.ac_state == ACD_PROBE;
}

// ── probing ──────────────────────────────────────────────────────────────────────────────────────

function acd_probe_begin(ac: Acd): void {
  ac.ac_state = ACD_PROBE;
  ac.ac_count = 0;
  callout_schedule(ac.ac_timer, 1 + <i64>cprng_uniform(PROBE_WAIT_US));
}

/**
 * Find out whether anyone on the link of `ifp` has `addr` (not an address of ours yet); takes 4 to 7
 * seconds. `fn(arg, e)` is called once, not from within: e = 0 free, -EADDRINUSE. An address added to the
 * interface in fn is announced at once. 0, -EEXIST (being probed already, or ours), -ENOBUFS.
 */
export function arp_probe(ifp: Ifnet, addr: u32, fn: (arg: usize, e: i32) => void, arg: usize): i32 {
  if (acd_find(ifp, addr)) return -EEXIST;
  const ac = acd_new(ifp, addr);
  if (!ac) return -ENOBUFS;
  ac.ac_fn = fn.index;
  ac.ac_arg = arg;
  acd_probe_begin(ac);
  return 0;
}

/** Never mind: the function given to arp_probe will not be called. */
export function arp_probe_stop(ifp: Ifnet, addr: u32): void {
  const ac = acd_find(ifp, addr);
  if (ac && ac.ac_state == ACD_PROBE) acd_free(ac);
}

/** Nobody objected. */
function acd_probe_done(ac: Acd): void {
  if (ac.ac_fn == 0) {
    acd_announce_begin(ac);
    return;
  }
  ac.ac_state = ACD_FREE;
  call_indirect<void>(ac.ac_fn, ac.ac_arg, 0);
  if (ac.ac_state == ACD_FREE) acd_free(ac);
}

/** Somebody has it, or wants it too: `sha` says who. */
function acd_probe_conflict(ac: Acd, sha: usize): void {
  acd_log(ac, sha, LOG_WARNING, " is in use by ");
  callout_stop(ac.ac_timer);
  if (ac.ac_fn == 0) {
    // Static, and in use here already: not ours by right, but it stays.
    ac.ac_state = ACD_DEFEND;
    acd_lost(ac, sha);
    return;
  }
  const fn = ac.ac_fn;
  const arg = ac.ac_arg;
  acd_free(ac);
  call_indirect<void>(fn, arg, -EADDRINUSE);
}

// ── our own ──────────────────────────────────────────────────────────────────────────────────────

function acd_announce_begin(ac: Acd): void {
  ac.ac_state = ACD_ANNOUNCE;
  ac.ac_count = 0;
  acd_timer(changetype<usize>(ac));
}

/** `addr` is an address of `ifp` now, or its link has come up: tell the neighbours. */
export function acd_added(ifp: Ifnet, addr: u32): void {
  let ac = acd_find(ifp, addr);
  const known = changetype<usize>(ac) != 0;
  if (!known) ac = acd_new(ifp, addr);
  if (!ac) return;
  if (ac.ac_state == ACD_PROBE && ac.ac_fn == 0) return;
  ac.ac_fn = 0;
  if (!known && acd.probestatic != 0) acd_probe_begin(ac);
  else acd_announce_begin(ac);
}

/** `addr` is no address of `ifp` any more. */
export function acd_removed(ifp: Ifnet, addr: u32): void {
  const ac = acd_find(ifp, addr);
  if (ac) acd_free(ac);
}

/** Call `fn(ifp, addr)` when an address of ours is lost to another host; at most one function. Boot only. */
export function arp_conflict_hook(fn: (ifp: Ifnet, addr: u32) => void): void {
  assert(acd.hook == 0, "arp_conflict_hook: taken");
  acd.hook = fn.index;
}

function acd_timer(arg: usize): void {
  const ac = changetype<Acd>(arg);
  if (ac.ac_state == ACD_PROBE) {
    if (ac.ac_count == PROBE_NUM) {
      acd_probe_done(ac);
      return;
    }
    ac.ac_count++;
    arp_request(ac.ac_ifp, 0, ac.ac_addr);
    const gap = PROBE_MIN_US + cprng_uniform(PROBE_MAX_US - PROBE_MIN_US);
    callout_schedule(ac.ac_timer, ac.ac_count < PROBE_NUM ? <i64>gap : ANNOUNCE_WAIT_US);
    return;
  }
  assert(ac.ac_state == ACD_ANNOUNCE, "acd_timer: state");
  ac.ac_count++;
  arp_request(ac.ac_ifp, ac.ac_addr, ac.ac_addr);
  if (ac.ac_count < ANNOUNCE_NUM) callout_schedule(ac.ac_timer, ANNOUNCE_INTERVAL_US);
  else ac.ac_state = ACD_DEFEND;
}

// ── conflicts ────────────────────────────────────────────────────────────────────────────────────

/**
 * An ARP packet came in on `ifp`, from another host with hardware address `sha`: does it claim an
 * address of ours? True if so: nothing else in it is to be believed.
 */
export function acd_input(ifp: Ifnet, op: i32, sha: usize, spa: u32, tpa: u32): bool {
  // Another that probes what we probe has as much right to it as we (§2.1.1).
  const probed = spa == 0 && op == ARPOP_REQUEST;
  const ac = acd_find(ifp, probed ? tpa : spa);
  if (!ac) return false;
  if (ac.ac_state == ACD_PROBE) {
    arpstat.rcvlocalspa++;
    acd_probe_conflict(ac, sha);
    return true;
  }
  if (probed) return false;
  arpstat.rcvlocalspa++;
  acd_defend(ac, sha);
  return true;
}

function acd_defend(ac: Acd, sha: usize): void {
  const now = getmicrouptime();
  const first = ac.ac_conflict_us == 0 || now - ac.ac_conflict_us > DEFEND_INTERVAL_US;
  if (first) {
    ac.ac_conflict_us = now;
    ac.ac_lost = 0;
    arpstat.defended++;
    acd_log(ac, sha, LOG_WARNING, " is claimed by ");
    arp_request(ac.ac_ifp, ac.ac_addr, ac.ac_addr);
  } else if (ac.ac_lost == 0) {
    acd_lost(ac, sha);
  }
}

function acd_lost(ac: Acd, sha: usize): void {
  ac.ac_lost = 1;
  ac.ac_conflict_us = getmicrouptime();
  arpstat.lost++;
  acd_log(ac, sha, LOG_ERR, " is used by two hosts, here and at ");
  if (acd.hook != 0) call_indirect<void>(acd.hook, ac.ac_ifp, ac.ac_addr);
}

function acd_log(ac: Acd, sha: usize, level: i32, what: string): void {
  log_begin(level, "arp");
  log_ipv4(ac.ac_addr);
  log_str(" on ");
  log_bytes(ac.ac_ifp.if_xname, ac.ac_ifp.if_namelen);
  log_str(what);
  log_ether(sha);
  log_end();
}
