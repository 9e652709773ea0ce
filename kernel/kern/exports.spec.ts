/**
 * The image as the host sees it: runs and their deadlines, interrupts, bounded work, system calls about
 * time and parameters, and the orderly end.
 */
import { EFAULT, EINVAL, ENOENT } from "../abi/errno";
import { EV_ADD, EV_ONESHOT, EVFILT_USER, KE_IDENT_SHUTDOWN } from "../abi/event";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, INTR_BIO, RUMP_ABI, RUMP_HOSTBUF_SIZE } from "../abi/rump";
import { SYS_clock_gettime, SYS_getparam } from "../abi/syscall";
import { Callout, callout_init, callout_schedule } from "./callout";
import { getmicrotime, getmicrouptime } from "./clock";
import * as x from "./exports";
import { intr_establish } from "./intr";
import { BOOT_US, spec_buf, spec_kern_boot, spec_run_at } from "./kern_spec_boot";
import { change, kq_open, poll } from "./kqueue_spec_sys";
import { getparam, getparam_int, getparam_ptr, param_count } from "./rumpuser";
import { app_done, app_register, kern_exit, kern_exit_status, kern_exited, kern_shutdown } from "./shutdown";
import { softint_establish, softint_schedule } from "./softint";
import { syscall } from "./syscall";

describe("before rump_init", () => {
  it("nothing is there, and nothing breaks", () => {
    expect(x.rump_abi()).toBe(RUMP_ABI);
    expect(x.rump_run(1)).toBe(-1);
    expect(x.rump_syscall(3, 0, 0, 0, 0, 0, 0)).toBeLessThan(0);
    x.rump_intr(0);
    x.rump_clock(1);
    x.rump_shutdown();
    expect(x.rump_pending()).toBe(0);
    expect(x.rump_hostbuf()).toBe(0);
    expect(x.rump_ring(0)).toBe(0);
    spec_kern_boot();
    expect(kern_exited()).toBe(false);
  });
});

let runs: i32 = 0;
let busy: i32 = -1;

function count(arg: usize): void {
  runs++;
}

function spin(arg: usize): void {
  runs++;
  softint_schedule(busy);
}

function clock_gettime(which: i32): i64 {
  assert(syscall(SYS_clock_gettime, which, <i32>spec_buf, 0, 0, 0, 0) == 0, "spec: clock_gettime");
  return load<i64>(spec_buf);
}

describe("rump_run", () => {
  it("answers with the next deadline on the host's clock", () => {
    expect(spec_run_at(0)).toBe(-1);
    const c = changetype<Callout>(spec_buf + 1024);
    callout_init(c, count, 0);
    callout_schedule(c, 640);
    expect(x.rump_run(<f64>BOOT_US)).toBe(<f64>(BOOT_US + 640));
    expect(spec_run_at(639)).toBe(640);
    expect(runs).toBe(0);
    expect(spec_run_at(640)).toBe(-1);
    expect(runs).toBe(1);
  });

  it("does not let time go back", () => {
    spec_run_at(5000);
    spec_run_at(1000);
    expect(getmicrouptime()).toBe(5000);
    x.rump_run(-1e300);
    expect(getmicrouptime()).toBe(5000);
  });

  it("does what an interrupt asked for, and no more than its share", () => {
    intr_establish(INTR_BIO, count, 0);
    runs = 0;
    x.rump_intr(INTR_BIO);
    x.rump_intr(INTR_BIO);
    expect(runs).toBe(0);
    expect(x.rump_pending()).toBe(1);
    spec_run_at(5001);
    expect(runs).toBe(1);
    expect(x.rump_pending()).toBe(0);
    busy = softint_establish(spin, 0);
    softint_schedule(busy);
    runs = 0;
    expect(spec_run_at(5002)).toBe(5002, "now: work is left");
    expect(runs).toBeGreaterThan(0);
    expect(runs).toBeLessThan(1000);
    busy = 0;
    while (x.rump_pending()) spec_run_at(5003);
  });

  it("looks at the host's wall clock once a minute", () => {
    // The mocked wall clock stands still; ours runs on in between.
    const wall = getmicrotime();
    spec_run_at(getmicrouptime() + 59000000);
    expect(getmicrotime()).toBe(wall + 59000000);
    spec_run_at(getmicrouptime() + 2000000);
    expect(getmicrotime()).toBe(1577880000000000);
  });

  it("counts the timers of a system call from the time it was told before it", () => {
    const rest = getmicrouptime() + 600000;
    x.rump_clock(<f64>(BOOT_US + rest));
    expect(getmicrouptime()).toBe(rest);
    x.rump_clock(<f64>BOOT_US);
    expect(getmicrouptime()).toBe(rest, "not back");
    const c = changetype<Callout>(spec_buf + 1024);
    callout_schedule(c, 100000);
    runs = 0;
    expect(spec_run_at(rest + 1)).toBeGreaterThan(rest + 90000);
    expect(runs).toBe(0, "not from the run before");
    spec_run_at(rest + 100064);
    expect(runs).toBe(1);
  });
});

describe("system calls about time and parameters", () => {
  it("clock_gettime", () => {
    spec_run_at(200000000);
    expect(clock_gettime(CLOCK_MONOTONIC)).toBe(getmicrouptime());
    expect(clock_gettime(CLOCK_REALTIME)).toBe(getmicrotime());
    expect(syscall(SYS_clock_gettime, 7, <i32>spec_buf, 0, 0, 0, 0)).toBe(-EINVAL);
    expect(syscall(SYS_clock_gettime, 0, -4, 0, 0, 0, 0)).toBe(-EFAULT);
  });

  it("getparam, where there are none", () => {
    const b = <i32>spec_buf;
    expect(param_count()).toBe(0);
    expect(getparam_ptr("X")).toBe(0);
    expect(getparam("X", spec_buf, 10)).toBe(-ENOENT);
    expect(getparam_int("X", 5)).toBe(5);
    expect(syscall(SYS_getparam, b, 3, b, 10, 0, 0)).toBe(-ENOENT);
    expect(syscall(SYS_getparam, b, -3, b, 10, 0, 0)).toBe(-EFAULT);
    expect(syscall(SYS_getparam, -8, 3, b, 10, 0, 0)).toBe(-EFAULT);
    expect(syscall(SYS_getparam, b, 3, -8, 10, 0, 0)).toBe(-EFAULT);
  });

  it("go through the same dispatcher as those of apps", () => {
    expect(x.rump_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, <i32>spec_buf, 0, 0, 0, 0)).toBe(0);
    expect(x.rump_hostbuf() % 4096).toBe(0);
    expect(<i64>x.rump_hostbuf() + RUMP_HOSTBUF_SIZE).toBeLessThan(<i64>memory.size() << 16);
  });
});

describe("shutdown", () => {
  it("tells the apps, and ends when the last has drained", () => {
    const kq = kq_open();
    change(kq, KE_IDENT_SHUTDOWN, EVFILT_USER, EV_ADD | EV_ONESHOT);
    app_register();
    app_register();
    kern_shutdown();
    kern_shutdown();
    expect(poll(kq)).toBe(1);
    app_done();
    expect(kern_exited()).toBe(false);
    app_done();
    expect(kern_exited()).toBe(true);
    expect(kern_exit_status()).toBe(0);
    kern_exit(3);
    expect(kern_exit_status()).toBe(0, "the first status counts");
    expect(() => { app_done(); }).toThrow("more than were registered");
  });
});
