/**
 * Media types by suffix (RFC 9110 §8.3; the types are IANA's).
 *
 * The table is one piece of text, a line for each type: the type, a bar, its suffixes each with
 * a space before it. It is searched when a file enters the cache, so linear is good enough
 * (about 1 µs), and it reads like the mime.types of other servers. Text is UTF-8.
 */
// prettier-ignore
const TYPES: string = `text/html; charset=utf-8 | html htm
text/css; charset=utf-8 | css
text/javascript; charset=utf-8 | js mjs
text/plain; charset=utf-8 | txt text log conf ini
text/markdown; charset=utf-8 | md markdown
text/csv; charset=utf-8 | csv
text/xml; charset=utf-8 | xml xsl
text/vtt; charset=utf-8 | vtt
text/calendar; charset=utf-8 | ics
application/json | json map
application/ld+json | jsonld
application/manifest+json | webmanifest
application/wasm | wasm
application/pdf | pdf
application/xhtml+xml | xhtml
application/atom+xml | atom
application/rss+xml | rss
application/rtf | rtf
application/zip | zip
application/gzip | gz tgz
application/x-bzip2 | bz2
application/x-xz | xz
application/zstd | zst
application/x-tar | tar
application/x-7z-compressed | 7z
application/epub+zip | epub
application/yaml | yaml yml
application/toml | toml
application/vnd.tcpdump.pcap | pcap
image/png | png
image/jpeg | jpg jpeg
image/gif | gif
image/webp | webp
image/avif | avif
image/apng | apng
image/svg+xml | svg
image/x-icon | ico
image/bmp | bmp
image/tiff | tif tiff
audio/mpeg | mp3
audio/mp4 | m4a
audio/ogg | oga ogg opus
audio/wav | wav
audio/flac | flac
video/mp4 | mp4 m4v
video/webm | webm
video/ogg | ogv
video/quicktime | mov
font/woff2 | woff2
font/woff | woff
font/ttf | ttf
font/otf | otf
`;

const DEFAULT_TYPE: string = "application/octet-stream";
const SUFFIX_MAX: i32 = 12;

/** Offset of the suffix, without its dot, in the last segment of path `p` of `n` octets; `n` if it has none. */
function suffix_of(p: usize, n: i32): i32 {
  let i = n;
  while (i > 0) {
    const c = load<u8>(p + i - 1);
    if (c == 47) return n;
    if (c == 46) return i;
    i--;
  }
  return n;
}

/** Does the suffix of `n` octets at `p` stand at place `i` of the table, as a word of its own? */
function suffix_at(i: i32, p: usize, n: i32): bool {
  if (TYPES.charCodeAt(i) != 32 || i + n + 1 >= TYPES.length) return false;
  for (let j = 0; j < n; j++) {
    let c = <i32>load<u8>(p + j);
    if (c >= 65 && c <= 90) c |= 0x20;
    // A space or a line end in a name must not match those of the table.
    if (c <= 32 || c != TYPES.charCodeAt(i + 1 + j)) return false;
  }
  return TYPES.charCodeAt(i + 1 + n) <= 32;
}

/** Write the media type of the file named by `n` octets at `p` to `at`, not beyond `end`; the place after. */
export function mime_put(at: usize, end: usize, p: usize, n: i32): usize {
  const from = suffix_of(p, n);
  const len = n - from;
  if (len > 0 && len <= SUFFIX_MAX) {
    let line = 0;
    let suffixes = false;
    for (let i = 0; i < TYPES.length; i++) {
      const c = TYPES.charCodeAt(i);
      if (c == 10) {
        line = i + 1;
        suffixes = false;
      } else if (c == 124) {
        suffixes = true;
      } else if (suffixes && suffix_at(i, p + from, len)) {
        return type_put(at, end, line);
      }
    }
  }
  for (let i = 0; i < DEFAULT_TYPE.length && at < end; i++) store<u8>(at++, <u8>DEFAULT_TYPE.charCodeAt(i));
  return at;
}

function type_put(at: usize, end: usize, line: i32): usize {
  for (let i = line; TYPES.charCodeAt(i + 1) != 124 && at < end; i++) store<u8>(at++, <u8>TYPES.charCodeAt(i));
  return at;
}
