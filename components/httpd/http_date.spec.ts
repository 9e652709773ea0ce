/**
 * Dates: the three forms of RFC 9110 §5.6.7 read, one written, for every day of four centuries.
 */
import { civil_from_days, clf_date_put, days_from_civil, http_date_parse, http_date_put } from "./http_date";
import { place, put, spells } from "./http_spec_text";

const OUT: usize = memory.data(64);
/** 2026-11-20, as "now" for two-digit years. */
const NOW: i64 = 1795132800;

function parsed(s: string): i64 {
  const n = put(s);
  return http_date_parse(place(), n, NOW);
}

function written(secs: i64, s: string): void {
  http_date_put(OUT, secs);
  expect(spells(OUT, 29, s)).toBe(true, s);
}

describe("writing", () => {
  it("writes an IMF-fixdate", () => {
    written(784111777, "Sun, 06 Nov 1994 08:49:37 GMT");
    written(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    written(951782399, "Mon, 28 Feb 2000 23:59:59 GMT");
    written(951782400, "Tue, 29 Feb 2000 00:00:00 GMT");
    written(4107542399, "Sun, 28 Feb 2100 23:59:59 GMT");
    written(4107542400, "Mon, 01 Mar 2100 00:00:00 GMT");
    written(-1, "Wed, 31 Dec 1969 23:59:59 GMT");
    written(253402300799, "Fri, 31 Dec 9999 23:59:59 GMT");
  });
  it("writes the time of the common log format", () => {
    clf_date_put(OUT, 784111777);
    expect(spells(OUT, 26, "06/Nov/1994:08:49:37 +0000")).toBe(true);
  });
  it("agrees with itself on every day from 1800 to 2200", () => {
    let bad = 0;
    for (let d = days_from_civil(1800, 1, 1); d < days_from_civil(2200, 1, 1); d++) {
      const c = civil_from_days(d);
      if (days_from_civil(c >> 9, (c >> 5) & 15, c & 31) != d) bad++;
      if (d < 0) continue;
      http_date_put(OUT, d * 86400 + 3723);
      if (http_date_parse(OUT, 29, NOW) != d * 86400 + 3723) bad++;
    }
    expect(bad).toBe(0);
  });
});

describe("reading", () => {
  it("reads the three forms", () => {
    expect(parsed("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(784111777);
    expect(parsed("Sunday, 06-Nov-94 08:49:37 GMT")).toBe(784111777);
    expect(parsed("Sun Nov  6 08:49:37 1994")).toBe(784111777);
    expect(parsed("Wed Nov 16 08:49:37 1994")).toBe(784111777 + 10 * 86400);
    expect(parsed("Wednesday, 16-Nov-94 08:49:37 GMT")).toBe(784111777 + 10 * 86400);
  });
  it("puts a two-digit year within fifty years", () => {
    expect(parsed("Friday, 20-Nov-26 00:00:00 GMT")).toBe(NOW);
    expect(parsed("Friday, 20-Nov-76 00:00:00 GMT")).toBe(days_from_civil(2076, 11, 20) * 86400);
    expect(parsed("Friday, 20-Nov-77 00:00:00 GMT")).toBe(days_from_civil(1977, 11, 20) * 86400);
  });
  it("takes no other spelling", () => {
    expect(parsed("")).toBe(-1);
    expect(parsed("0")).toBe(-1);
    expect(parsed("Sun, 06 Nov 1994 08:49:37 UTC")).toBe(-1);
    expect(parsed("sun, 06 nov 1994 08:49:37 gmt")).toBe(-1);
    expect(parsed("Sun, 06 Nov 1994 24:00:00 GMT")).toBe(-1);
    expect(parsed("Sun, 31 Nov 1994 08:49:37 GMT")).toBe(-1);
    expect(parsed("Wed, 29 Feb 1995 08:49:37 GMT")).toBe(-1);
    expect(parsed("Sun, 00 Nov 1994 08:49:37 GMT")).toBe(-1);
    expect(parsed("Sun, 6 Nov 1994 08:49:37 GMT")).toBe(-1);
    expect(parsed("Sun, 06 Nov 1994 08:49:37 GMT ")).toBe(-1);
    expect(parsed("Xxx, 06 Nov 1994 08:49:37 GMT")).toBe(-1);
    expect(parsed("Sun, 06-Nov-1994 08:49:37 GMT")).toBe(-1);
    expect(parsed("Sunday, 06-Nov-94 08:49:37 +0000")).toBe(-1);
  });
  it("lets a leap second be", () => {
    expect(parsed("Sat, 31 Dec 2016 23:59:60 GMT")).toBe(1483228800);
  });
});
