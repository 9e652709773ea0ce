/**
 * The DHCP client against a scripted server: the exchange, its timing, renewal, rebinding, expiry, NAK,
 * decline, release, and messages that are not to be believed.
 */
import { EINVAL, ENXIO } from "../../kernel/abi/errno";
import { LINK_STATE_DOWN, LINK_STATE_UP } from "../../kernel/abi/if";
import { callout_npending } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { if_link_state_change } from "../../kernel/net/ifnet";
import { spec_mbufs_inuse } from "../../kernel/net/net_spec";
import { rtalloc4 } from "rump/route";
import {
  OURS, acknowledge, address, arp_in, bind, ctl, ctl_text, ifp0, ip4, opt_addr, opt_text, opt_u32, opt_u8, opt_usual,
  param, pass, reply, request, sent_addr, sent_arps, sent_broadcast, sent_count, sent_dst, sent_msg, sent_opt,
  sent_src, sent_sumsok, sent_type, serve, state, until_sent, wire_boot, wire_clear,
} from "./dhcp_spec";
import { DHS_BOUND, DHS_INIT, DHS_OFF, DHS_PROBING, DHS_REBINDING, DHS_RENEWING, dhcpstat } from "./dhcp_var";

wire_boot();

const S: i64 = 1000000;
const SERVER = ip4(10, 0, 0, 1);
const OFFER = 2;
const ACK = 5;
const NAK = 6;

let base: i32 = 0;
beforeEach(() => {
  base = spec_mbufs_inuse();
  wire_clear();
});

afterEach(() => {
  ctl("net.dhcp.table", "virt0 stop");
  expect(state()).toBe(DHS_OFF);
  expect(address()).toBe(0);
  expect(changetype<usize>(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0))).toBe(0);
  pass(20 * S);
  expect(spec_mbufs_inuse()).toBe(base, "no mbuf is lost");
  expect(callout_npending()).toBe(0, "no timer is left");
});

describe("parameters", () => {
  it("start a client, or say what is wrong", () => {
    expect(param("virt0", "inet,static,10.0.0.2/24")).toBe(0);
    expect(state()).toBe(DHS_OFF);
    expect(param("virt7", "inet,dhcp")).toBe(-ENXIO);
    expect(param("virt0", "inet,dhcp,quick")).toBe(-EINVAL);
    expect(param("virt0", "inet")).toBe(0);
    expect(param("virt0", "")).toBe(0);
    expect(state()).toBe(DHS_OFF);
    expect(param("virt0", "inet,dhcp")).toBe(0);
    expect(state()).toBe(DHS_INIT);
  });
});

describe("the exchange", () => {
  it("discovers, requests, probes and binds", () => {
    expect(param("virt0", "inet,dhcp")).toBe(0);
    expect(until_sent(S)).toBeGreaterThan(0);
    expect(sent_type()).toBe(1);
    expect(sent_broadcast()).toBe(true);
    expect(sent_sumsok()).toBe(true);
    expect(sent_src()).toBe(0);
    expect(sent_dst()).toBe(0xffffffff);
    expect(load<u16>(sent_msg(), 10)).toBe(0, "unicast answers reach us");
    expect(memory.compare(sent_msg() + 28, ifp0().if_lladdr, 6)).toBe(0);
    expect(load<u8>(sent_opt(61))).toBe(7);
    expect(sent_opt(55) != 0).toBe(true);
    expect(sent_opt(50)).toBe(0);
    const xid = load<u32>(sent_msg(), 4);
    reply(OFFER, OURS);
    opt_usual(3600);
    serve();
    expect(sent_type()).toBe(3);
    expect(sent_addr(50)).toBe(OURS);
    expect(sent_addr(54)).toBe(SERVER);
    expect(load<u32>(sent_msg(), 12)).toBe(0);
    expect(load<u32>(sent_msg(), 4)).toBe(xid);
    reply(ACK, OURS);
    opt_usual(3600);
    opt_addr(6, ip4(10, 0, 0, 53));
    opt_text(15, "example.org");
    opt_text(12, "box");
    serve();
    expect(state()).toBe(DHS_PROBING);
    expect(address()).toBe(0);
    pass(9 * S);
    expect(state()).toBe(DHS_BOUND);
    expect(address()).toBe(OURS);
    expect(ifp0().if_addrlist.ifa_prefixlen).toBe(24);
    expect(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0).rt_gateway4).toBe(SERVER);
    pass(3 * S);
    expect(sent_arps()).toBe(5, "three probes, two announcements");
    expect(ctl_text("net.dhcp.virt0.dns")).toBe("10.0.0.53");
    expect(ctl_text("net.dhcp.virt0.domain")).toBe("example.org");
    expect(ctl_text("net.dhcp.virt0.hostname")).toBe("box");
    const line = ctl_text("net.dhcp.table");
    expect(line.startsWith("virt0 bound address 10.0.0.7/24 server 10.0.0.1 router 10.0.0.1 lease 3600 left 35")).toBe(true);
    expect(line.endsWith(" dns 10.0.0.53 domain example.org hostname box\n")).toBe(true);
  });

  it("asks again after 4, 8, 16, 32, 64, 64 seconds, each give or take one", () => {
    param("virt0", "inet,dhcp");
    until_sent(S);
    const first = getmicrouptime();
    let want: i64 = 4;
    for (let i = 0; i < 6; i++) {
      const took = until_sent(100 * S);
      expect(took >= (want - 1) * S - 100000 && took <= (want + 1) * S + 100000).toBe(true);
      expect(sent_type()).toBe(1);
      if (want < 64) want <<= 1;
    }
    const secs = <i64>bswap<u16>(load<u16>(sent_msg(), 8));
    expect(secs * S <= getmicrouptime() - first && secs > 180).toBe(true);
  });

  it("gives an offer up when its server is silent, and looks for another", () => {
    request("inet,dhcp");
    const xid = load<u32>(sent_msg(), 4);
    for (let i = 0; i < 3; i++) {
      expect(until_sent(40 * S)).toBeGreaterThan(0);
      expect(sent_type()).toBe(3);
    }
    expect(until_sent(40 * S)).toBeGreaterThan(0);
    expect(sent_type()).toBe(1);
    expect(load<u32>(sent_msg(), 4) != xid).toBe(true);
    expect(sent_count()).toBe(6);
  });

  it("begins anew after a refusal", () => {
    request("inet,dhcp");
    reply(NAK, 0);
    serve();
    expect(state()).toBe(DHS_INIT);
    expect(until_sent(3 * S)).toBeGreaterThan(0);
    expect(sent_type()).toBe(1);
  });

  it("declines an address that another has, and waits ten seconds", () => {
    request("inet,dhcp");
    acknowledge(3600);
    pass(S + 100000);
    arp_in(2, OURS, 0);
    expect(sent_type()).toBe(4);
    expect(sent_broadcast()).toBe(true);
    expect(sent_addr(50)).toBe(OURS);
    expect(sent_addr(54)).toBe(SERVER);
    expect(load<u32>(sent_msg(), 12)).toBe(0);
    expect(until_sent(9 * S)).toBe(0);
    expect(until_sent(2 * S)).toBeGreaterThan(0);
    expect(sent_type()).toBe(1);
  });
});

describe("a lease", () => {
  it("is renewed at half its time, from the server that gave it", () => {
    bind(1000);
    ctl("net.arp.table", "add 10.0.0.1 02:00:00:00:00:09 permanent");
    const took = until_sent(600 * S);
    expect(took >= 499 * S && took <= 501 * S).toBe(true);
    expect(state()).toBe(DHS_RENEWING);
    expect(sent_count()).toBe(3);
    acknowledge(1000);
    expect(state()).toBe(DHS_BOUND);
    pass(400 * S);
    expect(address()).toBe(OURS);
    const again = until_sent(200 * S);
    expect(again >= 98 * S && again <= 102 * S).toBe(true, "the new time counts from the request");
  });

  it("is asked for in the right form: unicast with our address, then broadcast", () => {
    bind(1000);
    ctl("net.arp.table", "add 10.0.0.1 02:00:00:00:00:09 permanent");
    wire_clear();
    until_sent(600 * S);
    expect(state()).toBe(DHS_RENEWING);
    expect(sent_broadcast()).toBe(false);
    expect(sent_src()).toBe(OURS);
    expect(sent_dst()).toBe(SERVER);
    expect(sent_sumsok()).toBe(true);
    expect(load<u32>(sent_msg(), 12)).toBe(OURS);
    expect(sent_opt(50)).toBe(0);
    expect(sent_opt(54)).toBe(0);
    // T2 is at 875 s: half of 375 s, half of what is then left …
    let took = until_sent(300 * S);
    expect(took >= 187 * S && took <= 188 * S).toBe(true);
    expect(state()).toBe(DHS_RENEWING);
    until_sent(100 * S);
    expect(state()).toBe(DHS_RENEWING);
    took = until_sent(100 * S);
    expect(state()).toBe(DHS_RENEWING);
    while (state() == DHS_RENEWING) until_sent(100 * S);
    expect(state()).toBe(DHS_REBINDING);
    expect(sent_broadcast()).toBe(true);
    expect(sent_src()).toBe(OURS);
    expect(sent_dst()).toBe(0xffffffff);
    expect(load<u32>(sent_msg(), 12)).toBe(OURS);
    acknowledge(1000);
    expect(state()).toBe(DHS_BOUND);
    expect(address()).toBe(OURS);
  });

  it("ends, with everything that came with it", () => {
    bind(1000);
    ctl("net.arp.table", "add 10.0.0.1 02:00:00:00:00:09 permanent");
    const expired = dhcpstat.expired;
    pass(999 * S);
    expect(address()).toBe(OURS);
    pass(2 * S);
    expect(address()).toBe(0);
    expect(dhcpstat.expired - expired).toBe(1);
    expect(sent_type()).toBe(1);
    expect(changetype<usize>(rtalloc4(SERVER, 0, 0, 0))).toBe(0);
    expect(ctl_text("net.dhcp.table")).toBe("virt0 selecting\n");
  });

  it("follows the server: other router, other name servers, times of its own", () => {
    bind(1000);
    ctl("net.arp.table", "add 10.0.0.1 02:00:00:00:00:09 permanent");
    expect(ctl("net.dhcp.table", "virt0 renew")).toBe(0);
    expect(sent_type()).toBe(3);
    reply(ACK, OURS);
    opt_addr(1, ip4(255, 255, 255, 0));
    opt_addr(3, ip4(10, 0, 0, 254));
    opt_u32(51, 5000);
    opt_u32(58, 100);
    opt_u32(59, 200);
    opt_addr(6, ip4(1, 1, 1, 1));
    serve();
    expect(state()).toBe(DHS_BOUND);
    expect(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0).rt_gateway4).toBe(ip4(10, 0, 0, 254));
    expect(ctl_text("net.dhcp.virt0.dns")).toBe("1.1.1.1");
    const took = until_sent(200 * S);
    expect(took >= 99 * S && took <= 101 * S).toBe(true);
  });

  it("is lost to a refusal while renewing, and to another host", () => {
    bind(1000);
    ctl("net.arp.table", "add 10.0.0.1 02:00:00:00:00:09 permanent");
    ctl("net.dhcp.table", "virt0 renew");
    reply(NAK, 0);
    serve();
    expect(address()).toBe(0);
    expect(state()).toBe(DHS_INIT);
    ctl("net.dhcp.table", "virt0 stop");
    bind(1000);
    pass(3 * S);
    arp_in(1, OURS, OURS);
    expect(address()).toBe(OURS, "defended");
    arp_in(1, OURS, OURS);
    expect(address()).toBe(0);
    expect(sent_type()).toBe(4);
    expect(sent_addr(50)).toBe(OURS);
  });

  it("is asked about when the cable comes back, soon and repeatedly", () => {
    bind(100000);
    if_link_state_change(ifp0(), LINK_STATE_UP);
    if_link_state_change(ifp0(), LINK_STATE_DOWN);
    wire_clear();
    if_link_state_change(ifp0(), LINK_STATE_UP);
    expect(state()).toBe(DHS_REBINDING);
    expect(sent_broadcast()).toBe(true);
    expect(until_sent(6 * S)).toBeGreaterThan(0);
    expect(until_sent(10 * S)).toBeGreaterThan(0);
    reply(NAK, 0);
    serve();
    expect(address()).toBe(0);
  });

  it("may be for ever", () => {
    bind(0xffffffff);
    expect(until_sent(10 * 86400 * S)).toBe(0);
    expect(address()).toBe(OURS);
    expect(ctl_text("net.dhcp.table").includes(" lease - left - ")).toBe(true);
  });

  it("is given back", () => {
    bind(1000);
    ctl("net.arp.table", "add 10.0.0.1 02:00:00:00:00:09 permanent");
    expect(ctl("net.dhcp.table", "virt0 release")).toBe(0);
    expect(sent_type()).toBe(7);
    expect(sent_dst()).toBe(SERVER);
    expect(sent_addr(54)).toBe(SERVER);
    expect(load<u32>(sent_msg(), 12)).toBe(OURS);
    pass(S);
    expect(address()).toBe(0);
    expect(state()).toBe(DHS_OFF);
  });

  it("uses gateways off its network, and an MTU", () => {
    request("inet,dhcp,noprobe");
    reply(ACK, OURS);
    opt_addr(1, 0xffffffff);
    opt_addr(3, ip4(169, 254, 1, 1));
    opt_u32(51, 3600);
    opt_u8(26, 5);
    serve();
    expect(ifp0().if_mtu).toBe(1500, "an option of the wrong length");
    expect(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0).rt_gateway4).toBe(ip4(169, 254, 1, 1));
    expect(<i32>rtalloc4(ip4(169, 254, 1, 1), 0, 0, 0).rt_ifp.if_index).toBe(1);
    ctl("net.dhcp.table", "virt0 stop");
    expect(changetype<usize>(rtalloc4(ip4(169, 254, 1, 1), 0, 0, 0))).toBe(0);
    request("inet,dhcp,noprobe");
    reply(ACK, OURS);
    opt_usual(3600);
    opt_text(26, "\u0005\u0014");
    serve();
    expect(ifp0().if_mtu).toBe(1300);
    ctl("net.dhcp.table", "virt0 stop");
    expect(ifp0().if_mtu).toBe(1500);
  });
});

