/**
 * Receiving: a ring of empty clusters that the host fills, and what becomes of the full ones.
 *
 *      taken back ─▶ cons ─▶ … filled … ─▶ tail (the host's) ─▶ … empty … ─▶ head = cons + entries
 *
 *      slot:  the Mbuf whose cluster the host has        entry (virtif.abi.ts):  its address, room, frame
 *
 * A slot never goes without a cluster: before a full one is handed up another takes its place, and if
 * there is none the frame is dropped and its cluster used again. So the ring is always full, and a host
 * that had to stop goes on after the next run. Small frames (ACKs, ARP) are copied into an mbuf of their
 * own and leave their cluster where it is. A frame of several buffers becomes a chain: 64 KiB received
 * at once need no memory of that size. What the frame's virtio_net_hdr says is checked before it is
 * believed (virtio 1.2 §5.1.6.4); on a hub it comes from another image.
 */
import { RING_DATA, RING_HEAD, RING_TAIL } from "../../kernel/abi/rump";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { ring_create } from "../../kernel/kern/ring";
import { Ifnet, if_receive } from "../../kernel/net/ifnet";
import {
  CSUM_DATA_OK, MCLBYTES, MHLEN, MNULL, M_PKTHDR, Mbuf, VNET_F_DATA_VALID, VNET_F_NEEDS_CSUM, VNET_GSO_ECN, VNET_GSO_NONE,
  VNET_GSO_TCPV4, VNET_GSO_TCPV6, m_freem, m_getcl, m_gethdr,
} from "../../kernel/net/mbuf";
import {
  VIRTIF_RX_ADDR, VIRTIF_RX_ENTRY, VIRTIF_RX_LEN, VIRTIF_RX_NBUFS, VIRTIF_RX_SIZE, VIRTIF_RX_VNET,
} from "./virtif.abi";
import { virtifstat } from "./virtif_stat";

/** Bytes left free before a frame, so that what follows its header of 14 is aligned. */
const RX_OFFSET: i32 = 2;
const RX_ROOM: i32 = MCLBYTES - RX_OFFSET;
/** Frames handed up before others have a turn. */
const RX_BUDGET: i32 = 64;

@unmanaged
export class VirtifRx {
  rx_ring: usize;
  /** Buffers taken back since boot. */
  rx_cons: u32;
  rx_entries: u32;
  /** Mbufs by slot. */
  rx_slots: usize;
}

/** A ring of `entries` (a power of two) buffers, all of them posted. Null when there are not so many. Boot only. */
export function virtif_rx_create(entries: u32): VirtifRx {
  // The longest frame must fit, or the host would wait for room for ever.
  assert(<i32>entries * RX_ROOM >= 65535 + 18, "virtif: VIRTIF_RXBUFS");
  const rx = changetype<VirtifRx>(kmem_alloc(offsetof<VirtifRx>(), 64, "virtif.rx"));
  rx.rx_ring = ring_create(entries, VIRTIF_RX_ENTRY, "virtif.ring");
  rx.rx_slots = kmem_alloc(<usize>entries << 2, 64, "virtif.rx");
  rx.rx_entries = entries;
  for (let i: u32 = 0; i < entries; i++) {
    const m = m_getcl(RX_OFFSET);
    if (!m) return changetype<VirtifRx>(0);
    post(rx, i, m);
  }
  store<u32>(rx.rx_ring, entries, RING_HEAD);
  return rx;
}

/** Entry of slot `i`. */
function entry_at(rx: VirtifRx, i: u32): usize {
  return rx.rx_ring + RING_DATA + <usize>i * VIRTIF_RX_ENTRY;
}

/** Put the empty `m` into slot `i`. */
function post(rx: VirtifRx, i: u32, m: Mbuf): void {
  store<usize>(rx.rx_slots + (<usize>i << 2), changetype<usize>(m));
  const e = entry_at(rx, i);
  store<u32>(e, <u32>m.m_data, VIRTIF_RX_ADDR);
  store<u32>(e, RX_ROOM, VIRTIF_RX_SIZE);
}

function slot(rx: VirtifRx, i: u32): Mbuf {
  return changetype<Mbuf>(load<usize>(rx.rx_slots + (<usize>i << 2)));
}

/** The small frame in slot `i`, copied; null without an mbuf. */
function take_copy(rx: VirtifRx, i: u32, len: i32): Mbuf {
  const m = m_gethdr(RX_OFFSET);
  if (!m) return m;
  memory.copy(m.m_data, slot(rx, i).m_data, len);
  m.m_len = len;
  virtifstat.rxcopied++;
  return m;
}

/** The frame of `len` bytes in `n` slots from `first`, in the clusters themselves; null if they cannot be replaced. */
function take_chain(rx: VirtifRx, first: u32, n: u32, len: i32): Mbuf {
  let head = MNULL;
  let last = MNULL;
  let left = len;
  for (let k: u32 = 0; k < n; k++) {
    const i = (first + k) & (rx.rx_entries - 1);
    const fresh = m_getcl(RX_OFFSET);
    if (!fresh) {
      m_freem(head);
      return MNULL;
    }
    const m = slot(rx, i);
    post(rx, i, fresh);
    m.m_len = min(left, RX_ROOM);
    left -= m.m_len;
    if (last) {
      m.m_flags &= ~M_PKTHDR;
      last.m_next = m;
    } else head = m;
    last = m;
  }
  if (n > 1) virtifstat.rxchain++;
  else virtifstat.rxsingle++;
  return head;
}

/** Take over the virtio_net_hdr at `vnet`: what is left to do of `m`, and what is known. False if it is nonsense. */
function take_header(m: Mbuf, vnet: usize): bool {
  const flags = load<u8>(vnet);
  const gso = load<u8>(vnet, 1);
  if ((flags & VNET_F_NEEDS_CSUM) == 0) {
    if ((flags & VNET_F_DATA_VALID) != 0) m.ph_csum = CSUM_DATA_OK;
    return gso == VNET_GSO_NONE;
  }
  const start = <i32>load<u16>(vnet, 6);
  const offset = <i32>load<u16>(vnet, 8);
  if (start + offset + 2 > m.ph_len) return false;
  const type = gso & ~VNET_GSO_ECN;
  if (type != VNET_GSO_NONE) {
    if ((type != VNET_GSO_TCPV4 && type != VNET_GSO_TCPV6) || load<u16>(vnet, 4) == 0) return false;
  }
  const to = changetype<usize>(m) + offsetof<Mbuf>("vh_flags");
  store<u32>(to, load<u32>(vnet));
  store<u32>(to, load<u32>(vnet, 4), 4);
  store<u32>(to, <u32>offset, 8);
  // It never left a memory: nothing can have been damaged (virtio 1.2 §5.1.6.4.1).
  m.ph_csum = CSUM_DATA_OK;
  return true;
}

/** The frame in `n` slots from `first`, ready to be handed up; null if it was dropped (counted). */
function take_frame(ifp: Ifnet, rx: VirtifRx, first: u32, n: u32, e: usize): Mbuf {
  const len = load<i32>(e, VIRTIF_RX_LEN);
  assert(len > 0 && len <= <i32>n * RX_ROOM && len > (<i32>n - 1) * RX_ROOM, "virtif: length of a frame");
  const m = len <= MHLEN - RX_OFFSET ? take_copy(rx, first, len) : take_chain(rx, first, n, len);
  if (!m) {
    ifp.ifi_iqdrops++;
    virtifstat.rxnobufs++;
    return m;
  }
  m.ph_len = len;
  m.ph_tstamp = getmicrouptime();
  if (take_header(m, e + VIRTIF_RX_VNET)) return m;
  ifp.ifi_ierrors++;
  virtifstat.rxbadhdr++;
  m_freem(m);
  return MNULL;
}

/** Hand up what has come in, at most RX_BUDGET frames; true if there is more. */
export function virtif_rxeof(ifp: Ifnet, rx: VirtifRx): bool {
  const ring = rx.rx_ring;
  for (let budget = RX_BUDGET; budget > 0; budget--) {
    const filled = load<u32>(ring, RING_TAIL) - rx.rx_cons;
    if (filled == 0) return false;
    assert(filled <= rx.rx_entries, "virtif: the host took more buffers than there are");
    const first = rx.rx_cons & (rx.rx_entries - 1);
    const e = entry_at(rx, first);
    const n = load<u32>(e, VIRTIF_RX_NBUFS);
    assert(n > 0 && n <= filled, "virtif: buffers of a frame");
    const m = take_frame(ifp, rx, first, n, e);
    rx.rx_cons += n;
    store<u32>(ring, rx.rx_cons + rx.rx_entries, RING_HEAD);
    if (m) if_receive(ifp, m);
  }
  return load<u32>(ring, RING_TAIL) != rx.rx_cons;
}
