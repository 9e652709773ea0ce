/**
 * Multipath ways: shares by weight, one path for one flow, interfaces that go down, addresses that leave.
 */
import { EINVAL, ENOBUFS } from "../../kernel/abi/errno";
import { IFF_UP } from "../../kernel/abi/if";
import { if_byindex, if_flags_change } from "../../kernel/net/ifnet";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { RTF_MULTIPATH, RTF_STATIC, RTM_ADD, RTM_DELETE, Rtinfo, Rtpath } from "../../kernel/net/route";
import { ROUTE_MAXPATHS } from "rump/tunables";
import { fib_nexthops_left } from "./fib_nexthop";
import { route_init, rtalloc4, rtrequest } from "./route";
import { ip4, spec_addr_add, spec_addr_clear, spec_addr_del, spec_alloc, spec_info, spec_route, spec_route_ifs } from "./route_spec";

spec_net_boot();
route_init();
spec_route_ifs();

const ONE = ip4(10, 0, 0, 1);
const TWO = ip4(10, 9, 0, 1);
const nexthops = fib_nexthops_left();
const paths = spec_alloc(16 * offsetof<Rtpath>());

function multi(n: i32, len: i32): Rtinfo {
  const ri = spec_info(ip4(20, 0, 0, 0), len, RTF_MULTIPATH | RTF_STATIC, 0, 0, 0);
  ri.ri_paths = paths;
  ri.ri_npaths = n;
  return ri;
}

function path(i: i32, gateway: u32, ifindex: i32, weight: i32): void {
  const rp = changetype<Rtpath>(paths + <usize>i * offsetof<Rtpath>());
  rp.rp_gateway4 = gateway;
  rp.rp_ifindex = ifindex;
  rp.rp_weight = weight;
}

/** Of 4000 flows, how many go by `gateway`. */
function share(gateway: u32): i32 {
  let n = 0;
  for (let i: u32 = 0; i < 4000; i++) {
    if (rtalloc4(ip4(20, 1, i & 255, i >> 8), ip4(10, 0, 0, 2), 0, 0).rt_gateway4 == gateway) n++;
  }
  return n;
}

beforeEach(() => {
  spec_addr_add(2, ip4(10, 0, 0, 2), 24);
  spec_addr_add(3, ip4(10, 9, 0, 2), 24);
  path(0, ONE, 0, 3);
  path(1, TWO, 0, 1);
});

afterEach(() => {
  spec_route("flush");
  spec_addr_clear();
  expect(fib_nexthops_left()).toBe(nexthops);
  for (let i = 1; i <= 3; i++) if_flags_change(if_byindex(i), IFF_UP, 0);
});

describe("paths", () => {
  it("share the flows by weight, and one flow keeps its path", () => {
    expect(rtrequest(RTM_ADD, multi(2, 8))).toBe(0);
    const n = share(ONE);
    expect(n).toBeGreaterThan(2800);
    expect(n).toBeLessThan(3200);
    expect(share(ONE) + share(TWO)).toBe(4000);
    const gw = rtalloc4(ip4(20, 7, 7, 7), ip4(1, 2, 3, 4), 0, 0).rt_gateway4;
    for (let i = 0; i < 50; i++) expect(rtalloc4(ip4(20, 7, 7, 7), ip4(1, 2, 3, 4), 0, 0).rt_gateway4).toBe(gw);
  });

  it("whose interface is down have no share, and have it again afterwards", () => {
    expect(rtrequest(RTM_ADD, multi(2, 8))).toBe(0);
    const before = share(ONE);
    if_flags_change(if_byindex(2), 0, IFF_UP);
    expect(share(TWO)).toBe(4000);
    if_flags_change(if_byindex(3), 0, IFF_UP);
    expect(changetype<usize>(rtalloc4(ip4(20, 1, 1, 1), 0, 0, 0))).toBe(0);
    if_flags_change(if_byindex(2), IFF_UP, 0);
    expect(share(ONE)).toBe(4000);
    if_flags_change(if_byindex(3), IFF_UP, 0);
    expect(share(ONE)).toBe(before, "the same flows");
  });

  it("go when an address does that one of them needs", () => {
    const other = spec_addr_add(2, ip4(10, 0, 0, 3), 24);
    expect(rtrequest(RTM_ADD, multi(2, 8))).toBe(0);
    spec_addr_del(if_byindex(2).if_addrlist);
    expect(rtalloc4(ip4(20, 1, 1, 1), 0, 0, 0).rt_ifa.ifa_family).toBe(2);
    expect(share(ONE)).toBeGreaterThan(2800);
    spec_addr_del(other);
    expect(changetype<usize>(rtalloc4(ip4(20, 1, 1, 1), 0, 0, 0))).toBe(0);
  });

  it("are refused when they make no sense, and nothing is left behind", () => {
    const left = fib_nexthops_left();
    expect(rtrequest(RTM_ADD, multi(0, 8))).toBe(-EINVAL);
    expect(rtrequest(RTM_ADD, multi(17, 8))).toBe(-EINVAL);
    path(1, TWO, 0, 0);
    expect(rtrequest(RTM_ADD, multi(2, 8))).toBe(-EINVAL);
    path(1, TWO, 0, 257);
    expect(rtrequest(RTM_ADD, multi(2, 8))).toBe(-EINVAL);
    path(0, ip4(10, 0, 0, 2), 0, 1);
    path(1, TWO, 0, 1);
    expect(rtrequest(RTM_ADD, multi(2, 8))).toBe(-EINVAL, "ourselves");
    expect(fib_nexthops_left()).toBe(left);
  });

  it("are as many as the pool has", () => {
    const left = fib_nexthops_left();
    for (let i = 0; i < 16; i++) path(i, ip4(10, 0, 0, 10 + i), 0, 1);
    for (let i = 0; i < ROUTE_MAXPATHS / 16; i++) expect(rtrequest(RTM_ADD, multi(16, 9 + i))).toBe(0);
    expect(rtrequest(RTM_ADD, multi(2, 30))).toBe(-ENOBUFS);
    for (let i = 0; i < ROUTE_MAXPATHS / 16; i++) expect(rtrequest(RTM_DELETE, multi(16, 9 + i))).toBe(0);
    expect(fib_nexthops_left()).toBe(left);
    expect(rtrequest(RTM_ADD, multi(2, 30))).toBe(0);
  });
});
