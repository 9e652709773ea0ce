/**
 * ARP: resolution with its queue, retries and failure; re-probing; what is believed of whom; the table's
 * bounds; the control as text.
 */
import { EADDRNOTAVAIL, EHOSTUNREACH, EINVAL, ENETUNREACH, ESRCH } from "../../kernel/abi/errno";
import { IFF_UP, LINK_STATE_DOWN, LINK_STATE_UP } from "../../kernel/abi/if";
import { callout_npending } from "../../kernel/kern/callout";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Ifaddr, if_flags_change, if_link_state_change } from "../../kernel/net/ifnet";
import { Mbuf, m_freem } from "../../kernel/net/mbuf";
import { NETISR_IP, NETISR_IPUNREACH, netisr_register } from "../../kernel/net/netisr";
import { spec_mbufs_inuse } from "../../kernel/net/net_spec";
import { Rtentry } from "../../kernel/net/route";
import { ETHER_MAXARP, ETHER_MAXHOLD, ETHER_MAXINCOMPLETE } from "rump/tunables";
import {
  addr_add, addr_del, arp_in, ctl, ctl_int, ctl_text, ifp0, ip4, output, packet, pass, sent_op, sent_spa, sent_to, sent_tpa,
  wire_at, wire_boot, wire_clear, wire_count, wire_in,
} from "./ether_spec";
import { arp_first, arp_next, arp_find, LA_STALE } from "./arp_table";
import { arpstat } from "./ether_stat";

wire_boot();
const NORT = changetype<Rtentry>(0);
const US = ip4(10, 0, 0, 2);
const PEER = ip4(10, 0, 0, 9);
const REQUEST = 1;
const REPLY = 2;
const S: i64 = 1000000;

let unreach: i32 = 0;
netisr_register(NETISR_IPUNREACH, (m: Mbuf): void => {
  unreach++;
  m_freem(m);
});
netisr_register(NETISR_IP, (m: Mbuf): void => { m_freem(m); });

let base: i32 = 0;
let us: usize = 0;

beforeEach(() => {
  base = spec_mbufs_inuse();
  ctl_int("net.arp.reachable", 60);
  us = changetype<usize>(addr_add(US, 24));
  pass(5 * S);
  wire_clear();
  unreach = 0;
});

afterEach(() => {
  addr_del(changetype<Ifaddr>(us));
  expect(changetype<usize>(arp_first())).toBe(0, "neighbours go with the address");
  expect(spec_mbufs_inuse()).toBe(base, "no mbuf is lost");
  expect(callout_npending()).toBe(0, "no timer is left");
});

function entries(): i32 {
  let n = 0;
  for (let la = arp_first(); la; la = arp_next(la)) n++;
  return n;
}

/** Make PEER reachable at hardware address `host`. */
function resolve(host: i32): void {
  output(packet(20, 1), PEER, NORT);
  arp_in(REPLY, host, PEER, US, 255);
  wire_clear();
}

describe("resolution", () => {
  it("asks everybody, and sends what waited in order when the answer comes", () => {
    for (let i = 1; i <= 3; i++) expect(output(packet(40, i), PEER, NORT)).toBe(0);
    expect(wire_count()).toBe(1);
    expect(sent_op(0)).toBe(REQUEST);
    expect(sent_to(0, -1)).toBe(true);
    expect(sent_spa(0)).toBe(US);
    expect(sent_tpa(0)).toBe(PEER);
    expect(ctl_text("net.arp.table")).toBe("10.0.0.9 - spec0 incomplete 1 3\n");
    arp_in(REPLY, 9, PEER, US, 255);
    expect(wire_count()).toBe(4);
    for (let i = 1; i <= 3; i++) {
      expect(sent_to(i, 9)).toBe(true);
      expect(load<u8>(wire_at(i), 14)).toBe(<u8>i);
    }
    expect(output(packet(40, 4), PEER, NORT)).toBe(0);
    expect(wire_count()).toBe(5);
    expect(sent_to(4, 9)).toBe(true);
    expect(ctl_text("net.arp.table").startsWith("10.0.0.9 02:00:00:00:00:09 spec0 reachable ")).toBe(true);
  });

  it("is remembered by the route, and checked there", () => {
    const rt = changetype<Rtentry>(kmem_alloc(offsetof<Rtentry>(), 8, "spec"));
    resolve(9);
    expect(output(packet(40, 1), PEER, rt)).toBe(0);
    expect(rt.rt_llinfo).toBe(changetype<usize>(arp_find(ifp0(), PEER)));
    expect(sent_to(0, 9)).toBe(true);
    expect(output(packet(40, 1), ip4(10, 0, 0, 10), rt)).toBe(0);
    expect(sent_op(1)).toBe(REQUEST, "the same route, another host of the link");
    ctl("net.arp.table", "del 10.0.0.9");
    expect(output(packet(40, 1), PEER, rt)).toBe(0);
    expect(sent_op(2)).toBe(REQUEST, "what it remembers is gone");
  });

  it("holds a few packets, the newest", () => {
    const dropped = arpstat.dfrdropped;
    for (let i = 0; i < ETHER_MAXHOLD + 3; i++) output(packet(40, i), PEER, NORT);
    expect(arpstat.dfrdropped - dropped).toBe(3);
    arp_in(REPLY, 9, PEER, US, 255);
    expect(wire_count()).toBe(1 + ETHER_MAXHOLD);
    expect(load<u8>(wire_at(1), 14)).toBe(3);
  });

  it("asks once a second, gives up, tells the senders, and refuses for a while", () => {
    output(packet(40, 1), PEER, NORT);
    output(packet(40, 2), PEER, NORT);
    pass(S / 2);
    output(packet(40, 3), PEER, NORT);
    expect(wire_count()).toBe(1);
    pass(4 * S);
    expect(wire_count()).toBe(5);
    expect(unreach).toBe(0);
    pass(S);
    expect(wire_count()).toBe(5);
    expect(unreach).toBe(3);
    expect(output(packet(40, 4), PEER, NORT)).toBe(-EHOSTUNREACH);
    expect(ctl_text("net.arp.table").startsWith("10.0.0.9 - spec0 failed ")).toBe(true);
    pass(11 * S);
    expect(entries()).toBe(0);
    expect(output(packet(40, 5), PEER, NORT)).toBe(0);
    expect(wire_count()).toBe(6);
  });

  it("recovers at once when the host that failed asks for us", () => {
    output(packet(40, 1), PEER, NORT);
    pass(6 * S);
    wire_clear();
    arp_in(REQUEST, 9, PEER, US, -1);
    expect(sent_op(0)).toBe(REPLY);
    expect(output(packet(40, 2), PEER, NORT)).toBe(0);
    expect(sent_op(1)).toBe(REQUEST, "it is asked whether it is true");
    expect(sent_to(1, 9)).toBe(true);
    expect(sent_to(2, 9)).toBe(true);
  });

  it("needs an address of ours", () => {
    addr_del(changetype<Ifaddr>(us));
    expect(output(packet(40, 1), PEER, NORT)).toBe(-EADDRNOTAVAIL);
    us = changetype<usize>(addr_add(US, 24));
    pass(5 * S);
  });
});

describe("time", () => {
  it("polls a neighbour in use alone, and packets go on", () => {
    resolve(9);
    for (let i = 0; i < 90; i++) {
      pass(S);
      output(packet(40, 1), PEER, NORT);
      const n = wire_count();
      if (sent_op(0) == REQUEST && n == 2) break;
      wire_clear();
    }
    // The poll, then the packet of that second.
    expect(sent_op(0)).toBe(REQUEST);
    expect(sent_to(0, 9)).toBe(true);
    expect(sent_to(1, 9)).toBe(true);
    arp_in(REPLY, 9, PEER, US, 255);
    expect(ctl_text("net.arp.table").includes(" reachable ")).toBe(true);
  });

  it("asks everybody when the polls are not answered, and finds the host elsewhere", () => {
    ctl_int("net.arp.reachable", 1);
    resolve(9);
    output(packet(40, 1), PEER, NORT);
    wire_clear();
    pass(5 * S);
    let polls = 0;
    let asked = 0;
    for (let i = 0; i < wire_count(); i++) {
      if (sent_to(i, 9)) polls++;
      if (sent_to(i, -1)) asked++;
    }
    expect(polls).toBe(3);
    expect(asked).toBeGreaterThan(0);
    output(packet(40, 7), PEER, NORT);
    wire_clear();
    arp_in(REPLY, 8, PEER, US, 255);
    expect(wire_count()).toBe(1);
    expect(sent_to(0, 8)).toBe(true);
  });

  it("keeps an idle neighbour, asks it when it is used again, and forgets it in the end", () => {
    resolve(9);
    pass(100 * S);
    expect(wire_count()).toBe(0);
    expect(ctl_text("net.arp.table").includes(" stale ")).toBe(true);
    output(packet(40, 1), PEER, NORT);
    expect(wire_count()).toBe(2);
    expect(sent_op(0)).toBe(REQUEST);
    expect(sent_to(0, 9)).toBe(true);
    arp_in(REPLY, 9, PEER, US, 255);
    pass(1400 * S);
    expect(entries()).toBe(0);
  });
});

describe("what is believed", () => {
  it("creates nothing from replies that nobody asked for, gratuitous ones, or requests for others", () => {
    const before = arpstat.unsolicited;
    arp_in(REPLY, 6, ip4(10, 0, 0, 66), US, 255);
    arp_in(REPLY, 6, ip4(10, 0, 0, 66), ip4(10, 0, 0, 66), -1);
    arp_in(REQUEST, 6, ip4(10, 0, 0, 66), ip4(10, 0, 0, 66), -1);
    arp_in(REQUEST, 6, ip4(10, 0, 0, 66), ip4(10, 0, 0, 67), -1);
    expect(entries()).toBe(0);
    expect(wire_count()).toBe(0);
    expect(arpstat.unsolicited - before).toBe(2);
  });

  it("creates an idle entry for who asks for us from our network, and answers", () => {
    arp_in(REQUEST, 9, PEER, US, -1);
    expect(wire_count()).toBe(1);
    expect(sent_op(0)).toBe(REPLY);
    expect(sent_to(0, 9)).toBe(true);
    expect(sent_spa(0)).toBe(US);
    expect(sent_tpa(0)).toBe(PEER);
    expect(ctl_text("net.arp.table").startsWith("10.0.0.9 02:00:00:00:00:09 spec0 stale ")).toBe(true);
    arp_in(REQUEST, 7, ip4(172, 16, 0, 1), US, -1);
    expect(sent_op(1)).toBe(REPLY, "strangers are answered");
    expect(entries()).toBe(1, "and not remembered");
    arp_in(REQUEST, 7, 0, US, -1);
    expect(sent_op(2)).toBe(REPLY, "and probes");
    expect(sent_tpa(2)).toBe(0);
  });

  it("lets an entry move, but asks the new address before long, and not twice in a second", () => {
    resolve(9);
    pass(2 * S);
    arp_in(REQUEST, 6, PEER, PEER, -1);
    expect(ctl_text("net.arp.table").startsWith("10.0.0.9 02:00:00:00:00:06 spec0 stale ")).toBe(true);
    arp_in(REQUEST, 5, PEER, PEER, -1);
    expect(ctl_text("net.arp.table").startsWith("10.0.0.9 02:00:00:00:00:06 ")).toBe(true);
    expect(arpstat.rcvoverlock).toBe(1);
    output(packet(40, 1), PEER, NORT);
    expect(sent_op(0)).toBe(REQUEST);
    expect(sent_to(0, 6)).toBe(true);
    // It was forged: number 6 does not answer, and everybody is asked.
    pass(4 * S);
    wire_clear();
    output(packet(40, 2), PEER, NORT);
    arp_in(REPLY, 9, PEER, US, 255);
    expect(sent_to(0, 9)).toBe(true);
  });

  it("never changes a permanent entry", () => {
    expect(ctl("net.arp.table", "add 10.0.0.9 02:00:00:00:00:09 permanent")).toBe(0);
    pass(2 * S);
    arp_in(REPLY, 6, PEER, US, 255);
    expect(arpstat.rcvoverperm).toBe(1);
    expect(ctl_text("net.arp.table")).toBe("10.0.0.9 02:00:00:00:00:09 spec0 permanent - 0\n");
    pass(2000 * S);
    expect(output(packet(40, 1), PEER, NORT)).toBe(0);
    expect(wire_count()).toBe(1);
    expect(sent_to(0, 9)).toBe(true);
  });

  it("ignores nonsense", () => {
    const p = kmem_alloc(64, 8, "spec");
    resolve(9);
    const bad = arpstat.rcvbadproto;
    memory.copy(p, wire_at_request(), 42);
    for (let i = 14; i < 20; i++) {
      const was = load<u8>(p + i);
      store<u8>(p + i, was ^ 3);
      wire_in(p, 42);
      store<u8>(p + i, was);
    }
    store<u16>(p, 0x0300, 20);
    wire_in(p, 42);
    expect(arpstat.rcvbadproto - bad).toBe(7);
    const short = arpstat.rcvbadlen;
    for (let n = 14; n < 42; n++) wire_in(p, n);
    expect(arpstat.rcvbadlen - short).toBe(28);
    store<u16>(p, 0x0200, 20);
    memory.fill(p + 22, 0xff, 6);
    wire_in(p, 42);
    expect(arpstat.rcvbcastsha).toBe(1);
    arp_in(REPLY, 9, ip4(127, 0, 0, 1), US, 255);
    arp_in(REPLY, 9, ip4(224, 0, 0, 1), US, 255);
    arp_in(REPLY, 9, 0xffffffff, US, 255);
    expect(arpstat.rcvbadspa).toBe(3);
    arp_in(REPLY, 255, PEER, US, 255);
    expect(arpstat.rcvlocalsha).toBe(1);
    expect(entries()).toBe(1);
  });
});

/** A well-formed reply as it came in last (arp_in leaves it where it writes). */
function wire_at_request(): usize {
  wire_clear();
  output(packet(20, 1), ip4(10, 0, 0, 44), NORT);
  const p = wire_at(0);
  memory.copy(p, changetype<usize>(ifp0().if_lladdr), 6);
  memory.fill(p + 6, 2, 6);
  memory.fill(p + 22, 2, 6);
  store<u32>(p, ip4(10, 0, 0, 77), 28);
  ctl("net.arp.table", "del 10.0.0.44");
  return p;
}

describe("bounds", () => {
  it("hold unanswered entries to their share, the oldest going first", () => {
    const evicted = arpstat.evicted;
    for (let i = 0; i < ETHER_MAXINCOMPLETE + 5; i++) {
      expect(output(packet(40, 1), ip4(10, 0, 0, 10 + i), NORT)).toBe(0);
    }
    expect(entries()).toBe(ETHER_MAXINCOMPLETE);
    expect(arpstat.evicted - evicted).toBe(5);
    expect(changetype<usize>(arp_find(ifp0(), ip4(10, 0, 0, 14)))).toBe(0);
    expect(changetype<usize>(arp_find(ifp0(), ip4(10, 0, 0, 15))) != 0).toBe(true);
  });

  it("a flood of requests takes idle entries, not those in use", () => {
    const big = changetype<usize>(addr_add(ip4(11, 0, 0, 2), 8));
    resolve(9);
    output(packet(40, 1), PEER, NORT);
    for (let i = 0; i < ETHER_MAXARP * 3; i++) arp_in(REQUEST, 5, ip4(11, 1, i & 255, i >> 8), ip4(11, 0, 0, 2), -1);
    expect(entries()).toBe(ETHER_MAXARP);
    expect(arp_find(ifp0(), PEER).la_state).toBeGreaterThan(LA_STALE);
    wire_clear();
    expect(output(packet(40, 1), PEER, NORT)).toBe(0);
    expect(sent_to(0, 9)).toBe(true);
    expect(output(packet(40, 1), ip4(10, 0, 0, 50), NORT)).toBe(0, "and who is needed finds room");
    expect(entries()).toBe(ETHER_MAXARP);
    pass(S);
    addr_del(changetype<Ifaddr>(big));
  });
});

describe("interfaces", () => {
  it("that go down forget; a cable that comes back makes all uncertain", () => {
    resolve(9);
    if_link_state_change(ifp0(), LINK_STATE_DOWN);
    if_link_state_change(ifp0(), LINK_STATE_UP);
    expect(ctl_text("net.arp.table").includes(" stale ")).toBe(true);
    expect(sent_op(0)).toBe(REQUEST);
    expect(sent_spa(0)).toBe(US);
    expect(sent_tpa(0)).toBe(US, "announced again");
    ctl("net.arp.table", "add 10.0.0.7 02:00:00:00:00:07 permanent");
    if_flags_change(ifp0(), 0, IFF_UP);
    expect(ctl_text("net.arp.table")).toBe("10.0.0.7 02:00:00:00:00:07 spec0 permanent - 0\n");
    if_flags_change(ifp0(), IFF_UP, 0);
    pass(3 * S);
  });
});

describe("the control", () => {
  it("adds, deletes, flushes", () => {
    expect(ctl("net.arp.table", "add 10.0.0.5 02:00:00:00:00:05\n")).toBe(0);
    expect(output(packet(40, 1), ip4(10, 0, 0, 5), NORT)).toBe(0);
    expect(sent_to(0, 5)).toBe(true);
    output(packet(40, 1), ip4(10, 0, 0, 6), NORT);
    expect(ctl("net.arp.table", "add 10.0.0.6 02:00:00:00:00:06 permanent")).toBe(0);
    expect(wire_count()).toBe(3, "what waited goes");
    expect(ctl("net.arp.table", "flush")).toBe(0);
    expect(entries()).toBe(1);
    expect(ctl("net.arp.table", "del 10.0.0.6")).toBe(0);
    expect(ctl("net.arp.table", "del 10.0.0.6")).toBe(-ESRCH);
    expect(ctl("net.arp.table", "add 172.16.0.1 02:00:00:00:00:06")).toBe(-ENETUNREACH);
    expect(ctl("net.arp.table", "add 10.0.0.6 03:00:00:00:00:06")).toBe(-EINVAL);
    expect(ctl("net.arp.table", "add 10.0.0.6 02:00:00:00:00:0")).toBe(-EINVAL);
    expect(ctl("net.arp.table", "add 10.0.0.6 02:00:00:00:00:06 for ever")).toBe(-EINVAL);
    expect(ctl("net.arp.table", "add 10.0.0 02:00:00:00:00:06")).toBe(-EINVAL);
    expect(ctl("net.arp.table", "frob 10.0.0.6")).toBe(-EINVAL);
    expect(ctl_text("net.arp.stats").includes("\nevicted ")).toBe(true);
    expect(ctl_text("net.ether.stats").startsWith("runts 0\n")).toBe(true);
  });
});
