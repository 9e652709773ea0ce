/**
 * Callouts: timers on a hierarchical timing wheel.
 *
 *      level 5 … level 1 │ level 0            a tick is CALLOUT_TICK_US (64 µs);
 *      [64 slots] [64]   │ [64 slots]         6 levels of 64 slots reach 50 days
 *
 * A callout that is due at tick e stands at level (highest bit group of 6 in which e and the present
 * tick differ), slot (that group of e). All slots that are occupied lie ahead of the present tick, so
 * the next thing to happen is in the lowest occupied level, at its lowest set bit: one ctz. The top
 * level is round: it is read from the present slot on, and a callout beyond its reach waits in its
 * farthest slot and is looked at again there. When the time reaches a slot of level 0 its callouts
 * fire; of a higher level, they move down. Schedule and stop are O(1); each callout moves at most five
 * times, and once more for every 48 days. Callouts of one tick fire in the order in which they were
 * scheduled or moved, which depends on nothing but the calls made (determinism).
 */
import { getmicrouptime } from "./clock";
import { kmem_alloc } from "./kmem";

export const CALLOUT_TICK_SHIFT: i64 = 6;
export const CALLOUT_TICK_US: i64 = 64;
const LEVELS: i32 = 6;
/** Bits of the tick below the top level. */
const TOP_SHIFT: i64 = 30;
/** The farthest from the present tick that a callout is put: two slots of the top level less than all. */
const REACH: i64 = 62 << 30;
/** Longest delay, µs: 36000 years, so that the sum with the uptime cannot wrap. */
const DELAY_MAX_US: i64 = 1 << 60;

/** Embed one by `callout_at(ptr)`, or in a structure as CALLOUT_SIZE bytes. Zeroed is valid. */
@unmanaged
export class Callout {
  c_next: Callout;
  c_prev: Callout;
  /** When it is due, µs of uptime. */
  c_time: i64;
  c_fn: i32;
  c_arg: usize;
  /** 0 idle, else 1 + level × 64 + slot; CALLOUT_FIRING while on the list of those about to fire. */
  c_slot: i32;
}

export const CALLOUT_SIZE: usize = 40;
const CALLOUT_FIRING: i32 = 0x7fffffff;

@unmanaged
class Wheel {
  /** The tick up to which everything has happened. */
  now: i64;
  npending: i32;
  nfired: u64;
  firing: Callout;
  firing_last: Callout;
  bits0: u64;
  bits1: u64;
  bits2: u64;
  bits3: u64;
  bits4: u64;
  bits5: u64;
}

let wheel: Wheel = changetype<Wheel>(0);
/** LEVELS × 64 pairs {first, last}. */
let slots: usize = 0;

function bits_at(level: i32): usize {
  return changetype<usize>(wheel) + offsetof<Wheel>("bits0") + (<usize>level << 3);
}

export function callout_boot(): void {
  assert(offsetof<Callout>() <= CALLOUT_SIZE, "CALLOUT_SIZE");
  wheel = changetype<Wheel>(kmem_alloc(offsetof<Wheel>(), 64, "callout"));
  slots = kmem_alloc(<usize>LEVELS * 64 * 8, 64, "callout");
  wheel.now = getmicrouptime() >> CALLOUT_TICK_SHIFT;
}

/** Set what `c` calls. It must not be pending. */
export function callout_init(c: Callout, fn: (arg: usize) => void, arg: usize): void {
  assert(c.c_slot == 0, "callout_init: pending");
  c.c_fn = fn.index;
  c.c_arg = arg;
}

function list_append(head: usize, c: Callout): void {
  const last = changetype<Callout>(load<usize>(head, 4));
  c.c_next = changetype<Callout>(0);
  c.c_prev = last;
  if (last) last.c_next = c;
  else store<usize>(head, changetype<usize>(c));
  store<usize>(head, changetype<usize>(c), 4);
}

function list_remove(head: usize, c: Callout): void {
  if (c.c_prev) c.c_prev.c_next = c.c_next;
  else store<usize>(head, changetype<usize>(c.c_next));
  if (c.c_next) c.c_next.c_prev = c.c_prev;
  else store<usize>(head, changetype<usize>(c.c_prev), 4);
}

function firing_head(): usize {
  return changetype<usize>(wheel) + offsetof<Wheel>("firing");
}

/** Put `c` where its tick belongs, seen from the present one; due ones go on the firing list. */
function wheel_insert(c: Callout): void {
  const tick = (c.c_time + CALLOUT_TICK_US - 1) >> CALLOUT_TICK_SHIFT;
  if (tick <= wheel.now) {
    c.c_slot = CALLOUT_FIRING;
    list_append(firing_head(), c);
    return;
  }
  const at = min(tick, wheel.now + REACH);
  const level = min((63 - <i32>clz<u64>(<u64>(at ^ wheel.now))) / 6, LEVELS - 1);
  const slot = <i32>((at >> (<i64>level * 6)) & 63);
  c.c_slot = 1 + level * 64 + slot;
  list_append(slots + (<usize>(level * 64 + slot) << 3), c);
  const b = bits_at(level);
  store<u64>(b, load<u64>(b) | (<u64>1 << <u64>slot));
}

/** Arm `c` to fire once `delta_us` from now (at least one tick); re-arms one that is pending. */
export function callout_schedule(c: Callout, delta_us: i64): void {
  if (c.c_slot != 0) callout_stop(c);
  assert(c.c_fn != 0, "callout_schedule: no function");
  let d = delta_us < 1 ? 1 : delta_us;
  if (d > DELAY_MAX_US) d = DELAY_MAX_US;
  c.c_time = getmicrouptime() + d;
  // Never this tick: what runs now must not be able to keep the wheel in place.
  const next = (wheel.now + 1) << CALLOUT_TICK_SHIFT;
  if (c.c_time < next) c.c_time = next;
  wheel.npending++;
  wheel_insert(c);
}

/** Disarm; true if it was pending. */
export function callout_stop(c: Callout): bool {
  const at = c.c_slot;
  if (at == 0) return false;
  if (at == CALLOUT_FIRING) {
    list_remove(firing_head(), c);
  } else {
    const head = slots + (<usize>(at - 1) << 3);
    list_remove(head, c);
    if (load<usize>(head) == 0) {
      const b = bits_at((at - 1) >> 6);
      store<u64>(b, load<u64>(b) & ~(<u64>1 << <u64>((at - 1) & 63)));
    }
  }
  c.c_slot = 0;
  wheel.npending--;
  return true;
}

export function callout_pending(c: Callout): bool {
  return c.c_slot != 0;
}

/** Tick of the next slot to be reached, or -1. */
function wheel_next(): i64 {
  for (let level = 0; level < LEVELS - 1; level++) {
    const bits = load<u64>(bits_at(level));
    if (bits == 0) continue;
    const above = <i64>(level + 1) * 6;
    return ((wheel.now >> above) << above) | (<i64>ctz<u64>(bits) << (<i64>level * 6));
  }
  if (wheel.bits5 == 0) return -1;
  const top = wheel.now >> TOP_SHIFT;
  return (top + <i64>ctz<u64>(rotr<u64>(wheel.bits5, <u64>top & 63))) << TOP_SHIFT;
}

/** Empty the slot that wheel_next found: its callouts fire or move down a level. */
function wheel_open(tick: i64): void {
  wheel.now = tick;
  for (let level = 0; level < LEVELS; level++) {
    const b = bits_at(level);
    const bits = load<u64>(b);
    if (bits == 0) continue;
    const slot = <i32>((tick >> (<i64>level * 6)) & 63);
    assert((bits & (<u64>1 << <u64>slot)) != 0, "callout: an empty slot");
    store<u64>(b, bits & ~(<u64>1 << <u64>slot));
    const head = slots + (<usize>(level * 64 + slot) << 3);
    let c = changetype<Callout>(load<usize>(head));
    store<u64>(head, 0);
    while (c) {
      const next = c.c_next;
      wheel_insert(c);
      c = next;
    }
    return;
  }
}

/** Fire everything that is due at the present time (getmicrouptime). */
export function callout_run(): void {
  const target = getmicrouptime() >> CALLOUT_TICK_SHIFT;
  while (true) {
    while (wheel.firing) {
      const c = wheel.firing;
      list_remove(firing_head(), c);
      c.c_slot = 0;
      wheel.npending--;
      wheel.nfired++;
      call_indirect<void>(c.c_fn, c.c_arg);
    }
    const tick = wheel_next();
    if (tick < 0 || tick > target) break;
    wheel_open(tick);
  }
  if (target > wheel.now) wheel.now = target;
}

/** When callout_run should next be called, µs of uptime; -1 if nothing is pending. May be early. */
export function callout_deadline(): i64 {
  const tick = wheel_next();
  return tick < 0 ? -1 : tick << CALLOUT_TICK_SHIFT;
}

export function callout_npending(): i32 {
  return wheel.npending;
}
