/**
 * Conditional requests: the order of RFC 9110 §13.2.2, strong and weak comparison, lists on several
 * lines.
 */
import { Validator, http_if_range, http_precondition } from "./http_cond";
import { http_parse } from "./http_parse";
import { HttpReq, http_req_init } from "./http_req";
import { place, put, put_at } from "./http_spec_text";

const R: usize = memory.data(256);
const V: usize = memory.data(64);

/** 784111777 is Sun, 06 Nov 1994 08:49:37 GMT. */
const MTIME: i64 = 784111777;
const SAME: string = "Sun, 06 Nov 1994 08:49:37 GMT\r\n";
const BEFORE: string = "Sun, 06 Nov 1994 08:49:36 GMT\r\n";
const AFTER: string = "Sun, 06 Nov 1994 08:49:38 GMT\r\n";

/** Parse a request with field lines `s` and evaluate it against tag "abc". */
function request(s: string): void {
  const head = "GET / HTTP/1.0\r\n" + s + "\r\n";
  const n = put(head);
  http_req_init(changetype<HttpReq>(R));
  assert(http_parse(changetype<HttpReq>(R), place(), n) == n, "spec: head");
  const v = changetype<Validator>(V);
  v.v_etag = place() + 8000;
  v.v_etaglen = put_at(8000, "\"abc\"");
  v.v_mtime = MTIME;
  v.v_now = MTIME + 100;
}

function cond(s: string): i32 {
  request(s);
  return http_precondition(changetype<Validator>(V), changetype<HttpReq>(R), place());
}

function if_range(s: string): bool {
  request(s);
  return http_if_range(changetype<Validator>(V), changetype<HttpReq>(R), place());
}

describe("If-None-Match", () => {
  it("is 304 on a match, weakly compared, in any list", () => {
    expect(cond("If-None-Match: \"abc\"\r\n")).toBe(304);
    expect(cond("If-None-Match: W/\"abc\"\r\n")).toBe(304);
    expect(cond("If-None-Match: *\r\n")).toBe(304);
    expect(cond("If-None-Match: \"x\" , W/\"y,z\",\"abc\"\r\n")).toBe(304);
    expect(cond("If-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\nX: y\r\nIf-None-Match: \"abc\"\r\n")).toBe(304);
  });
  it("lets through what does not match, whatever the dates say", () => {
    expect(cond("If-None-Match: \"x\"\r\n")).toBe(0);
    expect(cond("If-None-Match: \"ABC\"\r\n")).toBe(0);
    expect(cond("If-None-Match: abc\r\n")).toBe(0);
    expect(cond("If-None-Match: \"abc\r\n")).toBe(0);
    expect(cond("If-None-Match: \"x\"\r\nIf-Modified-Since: " + AFTER)).toBe(0);
    expect(cond("If-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\n")).toBe(0);
  });
});

describe("If-Modified-Since", () => {
  it("is 304 when nothing changed since", () => {
    expect(cond("If-Modified-Since: " + SAME)).toBe(304);
    expect(cond("If-Modified-Since: " + AFTER)).toBe(304);
    expect(cond("If-Modified-Since: " + BEFORE)).toBe(0);
  });
  it("is ignored when it is no date or comes twice", () => {
    expect(cond("If-Modified-Since: yesterday\r\n")).toBe(0);
    expect(cond("If-Modified-Since: " + SAME + "If-Modified-Since: " + SAME)).toBe(0);
  });
});

describe("If-Match and If-Unmodified-Since", () => {
  it("are 412 when the state is another", () => {
    expect(cond("If-Match: \"abc\"\r\n")).toBe(0);
    expect(cond("If-Match: *\r\n")).toBe(0);
    expect(cond("If-Match: \"x\", \"abc\"\r\n")).toBe(0);
    expect(cond("If-Match: \"x\"\r\n")).toBe(412);
    expect(cond("If-Match: W/\"abc\"\r\n")).toBe(412);
    expect(cond("If-Unmodified-Since: " + BEFORE)).toBe(412);
    expect(cond("If-Unmodified-Since: " + SAME)).toBe(0);
    expect(cond("If-Unmodified-Since: rubbish\r\n")).toBe(0);
  });
  it("come before If-None-Match; If-Match before the date", () => {
    expect(cond("If-None-Match: \"abc\"\r\nIf-Match: \"x\"\r\n")).toBe(412);
    expect(cond("If-None-Match: \"abc\"\r\nIf-Match: \"abc\"\r\n")).toBe(304);
    expect(cond("If-Match: \"abc\"\r\nIf-Unmodified-Since: " + BEFORE)).toBe(0);
  });
});

describe("If-Range", () => {
  it("lets Range count for our tag, strongly, or our date, exactly", () => {
    expect(if_range("")).toBe(true);
    expect(if_range("If-Range: \"abc\"\r\n")).toBe(true);
    expect(if_range("If-Range: W/\"abc\"\r\n")).toBe(false);
    expect(if_range("If-Range: \"x\"\r\n")).toBe(false);
    expect(if_range("If-Range: " + SAME)).toBe(true);
    expect(if_range("If-Range: " + AFTER)).toBe(false);
    expect(if_range("If-Range: " + BEFORE)).toBe(false);
    expect(if_range("If-Range: *\r\n")).toBe(false);
  });
  it("does not trust a date of this very second", () => {
    request("If-Range: " + SAME);
    changetype<Validator>(V).v_now = MTIME;
    expect(http_if_range(changetype<Validator>(V), changetype<HttpReq>(R), place())).toBe(false);
  });
});
