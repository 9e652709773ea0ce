/**
 * Frames: what is accepted and what is dropped and counted, what is sent where, groups and the filter.
 */
import { EAFNOSUPPORT, EINVAL, ENETDOWN, ENOTTY } from "../../kernel/abi/errno";
import { IFF_ALLMULTI, IFF_PROMISC, IFF_UP, SIOCADDMULTI, SIOCDELMULTI, SIOCSIFMTU } from "../../kernel/abi/if";
import { AF_INET6 } from "../../kernel/abi/socket";
import { SA_FAMILY, SIN6_ADDR, SIN_ADDR } from "../../kernel/abi/sockaddr";
import { softint_run } from "../../kernel/kern/softint";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Ifnet, if_flags_change } from "../../kernel/net/ifnet";
import { CSUM_DATA_OK, M_BCAST, M_LOOP, M_MCAST, Mbuf, VNET_F_NEEDS_CSUM, m_freem } from "../../kernel/net/mbuf";
import { NETISR_IP, netisr_register } from "../../kernel/net/netisr";
import { spec_mbufs_inuse } from "../../kernel/net/net_spec";
import { Rtentry } from "../../kernel/net/route";
import { ETHER_MAXMULTI } from "rump/tunables";
import { ether_filter_clear, ether_filter_set } from "./ether";
import { etherstat } from "./ether_stat";
import { ifp0, ip4, mac, output, packet, sent_to, wire_at, wire_boot, wire_clear, wire_count, wire_in, wire_len } from "./ether_spec";

wire_boot();
const NORT = changetype<Rtentry>(0);

/** What IP was given last. */
let got: i32 = 0;
let flags: i32 = 0;
let csum: i32 = 0;
let tag: i32 = 0;
let length: i32 = 0;

netisr_register(NETISR_IP, (m: Mbuf): void => {
  got++;
  flags = m.m_flags;
  csum = m.ph_csum;
  tag = load<u8>(m.m_data);
  length = m.ph_len;
  m_freem(m);
});

const frame = kmem_alloc(2048, 8, "spec");
const sa = kmem_alloc(32, 8, "spec");

/** A frame of `type` to hardware address `to` with 46 bytes of payload arrives. */
function arrive(to: usize, from: i32, type: i32): void {
  memory.fill(frame, 0, 60);
  memory.copy(frame, to, 6);
  memory.copy(frame + 6, mac(from), 6);
  store<u16>(frame, bswap<u16>(<u16>type), 12);
  store<u8>(frame, 0x45, 14);
  wire_in(frame, 60);
}

function group4(a: u32): usize {
  memory.fill(sa, 0, 32);
  store<u8>(sa, 2, SA_FAMILY);
  store<u32>(sa, a, SIN_ADDR);
  return sa;
}

function bytes6(a: u64): usize {
  store<u64>(sa + 24, bswap<u64>(a << 16));
  return sa + 24;
}

let base: i32 = 0;
beforeEach(() => {
  got = 0;
  wire_clear();
  base = spec_mbufs_inuse();
});

afterEach(() => {
  softint_run(100);
  expect(spec_mbufs_inuse()).toBe(base, "no mbuf is lost");
});

describe("input", () => {
  it("hands what is for us to IP, without the header", () => {
    arrive(mac(255), 1, 0x0800);
    expect(got).toBe(1);
    expect(length).toBe(46);
    expect(tag).toBe(0x45);
    expect(flags & (M_BCAST | M_MCAST)).toBe(0);
    arrive(bytes6(0xffffffffffff), 1, 0x0800);
    expect(got).toBe(2);
    expect(flags & M_BCAST).toBe(M_BCAST);
  });

  it("drops what is for another, unless the tap wants it, and then still does not hand it up", () => {
    arrive(mac(7), 1, 0x0800);
    expect(got).toBe(0);
    expect(etherstat.notours).toBe(1);
    if_flags_change(ifp0(), IFF_PROMISC, 0);
    arrive(mac(7), 1, 0x0800);
    if_flags_change(ifp0(), 0, IFF_PROMISC);
    expect(got).toBe(0);
    expect(etherstat.notours).toBe(1);
  });

  it("drops runts, groups as sources, VLAN tags, lengths and unknown types", () => {
    const noproto = ifp0().ifi_noproto;
    for (let n = 1; n < 14; n++) wire_in(frame, n);
    expect(etherstat.runts).toBe(13);
    memory.copy(frame, mac(255), 6);
    memory.fill(frame + 6, 0xff, 6);
    store<u16>(frame, 0x0008, 12);
    wire_in(frame, 60);
    expect(etherstat.badsource).toBe(1);
    arrive(mac(255), 1, 0x8100);
    arrive(mac(255), 1, 0x88a8);
    expect(etherstat.vlan).toBe(2);
    arrive(mac(255), 1, 0x0026);
    expect(etherstat.llc).toBe(1);
    arrive(mac(255), 1, 0x88cc);
    expect(etherstat.noproto).toBe(1);
    arrive(mac(255), 1, 0x86dd);
    expect(ifp0().ifi_noproto - noproto).toBe(5, "IPv6 has no taker either");
    expect(got).toBe(0);
    store<u16>(frame, 0x0008, 12);
    wire_in(frame, 14);
    expect(got).toBe(1, "an empty frame is IP's problem");
    expect(length).toBe(0);
  });

  it("hears groups that were joined, as often as they were", () => {
    const mdns = 0x01005e0000fb;
    arrive(bytes6(mdns), 1, 0x0800);
    expect(got).toBe(0);
    expect(etherstat.filtered).toBe(1);
    arrive(bytes6(0x01005e000001), 1, 0x0800);
    expect(got).toBe(1, "all hosts needs no joining");
    expect(flags & M_MCAST).toBe(M_MCAST);
    expect(ifp0().if_ioctl(SIOCADDMULTI, group4(ip4(224, 0, 0, 251)))).toBe(0);
    expect(ifp0().if_ioctl(SIOCADDMULTI, group4(ip4(239, 128, 0, 251)))).toBe(0, "the same hardware address");
    arrive(bytes6(mdns), 1, 0x0800);
    expect(got).toBe(2);
    expect(ifp0().if_ioctl(SIOCDELMULTI, group4(ip4(224, 0, 0, 251)))).toBe(0);
    arrive(bytes6(mdns), 1, 0x0800);
    expect(got).toBe(3);
    expect(ifp0().if_ioctl(SIOCDELMULTI, group4(ip4(224, 0, 0, 251)))).toBe(0);
    arrive(bytes6(mdns), 1, 0x0800);
    expect(got).toBe(3);
    if_flags_change(ifp0(), IFF_ALLMULTI, 0);
    arrive(bytes6(mdns), 1, 0x0800);
    expect(got).toBe(4);
    if_flags_change(ifp0(), 0, IFF_ALLMULTI);
  });

  it("hears all groups when there are more than the table holds", () => {
    for (let i = 0; i <= ETHER_MAXMULTI; i++) ifp0().if_ioctl(SIOCADDMULTI, group4(ip4(224, 1, 0, i)));
    arrive(bytes6(0x01005e0909), 1, 0x0800);
    arrive(bytes6(0x01005e010500), 1, 0x0800);
    expect(got).toBe(1, "one was no multicast address at all");
    for (let i = 0; i <= ETHER_MAXMULTI; i++) ifp0().if_ioctl(SIOCDELMULTI, group4(ip4(224, 1, 0, i)));
    arrive(bytes6(0x01005e010500), 1, 0x0800);
    expect(got).toBe(1);
  });

  it("lets a filter take packets", () => {
    ether_filter_set(ifp0(), (ifp: Ifnet, m: Mbuf): bool => {
      if (load<u8>(m.m_data) != 0x45) return false;
      m_freem(m);
      return true;
    });
    arrive(mac(255), 1, 0x0800);
    expect(got).toBe(0);
    ether_filter_clear(ifp0());
    arrive(mac(255), 1, 0x0800);
    expect(got).toBe(1);
  });
});

describe("output", () => {
  it("maps broadcast and groups", () => {
    const m = packet(40, 0x45);
    m.m_flags |= M_MCAST;
    expect(output(m, ip4(239, 129, 2, 3), NORT)).toBe(0);
    expect(wire_len(0)).toBe(54);
    expect(memory.compare(wire_at(0), bytes6(0x01005e010203), 6)).toBe(0);
    expect(memory.compare(wire_at(0) + 6, mac(255), 6)).toBe(0);
    expect(load<u16>(wire_at(0), 12)).toBe(0x0008);
    expect(load<u8>(wire_at(0), 14)).toBe(0x45);
    memory.fill(sa, 0, 32);
    store<u8>(sa, <u8>AF_INET6, SA_FAMILY);
    store<u8>(sa, 0xff, SIN6_ADDR);
    store<u32>(sa, ip4(1, 2, 3, 4), SIN6_ADDR + 12);
    expect(ifp0().if_output(packet(40, 0x60), sa, NORT)).toBe(0);
    expect(memory.compare(wire_at(1), bytes6(0x333301020304), 6)).toBe(0);
    expect(load<u16>(wire_at(1), 12)).toBe(0xdd86);
  });

  it("lets this host hear its own broadcasts", () => {
    const m = packet(40, 0x45);
    m.m_flags |= M_BCAST;
    m.vh_flags = VNET_F_NEEDS_CSUM;
    expect(output(m, ip4(10, 0, 0, 255), NORT)).toBe(0);
    expect(sent_to(0, -1)).toBe(true);
    expect(got).toBe(0, "not within output");
    softint_run(10);
    expect(got).toBe(1);
    expect(flags & (M_LOOP | M_BCAST)).toBe(M_LOOP | M_BCAST);
    expect(csum & CSUM_DATA_OK).toBe(CSUM_DATA_OK);
    expect(length).toBe(40);
  });

  it("fails when the interface is down, or for families that it does not know", () => {
    memory.fill(sa, 0, 32);
    store<u8>(sa, 77, SA_FAMILY);
    expect(ifp0().if_output(packet(40, 1), sa, NORT)).toBe(-EAFNOSUPPORT);
    if_flags_change(ifp0(), 0, IFF_UP);
    expect(output(packet(40, 1), ip4(10, 0, 0, 9), NORT)).toBe(-ENETDOWN);
    if_flags_change(ifp0(), IFF_UP, 0);
    expect(wire_count()).toBe(0);
  });
});

describe("control", () => {
  it("changes the MTU within what the device can", () => {
    store<i32>(sa, 1400);
    expect(ifp0().if_ioctl(SIOCSIFMTU, sa)).toBe(0);
    expect(ifp0().if_mtu).toBe(1400);
    store<i32>(sa, 1501);
    expect(ifp0().if_ioctl(SIOCSIFMTU, sa)).toBe(-EINVAL);
    store<i32>(sa, 67);
    expect(ifp0().if_ioctl(SIOCSIFMTU, sa)).toBe(-EINVAL);
    store<i32>(sa, 1500);
    expect(ifp0().if_ioctl(SIOCSIFMTU, sa)).toBe(0);
    expect(ifp0().if_ioctl(12345, sa)).toBe(-ENOTTY);
  });
});
