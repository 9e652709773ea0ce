/**
 * The image's end of the receive ring, with the spec as the host: copies, single clusters, chains, what a
 * virtio_net_hdr may say, and what happens when memory runs out.
 */
import { IFF_UP } from "../../kernel/abi/if";
import { RING_DATA, RING_ENTRIES, RING_HEAD, RING_TAIL } from "../../kernel/abi/rump";
import { kobj } from "../../kernel/kern/kmem";
import { Ifnet, if_attach } from "../../kernel/net/ifnet";
import {
  CSUM_DATA_OK, M_PKTHDR, MNULL, Mbuf, VNET_F_DATA_VALID, VNET_F_NEEDS_CSUM, VNET_GSO_NONE, VNET_GSO_TCPV4, m_freem, m_getcl,
} from "../../kernel/net/mbuf";
import { m_copydata, m_length } from "../../kernel/net/mbuf2";
import { m_sanity } from "../../kernel/net/mbuf3";
import { spec_buf, spec_byte, spec_check, spec_mbufs_inuse, spec_net_boot } from "../../kernel/net/net_spec";
import { Rtentry } from "../../kernel/net/route";
import { VIRTIF_RX_ADDR, VIRTIF_RX_ENTRY, VIRTIF_RX_LEN, VIRTIF_RX_NBUFS, VIRTIF_RX_SIZE, VIRTIF_RX_VNET } from "./virtif.abi";
import { VirtifRx, virtif_rx_create, virtif_rxeof } from "./virtif_rx";
import { virtif_stat_boot, virtifstat } from "./virtif_stat";

/** Keeps the packet that came last. */
class SpecIfnet extends Ifnet {
  last: Mbuf;
  count: i32;
  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    m_freem(m);
    return 0;
  }
  if_start(): void {}
  if_input(m: Mbuf): void {
    m_freem(this.last);
    this.last = m;
    this.count++;
  }
}

spec_net_boot();
virtif_stat_boot();
const ENTRIES: u32 = 64;
const rx: VirtifRx = virtif_rx_create(ENTRIES);
const ifp: SpecIfnet = kobj<SpecIfnet>("spec");
ifp.if_mtu = 1500;
if_attach(ifp, "spec", 0);
ifp.if_flags = IFF_UP;
const inuse_empty = spec_mbufs_inuse();

/** Buffers that the host may fill. */
function room(): u32 {
  return load<u32>(rx.rx_ring, RING_HEAD) - load<u32>(rx.rx_ring, RING_TAIL);
}

function entry(i: u32): usize {
  return rx.rx_ring + RING_DATA + <usize>(i & (ENTRIES - 1)) * VIRTIF_RX_ENTRY;
}

/** The host fills a frame of `len` bytes of the pattern, with a header of three words. */
function fill(len: i32, h0: u32 = 0, h1: u32 = 0, h2: u32 = 0): void {
  const tail = load<u32>(rx.rx_ring, RING_TAIL);
  let done = 0;
  let n: u32 = 0;
  while (done < len) {
    const e = entry(tail + n);
    const at = load<u32>(e, VIRTIF_RX_ADDR);
    const k = min(len - done, load<i32>(e, VIRTIF_RX_SIZE));
    for (let i = 0; i < k; i++) store<u8>(at + i, spec_byte(done + i));
    done += k;
    n++;
  }
  const e = entry(tail);
  store<i32>(e, len, VIRTIF_RX_LEN);
  store<u32>(e, n, VIRTIF_RX_NBUFS);
  store<u32>(e, h0, VIRTIF_RX_VNET);
  store<u32>(e, h1, VIRTIF_RX_VNET + 4);
  store<u32>(e, h2, VIRTIF_RX_VNET + 8);
  store<u32>(rx.rx_ring, tail + n, RING_TAIL);
}

/** The bytes of the packet that came last are those of a frame of `len`. */
function intact(len: i32): bool {
  const m = ifp.last;
  if (!m || m.ph_len != len || m_length(m) != len || !m_sanity(m)) return false;
  m_copydata(m, 0, len, spec_buf);
  return spec_check(spec_buf, len, 0);
}

function drop_last(): void {
  m_freem(ifp.last);
  ifp.last = MNULL;
}

describe("virtif_rx", () => {
  it("begins with every buffer posted, each aligned for what follows an Ethernet header", () => {
    expect<u32>(room()).toBe(ENTRIES);
    expect<u32>(load<u32>(rx.rx_ring, RING_ENTRIES)).toBe(ENTRIES);
    for (let i: u32 = 0; i < ENTRIES; i++) {
      expect<u32>((load<u32>(entry(i), VIRTIF_RX_ADDR) + 14) & 3).toBe(0);
      expect<u32>(load<u32>(entry(i), VIRTIF_RX_SIZE)).toBe(2046);
    }
  });

  it("hands up frames of any length, and is full again after each", () => {
    let expected = 0;
    for (let len = 14; len < 66000; len += len < 2200 ? 61 : 2047) {
      fill(len);
      expect<bool>(virtif_rxeof(ifp, rx)).toBe(false);
      expect<bool>(intact(len)).toBe(true, "bytes of a frame");
      expect<u32>(room()).toBe(ENTRIES);
      expected++;
    }
    expect<i32>(ifp.count).toBe(expected);
    expect<u64>(virtifstat.rxcopied + virtifstat.rxsingle + virtifstat.rxchain).toBe(<u64>expected);
    drop_last();
    expect<i32>(spec_mbufs_inuse()).toBe(inuse_empty);
  });

  it("copies small frames and leaves their cluster where it is", () => {
    const at = load<u32>(entry(load<u32>(rx.rx_ring, RING_TAIL)), VIRTIF_RX_ADDR);
    const before = load<u32>(rx.rx_ring, RING_TAIL);
    fill(126);
    virtif_rxeof(ifp, rx);
    expect<u32>(load<u32>(entry(before), VIRTIF_RX_ADDR)).toBe(at);
    expect<bool>(intact(126)).toBe(true);
    fill(127);
    virtif_rxeof(ifp, rx);
    expect<u32>(load<u32>(entry(before + 1), VIRTIF_RX_ADDR)).not.toBe(at);
    expect<bool>((ifp.last.m_flags & M_PKTHDR) != 0 && ifp.last.ph_rcvif == ifp.if_index).toBe(true);
  });

  it("gives others a turn after 64 frames", () => {
    ifp.count = 0;
    for (let i: u32 = 0; i < ENTRIES; i++) fill(60);
    expect<bool>(virtif_rxeof(ifp, rx)).toBe(false);
    expect<i32>(ifp.count).toBe(64);
  });

  it("believes what a header says of checksums", () => {
    fill(300, VNET_F_DATA_VALID);
    virtif_rxeof(ifp, rx);
    expect<u8>(ifp.last.ph_csum).toBe(CSUM_DATA_OK);
    expect<u8>(ifp.last.vh_flags).toBe(0);
    fill(300, 0);
    virtif_rxeof(ifp, rx);
    expect<u8>(ifp.last.ph_csum).toBe(0);
    fill(300, VNET_F_NEEDS_CSUM, 34 << 16, 6 | 7 << 16);
    virtif_rxeof(ifp, rx);
    expect<u8>(ifp.last.ph_csum).toBe(CSUM_DATA_OK);
    expect<u8>(ifp.last.vh_flags).toBe(VNET_F_NEEDS_CSUM);
    expect<u16>(ifp.last.vh_csum_start).toBe(34);
    expect<u16>(ifp.last.vh_csum_offset).toBe(6);
    expect<u16>(ifp.last.vh_num_buffers).toBe(0);
  });

  it("keeps what is to be segmented", () => {
    fill(9000, 0x0101 | 54 << 16, 1448 | 34 << 16, 16);
    virtif_rxeof(ifp, rx);
    expect<u8>(ifp.last.vh_gso_type).toBe(VNET_GSO_TCPV4);
    expect<u16>(ifp.last.vh_gso_size).toBe(1448);
    fill(300);
    virtif_rxeof(ifp, rx);
    expect<u8>(ifp.last.vh_gso_type).toBe(VNET_GSO_NONE);
  });

  it("drops a frame whose header is nonsense, and loses nothing by it", () => {
    drop_last();
    ifp.count = 0;
    const bad = virtifstat.rxbadhdr;
    fill(300, VNET_F_NEEDS_CSUM, 299 << 16, 0);
    fill(300, VNET_F_NEEDS_CSUM, 0xffff << 16, 0xffff);
    fill(9000, 0x0101, 34 << 16, 16);
    fill(9000, 0x0301, 1448 | 34 << 16, 16);
    fill(9000, 0x0100, 1448 | 34 << 16, 16);
    virtif_rxeof(ifp, rx);
    expect<i32>(ifp.count).toBe(0);
    expect<u64>(virtifstat.rxbadhdr - bad).toBe(5);
    expect<u64>(ifp.ifi_ierrors).toBe(5);
    expect<i32>(spec_mbufs_inuse()).toBe(inuse_empty);
  });

  it("drops frames while there is no cluster, keeps its buffers, and goes on when there is one", () => {
    let hoard = MNULL;
    for (let m = m_getcl(); m; m = m_getcl()) {
      m.m_nextpkt = hoard;
      hoard = m;
    }
    // Two are to be had: not enough for a chain of three, which gives back what it took.
    for (let i = 0; i < 2; i++) {
      const m = hoard;
      hoard = m.m_nextpkt;
      m_freem(m);
    }
    ifp.count = 0;
    const drops = virtifstat.rxnobufs;
    fill(5000);
    virtif_rxeof(ifp, rx);
    expect<i32>(ifp.count).toBe(0);
    expect<u64>(virtifstat.rxnobufs - drops).toBe(1);
    expect<u32>(room()).toBe(ENTRIES);
    fill(3000);
    virtif_rxeof(ifp, rx);
    expect<bool>(ifp.count == 1 && intact(3000)).toBe(true, "two are enough for two");
    fill(1500);
    fill(1500);
    virtif_rxeof(ifp, rx);
    expect<u64>(virtifstat.rxnobufs - drops).toBe(3, "none is left");
    drop_last();
    fill(60);
    virtif_rxeof(ifp, rx);
    expect<bool>(intact(60)).toBe(true, "small ones need none");
    while (hoard) {
      const next = hoard.m_nextpkt;
      m_freem(hoard);
      hoard = next;
    }
    drop_last();
    fill(5000);
    virtif_rxeof(ifp, rx);
    expect<bool>(intact(5000)).toBe(true);
    drop_last();
    expect<i32>(spec_mbufs_inuse()).toBe(inuse_empty);
  });
});
