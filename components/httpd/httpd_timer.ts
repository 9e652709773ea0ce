/**
 * Slow clients: who has waited too long, and for what.
 *
 *      Q_NEW     nothing has come yet                closed without a word (browsers connect in advance)
 *      Q_IDLE    between requests                    closed without a word
 *      Q_HEAD    part of a head has come             408, closed       the clock starts with its first octet
 *      Q_BODY    part of a body has come             408, closed       … with the head's last
 *      Q_SEND    the socket has no room              closed            … with each octet that went
 *      Q_LINGER  the peer has not closed             closed
 *
 * All connections of a queue have the same time to live, and a connection enters at the tail: the
 * queue is in order of deadlines, no matter how long. So one timer for all (a kevent EVFILT_TIMER,
 * one shot, armed only while there are connections or cached files) looks at the heads: a sweep costs
 * O(expired), entering and leaving O(1), an idle server nothing.
 */
import { EVFILT_TIMER, EV_ADD, EV_ONESHOT } from "../../kernel/abi/event";
import { getmicrotime, getmicrouptime } from "../../kernel/kern/clock";
import { clf_date_put, http_date_put } from "./http_date";
import * as s from "./httpd_state";
import { Conn, hd, queue_of } from "./httpd_state";
import { httpd_watch } from "./httpd_sys";

/** ident of the timer. */
export const IDENT_SWEEP: i32 = 1;

/** Take the time: once at the start of each turn of the server. Formats the dates once a second. */
export function httpd_now(): void {
  hd.now_us = getmicrouptime();
  const wall = getmicrotime();
  if (wall < hd.next_sec_us && wall >= hd.next_sec_us - 1000000) return;
  hd.now_sec = wall / 1000000;
  hd.next_sec_us = (hd.now_sec + 1) * 1000000;
  http_date_put(hd.date, hd.now_sec);
  clf_date_put(hd.clfdate, hd.now_sec);
}

/** Take `c` off its queue. */
export function timer_stop(c: Conn): void {
  if (c.c_queue == s.Q_NONE) return;
  const q = queue_of(c.c_queue);
  if (c.c_prev) c.c_prev.c_next = c.c_next;
  else q.q_first = c.c_next;
  if (c.c_next) c.c_next.c_prev = c.c_prev;
  else q.q_last = c.c_prev;
  assert(q.q_count > 0, "timer_stop: count");
  q.q_count--;
  c.c_queue = s.Q_NONE;
}

/** Put `c` on queue `id` from now on. Already there, it stays in its place. */
export function timer_set(c: Conn, id: i32): void {
  if (c.c_queue == id) return;
  timer_restart(c, id);
}

/** Put `c` on queue `id`, its time starting now in any case. */
export function timer_restart(c: Conn, id: i32): void {
  timer_stop(c);
  const q = queue_of(id);
  c.c_queue = id;
  c.c_time = hd.now_us;
  c.c_next = changetype<Conn>(0);
  c.c_prev = q.q_last;
  if (q.q_last) q.q_last.c_next = c;
  else q.q_first = c;
  q.q_last = c;
  q.q_count++;
}

/** The connection that has been on queue `id` for longest and too long; 0 if there is none. */
export function timer_expired(id: i32): Conn {
  const q = queue_of(id);
  const c = q.q_first;
  return c && c.c_time + q.q_us <= hd.now_us ? c : changetype<Conn>(0);
}

/** Have a sweep happen one tick from now, if none is due. */
export function timer_arm(): void {
  if (hd.timer_armed != 0) return;
  if (httpd_watch(IDENT_SWEEP, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, hd.tick_ms, 0) == 0) hd.timer_armed = 1;
}

/** The tick: a fourth of the shortest time to live, 5 ms to 1 s. */
export function timer_tick_ms(): i32 {
  let us: i64 = 4000000;
  for (let i = 0; i < s.Q_COUNT; i++) us = min<i64>(us, queue_of(i).q_us);
  return <i32>max<i64>(5, us / 4000);
}
