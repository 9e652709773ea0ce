/**
 * Ranges: every form, every border, and that overlapping ones never add up to more than the whole.
 */
import { RANGE_SIZE, RANGES_IGNORE, RANGES_MAX, http_ranges, range_first, range_length } from "./http_range";
import { place, put, put_at, put_many } from "./http_spec_text";

const SET: usize = memory.data(1024);

function ranges(s: string, size: i64): i32 {
  assert(<i32>RANGE_SIZE * (RANGES_MAX + 1) <= 1024, "spec: room");
  const n = put(s);
  return http_ranges(place(), n, size, SET);
}

function one(s: string, size: i64, first: i64, len: i64): void {
  expect(ranges(s, size)).toBe(1, s);
  expect(range_first(SET, 0)).toBe(first, s);
  expect(range_length(SET, 0)).toBe(len, s);
}

describe("one range", () => {
  it("reads first-last, first- and -length", () => {
    one("bytes=0-0", 1000, 0, 1);
    one("bytes=0-499", 1000, 0, 500);
    one("bytes=500-", 1000, 500, 500);
    one("bytes=-500", 1000, 500, 500);
    one("BYTES=999-999", 1000, 999, 1);
    one("bytes= \t0-1\t ", 1000, 0, 2);
  });
  it("cuts to the size", () => {
    one("bytes=0-99999", 1000, 0, 1000);
    one("bytes=-99999", 1000, 0, 1000);
    one("bytes=999-1000", 1000, 999, 1);
    one("bytes=0-99999999999999999999999999", 1000, 0, 1000);
  });
  it("cannot be satisfied beyond the end", () => {
    expect(ranges("bytes=1000-", 1000)).toBe(0);
    expect(ranges("bytes=1000-2000", 1000)).toBe(0);
    expect(ranges("bytes=-0", 1000)).toBe(0);
    expect(ranges("bytes=0-0", 0)).toBe(0);
    expect(ranges("bytes=-1", 0)).toBe(0);
    expect(ranges("bytes=0-", 0)).toBe(0);
    expect(ranges("bytes=9999999999999999999999-", 1000)).toBe(0);
  });
  it("is ignored when malformed or in another unit", () => {
    expect(ranges("bytes=", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=-", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=,", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=2-1", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=a-b", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=0x0-5", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=0-1x", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=0--1", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes 0-1", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("lines=0-1", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=0-1 2-3", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("bytes=0-1,2-1", 1000)).toBe(RANGES_IGNORE);
    expect(ranges("", 1000)).toBe(RANGES_IGNORE);
  });
});

describe("several ranges", () => {
  it("come in the order asked for, without those beyond the end", () => {
    expect(ranges("bytes=500-509, 0-9,2000-,,-1", 1000)).toBe(3);
    expect(range_first(SET, 0)).toBe(500);
    expect(range_first(SET, 1)).toBe(0);
    expect(range_first(SET, 2)).toBe(999);
    expect(range_length(SET, 2)).toBe(1);
  });
  it("join where they overlap or touch", () => {
    one("bytes=0-9,10-19", 1000, 0, 20);
    one("bytes=0-9,5-19", 1000, 0, 20);
    one("bytes=0-,0-,0-,-1,5-6", 1000, 0, 1000);
    one("bytes=0-9,20-29,10-19", 1000, 0, 30);
    expect(ranges("bytes=100-109,0-9,20-29,10-19", 1000)).toBe(2);
    expect(range_first(SET, 0)).toBe(100);
    expect(range_first(SET, 1)).toBe(0);
    expect(range_length(SET, 1)).toBe(30);
    expect(ranges("bytes=0-9,11-19", 1000)).toBe(2);
  });
  it("are ignored beyond RANGES_MAX", () => {
    let n = put("bytes=");
    for (let i = 0; i < RANGES_MAX; i++) n = put_many(n, i % 2 == 0 ? "1-1," : "5-5,", 1);
    expect(http_ranges(place(), n, 1000, SET)).toBe(2);
    n += put_at(n, "9-9");
    expect(http_ranges(place(), n, 1000, SET)).toBe(RANGES_IGNORE);
    n = put("bytes=");
    for (let i = 0; i < RANGES_MAX; i++) {
      store<u8>(place() + n, <u8>(48 + i / 5));
      store<u8>(place() + n + 1, <u8>(48 + (i % 5) * 2));
      n += 2 + put_at(n + 2, "-");
      store<u16>(place() + n, load<u16>(place() + n - 3));
      n += 2 + put_at(n + 2, ",");
    }
    expect(http_ranges(place(), n, 1000, SET)).toBe(RANGES_MAX);
  });
});
