/**
 * Pools: the last given back comes first, nothing is touched before its use, exhaustion is counted and
 * not fatal, and what did not come from a pool cannot be put into it.
 */
import { spec_below, spec_kern_boot, spec_srand } from "./kern_spec_boot";
import { kmem_nrecords, kmem_record } from "./kmem";
import { File } from "./file";
import { SpecFile } from "./kern_spec_boot";
import { Pool, pool_avail, pool_first, pool_get, pool_getz, pool_index, pool_init, pool_init_obj, pool_ptr,
  pool_put } from "./pool";

spec_kern_boot();

const small = pool_init("spec.small", 20, 8);
const objects = pool_init_obj<SpecFile>("spec.objects", 4);
const big = pool_init("spec.big", 100, 64, 64);
/** For the function expressions below, which cannot see locals. */
let p: usize = 0;
let q: usize = 0;

function drain(pool: Pool): i32 {
  let n = 0;
  while (pool_get(pool) != 0) n++;
  return n;
}

describe("pool", () => {
  it("rounds objects up to the alignment", () => {
    expect(small.pr_size).toBe(32);
    expect(small.pr_base % 16).toBe(0);
    expect(big.pr_size).toBe(128);
    expect(big.pr_base % 64).toBe(0);
    expect(pool_init("spec.tiny", 1, 3).pr_size).toBe(16);
  });

  it("counts gets, puts, the most in use, and failures", () => {
    const first = pool_get(small);
    expect(first).toBe(small.pr_base);
    expect(pool_get(small)).toBe(first + 32, "the next that was never used");
    pool_put(small, first);
    expect(pool_get(small)).toBe(first, "the last given back");
    expect(drain(small)).toBe(6);
    expect(small.pr_nout).toBe(8);
    expect(pool_avail(small)).toBe(0);
    expect(small.pr_fail).toBe(1);
    expect(pool_get(small)).toBe(0);
    expect(small.pr_fail).toBe(2);
    expect(small.pr_nget).toBe(9);
    expect(small.pr_nput).toBe(1);
    for (let i: u32 = 0; i < 8; i++) pool_put(small, pool_ptr(small, i));
    expect(small.pr_nout).toBe(0);
    expect(small.pr_hiwat).toBe(8);
    expect(small.pr_nput).toBe(9);
    expect(pool_avail(small)).toBe(8);
  });

  it("does not touch what is not used", () => {
    const lazy = pool_init("spec.lazy", 64, 100);
    const at = pool_get(lazy);
    memory.fill(at, 0xff, 64);
    for (let i: usize = 64; i < 6400; i += 8) assert(load<u64>(lazy.pr_base + i) == 0, "touched");
    pool_put(lazy, at);
  });

  it("zeroes on demand, the whole object and nothing else", () => {
    p = pool_get(small);
    q = pool_get(small);
    memory.fill(p, 0xff, 32);
    memory.fill(q, 0xff, 32);
    pool_put(small, p);
    expect(pool_getz(small)).toBe(p);
    for (let i: usize = 0; i < 32; i++) expect(load<u8>(p + i)).toBe(0);
    expect(load<u8>(q)).toBe(0xff);
    pool_put(small, p);
    pool_put(small, q);
  });

  it("makes objects whose class survives being given back", () => {
    const at = pool_getz(objects);
    expect(load<u32>(at - 8)).toBe(idof<SpecFile>());
    pool_put(objects, at);
    expect(pool_getz(objects)).toBe(at);
    expect(changetype<File>(at).fo_write(0, 3)).toBe(3, "SpecFile.fo_write");
    const next = pool_getz(objects);
    expect(load<u32>(next - 8)).toBe(idof<SpecFile>());
    expect(next - at).toBe(<usize>objects.pr_size);
    pool_put(objects, next);
    pool_put(objects, at);
  });

  it("numbers its objects", () => {
    p = pool_get(objects);
    q = pool_get(objects);
    expect(pool_ptr(objects, pool_index(objects, p))).toBe(p);
    expect(pool_ptr(objects, pool_index(objects, q))).toBe(q);
    expect(pool_index(objects, p)).not.toBe(pool_index(objects, q));
    expect(() => { pool_ptr(objects, 3); }).toThrow("an index that was never given");
    pool_put(objects, p);
    pool_put(objects, q);
  });
});

describe("pool_put", () => {
  it("refuses what is not one of its objects", () => {
    p = pool_get(big);
    q = pool_get(small);
    expect(() => { pool_put(big, q); }).toThrow("of another pool");
    expect(() => { pool_put(big, p + 4); }).toThrow("within an object");
    expect(() => { pool_put(big, big.pr_base - 128); }).toThrow("before the first");
    expect(() => { pool_put(big, p + 128); }).toThrow("never given out");
    expect(() => { pool_put(big, 0); }).toThrow("null");
    expect(() => { pool_put(objects, objects.pr_base); }).toThrow("a header");
    expect(big.pr_nout).toBe(1);
    pool_put(big, p);
    pool_put(small, q);
  });

  it("refuses the same object twice", () => {
    p = pool_get(big);
    q = pool_get(big);
    pool_put(big, q);
    expect(() => { pool_put(big, q); }).toThrow("the last one put");
    pool_put(big, p);
    expect(() => { pool_put(big, q); }).toThrow("more put than got");
  });
});

describe("pool_init", () => {
  it("refuses an empty pool and one larger than memory", () => {
    expect(() => { pool_init("spec.none", 16, 0); }).toThrow();
    expect(() => { pool_init("spec.none", 0, 16); }).toThrow();
    expect(() => { pool_init("spec.huge", 4096, 1048576); }).toThrow("4 GiB is 0 in 32 bits");
  });

  it("lists every pool, and its memory under its name", () => {
    let names = "";
    for (let at = pool_first(); at; at = at.pr_next) names += at.pr_name + " ";
    expect(names.includes("knote kqueue spec.files spec.small spec.objects spec.big")
      || names.includes("kqueue knote spec.files spec.small spec.objects spec.big")).toBe(true, names);
    let bytes: usize = 0;
    for (let i = 0; i < kmem_nrecords(); i++) if (kmem_record(i).name == "spec.big") bytes += kmem_record(i).size;
    expect(bytes).toBe(64 * 128 + offsetof<Pool>());
  });
});

describe("a pool used at random", () => {
  it("never gives one object to two", () => {
    const pool = pool_init("spec.random", 24, 50);
    const held: usize[] = [];
    spec_srand(7);
    let gets = 0;
    let fails = 0;
    for (let step = 0; step < 20000; step++) {
      if (spec_below(100) < 55) {
        const at = pool_get(pool);
        if (at == 0) {
          fails++;
          assert(held.length == 50, "refused with objects left");
          continue;
        }
        gets++;
        assert(!held.includes(at), "given twice");
        held.push(at);
      } else if (held.length > 0) {
        const i = spec_below(held.length);
        pool_put(pool, held[i]);
        held[i] = held[held.length - 1];
        held.pop();
      }
      assert(pool.pr_nout == <u32>held.length, "pr_nout");
    }
    expect(pool.pr_nget).toBe(gets);
    expect(pool.pr_fail).toBe(fails);
    expect(fails).toBeGreaterThan(0);
    expect(pool.pr_hiwat).toBe(50);
    expect(pool.pr_nget - pool.pr_nput).toBe(held.length);
  });
});
