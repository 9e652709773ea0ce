/**
 * The filters: what it means for a knote to be ready.
 *
 *      READ WRITE VNODE   ask the file (File.fo_kqevent)
 *      TIMER              a callout in the knote; data counts how often it expired
 *      USER               a flag that NOTE_TRIGGER sets
 *
 * filt_event is called both when something happens (knote) and when the event is about to be
 * delivered, so it must be cheap and must not change what it looks at.
 */
import { EINVAL } from "../abi/errno";
import * as ev from "../abi/event";
import { CALLOUT_TICK_US, Callout, callout_init, callout_schedule, callout_stop } from "./callout";
import { getmicrouptime } from "./clock";
import { File } from "./file";
import { Knote, knote_activate } from "./knote";

/** The flags of a change that stay with the knote. */
export const KN_MODES: i32 = ev.EV_ONESHOT | ev.EV_CLEAR | ev.EV_DISPATCH;

/** Does `filter` watch a descriptor? */
export function filt_isfd(filter: i32): bool {
  return filter == ev.EVFILT_READ || filter == ev.EVFILT_WRITE || filter == ev.EVFILT_VNODE || filter == ev.EVFILT_EXCEPT;
}

/** Longest period, µs: 36000 years. */
const TIMER_MAX_US: i64 = 1 << 60;

/** A period of `v` in the unit that `fflags` names, µs, at least one tick; -1 if it is out of range. */
function timer_period_us(v: i64, fflags: i32): i64 {
  if (v < 0) return -1;
  const unit = fflags & 3;
  if (unit == ev.NOTE_NSECONDS) return max(v / 1000 + (v % 1000 != 0 ? 1 : 0), CALLOUT_TICK_US);
  const scale: i64 = unit == ev.NOTE_SECONDS ? 1000000 : unit == ev.NOTE_USECONDS ? 1 : 1000;
  return v > TIMER_MAX_US / scale ? -1 : max(v * scale, CALLOUT_TICK_US);
}

/** Count every period that has gone by, and wait for the end of the one under way: no drift. */
function timer_expire(arg: usize): void {
  const kn = changetype<Knote>(arg);
  kn.kn_data++;
  if ((kn.kn_flags & ev.EV_ONESHOT) == 0) {
    const c = changetype<Callout>(kn.kn_hook);
    const period_us = timer_period_us(kn.kn_sdata, kn.kn_sfflags);
    const late_us = getmicrouptime() - c.c_time;
    kn.kn_data += late_us / period_us;
    callout_schedule(c, period_us - late_us % period_us);
  }
  knote_activate(kn);
}

/** Begin to watch; 0 or -errno (-EINVAL: the file has no such filter). */
export function filt_attach(kn: Knote): i32 {
  if (changetype<usize>(kn.kn_fp) != 0) return kn.kn_fp.fo_kqfilter(kn);
  if (kn.kn_filter == ev.EVFILT_TIMER) {
    const us = timer_period_us(kn.kn_sdata, kn.kn_sfflags);
    if (us < 0) return -EINVAL;
    const c = changetype<Callout>(kn.kn_hook);
    callout_init(c, timer_expire, changetype<usize>(kn));
    callout_schedule(c, us);
    // A timer that repeats delivers edges: the count starts again after each delivery.
    kn.kn_flags |= ev.EV_CLEAR;
    return 0;
  }
  if ((kn.kn_sfflags & ev.NOTE_TRIGGER) != 0) kn.kn_fflags = ev.NOTE_TRIGGER;
  kn.kn_sfflags &= ev.NOTE_FFLAGSMASK & ~ev.NOTE_TRIGGER;
  return 0;
}

/** Stop watching. */
export function filt_detach(kn: Knote): void {
  if (changetype<usize>(kn.kn_fp) != 0) kn.kn_fp.fo_kqdetach(kn);
  else if (kn.kn_filter == ev.EVFILT_TIMER) callout_stop(changetype<Callout>(kn.kn_hook));
}

/** EVFILT_USER: combine the caller's fflags with ours as NOTE_FF* says. */
function user_touch(kn: Knote, fflags: i32): void {
  const bits = fflags & ev.NOTE_FFLAGSMASK & ~ev.NOTE_TRIGGER;
  const ctrl = fflags & ev.NOTE_FFCTRLMASK;
  if (ctrl == ev.NOTE_FFAND) kn.kn_sfflags &= bits;
  else if (ctrl == ev.NOTE_FFOR) kn.kn_sfflags |= bits;
  else if (ctrl == ev.NOTE_FFCOPY) kn.kn_sfflags = bits;
  if ((fflags & ev.NOTE_TRIGGER) != 0) kn.kn_fflags |= ev.NOTE_TRIGGER;
}

/** A change names a knote that exists: take the new udata, flags, period. 0 or -errno. */
export function filt_touch(kn: Knote, ch: usize, flags: i32): i32 {
  const fflags = load<i32>(ch, ev.KE_FFLAGS);
  const data = load<i64>(ch, ev.KE_DATA);
  if (kn.kn_filter == ev.EVFILT_USER) {
    user_touch(kn, fflags);
    kn.kn_sdata = data;
  }
  if ((flags & ev.EV_ADD) == 0) return 0;
  const us = kn.kn_filter == ev.EVFILT_TIMER ? timer_period_us(data, fflags) : 0;
  if (us < 0) return -EINVAL;
  kn.kn_udata = load<u32>(ch, ev.KE_UDATA);
  kn.kn_flags = (kn.kn_flags & ~KN_MODES) | (flags & KN_MODES);
  if (kn.kn_filter == ev.EVFILT_USER) return 0;
  kn.kn_sfflags = fflags;
  kn.kn_sdata = data;
  if (kn.kn_filter != ev.EVFILT_TIMER) return 0;
  kn.kn_flags |= ev.EV_CLEAR;
  kn.kn_data = 0;
  callout_schedule(changetype<Callout>(kn.kn_hook), us);
  return 0;
}

/** Is `kn` ready? */
export function filt_event(kn: Knote, hint: i32): bool {
  if (changetype<usize>(kn.kn_fp) != 0) return kn.kn_fp.fo_kqevent(kn, hint);
  if (kn.kn_filter == ev.EVFILT_TIMER) return kn.kn_data > 0;
  return (kn.kn_fflags & ev.NOTE_TRIGGER) != 0;
}
