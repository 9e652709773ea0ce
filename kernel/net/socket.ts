/**
 * Sockets: the structure, and how its state changes under the protocol's hands.
 *
 *      SocketFile ──▶ Socket ──so_proto──▶ Protosw (what to call)
 *                       │  └───so_pcb────▶ the protocol's control block
 *                       ├ so_rcv, so_snd   Sockbuf, embedded behind the structure
 *                       └ a listener:  so_q0 connections being made ─soisconnected─▶ so_q ─accept─▶
 *
 * A protocol reports with soisconnecting … socantrcvmore, sorwakeup, sowwakeup and, for a listener,
 * sonewconn. Wake-ups only mark knotes and soft interrupts, so they are safe anywhere in a protocol.
 *
 * The backlog is what listen(2) said: at most so_qlimit connections wait in so_q (soqroom). soisconnected
 * on a connection for which there is no room answers -ECONNABORTED and changes nothing. so_q0 has its own
 * limit. TCP keeps what is not yet a connection elsewhere (tcp_syncache.ts), and asks for room first.
 *
 * Freeing: the memory goes when there is neither a descriptor (SS_NOFDREF) nor a control block, and
 * not while it waits in so_q (accept finds it and answers ECONNABORTED). All links are O(1).
 */
import { ECONNABORTED } from "../abi/errno";
import { SO_ACCEPTCONN } from "../abi/socket";
import { NET_MAXSOCKETS } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { knote } from "../kern/knote";
import { Pool, pool_getz, pool_init, pool_put } from "../kern/pool";
import { mbwait_remove } from "./mbwait";
import { Protosw } from "./protosw";
import { Sockbuf, sbdrop_all, sbreserve } from "./sockbuf";

/** so_state. */
export const SS_NOFDREF: u32 = 0x001;
export const SS_ISCONNECTED: u32 = 0x002;
export const SS_ISCONNECTING: u32 = 0x004;
export const SS_ISDISCONNECTING: u32 = 0x008;
export const SS_CANTSENDMORE: u32 = 0x010;
export const SS_CANTRCVMORE: u32 = 0x020;
/** The next byte to read is the urgent one; one was announced and has not come. */
export const SS_RCVATMARK: u32 = 0x040;
export const SS_OOBPEND: u32 = 0x1000;
/** In so_q0 or so_q of so_head; on the list of lingering sockets. */
export const SS_INCOMP: u32 = 0x080;
export const SS_COMP: u32 = 0x100;
export const SS_LINGERING: u32 = 0x200;
/** Was connected and no longer is. */
export const SS_ISDISCONNECTED: u32 = 0x400;
/** Refused a write for want of mbufs: on the list of mbwait.ts. */
export const SS_MBWAIT: u32 = 0x800;

/** so_q0 of a listener holds at least this many, whatever the backlog. */
export const SO_Q0MIN: u32 = 128;

@unmanaged
export class Socket {
  so_proto: Protosw;
  so_pcb: usize;
  so_type: i32;
  so_state: u32;
  so_options: i32;
  /** Errno to be reported once (positive). */
  so_error: i32;
  /** SO_LINGER's seconds. */
  so_linger: i32;
  /** socket(2)'s protocol argument, or the protocol's number. */
  so_protocol: i32;

  /* Listener. */
  so_q0: Socket;
  so_q0tail: Socket;
  so_q: Socket;
  so_qtail: Socket;
  so_q0len: u32;
  so_qlen: u32;
  so_qlimit: u32;
  /** Connections refused for want of room since listen(2). */
  so_overflow: u32;

  /* Member of a listener's queue, or of the lingering list; of mbwait.ts's list. */
  so_head: Socket;
  so_qnext: Socket;
  so_qprev: Socket;
  so_mwnext: Socket;
  so_mwprev: Socket;
  /** Lingering: when to give up, µs of uptime. */
  so_deadline: i64;

  /** Bytes to the urgent mark in so_rcv; 0 = none (or SS_RCVATMARK). */
  so_oobmark: u32;
  /** Datagrams that so_rcv had no room for. */
  so_rcvdrops: u32;
  /** In-kernel consumer: function (so, arg, 0 = readable | 1 = writeable) => void, 0 = none. It is called
   *  within the protocol and may only mark work (softint_schedule). */
  so_upcall: i32;
  so_upcallarg: usize;
  /** SO_RCVTIMEO, SO_SNDTIMEO, µs: kept for the host, calls never wait here. */
  so_rcvtimeo: i64;
  so_sndtimeo: i64;
  /** Which socket this is, for traces: counts sockets made. */
  so_serial: u64;

  @inline
  get so_rcv(): Sockbuf {
    return changetype<Sockbuf>(changetype<usize>(this) + SOCKET_HDR);
  }
  @inline
  get so_snd(): Sockbuf {
    return changetype<Sockbuf>(changetype<usize>(this) + SOCKET_HDR + offsetof<Sockbuf>());
  }
}

/** Bytes of Socket before its two sockbufs. */
export const SOCKET_HDR: usize = 144;

@unmanaged
export class SoState {
  so_pool: Pool;
  so_filepool: Pool;
  so_serial: u64;
  /** sysctl kern.ipc.*. */
  so_somaxconn: i32;
  so_sbmax: i32;
  /** Sockets closed with SO_LINGER, by the time of closing. */
  so_lingering: Socket;
  so_lingerlast: Socket;
  /** Callout of the lingering list; the Msg and scratch buffers of the system calls (uipc_*.ts). */
  so_callout: usize;
  so_msg: usize;
  so_sabuf: usize;
  /** Counters. */
  so_noverflow: u32;
  so_nlingerabort: u32;
  /** Function () => bool that frees a socket if it can, 0 = none. */
  so_reclaim: i32;
}

export let sost: SoState = changetype<SoState>(0);

/** Carve state and pool. Called once by net_init(). */
export function socket_boot(): void {
  assert(offsetof<Socket>() <= SOCKET_HDR, "socket: SOCKET_HDR");
  sost = changetype<SoState>(kmem_alloc(offsetof<SoState>(), 64, "socket"));
  sost.so_pool = pool_init("socket", <u32>(SOCKET_HDR + 2 * offsetof<Sockbuf>()), NET_MAXSOCKETS, 16);
}

/** Call `fn` when the sockets are used up: it frees one that is only waiting and answers true, or false. Boot only. */
export function so_setreclaim(fn: () => bool): void {
  sost.so_reclaim = fn.index;
}

/** A zeroed socket of `proto` with its buffers' limits set, no control block yet; null when there is none. */
export function soalloc(proto: Protosw, type: i32): Socket {
  let so = changetype<Socket>(pool_getz(sost.so_pool));
  if (!so && sost.so_reclaim != 0 && call_indirect<bool>(sost.so_reclaim)) {
    so = changetype<Socket>(pool_getz(sost.so_pool));
  }
  if (!so) return so;
  so.so_proto = proto;
  so.so_type = type;
  so.so_protocol = proto.pr_protocol;
  so.so_serial = ++sost.so_serial;
  so.so_rcv.sb_lowat = 1;
  so.so_snd.sb_lowat = 1;
  soreserve(so, proto.pr_sndspace, proto.pr_rcvspace);
  return so;
}

/** Set the sizes of both buffers, bytes; they are cut to kern.ipc.maxsockbuf. */
export function soreserve(so: Socket, snd: u32, rcv: u32): void {
  sbreserve(so.so_snd, snd, sost.so_sbmax);
  sbreserve(so.so_rcv, rcv, sost.so_sbmax);
  if (so.so_snd.sb_lowat < 2048) so.so_snd.sb_lowat = min<u32>(2048, so.so_snd.sb_hiwat);
}

/**
 * Give the memory back if nobody holds the socket: no descriptor, no control block, not in an accept
 * queue. A protocol calls it after so_pcb = 0 and must not touch `so` afterwards.
 */
export function sofree(so: Socket): void {
  if (so.so_pcb != 0 || (so.so_state & SS_NOFDREF) == 0) return;
  if (so.so_state & SS_COMP) return;
  if (so.so_state & SS_INCOMP) soqremque(so);
  if (so.so_state & SS_LINGERING) solinger_remove(so);
  mbwait_remove(so);
  assert(so.so_q0len == 0 && so.so_qlen == 0, "sofree: connections queued");
  assert(so.so_rcv.sb_klist == 0 && so.so_snd.sb_klist == 0, "sofree: watched");
  sbdrop_all(so.so_snd);
  sbdrop_all(so.so_rcv);
  so.so_proto = changetype<Protosw>(0);
  pool_put(sost.so_pool, changetype<usize>(so));
}

// ── listener queues ──────────────────────────────────────────────────────────────────────────────

/** Append `so` to so_q0 (SS_INCOMP) or so_q (SS_COMP) of `head`. */
export function soqinsque(head: Socket, so: Socket, which: u32): void {
  assert((so.so_state & (SS_INCOMP | SS_COMP | SS_LINGERING)) == 0, "soqinsque: on a queue");
  so.so_head = head;
  so.so_state |= which;
  so.so_qnext = changetype<Socket>(0);
  if (which == SS_INCOMP) {
    so.so_qprev = head.so_q0tail;
    if (head.so_q0tail) head.so_q0tail.so_qnext = so;
    else head.so_q0 = so;
    head.so_q0tail = so;
    head.so_q0len++;
  } else {
    so.so_qprev = head.so_qtail;
    if (head.so_qtail) head.so_qtail.so_qnext = so;
    else head.so_q = so;
    head.so_qtail = so;
    head.so_qlen++;
  }
}

/** Take `so` off its listener's queue. */
export function soqremque(so: Socket): void {
  const head = so.so_head;
  assert(changetype<usize>(head) != 0, "soqremque: no head");
  const next = so.so_qnext;
  const prev = so.so_qprev;
  if (so.so_state & SS_INCOMP) {
    if (prev) prev.so_qnext = next; else head.so_q0 = next;
    if (next) next.so_qprev = prev; else head.so_q0tail = prev;
    head.so_q0len--;
  } else {
    assert((so.so_state & SS_COMP) != 0, "soqremque: not queued");
    if (prev) prev.so_qnext = next; else head.so_q = next;
    if (next) next.so_qprev = prev; else head.so_qtail = prev;
    head.so_qlen--;
  }
  so.so_state &= ~(SS_INCOMP | SS_COMP);
  so.so_head = changetype<Socket>(0);
  so.so_qnext = changetype<Socket>(0);
  so.so_qprev = changetype<Socket>(0);
}

/** Has the accept queue of `head` room for one more connection? A refusal is counted. */
export function soqroom(head: Socket): bool {
  if (head.so_qlen < head.so_qlimit) return true;
  head.so_overflow++;
  sost.so_noverflow++;
  return false;
}

/**
 * A connection arrives at listener `head`: a new socket of the same protocol, attached, with the
 * listener's options and buffer sizes. `state` = 0: the connection is being made (so_q0); the protocol
 * calls soisconnected later. `state` = SS_ISCONNECTED: it is complete (so_q, accept may take it).
 * Null when the queue, the sockets or the protocol have no room: counted, the caller drops.
 */
export function sonewconn(head: Socket, state: u32): Socket {
  assert((head.so_options & SO_ACCEPTCONN) != 0, "sonewconn: not a listener");
  const full = state & SS_ISCONNECTED
    ? head.so_qlen >= head.so_qlimit
    : head.so_q0len >= max(head.so_qlimit, SO_Q0MIN);
  if (full) {
    head.so_overflow++;
    sost.so_noverflow++;
    return changetype<Socket>(0);
  }
  const so = soalloc(head.so_proto, head.so_type);
  if (!so) return so;
  so.so_options = head.so_options & ~SO_ACCEPTCONN;
  so.so_linger = head.so_linger;
  so.so_protocol = head.so_protocol;
  so.so_rcvtimeo = head.so_rcvtimeo;
  so.so_sndtimeo = head.so_sndtimeo;
  so.so_state = SS_NOFDREF;
  soreserve(so, head.so_snd.sb_hiwat, head.so_rcv.sb_hiwat);
  so.so_rcv.sb_lowat = head.so_rcv.sb_lowat;
  so.so_snd.sb_lowat = head.so_snd.sb_lowat;
  soqinsque(head, so, state & SS_ISCONNECTED ? SS_COMP : SS_INCOMP);
  if (so.so_proto.pr_attach(so, so.so_protocol) < 0) {
    soqremque(so);
    sofree(so);
    return changetype<Socket>(0);
  }
  so.so_rcv.sb_flags = head.so_rcv.sb_flags;
  so.so_snd.sb_flags = head.so_snd.sb_flags;
  if (state & SS_ISCONNECTED) {
    so.so_state |= SS_ISCONNECTED;
    sorwakeup(head);
  }
  return so;
}

// ── state ────────────────────────────────────────────────────────────────────────────────────────

export function soisconnecting(so: Socket): void {
  so.so_state &= ~(SS_ISCONNECTED | SS_ISDISCONNECTING | SS_ISDISCONNECTED);
  so.so_state |= SS_ISCONNECTING;
}

/**
 * The connection stands. For one in so_q0: moves it to so_q, or answers -ECONNABORTED and changes
 * nothing when the backlog is full. Otherwise 0.
 */
export function soisconnected(so: Socket): i32 {
  if (so.so_state & SS_INCOMP) {
    const head = so.so_head;
    if (!soqroom(head)) return -ECONNABORTED;
    soqremque(so);
    soqinsque(head, so, SS_COMP);
    sorwakeup(head);
  }
  so.so_state &= ~(SS_ISCONNECTING | SS_ISDISCONNECTING | SS_ISDISCONNECTED);
  so.so_state |= SS_ISCONNECTED;
  sorwakeup(so);
  sowwakeup(so);
  return 0;
}

/** An orderly close began: nothing more can be sent or received by the user. */
export function soisdisconnecting(so: Socket): void {
  so.so_state &= ~SS_ISCONNECTING;
  so.so_state |= SS_ISDISCONNECTING | SS_CANTRCVMORE | SS_CANTSENDMORE;
  sowwakeup(so);
  sorwakeup(so);
}

/** The connection is over (so_error says why, if there is a reason): unsent data is dropped. */
export function soisdisconnected(so: Socket): void {
  so.so_state &= ~(SS_ISCONNECTING | SS_ISCONNECTED | SS_ISDISCONNECTING);
  so.so_state |= SS_CANTRCVMORE | SS_CANTSENDMORE | SS_ISDISCONNECTED;
  sbdrop_all(so.so_snd);
  sowwakeup(so);
  sorwakeup(so);
}

/** Our side is closed: write answers EPIPE. */
export function socantsendmore(so: Socket): void {
  so.so_state |= SS_CANTSENDMORE;
  sowwakeup(so);
}

/** The peer's side is closed: read answers 0 once the buffer is empty. */
export function socantrcvmore(so: Socket): void {
  so.so_state |= SS_CANTRCVMORE;
  sorwakeup(so);
}

/** The urgent byte (RFC 9293 §3.8.5) is `back` bytes (at least 1) before the present end of so_rcv: a read stops before it. */
export function sohasoutofband(so: Socket, back: u32): void {
  const at = so.so_rcv.sb_cc;
  so.so_oobmark = back < at ? at - back : 0;
  so.so_state = (so.so_state & ~SS_RCVATMARK) | (so.so_oobmark == 0 ? SS_RCVATMARK : 0);
}

// ── wake-ups ─────────────────────────────────────────────────────────────────────────────────────

/** Something to read (data, a connection, the end, an error): tell whoever watches. */
export function sorwakeup(so: Socket): void {
  const sb = so.so_rcv;
  if (sb.sb_klist != 0) knote(changetype<usize>(sb) + offsetof<Sockbuf>("sb_klist"), 0);
  if (so.so_upcall != 0) call_indirect<void>(so.so_upcall, so, so.so_upcallarg, 0);
}

/** Room to write (or an end or error that a writer should see). */
export function sowwakeup(so: Socket): void {
  const sb = so.so_snd;
  if (sb.sb_klist != 0) knote(changetype<usize>(sb) + offsetof<Sockbuf>("sb_klist"), 0);
  if (so.so_upcall != 0) call_indirect<void>(so.so_upcall, so, so.so_upcallarg, 1);
}

/** Off the lingering list (uipc_close.ts puts sockets on it). */
export function solinger_remove(so: Socket): void {
  const next = so.so_qnext;
  const prev = so.so_qprev;
  if (prev) prev.so_qnext = next; else sost.so_lingering = next;
  if (next) next.so_qprev = prev; else sost.so_lingerlast = prev;
  so.so_qnext = changetype<Socket>(0);
  so.so_qprev = changetype<Socket>(0);
  so.so_state &= ~SS_LINGERING;
}
