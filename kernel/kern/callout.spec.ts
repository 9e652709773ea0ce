/**
 * Callouts one at a time: never early, at the exact tick, in order, re-armed and stopped at every
 * moment there is, through every level of the wheel, and on both sides of where it comes round.
 */
import { Callout, CALLOUT_SIZE, CALLOUT_TICK_US, callout_deadline, callout_init, callout_npending, callout_pending,
  callout_schedule, callout_stop } from "./callout";
import { getmicrouptime } from "./clock";
import { spec_buf, spec_callouts_at, spec_kern_boot } from "./kern_spec_boot";

spec_kern_boot();

/** What fired, in order, and when. */
let fired: i32[] = [];
let times: i64[] = [];

function at(i: i32): Callout {
  return changetype<Callout>(spec_buf + <usize>i * CALLOUT_SIZE);
}

function note(arg: usize): void {
  fired.push(<i32>arg);
  times.push(getmicrouptime());
}

/** Callout `i`, set up on first use. */
function c(i: i32): Callout {
  if (at(i).c_fn == 0) callout_init(at(i), note, i);
  return at(i);
}

/** The uptime, which only grows: specs take their times from it. */
function now(): i64 {
  return getmicrouptime();
}

/** Go from deadline to deadline until something fires; the uptime then, or -1 if nothing is pending. */
function next_fire(): i64 {
  const n = fired.length;
  for (let i = 0; fired.length == n; i++) {
    const due = callout_deadline();
    if (due < 0) return -1;
    assert(due > now(), "a deadline that has passed");
    assert(i < 1200, "deadlines that lead nowhere");
    spec_callouts_at(due);
  }
  return now();
}

function round_up(us: i64): i64 {
  return (us + CALLOUT_TICK_US - 1) / CALLOUT_TICK_US * CALLOUT_TICK_US;
}

describe("callout", () => {
  beforeEach(() => {
    for (let i = 0; i < 100; i++) callout_stop(at(i));
    assert(callout_npending() == 0, "left over");
    fired = [];
    times = [];
  });

  it("fires once, at the first tick that is not early", () => {
    const t = now();
    callout_schedule(c(1), 1000);
    expect(callout_pending(c(1))).toBe(true);
    expect(callout_npending()).toBe(1);
    const due = round_up(t + 1000);
    spec_callouts_at(due - 1);
    expect(fired.length).toBe(0, "not early");
    spec_callouts_at(due);
    expect(fired.length).toBe(1);
    expect(callout_pending(c(1))).toBe(false);
    spec_callouts_at(due + 1000000);
    expect(fired.length).toBe(1, "once");
    expect(callout_deadline()).toBe(-1);
  });

  it("takes anything below one tick for one tick, and never fires in the present one", () => {
    spec_callouts_at(round_up(now()) + 10);
    callout_schedule(c(1), 0);
    callout_schedule(c(2), -5);
    callout_schedule(c(3), 1);
    callout_schedule(c(4), i64.MIN_VALUE);
    spec_callouts_at(now());
    expect(fired.length).toBe(0);
    spec_callouts_at(round_up(now()));
    expect(fired).toStrictEqual([1, 2, 3, 4]);
  });

  it("fires in the order of time, those of one tick in the order of scheduling", () => {
    callout_schedule(c(5), 90000);
    callout_schedule(c(1), 10000);
    callout_schedule(c(2), 500);
    callout_schedule(c(3), 10000);
    callout_schedule(c(4), 10000);
    callout_stop(c(3));
    spec_callouts_at(now() + 200000);
    expect(fired).toStrictEqual([2, 1, 4, 5]);
  });

  it("is moved by a second schedule, both ways", () => {
    callout_schedule(c(1), 1000);
    callout_schedule(c(2), 100000);
    callout_schedule(c(1), 50000);
    callout_schedule(c(2), 3000);
    expect(callout_npending()).toBe(2);
    spec_callouts_at(now() + 10000);
    expect(fired).toStrictEqual([2]);
    spec_callouts_at(now() + 50000);
    expect(fired).toStrictEqual([2, 1]);
  });

  it("says whether a stop was in time", () => {
    callout_schedule(c(1), 1000);
    expect(callout_stop(c(1))).toBe(true);
    expect(callout_stop(c(1))).toBe(false);
    expect(callout_deadline()).toBe(-1);
    spec_callouts_at(now() + 100000);
    expect(fired.length).toBe(0);
  });

  it("catches up with a time that jumped over many", () => {
    for (let i = 0; i < 60; i++) callout_schedule(c(i), <i64>(60 - i) * 7777);
    spec_callouts_at(now() + 100000000);
    expect(fired.length).toBe(60);
    for (let i = 0; i < 60; i++) expect(fired[i]).toBe(59 - i);
  });

  it("cannot be set up while it is pending, nor scheduled without a function", () => {
    callout_schedule(c(1), 1000);
    expect(() => { callout_init(at(1), note, 9); }).toThrow();
    expect(() => { callout_schedule(at(99), 1000); }).toThrow();
  });
});

function stop_next(arg: usize): void {
  note(arg);
  callout_stop(at(<i32>arg + 1));
}

function rearm(arg: usize): void {
  note(arg);
  callout_schedule(at(<i32>arg), 640);
}

function arm_zero(arg: usize): void {
  note(arg);
  callout_schedule(at(<i32>arg), 0);
}

describe("a callout that fires", () => {
  beforeEach(() => {
    for (let i = 0; i < 100; i++) callout_stop(at(i));
    fired = [];
    times = [];
  });

  it("may stop others of the same tick and of later ones", () => {
    callout_init(at(10), stop_next, 10);
    callout_init(at(12), stop_next, 12);
    callout_schedule(at(10), 1000);
    callout_schedule(c(11), 1000);
    callout_schedule(at(12), 1000);
    callout_schedule(c(13), 5000);
    spec_callouts_at(now() + 10000);
    expect(fired).toStrictEqual([10, 12]);
    expect(callout_npending()).toBe(0);
  });

  it("may arm itself again, once a run at the most", () => {
    callout_init(at(20), rearm, 20);
    callout_schedule(at(20), 640);
    const t = now();
    spec_callouts_at(t + 6400000);
    expect(fired.length).toBe(1, "the delay counts from the time of the run");
    expect(callout_pending(at(20))).toBe(true);
    expect(callout_deadline()).toBeGreaterThan(now());
    spec_callouts_at(now() + 704);
    expect(fired.length).toBe(2);
  });

  it("cannot hold up the run that it fires in", () => {
    callout_init(at(21), arm_zero, 21);
    callout_schedule(at(21), 0);
    for (let i = 1; i <= 50; i++) {
      spec_callouts_at(now() + CALLOUT_TICK_US);
      expect(fired.length).toBe(i);
    }
  });
});

describe("the wheel", () => {
  beforeEach(() => {
    for (let i = 0; i < 100; i++) callout_stop(at(i));
    fired = [];
    times = [];
  });

  it("cascades through every level to the exact tick", () => {
    // 2^6 ticks is the reach of level 0, 2^12 of level 1 … 2^36 of the wheel.
    for (let bits = 0; bits < 36; bits++) {
      for (let k = -1; k <= 1; k++) {
        const delay = ((<i64>1 << <i64>bits) + k) * CALLOUT_TICK_US + 17;
        if (delay <= 0) continue;
        const due = round_up(now() + delay);
        callout_schedule(c(30), delay);
        expect(next_fire()).toBe(due, `2^${bits} + ${k} ticks`);
      }
    }
  });

  it("is idle between: at most one deadline a level", () => {
    spec_callouts_at(((now() >> 42) + 1) << 42);
    callout_schedule(c(30), (<i64>1 << 42) - (<i64>1 << 36) - 1);
    let runs = 0;
    for (; fired.length == 0; runs++) spec_callouts_at(callout_deadline());
    expect(runs).toBeLessThan(7);
  });

  it("goes on where it comes round, after 50 days and again after 100", () => {
    for (let round = 0; round < 2; round++) {
      const edge = ((now() >> 42) + 1) << 42;
      spec_callouts_at(edge - 1000000);
      callout_schedule(c(41), 2000000);
      callout_schedule(c(42), 500000);
      callout_schedule(c(43), 3600000000);
      callout_schedule(c(44), 86400000000 * 30);
      fired = [];
      expect(next_fire()).toBe(round_up(edge - 500000));
      expect(next_fire()).toBe(round_up(edge + 1000000));
      expect(next_fire()).toBe(round_up(edge - 1000000 + 3600000000));
      expect(next_fire()).toBe(round_up(edge - 1000000 + 86400000000 * 30));
      expect(fired).toStrictEqual([42, 41, 43, 44]);
    }
  });

  it("holds delays beyond its reach to the exact tick", () => {
    const t = now();
    callout_schedule(c(50), 86400000000 * 365);
    callout_schedule(c(51), 86400000000 * 49);
    callout_schedule(c(52), 86400000000 * 51);
    callout_schedule(c(53), 86400000000 * 10);
    expect(next_fire()).toBe(round_up(t + 86400000000 * 10));
    expect(next_fire()).toBe(round_up(t + 86400000000 * 49));
    expect(next_fire()).toBe(round_up(t + 86400000000 * 51));
    expect(next_fire()).toBe(round_up(t + 86400000000 * 365));
    expect(fired).toStrictEqual([53, 51, 52, 50]);
  });

  it("takes the longest delay there is", () => {
    callout_schedule(c(50), i64.MAX_VALUE);
    expect(callout_deadline()).toBeGreaterThan(now());
    expect(callout_stop(c(50))).toBe(true);
  });
});
