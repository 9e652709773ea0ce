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
import { Callout, callout_init, callout_schedule, callout_stop } from "./callout";
import { File } from "./file";
import { Knote, knote_activate } from "./knote";

/** Does `filter` watch a descriptor? */
export function filt_isfd(filter: i32): bool {
  return filter == ev.EVFILT_READ || filter == ev.EVFILT_WRITE || filter == ev.EVFILT_VNODE;
}

/** The period of a timer knote, µs; -1 if it is out of range. */
function timer_period_us(kn: Knote): i64 {
  const v = kn.kn_sdata;
  if (v < 0 || v > 4000000000) return -1;
  const unit = kn.kn_sfflags & 3;
  if (unit == ev.NOTE_SECONDS) return v * 1000000;
  if (unit == ev.NOTE_USECONDS) return v;
  if (unit == ev.NOTE_NSECONDS) return (v + 999) / 1000;
  return v * 1000;
}

function timer_expire(arg: usize): void {
  const kn = changetype<Knote>(arg);
  kn.kn_data++;
  if ((kn.kn_flags & ev.EV_ONESHOT) == 0) callout_schedule(changetype<Callout>(kn.kn_hook), timer_period_us(kn));
  knote_activate(kn);
}

/** Begin to watch; 0 or -errno (-EINVAL: the file has no such filter). */
export function filt_attach(kn: Knote): i32 {
  if (changetype<usize>(kn.kn_fp) != 0) return kn.kn_fp.fo_kqfilter(kn);
  if (kn.kn_filter == ev.EVFILT_TIMER) {
    const us = timer_period_us(kn);
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

/** A change names a knote that exists: take the new udata, flags, period. */
export function filt_touch(kn: Knote, ch: usize, flags: i32): void {
  if (kn.kn_filter == ev.EVFILT_USER) user_touch(kn, load<i32>(ch, ev.KE_FFLAGS));
  if ((flags & ev.EV_ADD) == 0) return;
  kn.kn_udata = load<u32>(ch, ev.KE_UDATA);
  const modes = ev.EV_ONESHOT | ev.EV_CLEAR | ev.EV_DISPATCH;
  kn.kn_flags = (kn.kn_flags & ~modes) | (flags & modes);
  if (kn.kn_filter == ev.EVFILT_USER) return;
  kn.kn_sfflags = load<i32>(ch, ev.KE_FFLAGS);
  kn.kn_sdata = load<i64>(ch, ev.KE_DATA);
  if (kn.kn_filter != ev.EVFILT_TIMER) return;
  const us = timer_period_us(kn);
  kn.kn_flags |= ev.EV_CLEAR;
  kn.kn_data = 0;
  if (us >= 0) callout_schedule(changetype<Callout>(kn.kn_hook), us);
}

/** Is `kn` ready? */
export function filt_event(kn: Knote, hint: i32): bool {
  if (changetype<usize>(kn.kn_fp) != 0) return kn.kn_fp.fo_kqevent(kn, hint);
  if (kn.kn_filter == ev.EVFILT_TIMER) return kn.kn_data > 0;
  return (kn.kn_fflags & ev.NOTE_TRIGGER) != 0;
}
