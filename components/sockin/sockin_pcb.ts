/**
 * sockin's control blocks: one for each socket of the internet families, standing for one of the host's.
 *
 *      Socket ──so_pcb──▶ SockinPcb ──pcb_handle──▶ the host's socket
 *         ▲                  │ ▲
 *         └────pcb_so────────┘ └── cookie = | generation (12) | index in the pool (20) | ◀── events
 *
 * The host names sockets to us by the cookie that we gave it. The generation changes with every use
 * of a control block, so that an event on its way to a socket that has been closed meanwhile finds
 * nobody, instead of the next owner. A pool object keeps its contents but for the first word, which
 * is pcb_so; so the generation survives in it.
 *
 * Some sockets are on a list to be looked after without an event (sockin_event.ts): listeners, which may
 * have had to leave connections with the host for want of room, and those that discard what comes in.
 */
import { SOCK_DGRAM } from "../../kernel/abi/socket";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_get, pool_index, pool_init, pool_ptr, pool_put } from "../../kernel/kern/pool";
import { softint_schedule } from "../../kernel/kern/softint";
import { Socket } from "../../kernel/net/socket";
import { NET_MAXSOCKETS } from "rump/tunables";

/** pcb_flags. The host may have something to read; there may be room to write. */
export const SI_READABLE: u32 = 0x01;
export const SI_WRITABLE: u32 = 0x02;
/** The end of the peer's stream is on its way: a short read does not mean that nothing more comes. */
export const SI_RDHUP: u32 = 0x04;
/** shutdown(SHUT_RD): what still comes in is thrown away. */
export const SI_DISCARD: u32 = 0x08;
/** Urgent data has been seen: short reads may be due to the mark, SS_RCVATMARK is kept up. */
export const SI_URGENT: u32 = 0x10;
export const SI_LISTENING: u32 = 0x20;
/** pcb_avail is what the host would say. */
export const SI_AVAILKNOWN: u32 = 0x40;
export const SI_DGRAM: u32 = 0x80;
/** Closed by the user, but so_snd is not empty yet (only in-kernel senders leave data there). */
export const SI_CLOSING: u32 = 0x200;
/** On the list of sockets to be looked after. */
export const SI_LISTED: u32 = 0x100;

const INDEX_BITS: u32 = 20;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (1 << (31 - INDEX_BITS)) - 1;

/** Bytes kept of the peer's address: sockaddr_in6 and its padding. */
export const PEER_SIZE: i32 = 32;

@unmanaged
export class SockinPcb {
  pcb_so: Socket;
  pcb_generation: u32;
  pcb_handle: i32;
  pcb_flags: u32;
  /** Bytes to read, if SI_AVAILKNOWN. */
  pcb_avail: i32;
  /** The list of sockets to be looked after. */
  pcb_next: SockinPcb;
  pcb_prev: SockinPcb;

  /** Address of the PEER_SIZE bytes behind the structure: the peer's sockaddr, sa_len 0 if there is none. */
  @inline
  get pcb_peer(): usize {
    return changetype<usize>(this) + offsetof<SockinPcb>();
  }
}

@unmanaged
export class SockinState {
  st_pool: Pool;
  st_ring: usize;
  /** Soft interrupt that goes through the list. */
  st_softint: i32;
  /** The control block that pr_attach is to use for a connection just accepted; 0 = make a socket. */
  st_accepted: SockinPcb;
  st_list: SockinPcb;
  /** Some listener left connections with the host for want of room here. */
  st_starved: i32;
  /** Callout: the host had no descriptor for a connection. */
  st_callout: usize;
  /** Scratch: SOCK_MAXADDRLEN bytes; SCRATCH_SIZE bytes. */
  st_addr: usize;
  st_scratch: usize;
  /* Statistics, sysctl net.sockin.*. */
  st_nopen: i32;
  st_events: i64;
  st_stale: i64;
  st_accepts: i64;
  st_noaccept: i64;
  st_discarded: i64;
}

/** Bytes of st_scratch: iovecs of a chain of mbufs, or data to be thrown away. */
export const SCRATCH_SIZE: i32 = 16384;

export let sist: SockinState = changetype<SockinState>(0);

/** Carve state and pool. Called once. */
export function sockin_pcb_boot(): void {
  sist = changetype<SockinState>(kmem_alloc(offsetof<SockinState>(), 64, "sockin"));
  sist.st_pool = pool_init("sockinpcb", <u32>offsetof<SockinPcb>() + PEER_SIZE, NET_MAXSOCKETS, 16);
  sist.st_addr = kmem_alloc(128, 16, "sockin");
  sist.st_scratch = kmem_alloc(SCRATCH_SIZE, 64, "sockin");
}

/** A control block that belongs to no socket yet; null when there is none. */
export function pcb_alloc(): SockinPcb {
  const pcb = changetype<SockinPcb>(pool_get(sist.st_pool));
  if (!pcb) return pcb;
  pcb.pcb_so = changetype<Socket>(0);
  pcb.pcb_generation = (pcb.pcb_generation + 1) & GENERATION_MASK;
  pcb.pcb_handle = -1;
  pcb.pcb_flags = 0;
  pcb.pcb_avail = 0;
  pcb.pcb_next = changetype<SockinPcb>(0);
  pcb.pcb_prev = changetype<SockinPcb>(0);
  store<u8>(pcb.pcb_peer, 0);
  return pcb;
}

/** Bind `pcb` to its socket and to the host's. */
export function pcb_attach(pcb: SockinPcb, so: Socket, handle: i32): void {
  assert(handle >= 0 && so.so_pcb == 0, "pcb_attach");
  pcb.pcb_so = so;
  pcb.pcb_handle = handle;
  if (so.so_type == SOCK_DGRAM) pcb.pcb_flags |= SI_DGRAM | SI_WRITABLE;
  so.so_pcb = changetype<usize>(pcb);
  sist.st_nopen++;
}

/** The host's socket is closed: the control block goes, and with it the socket's so_pcb. */
export function pcb_free(pcb: SockinPcb): void {
  const so = pcb.pcb_so;
  if (pcb.pcb_flags & SI_LISTED) pcb_unlist(pcb);
  if (changetype<usize>(so) != 0) {
    assert(so.so_pcb == changetype<usize>(pcb), "pcb_free: not this socket's");
    so.so_pcb = 0;
    sist.st_nopen--;
  }
  pcb.pcb_handle = -1;
  pool_put(sist.st_pool, changetype<usize>(pcb));
  sockin_room();
}

/** There is room again for connections that were left with the host. */
export function sockin_room(): void {
  if (sist.st_starved == 0) return;
  sist.st_starved = 0;
  softint_schedule(sist.st_softint);
}

/** The name of `pcb` for the host. */
export function pcb_cookie(pcb: SockinPcb): i32 {
  return <i32>((pcb.pcb_generation << INDEX_BITS) | pool_index(sist.st_pool, changetype<usize>(pcb)));
}

/** Whether `pcb` is still the one that `cookie` names: wake-ups may run code that closes it. */
export function pcb_is(pcb: SockinPcb, cookie: i32): bool {
  return pcb.pcb_handle >= 0 && pcb.pcb_generation == <u32>cookie >> INDEX_BITS;
}

/** Whom the host means by `cookie`; null when that socket is closed. */
export function pcb_lookup(cookie: i32): SockinPcb {
  const index = <u32>cookie & INDEX_MASK;
  if (index >= sist.st_pool.pr_fresh) return changetype<SockinPcb>(0);
  const pcb = changetype<SockinPcb>(pool_ptr(sist.st_pool, index));
  // A free object has the generation of its last use, but no handle.
  return pcb_is(pcb, cookie) ? pcb : changetype<SockinPcb>(0);
}

/** Look after `pcb` from now on. */
export function pcb_list(pcb: SockinPcb): void {
  if (pcb.pcb_flags & SI_LISTED) return;
  pcb.pcb_flags |= SI_LISTED;
  pcb.pcb_next = sist.st_list;
  if (pcb.pcb_next) pcb.pcb_next.pcb_prev = pcb;
  sist.st_list = pcb;
}

function pcb_unlist(pcb: SockinPcb): void {
  if (pcb.pcb_prev) pcb.pcb_prev.pcb_next = pcb.pcb_next;
  else sist.st_list = pcb.pcb_next;
  if (pcb.pcb_next) pcb.pcb_next.pcb_prev = pcb.pcb_prev;
  pcb.pcb_flags &= ~SI_LISTED;
}

/** The control block of `so`. */
export function sotopcb(so: Socket): SockinPcb {
  return changetype<SockinPcb>(so.so_pcb);
}
