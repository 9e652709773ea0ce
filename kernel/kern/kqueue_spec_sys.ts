/**
 * For the specs of kqueue: changes and events without structures, through the system call.
 *
 *      spec_buf:  changes from CH  │  events from EV
 */
import * as ev from "../abi/event";
import { spec_buf } from "./kern_spec_boot";
import { sys_close, sys_kevent, sys_kqueue } from "./usyscall";

const EV: usize = 16384;

/** The `i`-th change of a list, and of the events. */
export function change_at(i: i32): usize {
  return spec_buf + <usize>(i * ev.KEVENT_SIZE);
}

export function event_at(i: i32): usize {
  return spec_buf + EV + <usize>(i * ev.KEVENT_SIZE);
}

/** Write change `i`. */
export function put_change(
  i: i32, ident: i32, filter: i32, flags: i32, fflags: i32 = 0, data: i64 = 0, udata: u32 = 0,
): void {
  const at = change_at(i);
  store<i32>(at, ident, ev.KE_IDENT);
  store<i16>(at, <i16>filter, ev.KE_FILTER);
  store<u16>(at, <u16>flags, ev.KE_FLAGS);
  store<i32>(at, fflags, ev.KE_FFLAGS);
  store<u32>(at, udata, ev.KE_UDATA);
  store<i64>(at, data, ev.KE_DATA);
}

/** Apply `nch` changes written by put_change, and fetch up to `nev` events. */
export function kevent(kq: i32, nch: i32, nev: i32): i32 {
  return sys_kevent(kq, change_at(0), nch, event_at(0), nev);
}

/** One change and no events: 0 or -errno. */
export function change(
  kq: i32, ident: i32, filter: i32, flags: i32, fflags: i32 = 0, data: i64 = 0, udata: u32 = 0,
): i32 {
  put_change(0, ident, filter, flags, fflags, data, udata);
  return kevent(kq, 1, 0);
}

/** Fetch up to `max` events. */
export function poll(kq: i32, max: i32 = 64): i32 {
  memory.fill(event_at(0), 0xee, 64 * ev.KEVENT_SIZE);
  return kevent(kq, 0, max);
}

// The fields of event `i` of the last fetch.
export function ev_ident(i: i32): i32 {
  return load<i32>(event_at(i), ev.KE_IDENT);
}
export function ev_filter(i: i32): i32 {
  return load<i16>(event_at(i), ev.KE_FILTER);
}
export function ev_flags(i: i32): i32 {
  return load<u16>(event_at(i), ev.KE_FLAGS);
}
export function ev_fflags(i: i32): i32 {
  return load<i32>(event_at(i), ev.KE_FFLAGS);
}
export function ev_udata(i: i32): u32 {
  return load<u32>(event_at(i), ev.KE_UDATA);
}
export function ev_data(i: i32): i64 {
  return load<i64>(event_at(i), ev.KE_DATA);
}

/** A new kqueue. */
export function kq_open(): i32 {
  const kq = sys_kqueue();
  assert(kq >= 0, "spec: kqueue");
  return kq;
}

export function kq_close(kq: i32): void {
  assert(sys_close(kq) == 0, "spec: close");
}
