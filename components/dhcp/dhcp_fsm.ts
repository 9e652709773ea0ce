/**
 * The DHCP client's state machine (RFC 2131 §4.4; figure in dhcp_var.ts).
 *
 *      events: a message (dhcp_input), the timer (dhcp_timer), the verdict on an address (dhcp_probed),
 *              a conflict later (dhcp_conflict), the cable (dhcp_linkup), commands
 *
 * Retransmission doubles from 4 to 64 s, each give or take one (§4.1). The first acceptable offer is
 * taken. While renewing, half the time that is left, at least 60 s, passes between requests (§4.4.5).
 * An address in use by another is declined, and 10 s pass before anything else (§3.1.5). One timer a
 * client; nothing here waits.
 */
import { LOG_ERR, LOG_WARNING } from "../../kernel/abi/rump";
import { DHCP_DELAY_MS } from "rump/tunables";
import { callout_init, callout_schedule, callout_stop } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { cprng_fast32, cprng_uniform } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { log_end, log_int, log_ipv4, log_str } from "../../kernel/kern/log";
import { Ifnet } from "../../kernel/net/ifnet";
import { Mbuf, m_freem } from "../../kernel/net/mbuf";
import { arp_probe, arp_probe_stop, ether_filter_clear, ether_filter_set } from "rump/ether";
import { dhcp_configure, dhcp_log, dhcp_say, dhcp_unconfigure } from "./dhcp_lease";
import { DHCPACK, DHCPDECLINE, DHCPDISCOVER, DHCPNAK, DHCPOFFER, DHCPRELEASE, DHCPREQUEST } from "./dhcp_msg";
import { dhcp_isours, dhcp_send, dhcp_unwrap, dhcp_unwrapped } from "./dhcp_packet";
import { DhcpMsg, dhcp_parse } from "./dhcp_parse";
import {
  DHCP_NAMELEN, DHS_BOUND, DHS_INIT, DHS_OFF, DHS_PROBING, DHS_REBINDING, DHS_RELEASING, DHS_RENEWING,
  DHS_REQUESTING, DHS_SELECTING, Dhcp, LEASE_INFINITE, Lease, dhcp_at, dhcpstat,
} from "./dhcp_var";

const SECOND_US: i64 = 1000000;
const BROADCAST: u32 = 0xffffffff;
/** Requests for one offer before it is given up (4 + 8 + 16 + 32 s). */
const REQUESTS: i32 = 4;
const RENEW_MIN_US: i64 = 60 * SECOND_US;
const DECLINE_WAIT_US: i64 = 10 * SECOND_US;
/** The verdict on an address comes within 9 s. */
const PROBE_GUARD_US: i64 = 15 * SECOND_US;
const RETRY_US: i64 = 60 * SECOND_US;
/** How long a release may wait for an answer to ARP. */
const RELEASE_US: i64 = 200000;
/** Longest sleep at once: what is further away is looked at again. */
const SLEEP_MAX_US: i64 = 86400 * SECOND_US;

/** What came in last. */
let msg: DhcpMsg = changetype<DhcpMsg>(0);

export function dhcp_fsm_boot(): void {
  msg = changetype<DhcpMsg>(kmem_alloc(offsetof<DhcpMsg>(), 8, "dhcp"));
  msg.lease = changetype<Lease>(kmem_alloc(offsetof<Lease>(), 8, "dhcp"));
  msg.domain = kmem_alloc(DHCP_NAMELEN, 8, "dhcp");
  msg.hostname = kmem_alloc(DHCP_NAMELEN, 8, "dhcp");
}

/** Make client `d` ready to be started. Boot only. */
export function dhcp_fsm_init(d: Dhcp): void {
  callout_init(d.dh_timer, dhcp_timer, changetype<usize>(d));
}

function set_state(d: Dhcp, state: i32): void {
  callout_stop(d.dh_timer);
  d.dh_state = state;
  d.dh_tries = 0;
  if (state == DHS_OFF || state == DHS_BOUND || state == DHS_RELEASING) ether_filter_clear(d.dh_ifp);
  else ether_filter_set(d.dh_ifp, dhcp_input);
}

/** A new exchange begins: its number and its clock. */
function new_exchange(d: Dhcp): void {
  d.dh_xid = cprng_fast32();
  d.dh_began_us = getmicrouptime();
}

/** 4, 8, 16, 32, 64, 64 … seconds, give or take one. */
function arm_backoff(d: Dhcp): void {
  const base = (4 * SECOND_US) << <i64>min(d.dh_tries - 1, 4);
  callout_schedule(d.dh_timer, base - SECOND_US + <i64>cprng_uniform(2000001));
}

/** Fire at uptime `at_us`, or look again tomorrow. */
function arm_at(d: Dhcp, at_us: i64): void {
  callout_schedule(d.dh_timer, min<i64>(max<i64>(at_us - getmicrouptime(), 1), SLEEP_MAX_US));
}

/** When `s` seconds of the lease have passed. */
function lease_at(d: Dhcp, s: u32): i64 {
  return d.dh_leased_us + <i64>s * SECOND_US;
}

// ── beginning and ending ─────────────────────────────────────────────────────────────────────────

/** Forget everything and begin anew in `delay_us`. */
function restart(d: Dhcp, delay_us: i64): void {
  if (d.dh_state == DHS_PROBING) arp_probe_stop(d.dh_ifp, d.dh_lease.le_addr);
  dhcp_unconfigure(d);
  d.dh_verify = 0;
  set_state(d, DHS_INIT);
  callout_schedule(d.dh_timer, max<i64>(delay_us, 1));
}

/** Look for a lease; after a random moment, so that hosts which start together do not ask together (§4.4.1). */
export function dhcp_start(d: Dhcp): void {
  restart(d, <i64>cprng_uniform(<u32>DHCP_DELAY_MS * 1000 + 1));
}

/** Give the address back, if there is one, and do no more: off at once, or in RELEASE_US. */
export function dhcp_release(d: Dhcp): void {
  if (d.dh_state == DHS_RELEASING) return;
  if (d.dh_configured == 0) {
    dhcp_stop(d);
    return;
  }
  dhcpstat.releases++;
  set_state(d, DHS_RELEASING);
  new_exchange(d);
  dhcp_send(d, DHCPRELEASE, d.dh_lease.le_addr, d.dh_lease.le_server);
  dhcp_say(d, "released ", d.dh_lease.le_addr);
  callout_schedule(d.dh_timer, RELEASE_US);
}

/** Do no more, without a word to the server. */
export function dhcp_stop(d: Dhcp): void {
  if (d.dh_state == DHS_OFF) return;
  restart(d, 1);
  set_state(d, DHS_OFF);
}

/** Ask for more time now. False if there is no lease. */
export function dhcp_renew(d: Dhcp): bool {
  if (d.dh_state != DHS_BOUND) return d.dh_state == DHS_RENEWING || d.dh_state == DHS_REBINDING;
  renew_begin(d, DHS_RENEWING);
  return true;
}

// ── time ─────────────────────────────────────────────────────────────────────────────────────────

function send_discover(d: Dhcp): void {
  d.dh_tries++;
  dhcpstat.discovers++;
  dhcp_send(d, DHCPDISCOVER, 0, BROADCAST);
  arm_backoff(d);
}

function send_request(d: Dhcp): void {
  if (d.dh_tries++ == 0) d.dh_asked_us = getmicrouptime();
  dhcpstat.requests++;
  const holding = d.dh_state != DHS_REQUESTING;
  const to = d.dh_state == DHS_RENEWING ? d.dh_lease.le_server : BROADCAST;
  dhcp_send(d, DHCPREQUEST, holding ? d.dh_lease.le_addr : 0, to);
  if (!holding || (d.dh_verify != 0 && d.dh_tries <= REQUESTS)) {
    arm_backoff(d);
    return;
  }
  const end = d.dh_state == DHS_RENEWING ? lease_at(d, d.dh_lease.le_t2_s) : lease_at(d, d.dh_lease.le_lease_s);
  const now = getmicrouptime();
  arm_at(d, min<i64>(end, now + max<i64>((end - now) / 2, RENEW_MIN_US)));
}

function renew_begin(d: Dhcp, state: i32): void {
  set_state(d, state);
  new_exchange(d);
  send_request(d);
}

/** RENEWING or REBINDING, and no answer so far. */
function renew_timer(d: Dhcp): void {
  const now = getmicrouptime();
  if (d.dh_lease.le_lease_s != LEASE_INFINITE && now >= lease_at(d, d.dh_lease.le_lease_s)) {
    dhcpstat.expired++;
    dhcp_log(d, LOG_ERR, "the lease of ");
    log_ipv4(d.dh_lease.le_addr);
    log_str(" has expired");
    log_end();
    restart(d, 1);
  } else if (d.dh_state == DHS_RENEWING && now >= lease_at(d, d.dh_lease.le_t2_s)) {
    renew_begin(d, DHS_REBINDING);
  } else {
    send_request(d);
  }
}

/** The timer of a client. */
function dhcp_timer(arg: usize): void {
  const d = changetype<Dhcp>(arg);
  switch (d.dh_state) {
    case DHS_INIT:
      set_state(d, DHS_SELECTING);
      new_exchange(d);
      send_discover(d);
      break;
    case DHS_SELECTING:
      send_discover(d);
      break;
    case DHS_REQUESTING:
      if (d.dh_tries < REQUESTS) send_request(d);
      else restart(d, 1);
      break;
    case DHS_PROBING:
      restart(d, 1);
      break;
    case DHS_RELEASING:
      dhcp_stop(d);
      break;
    case DHS_BOUND:
      if (getmicrouptime() >= lease_at(d, d.dh_lease.le_t1_s)) renew_begin(d, DHS_RENEWING);
      else arm_at(d, lease_at(d, d.dh_lease.le_t1_s));
      break;
    default:
      renew_timer(d);
  }
}

// ── messages ─────────────────────────────────────────────────────────────────────────────────────

/** ether's filter: an IPv4 packet came in by `ifp`. True if it was ours: m is then consumed. */
function dhcp_input(ifp: Ifnet, m: Mbuf): bool {
  if (!dhcp_isours(m)) return false;
  const d = dhcp_at(ifp.if_index);
  const len = dhcp_unwrap(m);
  m_freem(m);
  dhcpstat.received++;
  if (len < 0 || !dhcp_parse(msg, dhcp_unwrapped(), len, d.dh_xid, ifp.if_lladdr)) dhcpstat.bad++;
  else if (!dhcp_message(d)) dhcpstat.ignored++;
  return true;
}

/** `msg` is for `d`. False if its state has no use for it. */
function dhcp_message(d: Dhcp): bool {
  const state = d.dh_state;
  if (msg.type == DHCPOFFER) {
    if (state != DHS_SELECTING) return false;
    dhcpstat.offers++;
    dhcp_offer(d);
    return true;
  }
  if (state != DHS_REQUESTING && state != DHS_RENEWING && state != DHS_REBINDING) return false;
  // Only a client that has asked everybody takes the word of a server that it did not choose.
  if (state != DHS_REBINDING && msg.lease.le_server != d.dh_lease.le_server) return false;
  if (msg.type == DHCPNAK) {
    dhcpstat.naks++;
    dhcp_say(d, "refused: ", d.dh_lease.le_addr);
    restart(d, SECOND_US + <i64>cprng_uniform(1000000));
    return true;
  }
  if (msg.type != DHCPACK || msg.yiaddr != d.dh_lease.le_addr) return false;
  dhcpstat.acks++;
  dhcp_ack(d);
  return true;
}

function dhcp_offer(d: Dhcp): void {
  memory.copy(changetype<usize>(d.dh_lease), changetype<usize>(msg.lease), offsetof<Lease>());
  set_state(d, DHS_REQUESTING);
  send_request(d);
}

function dhcp_ack(d: Dhcp): void {
  const gateway = d.dh_gateway;
  const renewed = d.dh_state != DHS_REQUESTING;
  // The length of the network stays what the address was configured with.
  if (renewed) msg.lease.le_prefixlen = d.dh_lease.le_prefixlen;
  memory.copy(changetype<usize>(d.dh_lease), changetype<usize>(msg.lease), offsetof<Lease>());
  memory.copy(d.dh_domain, msg.domain, DHCP_NAMELEN);
  memory.copy(d.dh_hostname, msg.hostname, DHCP_NAMELEN);
  d.dh_leased_us = d.dh_asked_us;
  assert(d.dh_gateway == gateway, "dhcp_ack: gateway");
  if (renewed || d.dh_noprobe != 0) {
    dhcp_bind(d);
    return;
  }
  set_state(d, DHS_PROBING);
  callout_schedule(d.dh_timer, PROBE_GUARD_US);
  // It cannot be probed if it is on the interface already: then it is ours.
  if (arp_probe(d.dh_ifp, d.dh_lease.le_addr, dhcp_probed, changetype<usize>(d)) < 0) dhcp_bind(d);
}

/** The address is free (0) or taken (-EADDRINUSE). */
function dhcp_probed(arg: usize, e: i32): void {
  const d = changetype<Dhcp>(arg);
  assert(d.dh_state == DHS_PROBING, "dhcp_probed: state");
  if (e == 0) dhcp_bind(d);
  else dhcp_decline(d);
}

/** The lease is good: use it until T1. */
function dhcp_bind(d: Dhcp): void {
  const fresh = d.dh_configured == 0;
  const e = dhcp_configure(d);
  if (e < 0) {
    dhcp_log(d, LOG_ERR, "cannot use ");
    log_ipv4(d.dh_lease.le_addr);
    log_str(": errno ");
    log_int(-e);
    log_end();
    restart(d, RETRY_US);
    return;
  }
  set_state(d, DHS_BOUND);
  d.dh_verify = 0;
  if (d.dh_lease.le_lease_s != LEASE_INFINITE) arm_at(d, lease_at(d, d.dh_lease.le_t1_s));
  if (!fresh) return;
  dhcp_say(d, "address ", d.dh_lease.le_addr);
}

// ── conflicts and cables ─────────────────────────────────────────────────────────────────────────

/** Another host has the address: tell the server, and wait before asking for one again. */
function dhcp_decline(d: Dhcp): void {
  dhcpstat.declines++;
  dhcp_log(d, LOG_WARNING, "declined ");
  log_ipv4(d.dh_lease.le_addr);
  log_end();
  // Not as one that holds the address (§4.4.4: ciaddr is 0).
  set_state(d, DHS_REQUESTING);
  new_exchange(d);
  dhcp_send(d, DHCPDECLINE, 0, BROADCAST);
  restart(d, DECLINE_WAIT_US);
}

/** `addr` of `ifp` is lost to another host (RFC 5227 §2.4). */
export function dhcp_conflict(ifp: Ifnet, addr: u32): void {
  const d = dhcp_at(ifp.if_index);
  if (d && d.dh_configured != 0 && d.dh_lease.le_addr == addr) dhcp_decline(d);
}

/**
 * The cable is back, perhaps in another network: whoever holds a lease asks everybody whether it is
 * still good (RFC 2131 §3.7 in effect), whoever looks for one begins anew.
 */
export function dhcp_linkup(d: Dhcp): void {
  if (d.dh_state == DHS_BOUND || d.dh_state == DHS_RENEWING) {
    d.dh_verify = 1;
    renew_begin(d, DHS_REBINDING);
  }
  if (d.dh_state >= DHS_INIT && d.dh_state <= DHS_PROBING) dhcp_start(d);
}
