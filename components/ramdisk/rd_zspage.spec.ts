/**
 * The slab: objects keep their contents, straddling or not; memory comes back; compaction moves
 * objects and nothing notices but the page count.
 */
import { rd_compact_all, rd_compact_init } from "./rd_compact";
import { rd_entry, rd_entry_alloc, rd_entry_init, rd_entry_unref } from "./rd_entry";
import { rd_page_init, rd_page_set_limit, rd_page_used } from "./rd_page";
import { SPEC_PAGES, rnd, spec_memory, spec_seed } from "./rd_spec";
import { ZS_CLASSES, ZS_MAX_DATA, zs_class, zs_class_of, zs_init, zs_read, zs_write } from "./rd_zspage";

const N: u32 = 3000;
/** Entry ids and lengths of the objects of the model. */
const IDS: usize = memory.data(3000 * 4, 4);
const LENS: usize = memory.data(3000 * 4, 4);
const DATA: usize = memory.data(4096, 8);
const PIECE: usize = memory.data(4096, 8);

beforeAll(() => {
  spec_memory();
  rd_page_init(SPEC_PAGES);
  zs_init();
  rd_entry_init();
  rd_compact_init();
});

/** Make object i with `len` bytes that tell whose they are. */
function make(i: u32, len: u32): bool {
  const id = rd_entry_alloc(len, false);
  if (id == 0) return false;
  for (let k: u32 = 0; k < len; k++) store<u8>(DATA + k, i * 31 + k);
  zs_write(rd_entry(id).e_loc, id, DATA, len);
  store<u32>(IDS + (<usize>i << 2), id);
  store<u32>(LENS + (<usize>i << 2), len);
  return true;
}

function drop(i: u32): void {
  rd_entry_unref(load<u32>(IDS + (<usize>i << 2)));
  store<u32>(IDS + (<usize>i << 2), 0);
}

/** Do all objects of the model have their contents? */
function verify(): void {
  for (let i: u32 = 0; i < N; i++) {
    const id = load<u32>(IDS + (<usize>i << 2));
    if (id == 0) continue;
    const len = load<u32>(LENS + (<usize>i << 2));
    const e = rd_entry(id);
    assert(<u32>e.e_len == len, "spec: length");
    const at = zs_read(e.e_loc, len, PIECE);
    for (let k: u32 = 0; k < len; k++) assert(load<u8>(at + k) == <u8>(i * 31 + k), "spec: contents");
  }
}

describe("size classes", () => {
  it("waste little", () => {
    for (let k: u32 = 1; k < ZS_CLASSES; k++) {
      const c = zs_class(k);
      const waste = c.npages * 4096 - c.nslots * c.size;
      expect(waste * 20).toBeLessThan(c.npages * 4096, "class " + k.toString());
    }
  });
  it("hold what they are for", () => {
    for (let len: u32 = 1; len <= ZS_MAX_DATA; len++) {
      const c = zs_class(zs_class_of(len));
      assert(c.size >= len + 4 && c.size < len + 4 + 32, "spec: class");
    }
  });
});

describe("objects", () => {
  it("keep their contents while others come and go", () => {
    spec_seed(7);
    for (let i: u32 = 0; i < N; i++) expect(make(i, 1 + rnd(ZS_MAX_DATA))).toBe(true);
    verify();
    for (let round = 0; round < 20000; round++) {
      const i = rnd(N);
      if (load<u32>(IDS + (<usize>i << 2)) != 0) drop(i);
      else assert(make(i, 1 + rnd(ZS_MAX_DATA)), "spec: memory");
    }
    verify();
  });
  it("are moved by compaction, which frees pages", () => {
    for (let i: u32 = 0; i < N; i++) if (i % 4 != 0 && load<u32>(IDS + (<usize>i << 2)) != 0) drop(i);
    const before = rd_page_used();
    const freed = rd_compact_all();
    expect(freed).toBeGreaterThan(before / 5);
    expect(rd_page_used()).toBe(before - freed);
    verify();
    expect(rd_compact_all()).toBe(0);
    verify();
  });
  it("are refused when memory is out, and nothing is lost", () => {
    rd_page_set_limit(rd_page_used() + 3);
    let made = 0;
    for (let i: u32 = 0; i < N; i++) if (load<u32>(IDS + (<usize>i << 2)) == 0 && make(i, 3000)) made++;
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(2000);
    verify();
    rd_page_set_limit(0);
  });
  it("leave no memory behind", () => {
    for (let i: u32 = 0; i < N; i++) if (load<u32>(IDS + (<usize>i << 2)) != 0) drop(i);
    expect(rd_page_used()).toBe(0);
    for (let k: u32 = 0; k < ZS_CLASSES; k++) assert(zs_class(k).nobjs == 0 && zs_class(k).nzspages == 0, "spec: left over");
  });
});
