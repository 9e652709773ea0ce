/**
 * The reply is of exactly the size that was asked for, or is refused; the end of a request is found
 * however it is cut.
 */
import { EINVAL } from "../../kernel/abi/errno";
import { reply_put, request_end } from "./replyd_reply";

const ROOM: usize = memory.data(8192);
const GUARD: u8 = 0xa5;

function starts(text: string): bool {
  for (let i = 0; i < text.length; i++) if (<i32>load<u8>(ROOM + i) != text.charCodeAt(i)) return false;
  return true;
}

/** Where the body begins; -1: there is no empty line. */
function head_length(most: i32): i32 {
  for (let i = 0; i + 4 <= most; i++) if (load<u32>(ROOM + i) == 0x0a0d0a0d) return i + 4;
  return -1;
}

/** The request `text`, in two parts cut at `cut`: is its end found? */
function ends(text: string, cut: i32): bool {
  for (let i = 0; i < text.length; i++) store<u8>(ROOM + i, <u8>text.charCodeAt(i));
  const state = request_end(0, ROOM, cut);
  return state < 0 || request_end(state, ROOM + cut, text.length - cut) < 0;
}

describe("the reply", () => {
  it("has a head and a body of exactly the sizes asked for", () => {
    for (let head = 100; head <= 1000; head += 7) {
      memory.fill(ROOM, GUARD, 8192);
      expect(reply_put(ROOM, 403, head, 3931)).toBe(0);
      expect(head_length(8192)).toBe(head);
      expect(load<u8>(ROOM + head + 3930)).not.toBe(GUARD);
      expect(load<u8>(ROOM + head + 3931)).toBe(GUARD, "nothing behind it");
      expect(starts("HTTP/1.1 403 Fixed\r\n")).toBe(true);
    }
  });

  it("needs no padding when the fields are of that length", () => {
    const least = 20 + 16 + 20 + 19 + 2;
    expect(reply_put(ROOM, 200, least, 42)).toBe(0);
    expect(head_length(8192)).toBe(least);
    for (let more = 1; more < 9; more++) expect(reply_put(ROOM, 200, least + more, 42)).toBe(-EINVAL, "no field is so short");
    expect(reply_put(ROOM, 200, least + 9, 42)).toBe(0);
    expect(head_length(8192)).toBe(least + 9);
  });

  it("is refused when there is no such head or status", () => {
    expect(reply_put(ROOM, 403, 0, 10)).toBe(-EINVAL);
    expect(reply_put(ROOM, 403, 70, 10)).toBe(-EINVAL);
    expect(reply_put(ROOM, 99, 198, 10)).toBe(-EINVAL);
    expect(reply_put(ROOM, 600, 198, 10)).toBe(-EINVAL);
    expect(reply_put(ROOM, 403, 198, -1)).toBe(-EINVAL);
  });
});

describe("the request's end", () => {
  it("is its empty line, wherever it is cut", () => {
    const text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (let cut = 0; cut <= text.length; cut++) expect(ends(text, cut)).toBe(true);
    for (let cut = 0; cut < text.length; cut++) {
      expect(ends("GET / HTTP/1.1\nHost: a\n\n", min(cut, 24))).toBe(true, "bare LF");
      expect(ends("GET / HTTP/1.1\r\nHost: a\r\n \r\n", cut)).toBe(false, "a line of a space is not empty");
    }
  });
});
