/**
 * Protocol input: from a link layer to the network protocol of a packet, by number.
 *
 *      ether_input ── netisr_input(NETISR_IP, m) ──▶ ip_input          directly, no queue
 *      looutput    ── netisr_queue(NETISR_IP, m) ──▶ queue ─softint─▶ ip_input
 *
 * Link layers call netisr_input: they run in a soft interrupt of their own. The loopback, which is
 * called from within the protocol's output, queues instead, so that input never runs inside output.
 * Nobody registered: the packet is dropped and counted for its interface.
 */
import { NET_IFQLEN } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { softint_establish, softint_schedule } from "../kern/softint";
import { if_byindex } from "./ifnet";
import { Ifqueue, ifq_dequeue, ifq_enqueue } from "./ifq";
import { Mbuf, m_freem } from "./mbuf";

export const NETISR_IP: i32 = 0;
export const NETISR_IPV6: i32 = 1;
export const NETISR_ARP: i32 = 2;
/** Packets that the link could not deliver, as they were sent: for the network layer to tell their source. */
export const NETISR_IPUNREACH: i32 = 4;
/** Bare packets for taps and tests. */
export const NETISR_RAW: i32 = 3;
export const NETISR_MAX: i32 = 8;

/** Packets taken from a queue before others have a turn. */
const NETISR_BUDGET: i32 = 64;

@unmanaged
class Netisr {
  /** function (m: Mbuf) => void, 0 = none. */
  isr_fn: i32;
  isr_softint: i32;
  isr_q: usize;
}

let isr_tab: usize = 0;

function isr_at(isr: i32): Netisr {
  return changetype<Netisr>(isr_tab + <usize>isr * offsetof<Netisr>());
}

/** The empty table. Called once by net_init(). */
export function netisr_boot(): void {
  isr_tab = kmem_alloc(<usize>NETISR_MAX * offsetof<Netisr>(), 64, "netisr");
}

/** `input(m)` consumes packets of protocol `isr` (network header first, ph_rcvif set). Boot only. */
export function netisr_register(isr: i32, input: (m: Mbuf) => void): void {
  const n = isr_at(isr);
  assert(<u32>isr < <u32>NETISR_MAX && n.isr_fn == 0, "netisr_register: taken");
  n.isr_fn = input.index;
  n.isr_q = kmem_alloc(offsetof<Ifqueue>(), 8, "netisr.q");
  changetype<Ifqueue>(n.isr_q).ifq_maxlen = NET_IFQLEN;
  n.isr_softint = softint_establish(netisr_run, isr);
}

/** Hand `m` to the protocol now. */
export function netisr_input(isr: i32, m: Mbuf): void {
  const fn = isr_at(isr).isr_fn;
  if (fn != 0) {
    call_indirect<void>(fn, m);
    return;
  }
  const ifp = if_byindex(m.ph_rcvif);
  if (changetype<usize>(ifp) != 0) ifp.ifi_noproto++;
  m_freem(m);
}

/** Hand `m` to the protocol later in this run; false when its queue was full (m is freed). */
export function netisr_queue(isr: i32, m: Mbuf): bool {
  const n = isr_at(isr);
  if (n.isr_fn == 0) {
    netisr_input(isr, m);
    return false;
  }
  softint_schedule(n.isr_softint);
  return ifq_enqueue(changetype<Ifqueue>(n.isr_q), m);
}

function netisr_run(isr: usize): void {
  const n = isr_at(<i32>isr);
  const q = changetype<Ifqueue>(n.isr_q);
  for (let i = 0; i < NETISR_BUDGET; i++) {
    const m = ifq_dequeue(q);
    if (!m) return;
    call_indirect<void>(n.isr_fn, m);
  }
  if (q.ifq_len > 0) softint_schedule(n.isr_softint);
}
