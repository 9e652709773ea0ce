/**
 * Callouts against the simplest thing that could be right: a table of due ticks, searched in full.
 *
 * Random schedules, stops, re-arms from within callouts and steps of time, with delays of every order
 * of magnitude up to years. After every step: what fired is what was due, in the order of due ticks;
 * the deadline is ahead, not behind the first due tick, and going from deadline to deadline meets that
 * tick exactly, in at most one run a level below the top.
 */
import { Callout, CALLOUT_SIZE, CALLOUT_TICK_US, callout_deadline, callout_init, callout_npending, callout_pending,
  callout_schedule, callout_stop } from "./callout";
import { getmicrouptime } from "./clock";
import { spec_below, spec_buf, spec_callouts_at, spec_kern_boot, spec_rand, spec_srand } from "./kern_spec_boot";

spec_kern_boot();

const N: i32 = 300;
/** The model: the tick at which each is due, -1 for none. */
const due = new StaticArray<i64>(N);
/** Order of scheduling, for what is due in one tick. */
const order = new StaticArray<i64>(N);
let clock: i64 = 0;
let rearms: bool = false;
/** What fired in the present step. */
const hit = new StaticArray<i32>(100000);
const hit_due = new StaticArray<i64>(100000);
let hits: i32 = 0;

function at(i: i32): Callout {
  return changetype<Callout>(spec_buf + <usize>i * CALLOUT_SIZE);
}

function tick_now(): i64 {
  return getmicrouptime() / CALLOUT_TICK_US;
}

/** A delay of any order of magnitude up to 2^`bits` µs. */
function delay_us(bits: u32): i64 {
  const mask = (<i64>1 << (1 + spec_below(bits))) - 1;
  return ((<i64>spec_rand() << 32) | <i64>spec_rand()) & mask;
}

function model_schedule(i: i32, delta: i64, wheel_tick: i64): void {
  const tick = (getmicrouptime() + max<i64>(delta, 1) + CALLOUT_TICK_US - 1) / CALLOUT_TICK_US;
  due[i] = max(tick, wheel_tick + 1);
  order[i] = clock++;
}

function fire(arg: usize): void {
  const i = <i32>arg;
  assert(due[i] >= 0, "fired, but was not armed");
  assert(due[i] <= tick_now(), "fired early");
  hit[hits] = i;
  hit_due[hits++] = due[i];
  due[i] = -1;
  if (!rearms || spec_below(4) != 0) return;
  // The wheel stands at the tick of what fires, which is behind the clock when a run catches up.
  const other = <i32>spec_below(N);
  const delta = delay_us(24);
  model_schedule(other, delta, hit_due[hits - 1]);
  callout_schedule(at(other), delta);
}

function armed(): i32 {
  let n = 0;
  for (let i = 0; i < N; i++) if (due[i] >= 0) n++;
  return n;
}

function first_due(): i64 {
  let first: i64 = -1;
  for (let i = 0; i < N; i++) if (due[i] >= 0 && (first < 0 || due[i] < first)) first = due[i];
  return first;
}

/** Everything that the model knows agrees with the wheel. */
function check_rest(): void {
  const t = tick_now();
  for (let i = 0; i < N; i++) {
    assert((due[i] >= 0) == callout_pending(at(i)), "pending");
    assert(due[i] < 0 || due[i] > t, "overdue after a run");
  }
  assert(callout_npending() == armed(), "npending");
  for (let k = 1; k < hits; k++) assert(hit_due[k] >= hit_due[k - 1], "out of order");
  const deadline = callout_deadline();
  const first = first_due();
  if (first < 0) assert(deadline == -1, "a deadline with nothing pending");
  else assert(deadline > getmicrouptime() && deadline <= first * CALLOUT_TICK_US, "deadline");
}

/** Go from deadline to deadline until the first callout is due; that is met exactly. */
function converge(): i32 {
  const first = first_due();
  if (first < 0) return 0;
  let runs = 0;
  hits = 0;
  // Each slot of the top level that is passed and holds something later costs a run, one in 19 hours.
  const most = 8 + <i32>((first - tick_now()) >> 30);
  while (hits == 0) {
    spec_callouts_at(callout_deadline());
    assert(++runs <= most, "deadlines do not converge");
    assert(hits > 0 || tick_now() < first, "went past what is due");
  }
  assert(getmicrouptime() == first * CALLOUT_TICK_US, "not at the tick");
  return runs;
}

function step(bits: u32): void {
  const what = spec_below(100);
  const i = <i32>spec_below(N);
  hits = 0;
  if (what < 45) {
    const delta = delay_us(bits);
    model_schedule(i, delta, tick_now());
    callout_schedule(at(i), delta);
  } else if (what < 60) {
    assert(callout_stop(at(i)) == (due[i] >= 0), "stop");
    due[i] = -1;
  } else if (what < 90) {
    spec_callouts_at(getmicrouptime() + delay_us(bits - 2));
  } else {
    converge();
  }
  check_rest();
}

function run_model(seed: u32, steps: i32, bits: u32): void {
  spec_srand(seed);
  for (let i = 0; i < N; i++) {
    if (at(i).c_fn == 0) callout_init(at(i), fire, i);
    callout_stop(at(i));
    due[i] = -1;
  }
  for (let k = 0; k < steps; k++) step(bits);
}

describe("callouts against a table", () => {
  it("agrees on short delays", () => {
    rearms = false;
    run_model(1, 4000, 16);
    run_model(2, 4000, 24);
  });

  it("agrees when callouts arm others", () => {
    rearms = true;
    run_model(3, 4000, 20);
    run_model(4, 4000, 26);
  });

  it("agrees on delays to the end of the wheel and years beyond", () => {
    rearms = false;
    run_model(5, 3000, 42);
    run_model(6, 3000, 48);
  });

  it("fires callouts of one tick in an order that only the calls decide", () => {
    rearms = false;
    run_model(7, 10, 16);
    for (let i = 0; i < N; i++) {
      model_schedule(i, 640000, tick_now());
      callout_schedule(at(i), 640000);
    }
    hits = 0;
    spec_callouts_at(getmicrouptime() + 1000000);
    expect(hits).toBe(N);
    for (let i = 0; i < N; i++) expect(hit[i]).toBe(i);
  });
});
