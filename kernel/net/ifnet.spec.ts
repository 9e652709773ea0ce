/**
 * Interfaces: the list, addresses and their hooks, the queues in and out, with a device that keeps
 * what it is given.
 */
import { ENOBUFS } from "../abi/errno";
import { IFF_RUNNING, IFF_UP, LINK_STATE_UP } from "../abi/if";
import { AF_INET } from "../abi/socket";
import { kobj } from "../kern/kmem";
import { kstr_eq } from "../kern/kstring";
import { softint_run } from "../kern/softint";
import { ifq_dequeue } from "./ifq";
import { IFH_ADDR_ADD, IFH_ADDR_DEL, IFH_FLAGS, IFH_LINK, Ifnet, if_attach, if_byindex, if_count, if_find,
  if_flags_change, if_hook_add, if_link_state_change, if_receive, if_transmit, ifa_alloc, ifa_free, ifa_ifwithaddr,
  ifa_insert, ifa_remove } from "./ifnet";
import { M_MCAST, Mbuf, m_freem, m_gethdr } from "./mbuf";
import { NETISR_IP, NETISR_IPV6, netisr_input, netisr_queue, netisr_register } from "./netisr";
import { spec_buf, spec_mbufs_inuse, spec_net_boot } from "./net_spec";
import { Rtentry } from "./route";

class SpecIf extends Ifnet {
  /** What it takes at once. */
  room: i32;
  sent: i32;

  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    return if_transmit(this, m);
  }
  if_start(): void {
    for (; this.room > 0; this.room--) {
      const m = ifq_dequeue(this.if_snd);
      if (!m) return;
      this.sent += m.ph_len;
      m_freem(m);
    }
  }
  if_input(m: Mbuf): void {
    netisr_input(NETISR_IP, m);
  }
}

spec_net_boot();

let ninput: i32 = 0;
let nhook: i32 = 0;
let lasthook: i32 = 0;

netisr_register(NETISR_IP, (m: Mbuf): void => {
  ninput += m.ph_len;
  m_freem(m);
});
if_hook_add((ifp: Ifnet, what: i32, ifa: usize): void => {
  nhook++;
  lasthook = what;
});

/** The device: its address as a number, since a managed global would belong to as-pect's collector. */
let dev: usize = 0;
function make(unit: i32): usize {
  const ifp = kobj<SpecIf>("spec.if");
  ifp.if_mtu = 1500;
  if_attach(ifp, "spec", unit);
  return changetype<usize>(ifp);
}
dev = make(0);

function packet(n: i32): Mbuf {
  const m = m_gethdr();
  m.m_len = n;
  m.ph_len = n;
  return m;
}

describe("the list", () => {
  it("knows interfaces by index and by name", () => {
    const second = make(17);
    expect(if_count()).toBe(2);
    expect(changetype<usize>(if_byindex(1))).toBe(dev);
    expect(changetype<usize>(if_byindex(2))).toBe(second);
    expect(changetype<usize>(if_byindex(0))).toBe(0);
    expect(changetype<usize>(if_byindex(3))).toBe(0);
    const ifp = if_byindex(2);
    expect(kstr_eq(ifp.if_xname, ifp.if_namelen, "spec17")).toBe(true);
    expect(changetype<usize>(if_find(ifp.if_xname, 6))).toBe(second);
    expect(changetype<usize>(if_find(ifp.if_xname, 5))).toBe(0);
  });

  it("tells of changes once each", () => {
    const ifp = if_byindex(1);
    nhook = 0;
    if_flags_change(ifp, IFF_UP | IFF_RUNNING, 0);
    expect(lasthook).toBe(IFH_FLAGS);
    if_flags_change(ifp, IFF_UP, 0);
    if_link_state_change(ifp, LINK_STATE_UP);
    expect(lasthook).toBe(IFH_LINK);
    if_link_state_change(ifp, LINK_STATE_UP);
    expect(nhook).toBe(2);
  });
});

describe("packets", () => {
  it("wait in a bounded queue for the device", () => {
    const base = spec_mbufs_inuse();
    const ifp = if_byindex(1);
    changetype<SpecIf>(dev).room = 0;
    let n = 0;
    let e = 0;
    while (true) {
      const m = packet(60);
      if (n == 0) m.m_flags |= M_MCAST;
      e = ifp.if_output(m, 0, changetype<Rtentry>(0));
      if (e != 0) break;
      n++;
    }
    expect(e).toBe(-ENOBUFS);
    expect(n).toBe(ifp.if_snd.ifq_maxlen);
    expect(ifp.ifi_opackets).toBe(n);
    expect(ifp.ifi_omcasts).toBe(1);
    expect(ifp.ifi_oerrors).toBe(1);
    changetype<SpecIf>(dev).room = 1000;
    ifp.if_start();
    expect(changetype<SpecIf>(dev).sent).toBe(n * 60);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("come in to the protocol that is registered", () => {
    const base = spec_mbufs_inuse();
    const ifp = if_byindex(1);
    ninput = 0;
    if_receive(ifp, packet(80));
    expect(ninput).toBe(80);
    expect(ifp.ifi_ipackets).toBe(1);
    expect(ifp.ifi_ibytes).toBe(80);
    const m = packet(20);
    m.ph_rcvif = ifp.if_index;
    netisr_input(NETISR_IPV6, m);
    expect(ifp.ifi_noproto).toBe(1);
    if_flags_change(ifp, 0, IFF_UP);
    if_receive(ifp, packet(80));
    expect(ninput).toBe(80, "an interface that is down hears nothing");
    if_flags_change(ifp, IFF_UP, 0);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("queued ones come in later, fairly", () => {
    ninput = 0;
    for (let i = 0; i < 100; i++) netisr_queue(NETISR_IP, packet(1));
    expect(ninput).toBe(0);
    softint_run(1);
    expect(ninput).toBe(64);
    softint_run(1);
    expect(ninput).toBe(100);
    for (let i = 0; i < 1000; i++) netisr_queue(NETISR_IP, packet(1));
    softint_run(100);
    expect(ninput).toBe(356, "no more than the queue holds");
  });
});

describe("addresses", () => {
  it("come, are found, and go", () => {
    const ifp = if_byindex(1);
    const ifa = ifa_alloc(AF_INET);
    store<u64>(ifa.ifa_addr, 0x0100000a00000210);
    nhook = 0;
    ifa_insert(ifp, ifa);
    expect(lasthook).toBe(IFH_ADDR_ADD);
    const second = ifa_alloc(AF_INET);
    store<u64>(second.ifa_addr, 0x0200000a00000210);
    ifa_insert(ifp, second);
    store<u64>(spec_buf, 0x0200000a12340210);
    expect(ifa_ifwithaddr(spec_buf, 4, 4) == second).toBe(true);
    ifa_remove(second);
    expect(lasthook).toBe(IFH_ADDR_DEL);
    expect(changetype<usize>(ifa_ifwithaddr(spec_buf, 4, 4))).toBe(0);
    ifa_free(second);
    ifa_remove(ifa);
    ifa_free(ifa);
    expect(changetype<usize>(ifp.if_addrlist)).toBe(0);
    expect(nhook).toBe(4);
  });
});
