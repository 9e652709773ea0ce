/**
 * Paths: decoding, normalising, and that nothing leads out of the root.
 */
import { place, put, spells } from "./http_spec_text";
import { html_escape, http_path, http_path_encode } from "./http_uri";

const OUT: usize = memory.data(1024);

function path_is(s: string, result: string): void {
  const n = put(s);
  const e = http_path(place(), n, OUT, 1000);
  expect(e).toBe(result.length, s);
  expect(spells(OUT, e, result)).toBe(true, s);
}

function path_fails(s: string, status: i32): void {
  const n = put(s);
  expect(http_path(place(), n, OUT, 1000)).toBe(-status, s);
}

describe("http_path", () => {
  it("decodes and normalises", () => {
    path_is("/", "/");
    path_is("", "/");
    path_is("/a/b", "/a/b");
    path_is("/a/b/", "/a/b/");
    path_is("//a///b//", "/a/b/");
    path_is("/a/./b/.", "/a/b/");
    path_is("/a/../b", "/b");
    path_is("/a/b/../../c/", "/c/");
    path_is("/a/b/..", "/a/");
    path_is("/%61%2D%7e/%C3%A9", "/a-~/\xc3\xa9");
    path_is("/a%20b+c", "/a b+c");
    path_is("/a/%2e%2E/b", "/b");
    path_is("/%2e/b", "/b");
    path_is("/%25%32%65", "/%2e");
    path_is("/a;x=1/b", "/a;x=1/b");
  });
  it("never leaves the root", () => {
    path_fails("/..", 400);
    path_fails("/../etc/passwd", 400);
    path_fails("/a/../../etc/passwd", 400);
    path_fails("/%2e%2e/x", 400);
    path_fails("/.%2e/x", 400);
    path_fails("/a/%2e%2e/%2e%2e/x", 400);
    path_fails("/%2e%2e%2fx", 404);
    path_fails("/a%2fb", 404);
    path_fails("/a%2F", 404);
  });
  it("refuses broken encodings and control characters", () => {
    path_fails("/%", 400);
    path_fails("/%4", 400);
    path_fails("/%4/a", 400);
    path_fails("/%g0", 400);
    path_fails("/%0g", 400);
    path_fails("/a%00.html", 400);
    path_fails("/a%0d%0ab", 400);
    path_fails("/%7f", 400);
  });
  it("hides names that start with a dot", () => {
    path_fails("/.git/config", 404);
    path_fails("/a/.htaccess", 404);
    path_fails("/%2egit", 404);
    path_fails("/a/.well-known/x", 404);
    path_fails("/.well-knowN/x", 404);
    path_fails("/...", 404);
    path_is("/.well-known/x", "/.well-known/x");
  });
  it("keeps to the room it has", () => {
    const n = put("/abcd/efgh");
    expect(http_path(place(), n, OUT, 10)).toBe(10);
    expect(http_path(place(), n, OUT, 9)).toBe(-404);
    expect(http_path(place(), 6, OUT, 5)).toBe(-404);
  });
});

describe("http_path_encode", () => {
  it("writes what http_path reads back", () => {
    for (let c = 1; c < 256; c++) {
      if (c < 32 || c == 127 || c == 47 || c == 46) continue;
      store<u8>(place(), 47);
      store<u8>(place() + 1, <u8>c);
      const n = <i32>(http_path_encode(OUT, OUT + 100, place(), 2) - OUT);
      expect(http_path(OUT, n, OUT + 100, 100)).toBe(2);
      expect(load<u8>(OUT + 101)).toBe(<u8>c);
    }
  });
  it("encodes what is not a pchar", () => {
    const n = put("/a b\"<é%");
    const e = http_path_encode(OUT, OUT + 100, place(), n);
    expect(spells(OUT, <i32>(e - OUT), "/a%20b%22%3C%E9%25")).toBe(true);
  });
});

describe("html_escape", () => {
  it("leaves no markup", () => {
    const n = put("a<b>&\"'");
    const e = html_escape(OUT, OUT + 100, place(), n);
    expect(spells(OUT, <i32>(e - OUT), "a&#x3C;b&#x3E;&#x26;&#x22;&#x27;")).toBe(true);
  });
});
