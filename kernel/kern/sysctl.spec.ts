/**
 * sysctl: numbers within their range, strings, quads, functions; the walk over all names; what the
 * kernel tells of itself.
 */
import { EFAULT, EINVAL, ENOENT, EPERM, ERANGE } from "../abi/errno";
import { CTLFLAG_RW, CTLTYPE_FUNC, CTLTYPE_INT, CTLTYPE_QUAD, CTLTYPE_STRING } from "../abi/rump";
import { SYS_sysctlbyname, SYS_sysctlnext } from "../abi/syscall";
import { KERN_MAXSYSCTLS } from "rump/tunables";
import { spec_buf, spec_kern_boot, spec_run_at, spec_stat } from "./kern_spec_boot";
import { kput_str } from "./kstring";
import { kstat_table } from "./kstat";
import { syscall } from "./syscall";
import { sysctl_fn, sysctl_int, sysctl_quad, sysctl_str } from "./sysctl";

spec_kern_boot();

const NAME: usize = 0;
const OLD: usize = 1024;
const NEW: usize = 40000;
/** The values behind the nodes. */
const vars = memory.data(64, 8);

function fn_double(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0) store<i32>(vars + 48, load<i32>(newp));
  if (len < 4) return -ERANGE;
  store<i32>(buf, 2 * load<i32>(vars + 48));
  return 4;
}

sysctl_int("spec.ro", vars, 0);
sysctl_int("spec.rw", vars + 4, CTLFLAG_RW, -5, 10);
sysctl_quad("spec.quad", vars + 8, CTLFLAG_RW);
sysctl_quad("spec.quadro", vars + 8, 0);
sysctl_str("spec.str", vars + 16, 8, CTLFLAG_RW);
sysctl_str("spec.full", vars + 24, 4, 0);
sysctl_fn("spec.fn", fn_double, CTLFLAG_RW);
sysctl_fn("spec.fnro", fn_double, 0);

/** Look `name` up: old value to OLD, `oldlen` bytes of room; `newlen` bytes at NEW set. */
function ctl(name: string, oldlen: i32 = 0, newlen: i32 = 0): i32 {
  const len = <i32>(kput_str(spec_buf + NAME, spec_buf + OLD, name) - spec_buf);
  return syscall(SYS_sysctlbyname, <i32>(spec_buf + NAME), len, <i32>(spec_buf + OLD), oldlen, <i32>(spec_buf + NEW), newlen);
}

function get(name: string): i32 {
  assert(ctl(name, 4) == 4, "spec: get");
  return load<i32>(spec_buf + OLD);
}

function set(name: string, v: i32): i32 {
  store<i32>(spec_buf + NEW, v);
  return ctl(name, 0, 4);
}

function set_text(name: string, s: string): i32 {
  kput_str(spec_buf + NEW, spec_buf + NEW + 64, s);
  return ctl(name, 0, s.length);
}

function text(name: string, room: i32 = 32768): string {
  const n = ctl(name, room);
  return n < 0 ? "error " + (-n).toString() : String.UTF8.decodeUnsafe(spec_buf + OLD, n);
}

describe("an int", () => {
  it("is read, and set within its range", () => {
    store<i32>(vars, 42);
    expect(get("spec.ro")).toBe(42);
    expect(set("spec.rw", 10)).toBe(0);
    expect(get("spec.rw")).toBe(10);
    expect(set("spec.rw", -5)).toBe(0);
    expect(set("spec.rw", 11)).toBe(-ERANGE);
    expect(set("spec.rw", -6)).toBe(-ERANGE);
    expect(set("spec.rw", i32.MIN_VALUE)).toBe(-ERANGE);
    expect(get("spec.rw")).toBe(-5);
  });

  it("is four bytes, no more and no less", () => {
    expect(ctl("spec.rw", 3)).toBe(-ERANGE);
    expect(ctl("spec.rw", 100)).toBe(4);
    expect(ctl("spec.rw", 0, 3)).toBe(-EINVAL);
    expect(ctl("spec.rw", 0, 8)).toBe(-EINVAL);
  });

  it("that is read only stays", () => {
    expect(set("spec.ro", 1)).toBe(-EPERM);
    expect(get("spec.ro")).toBe(42);
  });

  it("gives the old value along with a new one", () => {
    set("spec.rw", 3);
    store<i32>(spec_buf + NEW, 4);
    expect(ctl("spec.rw", 4, 4)).toBe(4);
    expect(load<i32>(spec_buf + OLD)).toBe(3);
    expect(get("spec.rw")).toBe(4);
    store<i32>(spec_buf + NEW, 99);
    expect(ctl("spec.rw", 4, 4)).toBe(-ERANGE);
    expect(get("spec.rw")).toBe(4);
    store<i32>(spec_buf + NEW, 5);
    expect(ctl("spec.rw", 2, 4)).toBe(-ERANGE, "no room for the old one");
    expect(get("spec.rw")).toBe(4);
  });
});

describe("other kinds", () => {
  it("a quad is eight bytes", () => {
    store<i64>(spec_buf + NEW, -0x123456789abcdef);
    expect(ctl("spec.quad", 0, 8)).toBe(0);
    expect(ctl("spec.quad", 8)).toBe(8);
    expect(load<i64>(spec_buf + OLD)).toBe(-0x123456789abcdef);
    expect(ctl("spec.quad", 7)).toBe(-ERANGE);
    expect(ctl("spec.quad", 0, 4)).toBe(-EINVAL);
    expect(ctl("spec.quadro", 0, 8)).toBe(-EPERM);
  });

  it("a string has its length and leaves nothing of the one before", () => {
    expect(set_text("spec.str", "seven77")).toBe(0);
    expect(text("spec.str")).toBe("seven77");
    expect(set_text("spec.str", "eight888")).toBe(-ERANGE, "no room for the NUL");
    expect(text("spec.str")).toBe("seven77");
    expect(set_text("spec.str", "ab")).toBe(0);
    expect(text("spec.str")).toBe("ab");
    expect(load<u8>(vars + 18)).toBe(0);
    expect(load<u8>(vars + 20)).toBe(0);
    expect(text("spec.str", 2)).toBe("ab");
    expect(text("spec.str", 1)).toBe("error " + ERANGE.toString());
  });

  it("a string that fills its room needs no NUL", () => {
    memory.fill(vars + 24, 0x78, 4);
    expect(text("spec.full")).toBe("xxxx");
  });

  it("a function is called with both buffers", () => {
    expect(set("spec.fn", 21)).toBe(-ERANGE, "it says so itself");
    expect(get("spec.fn")).toBe(42);
    expect(ctl("spec.fnro", 4)).toBe(4);
    expect(ctl("spec.fnro", 4, 4)).toBe(-EPERM);
  });
});

describe("a name", () => {
  it("has to be there in full", () => {
    expect(ctl("spec.none", 4)).toBe(-ENOENT);
    expect(ctl("spec.r", 4)).toBe(-ENOENT);
    expect(ctl("spec.ro ", 4)).toBe(-ENOENT);
    expect(ctl("", 4)).toBe(-ENOENT);
  });

  it("and its buffers have to lie in memory", () => {
    const end = <i32>memory.size() << 16;
    const n = <i32>spec_buf;
    expect(syscall(SYS_sysctlbyname, end - 2, 4, n, 4, 0, 0)).toBe(-EFAULT);
    expect(syscall(SYS_sysctlbyname, n, -1, n, 4, 0, 0)).toBe(-EFAULT);
    expect(syscall(SYS_sysctlbyname, n, 4, end - 2, 4, 0, 0)).toBe(-EFAULT);
    expect(syscall(SYS_sysctlbyname, n, 4, n, -4, 0, 0)).toBe(-EFAULT);
    expect(syscall(SYS_sysctlbyname, n, 4, n, 4, -1, 4)).toBe(-EFAULT);
    expect(syscall(SYS_sysctlbyname, n, 4, n, 4, n, i32.MIN_VALUE)).toBe(-EFAULT);
    expect(syscall(SYS_sysctlnext, 0, end, 4, 0, 0, 0)).toBe(-EFAULT);
  });
});

describe("the walk over all names", () => {
  it("gives each with its type, and ends", () => {
    let kinds = "";
    let n = 0;
    for (;; n++) {
      const r = syscall(SYS_sysctlnext, n, <i32>spec_buf, 256, 0, 0, 0);
      if (r == -ENOENT) break;
      assert(r > 0, "sysctlnext");
      const name = String.UTF8.decodeUnsafe(spec_buf, r & 0xffff);
      if (name.startsWith("spec.")) kinds += name + "=" + (r >> 16).toString() + " ";
    }
    const rw = CTLFLAG_RW;
    expect(kinds).toBe("spec.ro=" + CTLTYPE_INT.toString() + " spec.rw=" + (CTLTYPE_INT | rw).toString()
      + " spec.quad=" + (CTLTYPE_QUAD | rw).toString() + " spec.quadro=" + CTLTYPE_QUAD.toString()
      + " spec.str=" + (CTLTYPE_STRING | rw).toString() + " spec.full=" + CTLTYPE_STRING.toString()
      + " spec.fn=" + (CTLTYPE_FUNC | rw).toString() + " spec.fnro=" + CTLTYPE_FUNC.toString() + " ");
    expect(syscall(SYS_sysctlnext, n + 1, <i32>spec_buf, 256, 0, 0, 0)).toBe(-ENOENT);
    expect(syscall(SYS_sysctlnext, -1, <i32>spec_buf, 256, 0, 0, 0)).toBe(-ENOENT);
    expect(syscall(SYS_sysctlnext, 0, <i32>spec_buf, 3, 0, 0, 0)).toBe(-ERANGE);
    expect(syscall(SYS_sysctlnext, 0, <i32>spec_buf, -3, 0, 0, 0)).toBe(-EFAULT);
  });

  it("has room for KERN_MAXSYSCTLS", () => {
    let n = 0;
    while (syscall(SYS_sysctlnext, n, <i32>spec_buf, 256, 0, 0, 0) > 0) n++;
    for (; n < KERN_MAXSYSCTLS; n++) sysctl_int("spec.more", vars, 0);
    expect(() => { sysctl_int("spec.toomany", vars, 0); }).toThrow();
  });
});

describe("what the kernel tells of itself", () => {
  it("kern.stat: time, memory, files, callouts", () => {
    spec_run_at(5000000);
    const n = ctl("kern.stat", 4096);
    expect(spec_stat(spec_buf + OLD, n, "uptime_us")).toBe(5000000);
    expect(spec_stat(spec_buf + OLD, n, "time_us")).toBe(1577880005000000);
    expect(spec_stat(spec_buf + OLD, n, "files")).toBe(0);
    expect(spec_stat(spec_buf + OLD, n, "kmem_used")).toBeGreaterThan(300000);
    expect(spec_stat(spec_buf + OLD, n, "kmem_total")).toBeGreaterThan(8000000);
    expect(ctl("kern.stat", n)).toBe(-ERANGE, "a table is never cut");
    expect(ctl("kern.stat", 0)).toBe(-ERANGE);
  });

  it("kern.pools and kern.kmem: one line an object", () => {
    const pools = text("kern.pools").split("\n");
    let found = false;
    for (let i = 0; i < pools.length; i++) if (pools[i].startsWith("spec.files ") && pools[i].endsWith(" 64 0 0 0 0 0")) found = true;
    expect(found).toBe(true, "name size max inuse hiwat fail gets puts");
    expect(text("kern.kmem").includes("\nhostbuf 262144\n")).toBe(true);
    expect(text("kern.kmem", 100)).toBe("error " + ERANGE.toString());
  });

  it("kstat_table puts names and counters together", () => {
    store<u64>(vars, 7);
    store<u64>(vars + 8, u64.MAX_VALUE);
    const n = kstat_table(spec_buf, 256, "one two", vars, 2);
    expect(String.UTF8.decodeUnsafe(spec_buf, n)).toBe("one 7\ntwo 18446744073709551615\n");
    expect(kstat_table(spec_buf, 20, "one two", vars, 2)).toBe(-ERANGE);
    expect(() => { kstat_table(spec_buf, 256, "one two three", vars, 2); }).toThrow();
  });
});
