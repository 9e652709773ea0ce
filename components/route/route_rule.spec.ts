/**
 * Policy rules: what each selector takes, what comes first, what refuses; tables of users; the text of all that;
 * and "route get", which says why.
 */
import { EEXIST, EINVAL, ENOBUFS, ENXIO, ESRCH } from "../../kernel/abi/errno";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { RTF_BLACKHOLE, RTF_PROHIBIT, RTF_REJECT } from "../../kernel/net/route";
import { ROUTE_MAXRULES, ROUTE_MAXTABLES } from "rump/tunables";
import { route_init, rt_gen, rtalloc4, rtalloc4_flow } from "./route";
import { rule_plain } from "./route_rule";
import { ip4, spec_addr_add, spec_addr_clear, spec_ask, spec_route, spec_route_ifs, spec_rule, spec_rules, spec_table } from "./route_spec";

spec_net_boot();
route_init();
spec_route_ifs();

const START = "0: from all lookup local\n32766: from all lookup main\n32767: from all lookup default\n";
const FAR = ip4(8, 8, 8, 8);

function gw(src: u32, tos: i32 = 0, iif: i32 = 0, oif: i32 = 0, mark: u32 = 0, dst: u32 = FAR): u32 {
  const rt = rtalloc4_flow(dst, src, tos, iif, oif, mark, 0);
  return rt ? rt.rt_gateway4 : 0;
}

const MAIN = ip4(10, 0, 0, 1);
const OTHER = ip4(10, 9, 0, 1);

beforeEach(() => {
  spec_addr_add(2, ip4(10, 0, 0, 2), 24);
  spec_addr_add(3, ip4(10, 9, 0, 2), 24);
  expect(spec_route("add default 10.0.0.1")).toBe(0);
  expect(spec_route("add default 10.9.0.1 table 100")).toBe(0);
});

afterEach(() => {
  expect(spec_rule("flush")).toBe(0);
  expect(spec_rule("add priority 32766 from all lookup main")).toBe(0);
  expect(spec_rule("add priority 32767 lookup default")).toBe(0);
  expect(spec_rules()).toBe(START);
  expect(rule_plain()).toBe(true);
  spec_route("flush");
  spec_addr_clear();
});

describe("rules", () => {
  it("are those of every host at the start", () => {
    expect(spec_rules()).toBe(START);
    expect(rule_plain()).toBe(true);
    expect(gw(0)).toBe(MAIN, "a table that no rule names serves nobody");
  });

  it("select by source", () => {
    const gen = rt_gen();
    expect(spec_rule("add from 10.9.0.0/24 lookup 100")).toBe(0);
    expect(rt_gen() != gen).toBe(true);
    expect(rule_plain()).toBe(false);
    expect(spec_rules().includes("32765: from 10.9.0.0/24 lookup 100\n")).toBe(true);
    expect(gw(ip4(10, 9, 0, 2))).toBe(OTHER);
    expect(gw(ip4(10, 0, 0, 2))).toBe(MAIN);
    expect(gw(0)).toBe(MAIN);
  });

  it("select by destination, TOS, mark and interfaces", () => {
    expect(spec_rule("add to 8.8.0.0/16 tos 0x10 lookup 100")).toBe(0);
    expect(gw(0, 0x10)).toBe(OTHER);
    expect(gw(0, 0x10, 0, 0, 0, ip4(8, 9, 0, 0))).toBe(MAIN);
    expect(gw(0)).toBe(MAIN);
    expect(spec_rule("add fwmark 0x12/0xff table 100")).toBe(0);
    expect(gw(0, 0, 0, 0, 0x3412)).toBe(OTHER);
    expect(gw(0, 0, 0, 0, 0x13)).toBe(MAIN);
    expect(spec_rule("add iif spec1 lookup 100")).toBe(0);
    expect(gw(0, 0, 3)).toBe(OTHER);
    expect(gw(0, 0, 2)).toBe(MAIN);
    expect(spec_rule("add oif spec1 lookup 100")).toBe(0);
    expect(gw(0, 0, 0, 3)).toBe(OTHER);
    expect(gw(0, 0, 0, 2)).toBe(MAIN);
    expect(spec_rule("add iif lo0 lookup 100")).toBe(0);
    expect(gw(0)).toBe(OTHER, "what is made here came by the loopback");
    expect(spec_rules()).toBe(`0: from all lookup local
32761: from all iif lo0 lookup 100
32762: from all oif spec1 lookup 100
32763: from all iif spec1 lookup 100
32764: from all fwmark 0x12/0xff lookup 100
32765: from all to 8.8.0.0/16 tos 0x10 lookup 100
32766: from all lookup main
32767: from all lookup default
`);
  });

  it("can mean everything else", () => {
    expect(spec_rule("add not from 10.0.0.0/24 lookup 100")).toBe(0);
    expect(gw(ip4(10, 0, 0, 2))).toBe(MAIN);
    expect(gw(ip4(10, 9, 0, 2))).toBe(OTHER);
  });

  it("are tried by priority, and go on where a table has no way", () => {
    expect(spec_rule("add priority 200 lookup 101")).toBe(0);
    expect(spec_rule("add priority 300 lookup 100")).toBe(0);
    expect(gw(0)).toBe(OTHER);
    expect(spec_route("add 8.0.0.0/8 10.0.0.7 table 101")).toBe(0);
    expect(gw(0)).toBe(ip4(10, 0, 0, 7));
    expect(gw(0, 0, 0, 0, 0, ip4(9, 9, 9, 9))).toBe(OTHER);
  });

  it("can refuse", () => {
    expect(spec_rule("add priority 10 from 10.9.0.2 blackhole")).toBe(0);
    expect(spec_rule("add priority 11 tos 4 unreachable")).toBe(0);
    expect(spec_rule("add priority 12 tos 8 prohibit")).toBe(0);
    expect(rtalloc4(FAR, ip4(10, 9, 0, 2), 0, 0).rt_flags & RTF_BLACKHOLE).toBe(RTF_BLACKHOLE);
    expect(rtalloc4(FAR, 0, 4, 0).rt_flags & (RTF_REJECT | RTF_PROHIBIT)).toBe(RTF_REJECT);
    expect(rtalloc4(FAR, 0, 8, 0).rt_flags & (RTF_REJECT | RTF_PROHIBIT)).toBe(RTF_REJECT | RTF_PROHIBIT);
    expect(<i32>rtalloc4(FAR, 0, 8, 0).rt_ifp.if_index).toBe(1);
    expect(spec_ask("net.route.table", "get 8.8.8.8 tos 8")).toBe("-\n12: from all tos 0x8 prohibit\n- lo0 - 1500 - -\n");
    expect(rtalloc4(ip4(10, 0, 0, 2), 0, 4, 0).rt_flags & RTF_REJECT).toBe(0, "we reach ourselves all the same");
  });

  it("are deleted by what is said of them", () => {
    expect(spec_rule("add priority 10 from 10.9.0.2 lookup 100")).toBe(0);
    expect(spec_rule("add priority 10 from 10.9.0.2 lookup 100")).toBe(-EEXIST);
    expect(spec_rule("add priority 11 from 10.9.0.2 tos 4 lookup 100")).toBe(0);
    expect(spec_rule("del from 10.9.0.3")).toBe(-ESRCH);
    expect(spec_rule("del priority 12")).toBe(-ESRCH);
    expect(spec_rule("del tos 4")).toBe(0);
    expect(spec_rule("del tos 4")).toBe(-ESRCH);
    expect(spec_rule("del priority 10")).toBe(0);
    expect(rule_plain()).toBe(true);
  });

  it("are refused when they make no sense", () => {
    expect(spec_rule("add")).toBe(-EINVAL);
    expect(spec_rule("add from 10.0.0.0/24")).toBe(-EINVAL, "no action");
    expect(spec_rule("add from 10.0.0.0/33 lookup main")).toBe(-EINVAL);
    expect(spec_rule("add iif virt9 lookup main")).toBe(-ENXIO);
    expect(spec_rule("add fwmark 1/0 lookup main")).toBe(-EINVAL);
    expect(spec_rule("add tos 256 lookup main")).toBe(-EINVAL);
    expect(spec_rule("add lookup 0")).toBe(-EINVAL);
    expect(spec_rule("add priority 0x100000000 lookup main")).toBe(-EINVAL);
    expect(spec_rule("add speed 5 lookup main")).toBe(-EINVAL);
    expect(spec_rule("del")).toBe(-EINVAL);
    expect(spec_rule("flush all")).toBe(-EINVAL);
    expect(spec_rules()).toBe(START);
  });

  it("are as many as the pool has, and so are tables", () => {
    let e = 0;
    let n = 3;
    for (; e == 0; n++) e = spec_rule("add from 10.9.0." + n.toString() + " lookup 100");
    expect(e).toBe(-ENOBUFS);
    expect(n).toBe(ROUTE_MAXRULES + 1);
    e = 0;
    let tables = 3 + 1;
    for (; e == 0; tables++) e = spec_route("add 20.0.0.0/8 10.0.0.1 table " + (tables + 1000).toString());
    expect(e).toBe(-ENOBUFS);
    expect(tables).toBe(ROUTE_MAXTABLES + 1);
    expect(spec_route("flush table 1005")).toBe(0);
    expect(spec_route("add 20.0.0.0/8 10.0.0.1 table 77")).toBe(0, "an empty table's place is free");
  });
});

describe("route get", () => {
  it("says which route and rule answered, and the way", () => {
    expect(spec_rule("add from 10.9.0.0/24 lookup 100")).toBe(0);
    expect(spec_ask("net.route.table", "get 8.8.8.8 from 10.9.0.2")).toBe(`0.0.0.0/0 10.9.0.1 UGS spec1 0 1500 - 0 10.9.0.2 100 - -
32765: from 10.9.0.0/24 lookup 100
10.9.0.1 spec1 10.9.0.2 1500 - -
`);
    expect(spec_ask("net.route.table", "get 10.0.0.2").includes("\n0: from all lookup local\n")).toBe(true);
    expect(spec_ask("net.route.table", "get 10.0.0.9").includes("10.0.0.0/24 - UC spec0 0 1500 - 0 10.0.0.2 main - -\n32766: ")).toBe(true);
    expect(spec_ask("net.route.table", "get 8.8.8.8 iif virt9")).toBe((-ENXIO).toString());
    expect(spec_ask("net.route.table", "get 8.8.8.8 speed 9")).toBe((-EINVAL).toString());
    expect(spec_route("del default")).toBe(0);
    expect(spec_ask("net.route.table", "get 8.8.8.8")).toBe((-ESRCH).toString());
  });

  it("pages through the table, and obeys many lines", () => {
    expect(spec_route("# comment\nroute add 20.1.0.0/16 via 10.0.0.7 dev spec0\n\nadd 20.2.0.0/16 prohibit mtu lock 1400 rtt 30\nrule add from 10.9.0.2 lookup 100\n")).toBe(0);
    const text = spec_table();
    expect(text.includes("20.2.0.0/16 - URPS lo0 0 1400 - 0 - main - mtu=1400!,rtt_us=30000\n")).toBe(true);
    expect(spec_rules().includes("from 10.9.0.2/32 lookup 100")).toBe(true);
    const lines = text.split("\n");
    expect(spec_ask("net.route.table", "3")).toBe(lines.slice(3).join("\n"));
    expect(spec_ask("net.route.table", "99")).toBe("");
    expect(spec_route("add 20.3.0.0/16 10.0.0.1\nadd 20.4.0.0/16 10.0.0.300\nadd 20.5.0.0/16 10.0.0.1")).toBe(-EINVAL);
    expect(spec_table().includes("20.3.0.0/16")).toBe(true);
    expect(spec_table().includes("20.5.0.0/16")).toBe(false);
    expect(spec_route("add 20.6.0.0/16 nexthop via 10.0.0.1 weight 2 nexthop via 10.9.0.1 dev spec1 metric 7")).toBe(0);
    expect(spec_table().includes("20.6.0.0/16 - UMS spec0 0 1500 - 7 - main 10.0.0.1,spec0,2;10.9.0.1,spec1,1 -\n")).toBe(true);
    expect(spec_route("add 20.7.0.0/16 nexthop weight 2")).toBe(-EINVAL);
    expect(spec_route("add 20.7.0.0/16 nexthop via 10.0.0.1 weight 0")).toBe(-EINVAL);
  });
});
