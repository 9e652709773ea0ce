/**
 * Sending: one hypercall a frame, its pieces by reference.
 *
 *      Mbuf ─▶ Mbuf ─▶ Mbuf      ──▶  iov: | address length | address length | …
 *      └ vh_* = virtio_net_hdr
 *
 * The host has sent (or copied) a frame when the call returns, so the mbufs are free at once and their
 * memory is still in the cache for the next: about 5 ns for the call and 3 ns a piece. A device that is
 * full answers -EAGAIN: the frame goes back to the front of the queue, IFF_OACTIVE is set, and the next
 * interrupt of the interface goes on.
 */
import { EAGAIN, ENOBUFS } from "../../kernel/abi/errno";
import { IFF_OACTIVE } from "../../kernel/abi/if";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Ifnet } from "../../kernel/net/ifnet";
import { ifq_dequeue, ifq_prepend } from "../../kernel/net/ifq";
import { MBIGBYTES, Mbuf, m_freem, m_getbig } from "../../kernel/net/mbuf";
import { m_copydata } from "../../kernel/net/mbuf2";
import { VIRTIF_IOV_MAX } from "./virtif.abi";
import { virtif_send } from "./virtif.hyper";
import { virtifstat } from "./virtif_stat";

@unmanaged
class VirtifTx {
  /** VIRTIF_IOV_MAX pairs: the frame that is being sent. */
  iov: usize;
}

let vtx: VirtifTx = changetype<VirtifTx>(0);

export function virtif_tx_boot(): void {
  vtx = changetype<VirtifTx>(kmem_alloc(offsetof<VirtifTx>(), 8, "virtif.tx"));
  vtx.iov = kmem_alloc(<usize>VIRTIF_IOV_MAX << 3, 64, "virtif.tx");
}

/** Describe `m` in the piece list; how many, or 0 if there are more than fit. */
function gather(m: Mbuf): i32 {
  let at = vtx.iov;
  const end = at + (<usize>VIRTIF_IOV_MAX << 3);
  for (; m; m = m.m_next) {
    if (m.m_len == 0) continue;
    if (at == end) return 0;
    store<u32>(at, <u32>m.m_data);
    store<u32>(at, m.m_len, 4);
    at += 8;
  }
  return <i32>((at - vtx.iov) >> 3);
}

/** Send `m`, which stays the caller's. 0 or -errno. */
function put(unit: i32, m: Mbuf): i32 {
  const vnet = changetype<usize>(m) + offsetof<Mbuf>("vh_flags");
  const n = gather(m);
  if (n > 0) return virtif_send(unit, vnet, vtx.iov, n);
  const one = m_getbig(0);
  if (!one || m.ph_len > MBIGBYTES) {
    m_freem(one);
    return -ENOBUFS;
  }
  virtifstat.txlinear++;
  m_copydata(m, 0, m.ph_len, one.m_data);
  one.m_len = m.ph_len;
  const e = virtif_send(unit, vnet, vtx.iov, gather(one));
  m_freem(one);
  return e;
}

/** Give the device of `unit` what waits in if_snd, as far as it takes it. */
export function virtif_transmit(ifp: Ifnet, unit: i32): void {
  if ((ifp.if_flags & IFF_OACTIVE) != 0) return;
  const q = ifp.if_snd;
  for (let m = ifq_dequeue(q); m; m = ifq_dequeue(q)) {
    const e = put(unit, m);
    if (e == -EAGAIN) {
      ifq_prepend(q, m);
      ifp.if_flags |= IFF_OACTIVE;
      virtifstat.txbusy++;
      return;
    }
    if (e < 0) {
      ifp.ifi_oerrors++;
      virtifstat.txdropped++;
    }
    m_freem(m);
  }
}
