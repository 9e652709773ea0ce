/**
 * The cache by itself: what is found again, what a change of routes forgets, who keeps a place beside a flood.
 */
import { cprng_fast32 } from "../../kernel/kern/cprng";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_str } from "../../kernel/kern/kstring";
import { SYS_sysctlbyname } from "../../kernel/abi/syscall";
import { syscall } from "../../kernel/kern/syscall";
import { SPEC_BUF_SIZE, spec_buf, spec_net_boot } from "../../kernel/net/net_spec";
import { RTF_GATEWAY, RTF_UP, Rtentry } from "../../kernel/net/route";
import { Ifnet, if_attach, if_byindex } from "../../kernel/net/ifnet";
import { Mbuf, m_freem } from "../../kernel/net/mbuf";
import { kobj } from "../../kernel/kern/kmem";
import { RTCACHE_ENTRIES } from "rump/tunables";
import { route_init } from "rump/route";
import { rt_touch } from "rump/route";
import { rtcache_at, rtcache_in, rtcache_init, rtcache_out, rtcache_put, rtcache_slots } from "./rtcache";

class SpecIf extends Ifnet {
  if_output(m: Mbuf, dst: usize, rt: Rtentry): i32 {
    m_freem(m);
    return 0;
  }
  if_start(): void {}
}

spec_net_boot();
route_init();
rtcache_init();
for (let i = 0; i < 2; i++) {
  const ifp = kobj<SpecIf>("spec.if");
  ifp.if_mtu = 1500;
  if_attach(ifp, "spec", i);
}
const way = changetype<Rtentry>(kmem_alloc(offsetof<Rtentry>(), 8, "spec"));
way.rt_flags = RTF_UP | RTF_GATEWAY;
way.rt_gateway4 = 0x0100000a;
way.rt_ifp = if_byindex(2);
way.rt_mtu = 1400;

/** A forwarded packet: found, or entered. */
function packet(dst: u32, src: u32, tos: i32 = 0, iif: i32 = 1): bool {
  if (rtcache_in(dst, src, tos, iif)) return true;
  rtcache_put(dst, src, tos, iif, way);
  return false;
}

function ask(node: string): string {
  const end = kput_str(spec_buf, spec_buf + 256, node);
  const n = syscall(SYS_sysctlbyname, <i32>spec_buf, <i32>(end - spec_buf), <i32>spec_buf + 4096, <i32>SPEC_BUF_SIZE - 4096, 0, 0);
  return String.UTF8.decodeUnsafe(spec_buf + 4096, n);
}

function stat(name: string): i32 {
  const lines = ask("net.rtcache.stats").split("\n");
  for (let i = 0; i < lines.length; i++) if (lines[i].startsWith(name + " ")) return I32.parseInt(lines[i].split(" ")[1]);
  return -1;
}

function valid(): i32 {
  let n = 0;
  for (let i = 0; i < rtcache_slots(); i++) if (rtcache_at(i)) n++;
  return n;
}

beforeEach(() => {
  rt_touch();
});

describe("the cache", () => {
  it("knows a flow by destination, source, TOS and interface", () => {
    expect(packet(1, 2)).toBe(false);
    expect(packet(1, 2)).toBe(true);
    expect(rtcache_in(1, 2, 0, 1) == way).toBe(true);
    expect(changetype<usize>(rtcache_in(1, 3, 0, 1))).toBe(0);
    expect(changetype<usize>(rtcache_in(3, 2, 0, 1))).toBe(0);
    expect(changetype<usize>(rtcache_in(1, 2, 16, 1))).toBe(0);
    expect(changetype<usize>(rtcache_in(1, 2, 0, 2))).toBe(0);
    expect(changetype<usize>(rtcache_out(1, 2, 0))).toBe(0);
    rtcache_put(1, 2, 0, 0, way);
    expect(rtcache_out(1, 2, 0) == way).toBe(true);
  });

  it("forgets everything when routes change", () => {
    for (let i: u32 = 1; i < 100; i++) packet(i, i);
    expect(valid()).toBeGreaterThan(80);
    rt_touch();
    expect(valid()).toBe(0);
    expect(packet(5, 5)).toBe(false);
    expect(packet(5, 5)).toBe(true);
  });

  it("keeps the flows that have packets beside a flood of flows that have one", () => {
    const flows: u32 = <u32>RTCACHE_ENTRIES / 8;
    let hits = 0;
    let packets = 0;
    for (let round = 0; round < 40; round++) {
      for (let f: u32 = 0; f < flows; f++) {
        if (packet(f, 0x01020304)) hits++;
        packets++;
        for (let i = 0; i < 10; i++) packet(cprng_fast32(), cprng_fast32());
      }
    }
    expect(hits).toBeGreaterThan(<i32>(<f64>packets * 0.8));
    expect(valid()).toBeLessThan(rtcache_slots() + 1);
    expect(stat("entries")).toBeLessThan(rtcache_slots() + 1);
    expect(stat("gc_total")).toBeGreaterThan(1000);
    expect(stat("gc_dst_overflow")).toBe(stat("gc_ignored"));
  });

  it("prints entries and counters", () => {
    packet(0x0808_0808, 0x0200000a);
    for (let i = 0; i < 6; i++) packet(0x0808_0808, 0x0200000a);
    expect(ask("net.rtcache.table")).toBe("8.8.8.8 10.0.0.2 spec0 0 10.0.0.1 spec1 - 7 0 mtu=1400\n");
    expect(ask("net.rtcache.stats").split("\n").length).toBe(18);
    const before = stat("in_hit");
    packet(0x0808_0808, 0x0200000a);
    expect(stat("in_hit")).toBe(before + 1);
  });
});
