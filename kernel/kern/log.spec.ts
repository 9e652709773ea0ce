/**
 * The log: records put together of their parts, levels, a message buffer that keeps the last of them.
 */
import { LOG_DEBUG, LOG_EMERG, LOG_ERR, LOG_INFO, LOG_WARNING } from "../abi/rump";
import { KERN_MSGBUFSIZE } from "rump/tunables";
import { spec_buf, spec_kern_boot } from "./kern_spec_boot";
import { kput_str } from "./kstring";
import { log_begin, log_bytes, log_cstr, log_enabled, log_end, log_ether, log_hex, log_int, log_ipv4, log_level_ptr,
  log_msgbuf, log_str } from "./log";

spec_kern_boot();

const OUT: usize = 32768;

/** The last `n` bytes of the message buffer. */
function msgbuf(n: i32): string {
  const k = log_msgbuf(spec_buf + OUT, n, 0, 0);
  return String.UTF8.decodeUnsafe(spec_buf + OUT, k);
}

/** The last line. */
function last(): string {
  const all = msgbuf(2048);
  assert(all.endsWith("\n"), "a record ends its line");
  return all.substring(all.lastIndexOf("\n", all.length - 2) + 1, all.length - 1);
}

describe("a record", () => {
  it("is its tag and its parts", () => {
    log_begin(LOG_INFO, "arp");
    log_str("who is ");
    log_ipv4(0x0200a8c0);
    log_str(" tell ");
    store<u64>(spec_buf, 0x0001fedcba98000a);
    log_ether(spec_buf);
    log_str(", ");
    log_int(-42);
    log_str(" times 0x");
    log_hex(0xbeef, 8);
    log_end();
    expect(last()).toBe("arp: who is 192.168.0.2 tell 0a:00:98:ba:dc:fe, -42 times 0x0000beef");
  });

  it("takes bytes and NUL-terminated names", () => {
    kput_str(spec_buf, spec_buf + 64, "abcdef");
    store<u8>(spec_buf + 4, 0);
    log_begin(LOG_ERR, "x");
    log_bytes(spec_buf, 2);
    log_cstr(spec_buf);
    log_end();
    expect(last()).toBe("x: ababcd");
  });

  it("is cut at its longest, not written beyond", () => {
    log_begin(LOG_INFO, "long");
    for (let i = 0; i < 300; i++) log_str("0123456789");
    log_int(i64.MIN_VALUE);
    log_cstr(spec_buf);
    log_end();
    expect(last().length).toBe(1024);
    log_begin(LOG_INFO, "next");
    log_end();
    expect(last()).toBe("next: ");
  });
});

describe("a level", () => {
  it("above the limit is dropped, the parts with it", () => {
    const limit = log_level_ptr();
    store<i32>(limit, LOG_WARNING);
    expect(log_enabled(LOG_WARNING)).toBe(true);
    expect(log_enabled(LOG_INFO)).toBe(false);
    log_begin(LOG_WARNING, "kept");
    log_end();
    log_begin(LOG_INFO, "dropped");
    log_str("never seen");
    log_int(1);
    log_hex(1, 2);
    log_ipv4(1);
    log_ether(spec_buf);
    log_bytes(spec_buf, 3);
    log_cstr(spec_buf);
    log_end();
    expect(last()).toBe("kept: ");
    store<i32>(limit, LOG_DEBUG);
    log_begin(LOG_DEBUG, "debug");
    log_end();
    expect(last()).toBe("debug: ");
    store<i32>(limit, LOG_INFO);
    log_begin(LOG_EMERG, "always");
    log_end();
    expect(last()).toBe("always: ");
  });

  it("that was dropped leaves nothing open", () => {
    log_begin(LOG_DEBUG, "no");
    log_end();
    log_end();
    expect(last()).toBe("always: ");
  });
});

describe("the message buffer", () => {
  it("keeps the last bytes, oldest first, when it has wrapped around", () => {
    let n = 0;
    for (; n < 3000; n++) {
      log_begin(LOG_INFO, "n");
      log_int(n);
      log_end();
    }
    const all = log_msgbuf(spec_buf + OUT, 32768, 0, 0);
    expect(all).toBe(KERN_MSGBUFSIZE);
    const text = String.UTF8.decodeUnsafe(spec_buf + OUT, all);
    expect(text.endsWith("n: 2998\nn: 2999\n")).toBe(true);
    expect(text.includes("n: 2000\n")).toBe(true);
    expect(text.includes("n: 1\n")).toBe(false, "the first ones have gone");
    // Every line but the first is whole and follows its neighbour.
    const lines = text.split("\n");
    for (let i = 2; i < lines.length - 1; i++) {
      assert(I32.parseInt(lines[i].substring(3)) == I32.parseInt(lines[1].substring(3)) + i - 1, lines[i]);
    }
  });

  it("gives its end to a buffer that is too small", () => {
    expect(msgbuf(8)).toBe("n: 2999\n");
    expect(msgbuf(0)).toBe("");
  });
});
