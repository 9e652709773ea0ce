/**
 * The table of vestiges against a plain model: arrays of 4-tuples with their expiry, searched from end to
 * end. Facts §2.3 gives what NetBSD's needs (75.5 bytes a session); 40 are the aim here.
 */
import { clock_set, clock_tohost, getmicrouptime } from "../../kernel/kern/clock";
import { spec_below, spec_kern_boot, spec_rand, spec_srand } from "../../kernel/kern/kern_spec_boot";
import { vtw, vtw_at, vtw_is_finwait2, vtw_rcv_nxt, vtw_snd_nxt, vtw_ts_recent, vtw_class, vtw_set_ttl } from "./vtw_entry";
import {
  vtw_conflict, vtw_expire, vtw_insert, vtw_lookup, vtw_oldest, vtw_portcount, vtw_remove, vtw_restart,
  vtw_table_boot,
} from "./vtw_table";

spec_kern_boot();

const N: i32 = 65536;
const LADDR: u32 = 0x0100000a;

function pass_ms(ms: i64): void {
  clock_set(clock_tohost(getmicrouptime() + ms * 1000));
}

function add(lport: u32, faddr: u32, fport: u32, cls: i32, reuseport: bool = false): u32 {
  return vtw_insert(LADDR, lport, faddr, fport, fport * 3, fport * 5, true, fport * 7, 1000, 7, cls, reuseport, false, ttl(cls));
}

function ttl(cls: i32): u32 {
  return cls == 0 ? 2000 : cls == 1 ? 10000 : 60000;
}

function empty_table(): void {
  pass_ms(4000000);
  while (vtw_expire(1000) == 0) {}
}

// The model: lport | fport << 16, faddr, expiry (µs) by slot; 0 = free.
const M: i32 = 3000;
const ports = new StaticArray<u32>(M);
const addrs = new StaticArray<u32>(M);
const where = new StaticArray<u32>(M);
const due = new StaticArray<i64>(M);

function lifetime(cls: i32): i64 {
  return <i64>ttl(cls) * 1000;
}

describe("vestiges", () => {
  it("cost at most 40 bytes a session with 65,536 of them, all tables included", () => {
    vtw_table_boot(N);
    vtw_set_ttl(0, 2000);
    vtw_set_ttl(1, 10000);
    vtw_set_ttl(2, 60000);
    vtw_set_ttl(3, 60000);
    expect(vtw.bytes / <u32>N).toBeLessThan(40);
    expect(vtw.bytes).toBeGreaterThan(37 * <u32>N);
  });

  it("give back what was put in", () => {
    const i = vtw_insert(LADDR, 80, 5, 6, 0xfffffff0, 0x80000001, true, 77, 65535, 14, 2, true, false, 60000);
    expect(vtw_lookup(LADDR, 80, 5, 6)).toBe(i);
    expect(vtw_lookup(LADDR, 80, 6, 5)).toBe(0);
    expect(vtw_lookup(LADDR + 1, 80, 5, 6)).toBe(0);
    const e = vtw_at(i);
    expect(vtw_snd_nxt(e)).toBe(0xfffffff0);
    expect(vtw_rcv_nxt(e)).toBe(0x80000001);
    expect(vtw_ts_recent(e)).toBe(77);
    expect(vtw_class(e)).toBe(2);
    expect(vtw_is_finwait2(e)).toBe(false);
    vtw_remove(i);
    expect(vtw_lookup(LADDR, 80, 5, 6)).toBe(0);
    expect(vtw.live).toBe(0);
  });

  it("agree with a model over 200,000 steps: enter, find, restart, leave, expire", () => {
    spec_srand(77);
    let live = 0;
    for (let step = 0; step < 200000; step++) {
      const k = spec_below(M);
      const op = spec_below(16);
      if (op == 0) {
        pass_ms(spec_below(40));
        while (vtw_expire(7) == 0) {}
        const now = getmicrouptime();
        for (let j = 0; j < M; j++) {
          if (where[j] == 0 || due[j] > now - 2000) continue;
          where[j] = 0;
          live--;
        }
        // What is due within the rounding is looked up, not presumed.
        for (let j = 0; j < M; j++) {
          if (where[j] == 0 || due[j] > now) continue;
          if (vtw_lookup(LADDR, ports[j] & 0xffff, addrs[j], ports[j] >> 16) == 0) { where[j] = 0; live--; }
        }
        assert(<i32>vtw.live == live, "as many as in the model");
      } else if (where[k] == 0) {
        ports[k] = spec_rand();
        addrs[k] = <u32>k;
        const cls = spec_below(3);
        where[k] = add(ports[k] & 0xffff, addrs[k], ports[k] >> 16, cls);
        due[k] = getmicrouptime() + lifetime(cls);
        live++;
      } else if (op < 6) {
        assert(vtw_lookup(LADDR, ports[k] & 0xffff, addrs[k], ports[k] >> 16) == where[k], "found");
        assert(vtw_lookup(LADDR, ports[k] & 0xffff, addrs[k] + 100000, ports[k] >> 16) == 0, "not found");
      } else if (op < 8) {
        due[k] = getmicrouptime() + lifetime(vtw_class(vtw_at(where[k])));
        vtw_restart(where[k], ttl(vtw_class(vtw_at(where[k]))));
      } else if (op < 9) {
        vtw_remove(where[k]);
        where[k] = 0;
        live--;
      }
    }
    expect(vtw.expired).toBeGreaterThan(1000);
    expect(vtw.killed).toBe(0);
    empty_table();
    expect(vtw.live).toBe(0);
  });

  it("share all entries between classes; the oldest gives way to a new one, and is counted", () => {
    for (let i = 0; i < N; i++) {
      assert(add(<u32>i, 9, 1, i == 5 ? 2 : 1) != 0, "room");
      if (i < 10) pass_ms(2);
    }
    expect(vtw.live).toBe(<u32>N);
    expect(vtw.killed).toBe(0);
    const oldest = vtw_lookup(LADDR, 0, 9, 1);
    expect(vtw_oldest()).toBe(oldest);
    for (let i = 0; i < 6; i++) assert(add(<u32>i, 10, 1, 0) != 0, "by age");
    expect(vtw.killed).toBe(6);
    for (let i = 0; i < 6; i++) expect(vtw_lookup(LADDR, i, 9, 1)).toBe(0, "whatever its class");
    expect(vtw_lookup(LADDR, 6, 9, 1)).not.toBe(0);
    expect(vtw.live).toBe(<u32>N);
  });

  it("read one line for nearly every miss and hit of a full table", () => {
    const lookups = vtw.lookups;
    const probes = vtw.probes;
    for (let i = 0; i < 20000; i++) vtw_lookup(LADDR, spec_rand() & 0xffff, 77, spec_rand() & 0xffff);
    const misses = <f64>(vtw.probes - probes) / <f64>(vtw.lookups - lookups);
    expect(misses).toBeLessThan(1.2);
    const probed = vtw.probes;
    for (let i = 6; i < 20006; i++) assert(vtw_lookup(LADDR, i, 9, 1) != 0, "hit");
    expect(<f64>(vtw.probes - probed) / 20000).toBeLessThan(1.1);
    empty_table();
  });

  it("go in order of expiry, whenever their time began", () => {
    add(1, 1, 1, 1);
    pass_ms(100);
    for (let i: u32 = 2; i < 50; i++) add(i, 1, 1, 1);
    const late = vtw_insert(LADDR, 99, 1, 1, 0, 0, false, 0, 0, 0, 1, false, false, 9950);
    expect(late).not.toBe(0);
    pass_ms(9901);
    vtw_expire(100);
    expect(vtw_lookup(LADDR, 1, 1, 1)).toBe(0);
    expect(vtw_lookup(LADDR, 99, 1, 1)).toBe(late);
    pass_ms(51);
    vtw_expire(100);
    expect(vtw_lookup(LADDR, 99, 1, 1)).toBe(0, "50 ms before those that entered before it");
    expect(vtw_lookup(LADDR, 49, 1, 1)).not.toBe(0);
    empty_table();
  });

  it("count their ports, beyond 65,535 too", () => {
    for (let i = 0; i < N; i++) add(80, <u32>i, 1, 2);
    expect(vtw_portcount(80)).toBe(65536);
    expect(vtw_portcount(81)).toBe(0);
    vtw_remove(vtw_lookup(LADDR, 80, 5, 1));
    expect(vtw_portcount(80)).toBe(65535);
    vtw_remove(vtw_lookup(LADDR, 80, 6, 1));
    expect(vtw_portcount(80)).toBe(65534);
    empty_table();
    expect(vtw_portcount(80)).toBe(0);
  });

  it("stand in the way of bind as connections do", () => {
    add(90, 1, 1, 2);
    expect(vtw_conflict(0, 90, false)).toBe(true);
    expect(vtw_conflict(LADDR, 90, false)).toBe(true);
    expect(vtw_conflict(LADDR + 1, 90, false)).toBe(false, "another address");
    expect(vtw_conflict(0, 91, false)).toBe(false);
    expect(vtw_conflict(0, 90, true)).toBe(true, "it had no SO_REUSEPORT");
    empty_table();
    add(90, 1, 1, 2, true);
    expect(vtw_conflict(0, 90, true)).toBe(false);
    empty_table();
  });

  it("know 128 local addresses and refuse the next", () => {
    for (let i: u32 = 1; i <= 128; i++) expect(vtw_insert(i, 1, 1, 1, 0, 0, false, 0, 0, 0, 0, false, false, 1000)).not.toBe(0);
    expect(vtw_insert(129, 1, 1, 1, 0, 0, false, 0, 0, 0, 0, false, false, 1000)).toBe(0);
    expect(vtw.noaddr).toBe(1);
    vtw_remove(vtw_lookup(50, 1, 1, 1));
    expect(vtw_insert(129, 1, 1, 1, 0, 0, false, 0, 0, 0, 0, false, false, 1000)).not.toBe(0);
    expect(vtw_lookup(129, 1, 1, 1)).not.toBe(0);
    expect(vtw_lookup(50, 1, 1, 1)).toBe(0);
  });
});
