/**
 * Bodies: counted and chunked, cut at every octet, and the limits on what is read to be thrown away.
 */
import { HttpBody, http_body_done, http_body_feed, http_body_init } from "./http_body";
import { place, put, put_many } from "./http_spec_text";

const B: usize = memory.data(64);

function body(): HttpBody {
  return changetype<HttpBody>(B);
}

/** Feed `s` as a chunked body in pieces of `step`: octets taken when it ends, 0 if it does not, or an error. */
function chunked(s: string, step: i32, limit: i64): i32 {
  const n = put(s);
  http_body_init(body(), 0, true, limit);
  let at = 0;
  while (at < n) {
    const e = http_body_feed(body(), place() + at, min(step, n - at));
    if (e < 0) return e;
    at += e;
    if (http_body_done(body())) return at;
  }
  return 0;
}

function whole(s: string, status: i32): void {
  for (let step = 1; step <= s.length; step++) expect(chunked(s, step, 10000)).toBe(status, s);
}

describe("a counted body", () => {
  it("takes exactly its octets", () => {
    put_many(0, "x", 100);
    expect(http_body_init(body(), 10, false, 100)).toBe(0);
    expect(http_body_feed(body(), place(), 4)).toBe(4);
    expect(http_body_done(body())).toBe(false);
    expect(http_body_feed(body(), place(), 100)).toBe(6);
    expect(http_body_done(body())).toBe(true);
    expect(http_body_feed(body(), place(), 100)).toBe(0);
  });
  it("of no octets is done at once, of too many refused at once", () => {
    http_body_init(body(), 0, false, 100);
    expect(http_body_done(body())).toBe(true);
    expect(http_body_init(body(), 100, false, 100)).toBe(0);
    expect(http_body_init(body(), 101, false, 100)).toBe(-413);
  });
});

describe("a chunked body", () => {
  it("ends where its last chunk and trailers end", () => {
    whole("0\r\n\r\n", 5);
    whole("5\r\nhello\r\n0\r\n\r\n", 15);
    whole("A\r\n0123456789\r\n000\r\n\r\n", 22);
    whole("1;a=b;c=\"d\"\r\nx\r\n0;e\r\n\r\n", 23);
    whole("1\r\nx\r\n0\r\nX: y\r\nZ:\r\n\r\n", 21);
    expect(chunked("2\r\nab\r\n0\r\n\r\nGET / HTTP/1.1\r\n", 100, 1000)).toBe(12);
  });
  it("is refused when its framing is broken", () => {
    whole("\r\n", -400);
    whole("x\r\n", -400);
    whole(" 5\r\n", -400);
    whole("5 \r\nhello", -400);
    whole("0x5\r\nhello", -400);
    whole("-1\r\n", -400);
    whole("5\nhello\n", -400);
    whole("5\rhello", -400);
    whole("5\r\nhello0\r\n", -400);
    whole("5\r\nhello\n0\r\n", -400);
    whole("5;a\nb", -400);
    whole("5;a\x00\r\n", -400);
    whole("0\r\n\n", -400);
    whole("0\r\n X: folded\r\n", -400);
    whole("0\r\nX: a\nY: b", -400);
    whole("100000000\r\n", -413);
    whole("000000005\r\n", -413);
  });
  it("counts all its octets against the limit", () => {
    expect(chunked("5\r\nhello\r\n0\r\n\r\n", 3, 15)).toBe(15);
    expect(chunked("5\r\nhello\r\n0\r\n\r\n", 3, 14)).toBe(-413);
    expect(chunked("1;aaaaaaaaaaaaaaaaaaaaaaaaa", 1, 20)).toBe(-413);
    expect(chunked("0\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaa", 1, 20)).toBe(-413);
  });
});
