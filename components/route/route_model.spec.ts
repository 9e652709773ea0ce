/**
 * The routing table against a model: random requests, and every look-up compared with a scan of a plain
 * list. 20,000 steps over few enough destinations that they collide.
 */
import { EEXIST, ESRCH } from "../../kernel/abi/errno";
import { cprng_uniform } from "../../kernel/kern/cprng";
import { spec_net_boot } from "../../kernel/net/net_spec";
import { RTF_GATEWAY, RTF_STATIC, RTM_ADD, RTM_DELETE } from "../../kernel/net/route";
import { route_init, rtalloc4, rtrequest } from "./route";
import { ip4, spec_addr_add, spec_alloc, spec_info, spec_route_ifs } from "./route_spec";
import { rt_count } from "./fib_table";
import { rt_mask } from "./fib_mask";

spec_net_boot();
route_init();
spec_route_ifs();
spec_addr_add(2, ip4(10, 0, 0, 2), 8);

/** The model: | destination u32 | length u8, used u8, metric u16 | × SLOTS. A gateway is 10.slot.(10 + metric). */
const SLOTS: i32 = 512;
const model = spec_alloc(<usize>SLOTS << 3);

function slot(i: i32): usize {
  return model + (<usize>i << 3);
}

function find(dst: u32, len: i32, metric: i32): usize {
  for (let i = 0; i < SLOTS; i++) {
    const s = slot(i);
    if (load<u8>(s, 5) != 0 && load<u32>(s) == dst && load<u8>(s, 4) == <u8>len && load<u16>(s, 6) == <u16>metric) return s;
  }
  return 0;
}

/** The gateway that the model says, 0 for none. */
function lookup(dst: u32): u32 {
  let best: usize = 0;
  for (let i = 0; i < SLOTS; i++) {
    const s = slot(i);
    if (load<u8>(s, 5) == 0 || ((load<u32>(s) ^ dst) & rt_mask(load<u8>(s, 4))) != 0) continue;
    const better = best == 0 || load<u8>(s, 4) > load<u8>(best, 4)
      || (load<u8>(s, 4) == load<u8>(best, 4) && load<u16>(s, 6) < load<u16>(best, 6));
    if (better) best = s;
  }
  return best == 0 ? 0 : gateway(best);
}

function gateway(s: usize): u32 {
  return ip4(10, <u32>((s - model) >> 3) & 255, <u32>((s - model) >> 11), 10 + load<u16>(s, 6));
}

function address(): u32 {
  return ip4(20 + (cprng_uniform(2) << 6), cprng_uniform(3) << 6, cprng_uniform(4) << 5, cprng_uniform(8) << 5);
}

function add(): void {
  const len = <i32>cprng_uniform(33);
  const dst = address() & rt_mask(len);
  const metric = <i32>cprng_uniform(3) + 1;
  const old = find(dst, len, metric);
  let s: usize = 0;
  for (let i = 0; i < SLOTS && s == 0; i++) if (load<u8>(slot(i), 5) == 0) s = slot(i);
  if (s == 0) return;
  store<u32>(s, dst);
  store<u8>(s, <u8>len, 4);
  store<u16>(s, <u16>metric, 6);
  const e = rtrequest(RTM_ADD, spec_info(dst, len, RTF_GATEWAY | RTF_STATIC, gateway(s), 0, 0, metric));
  assert(e == (old != 0 ? -EEXIST : 0), "add");
  if (old == 0) store<u8>(s, 1, 5);
}

function del(): void {
  const s = slot(cprng_uniform(SLOTS));
  const used = load<u8>(s, 5) != 0;
  if (!used && load<u16>(s, 6) == 0) return;
  const gone = !used && find(load<u32>(s), load<u8>(s, 4), load<u16>(s, 6)) == 0;
  if (!used && !gone) return;
  const e = rtrequest(RTM_DELETE, spec_info(load<u32>(s), load<u8>(s, 4), 0, 0, 0, 0, load<u16>(s, 6)));
  assert(e == (gone ? -ESRCH : 0), "delete");
  store<u8>(s, 0, 5);
}

describe("the table and a list", () => {
  it("agree on every look-up", () => {
    let hits = 0;
    for (let i = 0; i < 20000; i++) {
      const what = cprng_uniform(8);
      if (what < 3) add();
      else if (what < 5) del();
      const dst = address() | ip4(0, 0, 0, cprng_uniform(32));
      const rt = rtalloc4(dst, 0, 0, 0);
      const want = lookup(dst);
      if (want != 0) hits++;
      assert((rt ? rt.rt_gateway4 : 0) == want, "look-up");
    }
    expect(hits).toBeGreaterThan(10000);
    let n = 3;
    for (let i = 0; i < SLOTS; i++) if (load<u8>(slot(i), 5) != 0) n++;
    expect(rt_count()).toBe(n);
  });
});
