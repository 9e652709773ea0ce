/**
 * The arena: carves lie within it, aligned and apart, are recorded by name, and end with the seal.
 */
import { kmem_alloc, kmem_boot, kmem_nrecords, kmem_record, kmem_seal, kmem_sealed, kmem_total, kmem_used, kobj,
  KMEM_RECORDS } from "./kmem";
import { File } from "./file";
import { SpecFile, spec_pages } from "./kern_spec_boot";

const base = spec_pages(8);
const limit = base + (<usize>8 << 16);

describe("kmem", () => {
  beforeEach(() => {
    memory.fill(base, 0, 64);
    kmem_boot(base, limit);
  });

  it("aligns every carve as asked and records it", () => {
    let last: usize = base;
    for (let i = 0; i < 7; i++) {
      const align = <usize>1 << <usize>i;
      const p = kmem_alloc(5, align, "x");
      expect(p % align).toBe(0, "aligned");
      expect(p >= last).toBe(true, "behind the one before");
      last = p + 5;
      expect(kmem_record(i).base).toBe(p);
      expect(kmem_record(i).size).toBe(5);
      expect(kmem_record(i).name).toBe("x");
    }
    expect(kmem_nrecords()).toBe(7);
    expect(kmem_total()).toBe(limit - base);
    expect(kmem_used()).toBe(last - base);
  });

  it("takes a base that is not aligned", () => {
    memory.fill(base, 0, 256);
    kmem_boot(base + 3, limit);
    expect(kmem_alloc(64, 64, "x") % 64).toBe(0);
    expect(kmem_total()).toBe(limit - base - 64);
  });

  it("gives out its last byte and not one more", () => {
    const left = kmem_total() - kmem_used();
    const p = kmem_alloc(left, 1, "all");
    expect(p + left).toBe(limit);
    expect(() => { kmem_alloc(1, 1, "more"); }).toThrow();
  });

  it("refuses sizes that would wrap around", () => {
    expect(() => { kmem_alloc(<usize>0xfffffff0, 1, "wrap"); }).toThrow();
    expect(() => { kmem_alloc(16, 0x80000000, "wrap"); }).toThrow();
  });

  it("refuses an alignment that is no power of two", () => {
    expect(() => { kmem_alloc(16, 0, "zero"); }).toThrow();
    expect(() => { kmem_alloc(16, 48, "odd"); }).toThrow();
  });

  it("ends with the seal", () => {
    kmem_alloc(16, 16, "before");
    expect(kmem_sealed()).toBe(false);
    kmem_seal();
    expect(kmem_sealed()).toBe(true);
    expect(() => { kmem_alloc(16, 16, "after"); }).toThrow();
    expect(kmem_nrecords()).toBe(1);
  });

  it("has room for KMEM_RECORDS carves", () => {
    for (let i = 0; i < KMEM_RECORDS; i++) kmem_alloc(1, 1, "one");
    expect(() => { kmem_alloc(1, 1, "one more"); }).toThrow();
  });

  it("cannot boot without memory", () => {
    expect(() => { kmem_boot(base, base + 1024); }).toThrow();
  });

  it("makes objects whose virtual methods work", () => {
    const p = changetype<usize>(kobj<SpecFile>("file"));
    expect(load<u32>(p - 8)).toBe(idof<SpecFile>());
    expect(changetype<File>(p).fo_write(0, 7)).toBe(7, "SpecFile.fo_write by way of File");
  });
});
