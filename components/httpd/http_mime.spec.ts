/**
 * Media types: by the last suffix, without regard to case, octet-stream for what is unknown.
 */
import { mime_put } from "./http_mime";
import { place, put, spells } from "./http_spec_text";

const OUT: usize = memory.data(128);

function type_is(path: string, type: string): void {
  const n = put(path);
  const end = mime_put(OUT, OUT + 128, place(), n);
  expect(spells(OUT, <i32>(end - OUT), type)).toBe(true, path);
}

describe("mime_put", () => {
  it("goes by the last suffix", () => {
    type_is("/index.html", "text/html; charset=utf-8");
    type_is("/INDEX.HTM", "text/html; charset=utf-8");
    type_is("/a.css", "text/css; charset=utf-8");
    type_is("/a.mjs", "text/javascript; charset=utf-8");
    type_is("/a.tar.gz", "application/gzip");
    type_is("/rumpwasm.wasm", "application/wasm");
    type_is("/font.otf", "font/otf");
    type_is("/font.ttf", "font/ttf");
    type_is("/a.b/c.png", "image/png");
    type_is("/x.7z", "application/x-7z-compressed");
  });
  it("answers octet-stream for what it does not know", () => {
    type_is("/", "application/octet-stream");
    type_is("/a", "application/octet-stream");
    type_is("/a.", "application/octet-stream");
    type_is("/a.unknown", "application/octet-stream");
    type_is("/a.html/b", "application/octet-stream");
    type_is("/a.js mjs", "application/octet-stream");
    type_is("/a.html\ntext", "application/octet-stream");
    type_is("/a.|", "application/octet-stream");
    type_is("/a.htmlx", "application/octet-stream");
    type_is("/a.htm.l", "application/octet-stream");
    type_is("/a.averyveryverylongsuffix", "application/octet-stream");
  });
  it("stops where its room ends", () => {
    const n = put("/index.html");
    expect(mime_put(OUT, OUT + 4, place(), n) - OUT).toBe(4);
  });
});
