/**
 * Requests and devices: what is refused, the order of completions, long chains of requests, devices that
 * are done later, names and units, and the words of commands. The device is one made for the purpose.
 */
import { BIO_ZERO, DISK_CLOSE, DISK_CTL, DISK_DISCARD, DISK_DONE, DISK_OPEN, DISK_READ, DISK_STATUS, DISK_SYNC, DISK_WRITE } from "../abi/disk";
import { EAGAIN, EBADF, EBUSY, EEXIST, EFAULT, EINPROGRESS, EINVAL, EIO, ENXIO, EROFS } from "../abi/errno";
import { BIO_FLUSH, BIO_READ, BIO_WRITE } from "../abi/rump";
import { SYS_diskctl } from "../abi/syscall";
import { kern_boot_services } from "../kern/init";
import { kmem_boot, kobj } from "../kern/kmem";
import { kstr_eq } from "../kern/kstring";
import { syscall } from "../kern/syscall";
import { Args, ARGS_SIZE, arg_is, arg_key, arg_next, arg_number, arg_value_is, args_init } from "./blkargs";
import { BLKF_RDONLY, Blkdev, blkdev_attach, blkdev_close, blkdev_count, blkdev_detach, blkdev_get, blkdev_init, blkdev_lookup, blkdev_open } from "./blkdev";
import { B_DONE, BUF_SIZE, Buf, bio_complete, bio_prepare, bio_submit } from "./buf";
import { diskctl_init } from "./diskctl";

const PAGES: i32 = 64;
const TEXT: usize = memory.data(256);
const ANSWER: usize = memory.data(1024);
const ARGS: usize = memory.data(64, 8);
const BUFS: usize = memory.data(4 * 80, 8);
const DATA: usize = memory.data(4096, 8);

/** What happened, in order: one digit each. */
let trace: u64 = 0;
let chain_left: i32 = 0;

/** A disk of 64 sectors without contents; done at once, or when it is told to. */
class FakeDev extends Blkdev {
  later: bool;
  held: usize;
  error: i32;

  d_strategy(bp: Buf): void {
    trace = trace * 10 + 1;
    if (this.later) {
      assert(this.held == 0, "spec: one at a time");
      this.held = changetype<usize>(bp);
      return;
    }
    this.finish(bp);
  }
  finish(bp: Buf): void {
    bp.b_error = this.error;
    if (this.error == 0) bp.b_resid = 0;
    bio_complete(bp);
  }
  d_detach(): i32 {
    return 0;
  }
}

/**
 * The device. The spec's garbage collector must not find it, neither in a variable nor on the stack of a
 * test, so tests reach it by these functions alone.
 */
let dev_at: usize = 0;

function dev(): FakeDev {
  return changetype<FakeDev>(dev_at);
}
function set_flags(flags: i32): void {
  dev().d_flags = flags;
}
function inflight(): i32 {
  return dev().d_inflight;
}
function invalid(): u32 {
  return dev().d_invalid;
}
function set_later(later: bool, error: i32): void {
  dev().later = later;
  dev().error = error;
}
function start(bp: Buf): void {
  bio_submit(dev(), bp);
}
/** The device is done with what it holds. */
function finish_held(): void {
  const bp = changetype<Buf>(dev().held);
  dev().held = 0;
  dev().finish(bp);
}
function make_dev(): void {
  dev_at = changetype<usize>(kobj<FakeDev>("fake"));
  dev().d_nsect = 64;
  dev().d_blksize = 512;
}
function attach(name: string): i32 {
  return blkdev_attach(dev(), TEXT, put(name));
}
function device_at(unit: i32): usize {
  return changetype<usize>(blkdev_get(unit));
}

function buf(i: i32): Buf {
  return changetype<Buf>(BUFS + <usize>i * BUF_SIZE);
}

function put(s: string): i32 {
  for (let i = 0; i < s.length; i++) store<u8>(TEXT + i, s.charCodeAt(i));
  return s.length;
}

function note_done(bp: Buf): void {
  trace = trace * 10 + <u64>bp.b_arg;
}

/** Submit another from the callback of each. */
function chain_done(bp: Buf): void {
  if (--chain_left > 0) start(bp);
}

/** Submit two from a callback: they come after it, in order. */
function two_done(bp: Buf): void {
  trace = trace * 10 + 2;
  bio_prepare(buf(1), BIO_FLUSH, 0, 0, 0, 0, note_done.index, 3);
  bio_prepare(buf(2), BIO_FLUSH, 0, 0, 0, 0, note_done.index, 4);
  start(buf(1));
  start(buf(2));
  trace = trace * 10 + 5;
}

/** One request without callback; its error. */
function submit(op: i32, blkno: u64, bytes: u32): i32 {
  const bp = buf(0);
  bio_prepare(bp, op, 0, blkno, DATA, bytes, 0, 0);
  if (op == BIO_ZERO) bp.b_nsect = bytes;
  start(bp);
  assert((bp.b_flags & B_DONE) != 0, "spec: done");
  return bp.b_error;
}

function diskctl(verb: i32, a1: i32 = 0, a2: i32 = 0, a3: i32 = 0, a4: i32 = 0, a5: i32 = 0): i32 {
  return syscall(SYS_diskctl, verb, a1, a2, a3, a4, a5);
}

function command(s: string): i32 {
  return diskctl(DISK_CTL, <i32>TEXT, put(s), <i32>ANSWER, 1024);
}

beforeAll(() => {
  heap.free(heap.alloc(16));
  const page = memory.grow(PAGES);
  kmem_boot(<usize>page << 16, <usize>(page + PAGES) << 16);
  assert(kern_boot_services() == 0, "spec: kernel");
  blkdev_init();
  diskctl_init();
  make_dev();
});

describe("requests", () => {
  it("are checked before the device sees them", () => {
    expect(submit(BIO_READ, 0, 4096)).toBe(0);
    expect(submit(BIO_READ, 60, 2048)).toBe(0);
    expect(submit(BIO_READ, 60, 2560)).toBe(-EINVAL);
    expect(submit(BIO_READ, 0, 100)).toBe(-EINVAL);
    expect(submit(BIO_WRITE, 0xffffffffffffffff, 512)).toBe(-EINVAL);
    expect(submit(BIO_ZERO, 0, 64)).toBe(0);
    expect(submit(BIO_ZERO, 1, 64)).toBe(-EINVAL);
    expect(submit(77, 0, 512)).toBe(-EINVAL);
    set_flags(BLKF_RDONLY);
    expect(submit(BIO_WRITE, 0, 512)).toBe(-EROFS);
    expect(submit(BIO_READ, 0, 512)).toBe(0);
    expect(submit(BIO_FLUSH, 0, 0)).toBe(0);
    set_flags(0);
    expect(invalid()).toBe(6);
    expect(inflight()).toBe(0);
  });
  it("are called back for in the order in which they were done, not from inside a callback", () => {
    trace = 0;
    bio_prepare(buf(0), BIO_FLUSH, 0, 0, 0, 0, two_done.index, 0);
    start(buf(0));
    expect(trace).toBe(1211534);
  });
  it("may follow one another without end", () => {
    chain_left = 200000;
    bio_prepare(buf(0), BIO_READ, 0, 0, DATA, 512, chain_done.index, 0);
    start(buf(0));
    expect(chain_left).toBe(0);
  });
  it("may be done later", () => {
    set_later(true, -EIO);
    trace = 0;
    bio_prepare(buf(0), BIO_READ, 0, 0, DATA, 512, note_done.index, 7);
    start(buf(0));
    expect(buf(0).b_flags & B_DONE).toBe(0);
    expect(inflight()).toBe(1);
    finish_held();
    expect(trace).toBe(17);
    expect(buf(0).b_error).toBe(-EIO);
    expect(buf(0).b_resid).toBe(512);
    expect(inflight()).toBe(0);
    set_later(false, 0);
  });
});

describe("devices", () => {
  it("have names and units", () => {
    const unit = attach("fake0");
    expect(unit).toBe(0);
    expect(attach("fake0")).toBe(-EEXIST);
    expect(attach("a name that is too long")).toBe(-EINVAL);
    expect(attach("")).toBe(-EINVAL);
    expect(blkdev_lookup(TEXT, put("fake0"))).toBe(0);
    expect(blkdev_lookup(TEXT, put("fake1"))).toBe(-ENXIO);
    expect(blkdev_lookup(TEXT, put("fake"))).toBe(-ENXIO);
    expect(device_at(0)).toBe(dev_at);
    expect(device_at(1)).toBe(0);
    expect(device_at(-1)).toBe(0);
    expect(blkdev_count()).toBe(1);
  });
  it("stay while they are used", () => {
    expect(blkdev_open(TEXT, put("fake0"))).toBe(0);
    expect(blkdev_detach(0)).toBe(-EBUSY);
    expect(blkdev_close(0)).toBe(0);
    expect(blkdev_close(0)).toBe(-EINVAL);
    expect(blkdev_detach(0)).toBe(0);
    expect(blkdev_close(0)).toBe(-ENXIO);
    expect(blkdev_count()).toBe(0);
  });
});

describe("diskctl", () => {
  it("carries transfers, also those that are done later", () => {
    expect(attach("fake0")).toBe(0);
    expect(diskctl(DISK_READ, 0, 0, 0, <i32>DATA, 512)).toBe(-EBADF, "not open");
    expect(diskctl(DISK_OPEN, <i32>TEXT, put("fake0"))).toBe(0);
    expect(diskctl(DISK_READ, 0, 0, 0, <i32>DATA, 4096)).toBe(4096);
    expect(diskctl(DISK_WRITE, 0, 64, 0, <i32>DATA, 512)).toBe(-EINVAL);
    expect(diskctl(DISK_READ, 0, 0, 0, -5, 512)).toBe(-EFAULT);
    expect(diskctl(DISK_DISCARD, 0, 0, 0, 64)).toBe(0);
    expect(diskctl(DISK_SYNC, 0)).toBe(0);
    expect(diskctl(DISK_STATUS, 0, 10, 0, 20)).toBe(20);
    expect(diskctl(DISK_DONE, 0)).toBe(-EINVAL);
    set_later(true, 0);
    expect(diskctl(DISK_READ, 0, 0, 0, <i32>DATA, 1024)).toBe(-EINPROGRESS);
    expect(diskctl(DISK_READ, 0, 0, 0, <i32>DATA, 1024)).toBe(-EBUSY);
    expect(diskctl(DISK_DONE, 0)).toBe(-EAGAIN);
    finish_held();
    expect(diskctl(DISK_DONE, 0)).toBe(1024);
    expect(diskctl(DISK_DONE, 0)).toBe(-EINVAL);
    set_later(false, 0);
    expect(diskctl(DISK_CLOSE, 0)).toBe(0);
  });
  it("lists, locks and detaches", () => {
    const n = command("  list ");
    expect(kstr_eq(ANSWER, n, "name=fake0 unit=0 size=32768 blksize=512 locked=0 open=0\n")).toBe(true);
    expect(command("lock fake0")).toBe(0);
    expect(submit(BIO_WRITE, 0, 512)).toBe(-EROFS);
    expect(command("unlock fake0")).toBe(0);
    expect(submit(BIO_WRITE, 0, 512)).toBe(0);
    expect(command("attach fake1 size=1M")).toBe(-ENXIO, "no driver");
    expect(command("wash fake0")).toBe(-EINVAL);
    expect(command("detach fake0")).toBe(0);
    expect(command("list")).toBe(0);
  });
});

/** The value of `word`, as a number. */
function number(word: string): i64 {
  const a = changetype<Args>(ARGS);
  args_init(a, TEXT, put(word));
  assert(arg_next(a) && arg_key(a, "n"), "spec: word");
  return arg_number(a);
}

describe("words", () => {
  it("are taken one by one", () => {
    const a = changetype<Args>(ARGS);
    assert(ARGS_SIZE <= 64, "spec: room");
    args_init(a, TEXT, put("  attach\trd0 size=64M  mode=fast "));
    expect(arg_next(a) && arg_is(a, "attach")).toBe(true);
    expect(arg_next(a) && arg_is(a, "rd0")).toBe(true);
    expect(arg_next(a) && arg_key(a, "size")).toBe(true);
    expect(arg_key(a, "siz") || arg_key(a, "mode")).toBe(false);
    expect(arg_number(a)).toBe(64 << 20);
    expect(arg_next(a) && arg_key(a, "mode") && arg_value_is(a, "fast")).toBe(true);
    expect(arg_number(a)).toBe(-EINVAL);
    expect(arg_next(a)).toBe(false);
  });
  it("are numbers, with a unit or without", () => {
    expect(number("n=0")).toBe(0);
    expect(number("n=512")).toBe(512);
    expect(number("n=3k")).toBe(3072);
    expect(number("n=2T")).toBe(2 << 40);
    expect(number("n=999999999999999")).toBe(999999999999999);
    expect(number("n=9999999999999999")).toBe(-EINVAL);
    expect(number("n=99999999T")).toBe(-EINVAL);
    expect(number("n=M")).toBe(-EINVAL);
    expect(number("n=-1")).toBe(-EINVAL);
    expect(number("n=1M1")).toBe(-EINVAL);
  });
});
