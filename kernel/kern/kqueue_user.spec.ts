/**
 * EVFILT_USER and NOTE_FF*, kqueues that watch kqueues, and how the owner of a queue hears of events:
 * the soft interrupt of an app, the counter of the host.
 */
import { EBADF, EINVAL, ELOOP } from "../abi/errno";
import { EV_ADD, EV_CLEAR, EV_DELETE, EV_DISABLE, EV_DISPATCH, EV_ENABLE, EV_ONESHOT, EVFILT_READ, EVFILT_USER,
  EVFILT_WRITE, KE_IDENT_SHUTDOWN, NOTE_FFAND, NOTE_FFCOPY, NOTE_FFNOP, NOTE_FFOR, NOTE_TRIGGER } from "../abi/event";
import { RING_HOSTKQ } from "../abi/rump";
import { SYS_kqueue_host } from "../abi/syscall";
import { spec_buf, spec_file, spec_kern_boot } from "./kern_spec_boot";
import { kqueue_broadcast, kqueue_notify } from "./kqueue";
import { change, ev_data, ev_fflags, ev_flags, ev_ident, ev_udata, kq_close, kq_open, poll } from "./kqueue_spec_sys";
import { rump_ring } from "./exports";
import { softint_pending, softint_run } from "./softint";
import { syscall } from "./syscall";
import { sys_close, sys_read, sys_write } from "./usyscall";

spec_kern_boot();

let kq: i32 = 0;

describe("EVFILT_USER", () => {
  beforeEach(() => { kq = kq_open(); });
  afterEach(() => { kq_close(kq); });

  it("waits for its trigger", () => {
    expect(change(kq, 5, EVFILT_USER, EV_ADD, 0, 0, 50)).toBe(0);
    expect(poll(kq)).toBe(0);
    expect(change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER)).toBe(0);
    expect(poll(kq)).toBe(1);
    expect(ev_ident(0)).toBe(5);
    expect(ev_udata(0)).toBe(50);
    expect(poll(kq)).toBe(1, "and stays triggered");
  });

  it("may be triggered as it is added", () => {
    change(kq, 5, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER | 0x12);
    expect(poll(kq)).toBe(1);
    expect(ev_fflags(0)).toBe(0x12);
    expect(poll(kq)).toBe(0);
  });

  it("with EV_CLEAR is triggered anew each time", () => {
    change(kq, 5, EVFILT_USER, EV_ADD | EV_CLEAR);
    for (let i = 0; i < 3; i++) {
      change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER);
      change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER);
      expect(poll(kq)).toBe(1);
      expect(poll(kq)).toBe(0);
    }
  });

  it("with EV_CLEAR and EV_DISPATCH is both", () => {
    change(kq, 5, EVFILT_USER, EV_ADD | EV_CLEAR | EV_DISPATCH);
    change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER);
    expect(poll(kq)).toBe(1);
    expect(ev_flags(0)).toBe(EV_CLEAR | EV_DISPATCH);
    change(kq, 5, EVFILT_USER, EV_ENABLE);
    expect(poll(kq)).toBe(0, "the trigger was cleared");
    change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER);
    expect(poll(kq)).toBe(1, "enabled");
    change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER);
    expect(poll(kq)).toBe(0, "disabled by the delivery");
  });

  it("triggered while disabled is ready when enabled", () => {
    change(kq, 5, EVFILT_USER, EV_ADD | EV_DISABLE);
    change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER);
    expect(poll(kq)).toBe(0);
    change(kq, 5, EVFILT_USER, EV_ENABLE);
    expect(poll(kq)).toBe(1);
  });

  it("combines fflags as NOTE_FF* says", () => {
    change(kq, 5, EVFILT_USER, EV_ADD, NOTE_TRIGGER | 0x00f0f0);
    change(kq, 5, EVFILT_USER, 0, NOTE_FFNOP | 0xffffff);
    poll(kq);
    expect(ev_fflags(0)).toBe(0x00f0f0);
    change(kq, 5, EVFILT_USER, 0, NOTE_FFOR | 0x00000f);
    poll(kq);
    expect(ev_fflags(0)).toBe(0x00f0ff);
    change(kq, 5, EVFILT_USER, 0, NOTE_FFAND | 0xff00ff);
    poll(kq);
    expect(ev_fflags(0)).toBe(0x0000ff);
    change(kq, 5, EVFILT_USER, 0, NOTE_FFCOPY | 0x123456);
    poll(kq);
    expect(ev_fflags(0)).toBe(0x123456);
    change(kq, 5, EVFILT_USER, 0, NOTE_FFCOPY | 0xff000000);
    poll(kq);
    expect(ev_fflags(0)).toBe(0, "24 bits are the caller's");
  });

  it("hands on the data of the last change", () => {
    change(kq, 5, EVFILT_USER, EV_ADD, 0, 3);
    change(kq, 5, EVFILT_USER, 0, NOTE_TRIGGER, -1234567890123);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(-1234567890123);
  });

  it("is one for each ident, and apart from timers", () => {
    for (let i = 0; i < 40; i++) change(kq, i, EVFILT_USER, EV_ADD | EV_ONESHOT);
    for (let i = 39; i >= 0; i -= 3) change(kq, i, EVFILT_USER, 0, NOTE_TRIGGER);
    expect(poll(kq)).toBe(14);
    for (let i = 0; i < 14; i++) expect(ev_ident(i)).toBe(39 - 3 * i, "in the order in which they were triggered");
  });

  it("of the shutdown ident is triggered on every kqueue that has it", () => {
    const other = kq_open();
    const deaf = kq_open();
    change(kq, KE_IDENT_SHUTDOWN, EVFILT_USER, EV_ADD | EV_ONESHOT);
    change(other, KE_IDENT_SHUTDOWN, EVFILT_USER, EV_ADD | EV_ONESHOT);
    change(deaf, 1, EVFILT_USER, EV_ADD);
    kqueue_broadcast(KE_IDENT_SHUTDOWN);
    expect(poll(kq)).toBe(1);
    expect(poll(other)).toBe(1);
    expect(poll(deaf)).toBe(0);
    kq_close(deaf);
    kq_close(other);
  });
});

describe("a kqueue on a kqueue", () => {
  it("is readable while something is pending", () => {
    const outer = kq_open();
    const inner = kq_open();
    const fd = spec_file();
    change(outer, inner, EVFILT_READ, EV_ADD, 0, 0, 9);
    expect(poll(outer)).toBe(0);
    change(inner, fd, EVFILT_READ, EV_ADD | EV_CLEAR);
    sys_write(fd, spec_buf, 1);
    expect(poll(outer)).toBe(1);
    expect(ev_ident(0)).toBe(inner);
    expect(ev_data(0)).toBe(1);
    expect(poll(outer)).toBe(1, "level-triggered");
    expect(poll(inner)).toBe(1);
    expect(poll(outer)).toBe(0);
    sys_write(fd, spec_buf, 1);
    expect(poll(outer)).toBe(1);
    kq_close(inner);
    expect(poll(outer)).toBe(0, "closing it takes its knote along");
    sys_close(fd);
    kq_close(outer);
  });

  it("passes news up through several", () => {
    const kqs: i32[] = [];
    for (let i = 0; i < 30; i++) kqs.push(kq_open());
    for (let i = 1; i < 30; i++) expect(change(kqs[i], kqs[i - 1], EVFILT_READ, EV_ADD | EV_CLEAR)).toBe(0);
    change(kqs[0], 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
    expect(poll(kqs[29])).toBe(1);
    expect(ev_ident(0)).toBe(kqs[28]);
    for (let i = 0; i < 30; i++) kq_close(kqs[i]);
  });

  it("cannot watch itself, directly or through others", () => {
    const a = kq_open();
    const b = kq_open();
    const c = kq_open();
    expect(change(a, a, EVFILT_READ, EV_ADD)).toBe(-EINVAL);
    expect(change(a, b, EVFILT_READ, EV_ADD)).toBe(0);
    expect(change(b, a, EVFILT_READ, EV_ADD)).toBe(-ELOOP);
    expect(change(b, c, EVFILT_READ, EV_ADD)).toBe(0);
    expect(change(a, c, EVFILT_READ, EV_ADD)).toBe(0, "two ways down are no loop");
    expect(change(c, a, EVFILT_READ, EV_ADD)).toBe(-ELOOP);
    change(a, b, EVFILT_READ, EV_DELETE);
    expect(change(b, a, EVFILT_READ, EV_ADD)).toBe(0, "the other way round");
    expect(change(c, b, EVFILT_READ, EV_ADD)).toBe(-ELOOP);
    expect(change(a, b, EVFILT_WRITE, EV_ADD)).toBe(-EINVAL, "nothing can be written to it");
    kq_close(a);
    kq_close(b);
    kq_close(c);
  });
});

let runs: i32 = 0;
/** Events that the app fetches in one run. */
let appetite: i32 = 64;

function app(arg: usize): void {
  runs++;
  poll(<i32>arg, appetite);
}

describe("kqueue_notify", () => {
  it("runs the app when its queue becomes ready, and again while it leaves some", () => {
    const own = kq_open();
    expect(kqueue_notify(spec_file(), app, 0)).toBe(-EBADF);
    expect(kqueue_notify(own, app, own)).toBe(0);
    for (let i = 0; i < 5; i++) change(own, i, EVFILT_USER, EV_ADD | EV_CLEAR);
    expect(softint_pending()).toBe(false);
    appetite = 2;
    runs = 0;
    for (let i = 0; i < 5; i++) change(own, i, EVFILT_USER, 0, NOTE_TRIGGER);
    expect(softint_pending()).toBe(true);
    for (let n = 0; softint_run(1); n++) assert(n < 10, "spec: endless");
    expect(runs).toBe(3, "5 events, 2 at a time");
    expect(softint_pending()).toBe(false);
    change(own, 1, EVFILT_USER, 0, NOTE_TRIGGER);
    poll(own);
    softint_run(10);
    expect(runs).toBe(3, "nothing was left when its turn came");
    kq_close(own);
  });

  it("runs it at once if something was there before", () => {
    const own = kq_open();
    change(own, 1, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER);
    runs = 0;
    kqueue_notify(own, app, own);
    softint_run(10);
    expect(runs).toBe(1);
    kq_close(own);
  });

  it("forgets the app with its kqueue", () => {
    const own = kq_open();
    kqueue_notify(own, app, own);
    change(own, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
    kq_close(own);
    const next = kq_open();
    change(next, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
    runs = 0;
    softint_run(10);
    expect(runs).toBe(0);
    kq_close(next);
  });
});

function flag(): i32 {
  return load<i32>(<usize>rump_ring(RING_HOSTKQ));
}

describe("the host's kqueue", () => {
  it("shows how much is pending in shared memory", () => {
    const host = kq_open();
    const fd = spec_file();
    change(host, fd, EVFILT_READ, EV_ADD | EV_CLEAR);
    sys_write(fd, spec_buf, 1);
    expect(flag()).toBe(0);
    expect(syscall(SYS_kqueue_host, host, 0, 0, 0, 0, 0)).toBe(0);
    expect(flag()).toBe(1, "what was there before");
    change(host, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR);
    expect(flag()).toBe(2);
    poll(host);
    expect(flag()).toBe(0);
    sys_read(fd, spec_buf, 1);
    sys_write(fd, spec_buf, 1);
    expect(flag()).toBe(2);
    sys_close(fd);
    expect(flag()).toBe(0);
    change(host, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
    expect(flag()).toBe(1);
    kq_close(host);
    expect(flag()).toBe(0);
  });

  it("is one: the last that was named", () => {
    const first = kq_open();
    const second = kq_open();
    syscall(SYS_kqueue_host, first, 0, 0, 0, 0, 0);
    syscall(SYS_kqueue_host, second, 0, 0, 0, 0, 0);
    change(first, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
    expect(flag()).toBe(0);
    change(second, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
    expect(flag()).toBe(1);
    kq_close(first);
    expect(flag()).toBe(1);
    kq_close(second);
    expect(flag()).toBe(0);
    expect(syscall(SYS_kqueue_host, 12345, 0, 0, 0, 0, 0)).toBe(-EBADF);
  });
});
