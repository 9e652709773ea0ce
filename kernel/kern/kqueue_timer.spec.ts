/**
 * EVFILT_TIMER: units, one-shot and periodic timers, how often one expired, changes of a running one,
 * and periods that cannot be.
 */
import { EINVAL } from "../abi/errno";
import { EV_ADD, EV_CLEAR, EV_DELETE, EV_DISABLE, EV_DISPATCH, EV_ENABLE, EV_ONESHOT, EVFILT_TIMER, NOTE_MSECONDS,
  NOTE_NSECONDS, NOTE_SECONDS, NOTE_USECONDS } from "../abi/event";
import { CALLOUT_TICK_US, callout_npending } from "./callout";
import { getmicrouptime } from "./clock";
import { spec_kern_boot, spec_run_at } from "./kern_spec_boot";
import { change, ev_data, ev_flags, ev_ident, ev_udata, kq_close, kq_open, poll } from "./kqueue_spec_sys";

spec_kern_boot();

let kq: i32 = 0;
/** The uptime at which a spec began: a whole number of ticks. */
let t0: i64 = 0;

function pass(us: i64): void {
  spec_run_at(t0 + us);
}

/** The delay after which a one-shot timer of `data` in `unit` fires, µs: the deadlines lead there. */
function fires_after(data: i64, unit: i32): i64 {
  const from = getmicrouptime();
  assert(change(kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, unit, data) == 0, "spec: add");
  for (let i = 0; i < 100; i++) {
    const at = spec_run_at(getmicrouptime());
    if (at < 0) break;
    spec_run_at(at);
    if (poll(kq) == 1) return getmicrouptime() - from;
  }
  assert(false, "spec: the timer never fires");
  return -1;
}

/** `us` on the next tick. */
function ticks(us: i64): i64 {
  return (us + CALLOUT_TICK_US - 1) / CALLOUT_TICK_US * CALLOUT_TICK_US;
}

function set_up(): void {
  kq = kq_open();
  t0 = ticks(getmicrouptime() + 1);
  spec_run_at(t0);
}

function tear_down(): void {
  kq_close(kq);
  assert(callout_npending() == 0, "a callout is left");
}

describe("a timer's unit", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("is milliseconds if none is given", () => {
    expect(fires_after(50, 0)).toBe(ticks(50000));
    expect(fires_after(1, NOTE_MSECONDS)).toBe(ticks(1000));
  });

  it("may be seconds, microseconds or nanoseconds", () => {
    expect(fires_after(3, NOTE_SECONDS)).toBe(ticks(3000000));
    expect(fires_after(777, NOTE_USECONDS)).toBe(ticks(777));
    expect(fires_after(5000000, NOTE_NSECONDS)).toBe(ticks(5000));
    expect(fires_after(640001, NOTE_NSECONDS)).toBe(ticks(641), "rounded up, never early");
  });

  it("may name long times in small units", () => {
    expect(fires_after(3600 * 1000000, NOTE_USECONDS)).toBe(ticks(3600000000));
    expect(fires_after(60 * 1000000000, NOTE_NSECONDS)).toBe(ticks(60000000));
    expect(fires_after(86400 * 100, NOTE_SECONDS)).toBe(ticks(8640000000000));
  });

  it("has a resolution of one tick, which 0 is taken for", () => {
    expect(fires_after(0, 0)).toBe(CALLOUT_TICK_US);
    expect(fires_after(1, NOTE_NSECONDS)).toBe(CALLOUT_TICK_US);
    expect(fires_after(1, NOTE_USECONDS)).toBe(CALLOUT_TICK_US);
  });

  it("does not stretch a period beyond what there is", () => {
    expect(change(kq, 1, EVFILT_TIMER, EV_ADD, 0, -1)).toBe(-EINVAL);
    expect(change(kq, 1, EVFILT_TIMER, EV_ADD, 0, i64.MIN_VALUE)).toBe(-EINVAL);
    expect(change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, i64.MAX_VALUE)).toBe(-EINVAL);
    expect(change(kq, 1, EVFILT_TIMER, EV_ADD, 0, i64.MAX_VALUE)).toBe(-EINVAL);
    expect(change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_NSECONDS, i64.MAX_VALUE)).toBe(0, "292 years");
    expect(poll(kq)).toBe(0);
  });
});

describe("a one-shot timer", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("fires once and is gone", () => {
    change(kq, 7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 10, 70);
    pass(9999);
    expect(poll(kq)).toBe(0);
    pass(10048);
    expect(poll(kq)).toBe(1);
    expect(ev_ident(0)).toBe(7);
    expect(ev_udata(0)).toBe(70);
    expect(ev_data(0)).toBe(1);
    pass(100000);
    expect(poll(kq)).toBe(0);
    expect(callout_npending()).toBe(0);
  });

  it("counts one, however late it is fetched", () => {
    change(kq, 7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 10);
    pass(1000000);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(1);
  });
});

describe("a periodic timer", () => {
  beforeEach(set_up);
  afterEach(tear_down);

  it("fires every period, without drift", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 10);
    for (let i: i64 = 1; i <= 100; i++) {
      // Each run comes up to 3 ms late; the next period does not begin with it.
      pass(i * 10000 + 64 + (i * 37 % 48) * CALLOUT_TICK_US);
      expect(poll(kq)).toBe(1);
      expect(ev_data(0)).toBe(1);
      expect(ev_flags(0)).toBe(EV_CLEAR);
      expect(poll(kq)).toBe(0);
    }
  });

  it("counts the periods since the last event", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 10);
    pass(10048);
    pass(20032);
    pass(30016);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(3);
    pass(39999);
    expect(poll(kq)).toBe(0);
    pass(40064);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(1);
  });

  it("counts them all when the host was away, in one step", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 10);
    pass(1005000);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(100);
    pass(1010048);
    expect(poll(kq)).toBe(1, "the period under way is not cut short or stretched");
    expect(ev_data(0)).toBe(1);
    pass(10000000000);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(1000000 - 101);
  });

  it("counts while it is disabled", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD | EV_DISABLE, 0, 10);
    pass(55000);
    expect(poll(kq)).toBe(0);
    change(kq, 1, EVFILT_TIMER, EV_ENABLE);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(5);
  });

  it("starts its count again after a delivery with EV_DISPATCH too", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD | EV_DISPATCH, 0, 10);
    pass(25000);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(2);
    pass(45000);
    expect(poll(kq)).toBe(0);
    change(kq, 1, EVFILT_TIMER, EV_ENABLE);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(2);
    change(kq, 1, EVFILT_TIMER, EV_ENABLE);
    expect(poll(kq)).toBe(0, "nothing since");
  });

  it("takes a new period from a second EV_ADD, from then on", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 10);
    pass(10048);
    change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 100);
    expect(poll(kq)).toBe(0, "the count begins anew");
    pass(100000);
    expect(poll(kq)).toBe(0);
    pass(110080);
    expect(poll(kq)).toBe(1);
  });

  it("keeps what it had when the new period cannot be", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 10, 5);
    expect(change(kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, -3, 6)).toBe(-EINVAL);
    pass(25000);
    expect(poll(kq)).toBe(1);
    expect(ev_data(0)).toBe(2);
    expect(ev_udata(0)).toBe(5);
    pass(35000);
    expect(poll(kq)).toBe(1);
  });

  it("ends with EV_DELETE", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 10);
    change(kq, 2, EVFILT_TIMER, EV_ADD, 0, 10);
    pass(15000);
    expect(change(kq, 1, EVFILT_TIMER, EV_DELETE)).toBe(0);
    expect(poll(kq)).toBe(1);
    expect(ev_ident(0)).toBe(2);
    expect(callout_npending()).toBe(1);
  });

  it("of one tick fires in every run and holds up none", () => {
    change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 1);
    for (let i = 1; i <= 20; i++) {
      pass(i * CALLOUT_TICK_US);
      expect(poll(kq)).toBe(1);
      expect(ev_data(0)).toBe(1);
    }
  });
});
