/**
 * The routing table: which route a packet takes, requests and their errors, what happens when addresses
 * and interfaces come and go, expiry, the control as text.
 */
import { EADDRNOTAVAIL, EAFNOSUPPORT, EEXIST, EINVAL, ENETUNREACH, ENOBUFS, ENXIO, EPERM, ESRCH } from "../../kernel/abi/errno";
import { IFF_UP } from "../../kernel/abi/if";
import { AF_INET, AF_INET6 } from "../../kernel/abi/socket";
import { callout_deadline, callout_run } from "../../kernel/kern/callout";
import { clock_set, getmicrouptime } from "../../kernel/kern/clock";
import { if_byindex, if_flags_change } from "../../kernel/net/ifnet";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { RTF_BLACKHOLE, RTF_BROADCAST, RTF_CONNECTED, RTF_GATEWAY, RTF_HOST, RTF_LOCAL, RTF_REJECT, RTF_STATIC, RTM_ADD,
  RTM_CHANGE, RTM_DELETE } from "../../kernel/net/route";
import { ROUTE_MAXROUTES } from "rump/tunables";
import { route_init, rt_gen, rtalloc4, rtalloc6, rtrequest } from "./route";
import { fib_arena_used } from "./fib_arena";
import { fib_nexthops_left } from "./fib_nexthop";
import { fe_first, fe_nextof, rt_count } from "./fib_table";
import { fib_nodes } from "./fib_trie";
import { ip4, spec_addr_add, spec_addr_clear, spec_addr_del, spec_info, spec_route, spec_route_ifs, spec_table } from "./route_spec";

spec_net_boot();
route_init();
spec_route_ifs();

const nexthops = fib_nexthops_left();
const GW = RTF_GATEWAY | RTF_STATIC;

function gateway_of(dst: u32): u32 {
  const rt = rtalloc4(dst, 0, 0, 0);
  return rt ? rt.rt_gateway4 : 0;
}

/** Let `us` pass. */
function pass(us: i64): void {
  clock_set(getmicrouptime() + 1000000 + us);
  callout_run();
}

afterEach(() => {
  spec_route("flush");
  spec_addr_clear();
  expect(rt_count()).toBe(0);
  expect(fib_nodes()).toBe(0, "no node is left");
  expect(<i32>fib_arena_used()).toBe(0, "nothing of the arena is left in use");
  expect(fib_nexthops_left()).toBe(nexthops, "no way is left");
  for (let i = 1; i <= 3; i++) if_flags_change(if_byindex(i), IFF_UP, 0);
});

describe("look-up", () => {
  it("finds nothing in an empty table", () => {
    expect(changetype<usize>(rtalloc4(ip4(10, 0, 0, 1), 0, 0, 0))).toBe(0);
    expect(changetype<usize>(rtalloc4(0xffffffff, 0, 0, 0))).toBe(0);
    expect(changetype<usize>(rtalloc6(0, 0, 0, 0))).toBe(0);
    expect(changetype<usize>(fe_first())).toBe(0);
  });

  it("prefers the longest prefix: local, broadcast, connected, gateway", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 0, 0, 1), 0, 0))).toBe(0);
    expect(rtrequest(RTM_ADD, spec_info(ip4(10, 0, 0, 128), 25, GW, ip4(10, 0, 0, 3), 0, 0))).toBe(0);
    const local = rtalloc4(ip4(10, 0, 0, 2), 0, 0, 0);
    expect(local.rt_flags & (RTF_LOCAL | RTF_HOST)).toBe(RTF_LOCAL | RTF_HOST);
    expect(<i32>local.rt_ifp.if_index).toBe(1);
    const link = rtalloc4(ip4(10, 0, 0, 77), 0, 0, 0);
    expect(link.rt_flags & RTF_CONNECTED).toBe(RTF_CONNECTED);
    expect(link.rt_flags & RTF_HOST).toBe(0);
    expect(<i32>link.rt_ifp.if_index).toBe(2);
    expect(load<u32>(link.rt_ifa.ifa_addr, 4)).toBe(ip4(10, 0, 0, 2));
    expect(rtalloc4(ip4(10, 0, 0, 255), 0, 0, 0).rt_flags & RTF_BROADCAST).toBe(RTF_BROADCAST);
    expect(gateway_of(ip4(10, 0, 0, 200))).toBe(ip4(10, 0, 0, 3));
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 0, 0, 1));
    expect(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0).rt_use).toBe(2);
  });

  it("breaks ties by metric, then by age, and by what is up", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    spec_addr_add(3, ip4(10, 9, 0, 2), 24);
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 0, 0, 1), 0, 0, 20))).toBe(0);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 0, 0, 1));
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 9, 0, 1), 0, 0, 10))).toBe(0);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 9, 0, 1));
    const gen = rt_gen();
    if_flags_change(if_byindex(3), 0, IFF_UP);
    expect(rt_gen() != gen).toBe(true);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 0, 0, 1));
    if_flags_change(if_byindex(2), 0, IFF_UP);
    expect(changetype<usize>(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0))).toBe(0);
    expect(changetype<usize>(rtalloc4(ip4(10, 0, 0, 2), 0, 0, 0)) != 0).toBe(true, "we still reach ourselves");
    if_flags_change(if_byindex(3), IFF_UP, 0);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 9, 0, 1));
  });

  it("sends the limited broadcast where its source belongs", () => {
    const none = rtalloc4(0xffffffff, 0, 0, 0);
    expect(changetype<usize>(none)).toBe(0);
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    spec_addr_add(3, ip4(10, 9, 0, 2), 24);
    rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 9, 0, 1), 0, 0));
    expect(<i32>rtalloc4(0xffffffff, 0, 0, 0).rt_ifp.if_index).toBe(2);
    expect(<i32>rtalloc4(0xffffffff, ip4(10, 9, 0, 2), 0, 0).rt_ifp.if_index).toBe(3);
  });
});

describe("requests", () => {
  it("are refused when they make no sense", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    const ri = spec_info(0, 0, GW, ip4(10, 0, 0, 1), 0, 0);
    ri.ri_family = AF_INET6;
    expect(rtrequest(RTM_ADD, ri)).toBe(-EAFNOSUPPORT);
    expect(rtrequest(RTM_ADD, spec_info(0, 33, GW, ip4(10, 0, 0, 1), 0, 0))).toBe(-EINVAL);
    expect(rtrequest(RTM_ADD, spec_info(0, -1, GW, ip4(10, 0, 0, 1), 0, 0))).toBe(-EINVAL);
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, 0, 0, 0))).toBe(-EINVAL);
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 0, 0, 2), 0, 0))).toBe(-EINVAL, "ourselves");
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 0, 0, 255), 0, 0))).toBe(-EINVAL, "broadcast");
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(224, 0, 0, 1), 2, 0))).toBe(-EINVAL, "multicast");
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(172, 16, 0, 1), 0, 0))).toBe(-ENETUNREACH);
    expect(rtrequest(RTM_ADD, spec_info(ip4(10, 1, 0, 0), 16, RTF_STATIC, 0, 9, 0))).toBe(-ENXIO);
    expect(rtrequest(RTM_ADD, spec_info(ip4(10, 1, 0, 0), 16, RTF_STATIC, 0, 0, 0))).toBe(-ENXIO);
    expect(rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 0, 0, 1), 0, ip4(1, 2, 3, 4)))).toBe(-EADDRNOTAVAIL);
    expect(rtrequest(7, spec_info(0, 0, GW, ip4(10, 0, 0, 1), 0, 0))).toBe(-EINVAL);
    expect(rt_count()).toBe(3, "nothing was left behind");
  });

  it("add once, change, and delete once", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    expect(rtrequest(RTM_ADD, spec_info(ip4(10, 1, 2, 3), 16, GW, ip4(10, 0, 0, 1), 0, 0))).toBe(0);
    expect(rtrequest(RTM_ADD, spec_info(ip4(10, 1, 0, 0), 16, GW, ip4(10, 0, 0, 9), 0, 0))).toBe(-EEXIST);
    const rt = rtalloc4(ip4(10, 1, 7, 7), 0, 0, 0);
    expect(spec_table().includes("10.1.0.0/16 10.0.0.1 UGS ")).toBe(true, "host bits are dropped");
    const gen = rt_gen();
    expect(rtrequest(RTM_CHANGE, spec_info(ip4(10, 1, 0, 0), 16, GW, ip4(10, 0, 0, 9), 0, 0))).toBe(0);
    expect(rt_gen() != gen).toBe(true);
    expect(gateway_of(ip4(10, 1, 7, 7))).toBe(ip4(10, 0, 0, 9));
    expect(rtrequest(RTM_CHANGE, spec_info(ip4(10, 1, 0, 0), 16, GW, ip4(10, 0, 0, 2), 0, 0))).toBe(-EINVAL);
    expect(gateway_of(ip4(10, 1, 7, 7))).toBe(ip4(10, 0, 0, 9));
    expect(rtrequest(RTM_DELETE, spec_info(ip4(10, 1, 0, 0), 16, 0, ip4(10, 0, 0, 1), 0, 0))).toBe(-ESRCH, "another gateway");
    expect(rtrequest(RTM_DELETE, spec_info(ip4(10, 1, 0, 0), 16, 0, 0, 3, 0))).toBe(-ESRCH, "another interface");
    expect(rtrequest(RTM_DELETE, spec_info(ip4(10, 1, 0, 0), 16, 0, 0, 0, 0))).toBe(0);
    expect(rtrequest(RTM_DELETE, spec_info(ip4(10, 1, 0, 0), 16, 0, 0, 0, 0))).toBe(-ESRCH);
    expect(rtrequest(RTM_CHANGE, spec_info(ip4(10, 1, 0, 0), 16, GW, ip4(10, 0, 0, 9), 0, 0))).toBe(-ESRCH);
    expect(rtrequest(RTM_DELETE, spec_info(ip4(10, 0, 0, 0), 24, 0, 0, 0, 0))).toBe(-EPERM, "an address's");
  });

  it("make routes that refuse", () => {
    expect(rtrequest(RTM_ADD, spec_info(ip4(10, 2, 0, 0), 16, RTF_REJECT | RTF_STATIC, 0, 0, 0))).toBe(0);
    expect(rtrequest(RTM_ADD, spec_info(ip4(10, 3, 0, 0), 16, RTF_BLACKHOLE | RTF_STATIC, 0, 0, 0))).toBe(0);
    const rt = rtalloc4(ip4(10, 2, 3, 4), 0, 0, 0);
    expect(rt.rt_flags & RTF_REJECT).toBe(RTF_REJECT);
    expect(<i32>rt.rt_ifp.if_index).toBe(1);
  });

  it("are many, up to the pool, and expiring routes make way for static ones", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 8);
    let n = rt_count();
    expect(rtrequest(RTM_ADD, spec_info(ip4(9, 9, 9, 9), 32, RTF_GATEWAY | RTF_HOST, ip4(10, 0, 0, 1), 0, 0))).toBe(0);
    n++;
    let e = 0;
    for (let i = 0; e == 0; i++) {
      e = rtrequest(RTM_ADD, spec_info(ip4(20, i & 255, i >> 8, 0), 24, GW, ip4(10, 0, 0, 1), 0, 0));
      if (e == 0) n++;
      else expect(changetype<usize>(rtalloc4(ip4(9, 9, 9, 9), 0, 0, 0))).toBe(0);
    }
    expect(e).toBe(-ENOBUFS);
    expect(n).toBe(ROUTE_MAXROUTES + 1, "one made way");
    expect(rt_count()).toBe(ROUTE_MAXROUTES);
    let walked = 0;
    for (let fe = fe_first(); fe; fe = fe_nextof(fe)) walked++;
    expect(walked).toBe(ROUTE_MAXROUTES);
  });
});

describe("addresses", () => {
  it("of one network have a route each", () => {
    const one = spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    const two = spec_addr_add(2, ip4(10, 0, 0, 3), 24);
    expect(rtalloc4(ip4(10, 0, 0, 9), 0, 0, 0).rt_ifa == one).toBe(true);
    spec_addr_del(one);
    expect(rtalloc4(ip4(10, 0, 0, 9), 0, 0, 0).rt_ifa == two).toBe(true);
    expect(rtalloc4(ip4(10, 0, 0, 255), 0, 0, 0).rt_flags & RTF_BROADCAST).toBe(RTF_BROADCAST);
    spec_addr_del(two);
    expect(rt_count()).toBe(0);
  });

  it("take their gateways with them, unless another sees the gateway", () => {
    const one = spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    const two = spec_addr_add(2, ip4(10, 0, 0, 3), 24);
    rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 0, 0, 1), 0, 0));
    expect(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0).rt_ifa == one).toBe(true);
    spec_addr_del(one);
    expect(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0).rt_ifa == two).toBe(true);
    spec_addr_del(two);
    expect(rt_count()).toBe(0);
  });

  it("come to routes that had none", () => {
    rtrequest(RTM_ADD, spec_info(ip4(10, 5, 0, 0), 16, RTF_STATIC, 0, 2, 0));
    expect(changetype<usize>(rtalloc4(ip4(10, 5, 0, 1), 0, 0, 0).rt_ifa)).toBe(0);
    const ifa = spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    expect(rtalloc4(ip4(10, 5, 0, 1), 0, 0, 0).rt_ifa == ifa).toBe(true);
  });
});

describe("time", () => {
  it("takes redirects, and a newer one replaces the older", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    rtrequest(RTM_ADD, spec_info(0, 0, GW, ip4(10, 0, 0, 1), 0, 0));
    const dyn = RTF_GATEWAY | RTF_HOST;
    expect(rtrequest(RTM_ADD, spec_info(ip4(8, 8, 8, 8), 32, dyn, ip4(10, 0, 0, 7), 2, 0))).toBe(0);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 0, 0, 7));
    pass(400 * 1000000);
    expect(rtrequest(RTM_ADD, spec_info(ip4(8, 8, 8, 8), 32, dyn, ip4(10, 0, 0, 8), 2, 0))).toBe(0);
    expect(rtrequest(RTM_ADD, spec_info(ip4(8, 8, 4, 4), 32, dyn, ip4(10, 0, 0, 8), 2, 0))).toBe(0);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 0, 0, 8));
    pass(400 * 1000000);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 0, 0, 8), "its life began anew");
    const gen = rt_gen();
    pass(201 * 1000000);
    expect(gateway_of(ip4(8, 8, 8, 8))).toBe(ip4(10, 0, 0, 1));
    expect(rt_gen() != gen).toBe(true);
    expect(callout_deadline()).toBe(-1, "no timer without expiring routes");
  });
});

describe("the control", () => {
  it("adds, changes, deletes and prints", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    expect(spec_route("add 10.1.0.0/16 10.0.0.7 metric 5 mtu 1400\n")).toBe(0);
    expect(spec_route("add default 10.0.0.1")).toBe(0);
    expect(spec_route("add 10.2.0.0/16 reject")).toBe(0);
    expect(spec_route("add 10.3.3.3 dev spec1")).toBe(0);
    expect(rtalloc4(ip4(10, 1, 2, 3), 0, 0, 0).rt_mtu).toBe(1400);
    const text = spec_table();
    expect(text.split("\n").length).toBe(8);
    expect(text.includes("10.0.0.2/32 - UHl lo0 0 1500 - 0 10.0.0.2 ")).toBe(true);
    expect(text.includes("10.0.0.0/24 - UC spec0 0 1500 - 0 10.0.0.2 ")).toBe(true);
    expect(text.includes("10.0.0.255/32 - UHb spec0 0 1500 - 0 10.0.0.2 ")).toBe(true);
    expect(text.includes("10.1.0.0/16 10.0.0.7 UGS spec0 1 1400 - 5 10.0.0.2 ")).toBe(true);
    expect(text.includes("0.0.0.0/0 10.0.0.1 UGS spec0 0 1500 - 0 10.0.0.2 ")).toBe(true);
    expect(text.includes("10.2.0.0/16 - URS lo0 0 1500 - 0 - ")).toBe(true);
    expect(text.includes("10.3.3.3/32 - UHS spec1 0 1500 - 0 - ")).toBe(true);
    expect(spec_route("change default 10.0.0.9")).toBe(0);
    expect(gateway_of(ip4(1, 1, 1, 1))).toBe(ip4(10, 0, 0, 9));
    expect(spec_route("del default 10.0.0.1")).toBe(-ESRCH);
    expect(spec_route("del default")).toBe(0);
    expect(spec_route("del 10.1.0.0/16 metric 4")).toBe(-ESRCH);
    expect(spec_route("del 10.1.0.0/16 metric 5")).toBe(0);
    rtrequest(RTM_ADD, spec_info(ip4(8, 8, 8, 8), 32, RTF_GATEWAY, ip4(10, 0, 0, 7), 2, 0));
    expect(spec_table().includes("8.8.8.8/32 10.0.0.7 UGHD spec0 0 1500 600 0 10.0.0.2 ")).toBe(true);
  });

  it("refuses what it does not understand", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    const before = rt_count();
    expect(spec_route("add")).toBe(-EINVAL);
    expect(spec_route("add 10.1.0.0/16")).toBe(-EINVAL);
    expect(spec_route("add 10.1.0.0/33 10.0.0.1")).toBe(-EINVAL);
    expect(spec_route("add 10.1.0/16 10.0.0.1")).toBe(-EINVAL);
    expect(spec_route("add 10.1.0.0/16 10.0.0.256")).toBe(-EINVAL);
    expect(spec_route("add 10.1.0.0/16 10.0.0.1 metric")).toBe(-EINVAL);
    expect(spec_route("add 10.1.0.0/16 10.0.0.1 speed 5")).toBe(-EINVAL);
    expect(spec_route("add 10.1.0.0/16 dev spec7")).toBe(-ENXIO);
    expect(spec_route("frob 10.1.0.0/16")).toBe(-EINVAL);
    expect(spec_route("flush all")).toBe(-EINVAL);
    expect(rt_count()).toBe(before);
  });
});
