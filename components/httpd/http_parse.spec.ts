/**
 * The parser of request heads: what is taken, what is refused and with which status, and that the
 * result does not depend on how the octets arrive.
 */
import { find_lf, http_parse } from "./http_parse";
import * as q from "./http_req";
import { HTTPREQ_SIZE, HttpReq, http_has, http_persistent, http_req_init, http_value_len, http_value_off } from "./http_req";
import { place, put, put_at, put_many, spells } from "./http_spec_text";

const R: usize = memory.data(256);

function req(): HttpReq {
  assert(HTTPREQ_SIZE <= 256, "spec: room");
  return changetype<HttpReq>(R);
}

/** Parse `s` in one piece. */
function parse(s: string): i32 {
  const n = put(s);
  http_req_init(req());
  return http_parse(req(), place(), n);
}

/** Parse `s` one octet at a time: the first answer that is not "more". */
function drip(s: string): i32 {
  const n = put(s);
  http_req_init(req());
  for (let i = 1; i <= n; i++) {
    const e = http_parse(req(), place(), i);
    if (e != 0) return e;
  }
  return 0;
}

/** Both ways must agree, but that dripping may stop at the earliest octet that is wrong. */
function refused(s: string, status: i32): void {
  expect(parse(s)).toBe(-status, s);
  expect(drip(s)).toBe(-status, s);
}

function accepted(s: string): void {
  expect(parse(s)).toBe(s.length, s);
  expect(drip(s)).toBe(s.length, s);
}

function field_is(id: i32, s: string): bool {
  return http_has(req(), id) && spells(place() + http_value_off(req(), id), http_value_len(req(), id), s);
}

const H: string = "Host: h\r\n";

describe("find_lf", () => {
  it("finds the first LF at every distance", () => {
    for (let n = 0; n < 40; n++) {
      put("........................................\n\n");
      put_at(n, "\n");
      expect(find_lf(place(), 0, 41)).toBe(n);
      expect(find_lf(place(), 0, n)).toBe(n);
    }
  });
});

describe("request line", () => {
  it("reads method, target and version", () => {
    accepted("GET /a/b?c=d HTTP/1.1\r\n" + H + "\r\n");
    expect(req().hr_method).toBe(q.M_GET);
    expect(req().hr_minor).toBe(1);
    expect(spells(place() + req().hr_target, req().hr_targetlen, "/a/b?c=d")).toBe(true);
    expect(spells(place() + req().hr_path, req().hr_pathlen, "/a/b")).toBe(true);
    expect(spells(place() + req().hr_line, req().hr_linelen, "GET /a/b?c=d HTTP/1.1")).toBe(true);
  });
  it("knows the methods of RFC 9110, with their case", () => {
    accepted("HEAD / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_HEAD);
    accepted("OPTIONS * HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_OPTIONS);
    accepted("POST / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_POST);
    accepted("PUT / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_PUT);
    accepted("DELETE / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_DELETE);
    accepted("PATCH / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_PATCH);
    accepted("TRACE / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_TRACE);
    accepted("CONNECT h:80 HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_CONNECT);
    accepted("get / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_UNKNOWN);
    accepted("BREW / HTTP/1.0\r\n\r\n");
    expect(req().hr_method).toBe(q.M_UNKNOWN);
  });
  it("takes HTTP/1.x, and answers 505 to another major version", () => {
    accepted("GET / HTTP/1.0\r\n\r\n");
    expect(req().hr_minor).toBe(0);
    accepted("GET / HTTP/1.7\r\n" + H + "\r\n");
    expect(req().hr_minor).toBe(1);
    refused("GET / HTTP/2.0\r\n\r\n", 505);
    refused("GET / HTTP/0.9\r\n\r\n", 505);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
  });
  it("refuses what is no request line", () => {
    refused("GET /\r\n", 400);
    refused("GET / HTTP/1.1 \r\n", 400);
    refused("GET  / HTTP/1.1\r\n", 400);
    refused("GET /  HTTP/1.1\r\n", 400);
    refused("GET / a HTTP/1.1\r\n", 400);
    refused("GET /\tHTTP/1.1\r\n", 400);
    refused("GET\t/ HTTP/1.1\r\n", 400);
    refused(" GET / HTTP/1.1\r\n", 400);
    refused("GET / http/1.1\r\n", 400);
    refused("GET / HTTP/1.1x\r\n", 400);
    refused("GET / HTTP/11\r\n\r\n", 400);
    refused("GET / HTTP/1,1\r\n", 400);
    refused("GET a HTTP/1.1\r\n", 400);
    refused("G(T / HTTP/1.1\r\n", 400);
    refused("GET * HTTP/1.1\r\n", 400);
    refused("GET /\x00 HTTP/1.1\r\n", 400);
    refused("GET /a\rb HTTP/1.1\r\n", 400);
    refused("GET /\xe9 HTTP/1.1\r\n", 400);
    refused("GET /#f HTTP/1.1\r\n", 400);
    refused("GET /\\ HTTP/1.1\r\n", 400);
    refused("\x16\x03\x01\x02", 400);
  });
  it("skips a few empty lines before it, not many", () => {
    accepted("\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    refused("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n", 400);
    refused("\nGET / HTTP/1.0\r\n\r\n", 400);
  });
});

describe("targets", () => {
  it("takes absolute-form, with the path behind the authority", () => {
    accepted("GET http://h:80/x?y HTTP/1.1\r\nHost: other\r\n\r\n");
    expect(req().hr_form).toBe(q.FORM_ABSOLUTE);
    expect(spells(place() + req().hr_path, req().hr_pathlen, "/x")).toBe(true);
    accepted("GET HTTPS://[::1]:8080 HTTP/1.1\r\nHost: other\r\n\r\n");
    expect(req().hr_pathlen).toBe(0);
    expect(req().hr_flags & q.HR_PATH_ODD).toBe(q.HR_PATH_ODD);
  });
  it("refuses authorities that are none", () => {
    refused("GET http:///x HTTP/1.0\r\n\r\n", 400);
    refused("GET http://u@h/x HTTP/1.0\r\n\r\n", 400);
    refused("GET ftp://h/x HTTP/1.0\r\n\r\n", 400);
    refused("GET http://h:70000/ HTTP/1.0\r\n\r\n", 400);
    refused("CONNECT /x HTTP/1.0\r\n\r\n", 400);
  });
  it("marks the paths that need decoding", () => {
    accepted("GET /a.b/c-d?%20//. HTTP/1.0\r\n\r\n");
    expect(req().hr_flags & q.HR_PATH_ODD).toBe(0);
    accepted("GET /a%20 HTTP/1.0\r\n\r\n");
    expect(req().hr_flags & q.HR_PATH_ODD).toBe(q.HR_PATH_ODD);
    accepted("GET //a HTTP/1.0\r\n\r\n");
    expect(req().hr_flags & q.HR_PATH_ODD).toBe(q.HR_PATH_ODD);
    accepted("GET /a/.b HTTP/1.0\r\n\r\n");
    expect(req().hr_flags & q.HR_PATH_ODD).toBe(q.HR_PATH_ODD);
  });
});

describe("field lines", () => {
  it("trims white space around values and ignores the case of names", () => {
    accepted("GET / HTTP/1.1\r\nhOsT:\t h:81 \t\r\nRANGE:bytes=0-1\r\n\r\n");
    expect(field_is(q.F_HOST, "h:81")).toBe(true);
    expect(field_is(q.F_RANGE, "bytes=0-1")).toBe(true);
  });
  it("takes empty values and obs-text", () => {
    accepted("GET / HTTP/1.1\r\nHost:\r\nX: \xff\xfe caf\xe9\tok\r\n\r\n");
  });
  it("refuses folding, white space before the colon, bare CR and LF, NUL and other controls", () => {
    refused("GET / HTTP/1.1\r\n" + H + " folded\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n X: y\r\n" + H + "\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost\t: h\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "X: a\rb\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "X: a\nY: b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\n" + H + "\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "X: a\x00b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "X: aaaaaaaaaaaaaaa\x7f\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "X: aaaaaaaa\x01aaaaaaaaaaa\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "X\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + ": x\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "X@: y\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "\r\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + "\n", 400);
  });
  it("wants one valid Host in HTTP/1.1", () => {
    refused("GET / HTTP/1.1\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\n" + H + H + "\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: h:x\r\n\r\n", 400);
    refused("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    accepted("GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n");
    accepted("GET / HTTP/1.1\r\nHost: a%20b\r\n\r\n");
    refused("GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400);
  });
});

describe("framing", () => {
  it("reads Content-Length", () => {
    accepted("POST / HTTP/1.1\r\n" + H + "Content-Length: 0012\r\n\r\n");
    expect(req().hr_length).toBe(12);
  });
  it("refuses every other Content-Length", () => {
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: 1, 1\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: +1\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: -1\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: 0x1\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: 1 1\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length:\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: 9999999999999999999\r\n\r\n", 413);
  });
  it("takes chunked alone, and nothing that could be read in two ways", () => {
    accepted("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: Chunked\r\n\r\n");
    expect(req().hr_flags & q.HR_CHUNKED).toBe(q.HR_CHUNKED);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refused("POST / HTTP/1.0\r\n" + H + "Transfer-Encoding: chunked\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: chunked, identity\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: xchunked\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: , chunked\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: \"chunked\"\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: chunked x\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding:\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding:\x0bchunked\r\n\r\n", 400);
    refused("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501);
  });
});

describe("the connection", () => {
  it("persists in HTTP/1.1 unless closed, in HTTP/1.0 only if asked", () => {
    accepted("GET / HTTP/1.1\r\n" + H + "\r\n");
    expect(http_persistent(req())).toBe(true);
    accepted("GET / HTTP/1.1\r\n" + H + "Connection: foo , CLOSE\r\n\r\n");
    expect(http_persistent(req())).toBe(false);
    accepted("GET / HTTP/1.0\r\n\r\n");
    expect(http_persistent(req())).toBe(false);
    accepted("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    expect(http_persistent(req())).toBe(true);
    accepted("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n");
    expect(http_persistent(req())).toBe(false);
  });
  it("knows 100-continue and refuses other expectations", () => {
    accepted("POST / HTTP/1.1\r\n" + H + "Expect: 100-Continue\r\n\r\n");
    expect(req().hr_flags & (q.HR_EXPECT_100 | q.HR_EXPECT_BAD)).toBe(q.HR_EXPECT_100);
    accepted("POST / HTTP/1.1\r\n" + H + "Expect: a-miracle\r\n\r\n");
    expect(req().hr_flags & q.HR_EXPECT_BAD).toBe(q.HR_EXPECT_BAD);
    accepted("POST / HTTP/1.0\r\nExpect: a-miracle\r\n\r\n");
    expect(req().hr_flags & (q.HR_EXPECT_100 | q.HR_EXPECT_BAD)).toBe(0);
  });
});

describe("limits", () => {
  it("takes a request line of 8000 octets and answers 414 beyond", () => {
    let n = put("GET /");
    n = put_many(n, "a", 8000 - 14);
    n += put_at(n, " HTTP/1.0\r\n\r\n");
    http_req_init(req());
    expect(http_parse(req(), place(), n)).toBe(n);
    n = put("GET /");
    n = put_many(n, "a", 8001 - 14);
    n += put_at(n, " HTTP/1.0\r\n\r\n");
    http_req_init(req());
    expect(http_parse(req(), place(), n)).toBe(-414);
    http_req_init(req());
    expect(http_parse(req(), place(), 7999)).toBe(0);
    expect(http_parse(req(), place(), 8001)).toBe(-414);
  });
  it("answers 431 to a head over 8 KiB or of over 100 fields", () => {
    let n = put("GET / HTTP/1.0\r\n");
    n = put_many(n, "X-0123456789: 0123456789\r\n", 320);
    http_req_init(req());
    expect(http_parse(req(), place(), 8192)).toBe(-431);
    n = put("GET / HTTP/1.0\r\n");
    n = put_many(n, "X: 0\r\n", 100);
    n += put_at(n, "\r\n");
    http_req_init(req());
    expect(http_parse(req(), place(), n)).toBe(n);
    n = put("GET / HTTP/1.0\r\n");
    n = put_many(n, "X: 0\r\n", 101);
    http_req_init(req());
    expect(http_parse(req(), place(), n)).toBe(-431);
  });
  it("answers 501 to a method that does not end", () => {
    const n = put_many(0, "A", 40);
    http_req_init(req());
    expect(http_parse(req(), place(), n)).toBe(-501);
  });
  it("stops at the end of the head and leaves what follows", () => {
    const s = "GET / HTTP/1.0\r\n\r\n";
    expect(parse(s + "GET /next HTTP/1.1\r\n")).toBe(s.length);
  });
});
