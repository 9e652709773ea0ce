/**
 * Exceptions: path MTU and redirects, for one destination, bounded, until they expire.
 */
import { callout_deadline, callout_run } from "../../kernel/kern/callout";
import { clock_set, getmicrouptime } from "../../kernel/kern/clock";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { ROUTE_MAXEXCEPTIONS } from "rump/tunables";
import { route_init, rt_gen, rt_pmtu, rt_redirected, rtalloc4 } from "./route";
import { Fibexc, exc_next, exc_slot } from "./route_exception";
import { ip4, spec_addr_add, spec_addr_clear, spec_ask, spec_route, spec_route_ifs } from "./route_spec";

spec_net_boot();
route_init();
spec_route_ifs();

const HOST = ip4(8, 8, 8, 8);
const GW = ip4(10, 0, 0, 1);

function mtu(dst: u32, iif: i32 = 0): i32 {
  return rtalloc4(dst, 0, 0, iif).rt_mtu;
}

function count(): i32 {
  let n = 0;
  for (let x: Fibexc = exc_next(0); x; x = exc_next(exc_slot(x) + 1)) n++;
  return n;
}

function pass(s: i64): void {
  clock_set(getmicrouptime() + 1000000 + s * 1000000);
  callout_run();
}

beforeEach(() => {
  spec_addr_add(2, ip4(10, 0, 0, 2), 24);
  spec_addr_add(3, ip4(10, 9, 0, 2), 24);
  spec_route("add default 10.0.0.1");
});

afterEach(() => {
  spec_route("flush");
  spec_addr_clear();
  expect(count()).toBe(0);
  pass(700);
  expect(callout_deadline()).toBe(-1);
});

describe("path MTU", () => {
  it("is of one destination, and not for what is forwarded", () => {
    const gen = rt_gen();
    expect(rt_pmtu(HOST, 0, 0, 1280)).toBe(true);
    expect(rt_gen() != gen).toBe(true);
    expect(mtu(HOST)).toBe(1280);
    expect(mtu(ip4(8, 8, 8, 9))).toBe(0);
    expect(mtu(HOST, 3)).toBe(0, "forwarded");
    expect(rtalloc4(HOST, 0, 0, 0).rt_gateway4).toBe(GW);
    expect(spec_ask("net.route.table", "get 8.8.8.8").includes("\n10.0.0.1 spec0 10.0.0.2 1280 600 mtu=1280\n")).toBe(true);
  });

  it("only falls, and not below the least", () => {
    expect(rt_pmtu(HOST, 0, 0, 1500)).toBe(false);
    expect(rt_pmtu(HOST, 0, 0, 1400)).toBe(true);
    expect(rt_pmtu(HOST, 0, 0, 1400)).toBe(false);
    expect(rt_pmtu(HOST, 0, 0, 1450)).toBe(false);
    expect(rt_pmtu(HOST, 0, 0, 68)).toBe(true);
    expect(mtu(HOST)).toBe(552);
    expect(rt_pmtu(ip4(10, 0, 0, 2), 0, 0, 600)).toBe(false, "ourselves");
  });

  it("is not believed where the route's is locked", () => {
    expect(spec_route("add 9.0.0.0/8 10.0.0.1 mtu lock 1400")).toBe(0);
    expect(rt_pmtu(ip4(9, 1, 1, 1), 0, 0, 1280)).toBe(false);
    expect(mtu(ip4(9, 1, 1, 1))).toBe(1400);
  });

  it("expires, and goes with its way", () => {
    expect(rt_pmtu(HOST, 0, 0, 1280)).toBe(true);
    pass(300);
    expect(rt_pmtu(ip4(8, 8, 4, 4), 0, 0, 1280)).toBe(true);
    pass(301);
    expect(mtu(HOST)).toBe(0);
    expect(mtu(ip4(8, 8, 4, 4))).toBe(1280);
    expect(spec_route("del default")).toBe(0);
    expect(count()).toBe(0);
    expect(spec_route("add default 10.0.0.1")).toBe(0);
    expect(mtu(ip4(8, 8, 4, 4))).toBe(0);
  });

  it("of very many destinations gives up the oldest", () => {
    const most = ROUTE_MAXEXCEPTIONS * 4;
    for (let i = 0; i < most; i++) {
      expect(rt_pmtu(ip4(8, 1, i >> 8, i & 255), 0, 0, 1280)).toBe(true);
      if ((i & 63) == 0) pass(0);
    }
    expect(count()).toBeLessThan(ROUTE_MAXEXCEPTIONS + 1);
    expect(count()).toBeGreaterThan(ROUTE_MAXEXCEPTIONS / 2);
    expect(mtu(ip4(8, 1, (most - 1) >> 8, (most - 1) & 255))).toBe(1280, "the newest is there");
    expect(mtu(ip4(8, 1, 0, 0))).toBe(0, "the oldest is not");
  });
});

describe("redirects", () => {
  it("are believed from the gateway in use, about a neighbour by the same interface", () => {
    const better = ip4(10, 0, 0, 7);
    expect(rt_redirected(HOST, better, ip4(10, 0, 0, 9), 2)).toBe(false, "not the gateway");
    expect(rt_redirected(HOST, better, GW, 3)).toBe(false, "by another interface");
    expect(rt_redirected(HOST, ip4(10, 9, 0, 7), GW, 2)).toBe(false, "no neighbour there");
    expect(rt_redirected(HOST, ip4(10, 0, 0, 255), GW, 2)).toBe(false, "broadcast");
    expect(rt_redirected(ip4(10, 0, 0, 5), better, GW, 2)).toBe(false, "on the link already");
    expect(rt_redirected(HOST, better, GW, 2)).toBe(true);
    expect(rtalloc4(HOST, 0, 0, 0).rt_gateway4).toBe(better);
    expect(rtalloc4(HOST, 0, 0, 3).rt_gateway4).toBe(GW, "forwarded");
    expect(rtalloc4(ip4(8, 8, 8, 9), 0, 0, 0).rt_gateway4).toBe(GW);
    expect(rt_redirected(HOST, ip4(10, 0, 0, 8), GW, 2)).toBe(false, "no longer the gateway");
    expect(rt_redirected(HOST, ip4(10, 0, 0, 8), better, 2)).toBe(true);
    expect(rt_pmtu(HOST, 0, 0, 1300)).toBe(true);
    expect(rtalloc4(HOST, 0, 0, 0).rt_gateway4).toBe(ip4(10, 0, 0, 8), "both are known");
    pass(700);
    expect(rtalloc4(HOST, 0, 0, 0).rt_gateway4).toBe(GW);
  });
});
