/**
 * Memory buffers: packets and stream data, as chains of small headers that point at storage.
 *
 *      0                    64                   128                 256
 *      | m_next m_data … ext | packet header      | inline data       |   an Mbuf (MSIZE bytes)
 *                            └ without M_PKTHDR the inline data begins here
 *
 *      Mbuf ──m_next──▶ Mbuf ──m_next──▶ Mbuf      one packet or record
 *       │ m_nextpkt                 └─ m_data ──▶ cluster 2 KiB | big 64 KiB + headroom | foreign memory
 *       ▼
 *      the next packet of a queue
 *
 * Storage outside the Mbuf is shared by reference: each cluster has a count, m_copym adds to it, so
 * TCP sends payload out of a socket buffer without copying (design.md §6). What is shared is read-only
 * (m_writable). The packet header begins with a virtio_net_hdr in wire form, so that a driver can hand
 * the host its address: checksum and segmentation offload need no translation. Checksum offsets count
 * from the first byte of the packet and are moved along by m_prepend and m_adj.
 *
 * Pools are carved at boot (tunables NET_NMBUFS, NET_NMBCLUSTERS, NET_NMBBIG) and touched as used.
 * Exhaustion answers a null Mbuf, counted by the pool: callers drop and say ENOBUFS. Get and free are
 * O(1), about 10 ns. Operations on chains are in mbuf2.ts and mbuf3.ts.
 */
import { NET_NMBBIG, NET_NMBCLUSTERS, NET_NMBUFS } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { softint_schedule } from "../kern/softint";
import { Pool, pool_avail, pool_get, pool_index, pool_init, pool_ptr, pool_put } from "../kern/pool";

export const MSIZE: i32 = 256;
/** Inline data of an mbuf without and with a packet header. */
export const MLEN: i32 = 192;
export const MHLEN: i32 = 128;
export const MCLBYTES: i32 = 2048;
/** A big cluster holds 64 KiB behind room for headers. */
export const MBIG_HEADROOM: i32 = 128;
export const MBIGBYTES: i32 = 65536 + 128;
/** Room that protocols leave for the link header: 14 bytes of Ethernet and 2 that align what follows. */
export const MAX_LINKHDR: i32 = 16;
/** Room that sending leaves before a datagram: link, IPv6 and UDP headers. */
export const MAX_PROTOHDR: i32 = 64;
/** Length argument of m_copym: all there is. */
export const M_COPYALL: i32 = 0x7fffffff;

/** m_flags. */
export const M_PKTHDR: u16 = 0x0001;
/** End of a record of the protocol (MSG_EOR). */
export const M_EOR: u16 = 0x0002;
export const M_BCAST: u16 = 0x0010;
export const M_MCAST: u16 = 0x0020;
/** Sent or received over the loopback: never on a wire. */
export const M_LOOP: u16 = 0x0040;
/** Foreign storage that must not be written even when it is not shared. */
export const M_RDONLY: u16 = 0x0080;
/** Free for use within one protocol. */
export const M_PROTO1: u16 = 0x0100;
export const M_PROTO2: u16 = 0x0200;

/** m_type: 0 is a free mbuf. */
export const MT_FREE: u8 = 0;
export const MT_DATA: u8 = 1;
export const MT_SONAME: u8 = 2;
export const MT_CONTROL: u8 = 3;

/** m_exttype. */
export const EXT_NONE: u8 = 0;
export const EXT_CLUSTER: u8 = 1;
export const EXT_BIG: u8 = 2;
export const EXT_FOREIGN: u8 = 3;

/** ph_csum: what is known about a received packet. */
export const CSUM_IP_CHECKED: u8 = 0x01;
export const CSUM_IP_BAD: u8 = 0x02;
/** The transport checksum was verified, or never left the machine. */
export const CSUM_DATA_OK: u8 = 0x04;
export const CSUM_DATA_BAD: u8 = 0x08;

/** vh_flags and vh_gso_type: struct virtio_net_hdr (virtio 1.2 §5.1.6). */
export const VNET_F_NEEDS_CSUM: u8 = 1;
export const VNET_F_DATA_VALID: u8 = 2;
export const VNET_GSO_NONE: u8 = 0;
export const VNET_GSO_TCPV4: u8 = 1;
export const VNET_GSO_UDP: u8 = 3;
export const VNET_GSO_TCPV6: u8 = 4;
export const VNET_GSO_ECN: u8 = 0x80;
export const VNET_HDR_SIZE: i32 = 12;

@unmanaged
export class Mbuf {
  /** The rest of this packet; the next packet of a queue. */
  m_next: Mbuf;
  m_nextpkt: Mbuf;
  /** Address and number of the valid bytes. */
  m_data: usize;
  m_len: i32;
  m_flags: u16;
  m_type: u8;
  m_exttype: u8;
  /** Storage outside the mbuf: address, bytes, address of its reference count (u32). */
  m_extbuf: usize;
  m_extsize: i32;
  m_extref: usize;
  /** EXT_FOREIGN: function (buf, size, arg) => void to give the storage back, and its argument. */
  m_extfree: i32;
  m_extarg: usize;
  m_pad0: u64;
  m_pad1: u64;
  m_pad2: u64;

  /* Packet header, valid with M_PKTHDR in the first mbuf of a packet. */

  /** Bytes of the whole chain. */
  ph_len: i32;
  /** Index of the interface that it came in by (ifnet.ts: if_byindex); 0 = none. */
  ph_rcvif: u16;
  ph_csum: u8;
  ph_proto: u8;
  /** Offsets of the network and transport headers from the first byte, where input has set them. */
  ph_nethdr: u16;
  ph_trhdr: u16;
  /** Flow hash of the link or 0. */
  ph_hash: u32;
  /* struct virtio_net_hdr, 12 bytes, as the wire has it. */
  vh_flags: u8;
  vh_gso_type: u8;
  vh_hdr_len: u16;
  vh_gso_size: u16;
  vh_csum_start: u16;
  vh_csum_offset: u16;
  vh_num_buffers: u16;
  ph_pad: u32;
  /** When it came in, µs of uptime. */
  ph_tstamp: i64;
  /** For the protocol that has the packet now (reassembly, ARP hold queues …). */
  ph_priv0: u32;
  ph_priv1: u32;
  ph_priv2: u64;
}

@unmanaged
export class MbState {
  mb_pool: Pool;
  mb_clpool: Pool;
  mb_bigpool: Pool;
  /** Reference counts, u32 per cluster, by pool index. */
  mb_clref: usize;
  mb_bigref: usize;
  /** Allocations refused since boot, of any kind. */
  mb_drops: u32;
  /** Somebody waits for mbufs (mbwait.ts), whom this soft interrupt tells. */
  mb_waiting: bool;
  mb_softint: i32;
}

export let mbst: MbState = changetype<MbState>(0);

/** A null Mbuf: end of a chain, or nothing to be had. */
export const MNULL: Mbuf = changetype<Mbuf>(0);

/** Carve the pools. Called once by net_init(). */
export function mbinit(): void {
  assert(offsetof<Mbuf>("ph_len") == 64 && offsetof<Mbuf>("vh_flags") == 80, "mbuf: layout");
  assert(offsetof<Mbuf>() <= <usize>(MSIZE - MHLEN), "mbuf: packet header");
  mbst = changetype<MbState>(kmem_alloc(offsetof<MbState>(), 64, "mbuf"));
  mbst.mb_pool = pool_init("mbuf", MSIZE, NET_NMBUFS, 64);
  mbst.mb_clpool = pool_init("mbcl", MCLBYTES, NET_NMBCLUSTERS, 64);
  mbst.mb_bigpool = pool_init("mbbig", MBIGBYTES, NET_NMBBIG, 64);
  mbst.mb_clref = kmem_alloc(<usize>NET_NMBCLUSTERS << 2, 64, "mbuf.clref");
  mbst.mb_bigref = kmem_alloc(<usize>NET_NMBBIG << 2, 64, "mbuf.bigref");
}

/**
 * Whether mbufs or clusters are nearly gone. The last eighth is for packets on their way, which give
 * memory back (headers, acknowledgements, what fills a hole), and not for data that can wait: if that
 * took all, nothing could be sent any more that would free it.
 */
export function m_scarce(): bool {
  return m_short(2);
}

/** Whether fewer than `sixteenths` of the mbufs, or of the clusters, are left. */
export function m_short(sixteenths: u32): bool {
  return pool_avail(mbst.mb_pool) < (<u32>NET_NMBUFS >> 4) * sixteenths
    || pool_avail(mbst.mb_clpool) < (<u32>NET_NMBCLUSTERS >> 4) * sixteenths;
}

/** An mbuf for `MLEN` bytes, empty; null when there is none. */
export function m_get(): Mbuf {
  const m = changetype<Mbuf>(pool_get(mbst.mb_pool));
  if (!m) {
    mbst.mb_drops++;
    return m;
  }
  m.m_next = MNULL;
  m.m_nextpkt = MNULL;
  m.m_data = changetype<usize>(m) + (MSIZE - MLEN);
  m.m_len = 0;
  m.m_flags = 0;
  m.m_type = MT_DATA;
  m.m_exttype = EXT_NONE;
  return m;
}

/** An mbuf with a packet header and MHLEN bytes, of which the first `headroom` are left free for m_prepend. */
export function m_gethdr(headroom: i32 = 0): Mbuf {
  assert(<u32>headroom <= <u32>MHLEN, "m_gethdr: headroom");
  const m = m_get();
  if (!m) return m;
  m_pkthdr_init(m);
  m.m_data = changetype<usize>(m) + (MSIZE - MHLEN) + headroom;
  return m;
}

/** Make `m` the (empty) head of a packet. Its inline data, if that is what it uses, must be unused. */
export function m_pkthdr_init(m: Mbuf): void {
  m.m_flags |= M_PKTHDR;
  memory.fill(changetype<usize>(m) + 64, 0, 64);
}

/** A packet of one empty 2 KiB cluster, `headroom` bytes left free before the data. */
export function m_getcl(headroom: i32 = MAX_LINKHDR): Mbuf {
  assert(<u32>headroom <= <u32>MCLBYTES, "m_getcl: headroom");
  const m = m_get();
  if (!m) return m;
  m_pkthdr_init(m);
  if (!m_clget(m)) return m_free(m);
  m.m_data += headroom;
  return m;
}

/** A packet of one empty big cluster: MBIGBYTES, `headroom` of them left free before the data. */
export function m_getbig(headroom: i32 = MBIG_HEADROOM): Mbuf {
  assert(<u32>headroom <= <u32>MBIGBYTES, "m_getbig: headroom");
  const m = m_get();
  if (!m) return m;
  m_pkthdr_init(m);
  if (!m_bigget(m)) return m_free(m);
  m.m_data += headroom;
  return m;
}

function m_setext(m: Mbuf, type: u8, buf: usize, size: i32, ref: usize): void {
  assert(m.m_exttype == EXT_NONE && m.m_len == 0, "m_setext: has data");
  m.m_exttype = type;
  m.m_extbuf = buf;
  m.m_extsize = size;
  m.m_extref = ref;
  m.m_data = buf;
}

/** Give an empty mbuf a cluster; false when there is none. */
export function m_clget(m: Mbuf): bool {
  const p = pool_get(mbst.mb_clpool);
  if (p == 0) {
    mbst.mb_drops++;
    return false;
  }
  const ref = mbst.mb_clref + (<usize>pool_index(mbst.mb_clpool, p) << 2);
  store<u32>(ref, 1);
  m_setext(m, EXT_CLUSTER, p, MCLBYTES, ref);
  return true;
}

/** Give an empty mbuf a big cluster; false when there is none. */
export function m_bigget(m: Mbuf): bool {
  const p = pool_get(mbst.mb_bigpool);
  if (p == 0) {
    mbst.mb_drops++;
    return false;
  }
  const ref = mbst.mb_bigref + (<usize>pool_index(mbst.mb_bigpool, p) << 2);
  store<u32>(ref, 1);
  m_setext(m, EXT_BIG, p, MBIGBYTES, ref);
  return true;
}

/**
 * Let an empty mbuf refer to foreign memory: `size` bytes at `buf`, all of them valid data. `ref` is
 * the address of a u32 count that lives as long as the memory; it is raised by one here, and when the
 * last reference goes, `free(buf, size, arg)` is called.
 */
export function m_extadd(m: Mbuf, buf: usize, size: i32, ref: usize,
                         free: (buf: usize, size: i32, arg: usize) => void, arg: usize): void {
  m_setext(m, EXT_FOREIGN, buf, size, ref);
  store<u32>(ref, load<u32>(ref) + 1);
  m.m_extfree = free.index;
  m.m_extarg = arg;
  m.m_len = size;
}

/** Make the empty mbuf `n` refer to the storage of `m` (same bytes valid); m must have external storage. */
export function m_share(n: Mbuf, m: Mbuf): void {
  assert(m.m_exttype != EXT_NONE, "m_share: inline data");
  const refs = load<u32>(m.m_extref);
  assert(refs > 0, "m_share: dead storage");
  store<u32>(m.m_extref, refs + 1);
  m_setext(n, m.m_exttype, m.m_extbuf, m.m_extsize, m.m_extref);
  n.m_extfree = m.m_extfree;
  n.m_extarg = m.m_extarg;
  n.m_flags |= m.m_flags & M_RDONLY;
  n.m_data = m.m_data;
  n.m_len = m.m_len;
}

function m_extfree(m: Mbuf): void {
  const refs = load<u32>(m.m_extref);
  assert(refs > 0, "m_free: storage freed twice");
  store<u32>(m.m_extref, refs - 1);
  if (refs != 1) return;
  if (m.m_exttype == EXT_CLUSTER) pool_put(mbst.mb_clpool, m.m_extbuf);
  else if (m.m_exttype == EXT_BIG) pool_put(mbst.mb_bigpool, m.m_extbuf);
  else call_indirect<void>(m.m_extfree, m.m_extbuf, m.m_extsize, m.m_extarg);
}

/** Free one mbuf; the next of its chain. */
export function m_free(m: Mbuf): Mbuf {
  assert(m.m_type != MT_FREE, "m_free: freed twice");
  const next = m.m_next;
  if (m.m_exttype != EXT_NONE) m_extfree(m);
  m.m_type = MT_FREE;
  pool_put(mbst.mb_pool, changetype<usize>(m));
  if (mbst.mb_waiting && !m_short(3)) {
    mbst.mb_waiting = false;
    softint_schedule(mbst.mb_softint);
  }
  return next;
}

/** Free a chain; null is fine. */
export function m_freem(m: Mbuf): void {
  while (m) m = m_free(m);
}

/** Whether the bytes of `m` may be changed: nobody else refers to them. */
export function m_writable(m: Mbuf): bool {
  if (m.m_exttype == EXT_NONE) return true;
  return (m.m_flags & M_RDONLY) == 0 && load<u32>(m.m_extref) == 1;
}

/** First byte of the storage of `m`. */
export function m_start(m: Mbuf): usize {
  if (m.m_exttype != EXT_NONE) return m.m_extbuf;
  return changetype<usize>(m) + (m.m_flags & M_PKTHDR ? MSIZE - MHLEN : MSIZE - MLEN);
}

/** Bytes of storage of `m`. */
export function m_size(m: Mbuf): i32 {
  if (m.m_exttype != EXT_NONE) return m.m_extsize;
  return m.m_flags & M_PKTHDR ? MHLEN : MLEN;
}

/** Bytes that can be put before the data of `m` (0 when it may not be written). */
export function m_leadingspace(m: Mbuf): i32 {
  return m_writable(m) ? <i32>(m.m_data - m_start(m)) : 0;
}

/** Bytes that can be put behind the data of `m` (0 when it may not be written). */
export function m_trailingspace(m: Mbuf): i32 {
  return m_writable(m) ? <i32>(m_start(m) + m_size(m) - m.m_data) - m.m_len : 0;
}

/** Cluster number `i` of the pool and back: what a ring carries instead of an address. */
export function m_clindex(m: Mbuf): u32 {
  assert(m.m_exttype == EXT_CLUSTER, "m_clindex");
  return pool_index(mbst.mb_clpool, m.m_extbuf);
}

export function m_claddr(index: u32): usize {
  return pool_ptr(mbst.mb_clpool, index);
}
