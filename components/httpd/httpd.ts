/**
 * httpd: an HTTP/1.1 server for files, inside the image.
 *
 *      kqueue ─► httpd_run ─┬─ listener       httpd_listen.ts   accept
 *                           ├─ connection     httpd_conn.ts     receive, parse (http_*.ts), answer, send
 *                           ├─ file changed   httpd_file.ts     the cache of open files
 *                           ├─ timer          httpd_timer.ts    slow clients, idle files
 *                           └─ shutdown       drain             finish what is under way, then app_done
 *
 * Files named http_* are pure (octets in, decisions out: specs and fuzzers call them alone); files
 * named httpd_* are the server. It is event-driven and allocates nothing after boot. RFC 9110, 9112;
 * what is chosen where the RFCs leave a choice is in README.md.
 *
 * Parameters: HTTPD_ADDR (0.0.0.0, a list), HTTPD_PORT (80), HTTPD_ROOT (/www), HTTPD_QUIET (1: no
 * access log), HTTPD_STATUS (0: no /_status), HTTPD_MAXBODY (65536 octets), and in µs: HTTPD_HEADER_US,
 * HTTPD_BODY_US, HTTPD_KEEPALIVE_US, HTTPD_SEND_US, HTTPD_LINGER_US, HTTPD_CACHE_US, HTTPD_DRAIN_US.
 */
import { EINVAL } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { LOG_ERR } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_str } from "../../kernel/kern/kstring";
import { kqueue_notify } from "../../kernel/kern/kqueue";
import { log_begin, log_bytes, log_end, log_str } from "../../kernel/kern/log";
import { getparam, getparam_int } from "../../kernel/kern/rumpuser";
import { app_done, app_register } from "../../kernel/kern/shutdown";
import { sysctl_int, sysctl_quad, sysctl_str } from "../../kernel/kern/sysctl";
import { sys_close, sys_kevent, sys_kqueue } from "../../kernel/kern/usyscall";
import { conn_abort, conn_close, conn_timeout, conn_turn } from "./httpd_conn";
import { FileEnt, file_cache_init, file_count, file_event, file_sweep } from "./httpd_file";
import { listen_all, listen_close, listen_event, listen_resume } from "./httpd_listen";
import { access_flush } from "./httpd_log";
import * as s from "./httpd_state";
import { Conn, HttpdStat, HttpdState, hd, httpd_state_init, queue_of } from "./httpd_state";
import { status_init } from "./httpd_status";
import { httpd_watch } from "./httpd_sys";
import { IDENT_SWEEP, httpd_now, timer_arm, timer_expired, timer_tick_ms } from "./httpd_timer";

/** Octets of HTTPD_ADDR and HTTPD_ROOT. */
const PARAM_MAX: i32 = 900;
/** Batches of events in one soft interrupt. */
const BATCHES: i32 = 4;

// ── boot ─────────────────────────────────────────────────────────────────────────────────────────

/** A parameter that is a number; -EINVAL, and a word about it, if it is none. */
function param_int(name: string, absent: i32, most: i32): i32 {
  const v = getparam_int(name, absent);
  if (v >= 0 && v <= most) return v;
  log_begin(LOG_ERR, "httpd");
  log_str(name);
  log_str(": not a number in range");
  log_end();
  return -EINVAL;
}

/** A time to live, in µs. */
function param_us(name: string, absent: i32, q: i32): i32 {
  const v = param_int(name, absent, 999999999);
  if (v >= 0) queue_of(q).q_us = v;
  return v;
}

/** Numbers from the parameters: 0 or -EINVAL. */
function params_numbers(): i32 {
  let bad = param_us("HTTPD_KEEPALIVE_US", 15000000, s.Q_IDLE) | param_us("HTTPD_HEADER_US", 10000000, s.Q_HEAD) |
    param_us("HTTPD_BODY_US", 10000000, s.Q_BODY) | param_us("HTTPD_SEND_US", 60000000, s.Q_SEND) |
    param_us("HTTPD_LINGER_US", 2000000, s.Q_LINGER);
  queue_of(s.Q_NEW).q_us = queue_of(s.Q_HEAD).q_us;
  hd.port = param_int("HTTPD_PORT", 80, 65535);
  hd.quiet = param_int("HTTPD_QUIET", 0, 1);
  hd.status_on = param_int("HTTPD_STATUS", 1, 1);
  hd.maxbody = param_int("HTTPD_MAXBODY", 65536, 0x7fffffff);
  hd.drain_us = param_int("HTTPD_DRAIN_US", 5000000, 999999999);
  const cache_us = param_int("HTTPD_CACHE_US", 10000000, 999999999);
  hd.cache_s = cache_us / 1000000;
  bad |= cache_us | hd.port | hd.quiet | hd.status_on | hd.maxbody | <i32>hd.drain_us;
  return bad < 0 ? -EINVAL : 0;
}

/** HTTPD_ROOT, without a slash at its end, stands at the start of hd.fpath. */
function params_root(): i32 {
  let n = getparam("HTTPD_ROOT", hd.fpath, PARAM_MAX);
  if (n == -EINVAL || n == 0) return -EINVAL;
  if (n < 0) n = <i32>(kput_str(hd.fpath, hd.fpath + PARAM_MAX, "/www") - hd.fpath);
  while (n > 0 && load<u8>(hd.fpath + n - 1) == 47) n--;
  hd.rootlen = n;
  return 0;
}

function sysctls(addr: usize): void {
  const st = changetype<usize>(hd.stat);
  const base = changetype<usize>(hd);
  sysctl_str("httpd.address", addr, PARAM_MAX, 0);
  sysctl_int("httpd.port", base + offsetof<HttpdState>("port"), 0);
  sysctl_int("httpd.connections", base + offsetof<HttpdState>("nconns"), 0);
  sysctl_quad("httpd.accepted", st + offsetof<HttpdStat>("accepted"), 0);
  sysctl_quad("httpd.refused", st + offsetof<HttpdStat>("refused"), 0);
  sysctl_quad("httpd.requests", st + offsetof<HttpdStat>("requests"), 0);
  sysctl_quad("httpd.bytes", st + offsetof<HttpdStat>("sent"), 0);
  sysctl_quad("httpd.timeouts", st + offsetof<HttpdStat>("timeouts"), 0);
  sysctl_quad("httpd.aborted", st + offsetof<HttpdStat>("aborted"), 0);
}

/** Phase POSTINIT: listen. 0 or -errno. */
export function httpd_init(): i32 {
  httpd_state_init();
  file_cache_init();
  status_init();
  const addr = kmem_alloc(<usize>PARAM_MAX + 1, 8, "httpd");
  let n = getparam("HTTPD_ADDR", addr, PARAM_MAX);
  if (n < 0) n = <i32>(kput_str(addr, addr + PARAM_MAX, "0.0.0.0") - addr);
  let e = params_numbers();
  if (e >= 0) e = params_root();
  if (e < 0) return e;
  httpd_now();
  hd.tick_ms = timer_tick_ms();
  hd.kq = sys_kqueue();
  if (hd.kq < 0) return hd.kq;
  e = kqueue_notify(hd.kq, httpd_run, 0);
  if (e >= 0) e = httpd_watch(ev.KE_IDENT_SHUTDOWN, ev.EVFILT_USER, ev.EV_ADD | ev.EV_ONESHOT, 0, 0, 0);
  if (e >= 0) e = listen_all(addr, n);
  if (e < 0) return e;
  sysctls(addr);
  app_register();
  return 0;
}

// ── events ───────────────────────────────────────────────────────────────────────────────────────

/** Soft interrupt: the kqueue has events. */
function httpd_run(arg: usize): void {
  httpd_now();
  for (let batch = 0; batch < BATCHES && hd.finished == 0; batch++) {
    const n = sys_kevent(hd.kq, 0, 0, hd.events, s.NEVENTS);
    for (let i = 0; i < n; i++) httpd_event(hd.events + <usize>i * ev.KEVENT_SIZE);
    if (n < s.NEVENTS) break;
  }
  if (hd.draining != 0) drain_check();
  access_flush();
}

function httpd_event(e: usize): void {
  const filter = <i32>load<i16>(e, ev.KE_FILTER);
  const ident = load<i32>(e, ev.KE_IDENT);
  const udata = load<usize>(e, ev.KE_UDATA);
  if (filter == ev.EVFILT_TIMER) {
    sweep();
  } else if (filter == ev.EVFILT_USER) {
    drain_begin();
  } else if (filter == ev.EVFILT_VNODE) {
    file_event(changetype<FileEnt>(udata), ident);
  } else if (udata == 0) {
    if (hd.draining == 0) listen_event(ident, load<i64>(e, ev.KE_DATA));
  } else {
    const c = changetype<Conn>(udata);
    // An earlier event of this batch may have closed it.
    if (c.c_fd != ident) return;
    if ((<i32>load<u16>(e, ev.KE_FLAGS) & ev.EV_EOF) != 0 && filter == ev.EVFILT_READ) c.c_flags |= s.CF_EOF;
    conn_turn(c);
  }
}

/** The tick: end what has waited too long, let go of files, and have another tick if there is need of one. */
function sweep(): void {
  hd.timer_armed = 0;
  for (let q = 0; q < s.Q_COUNT; q++) {
    for (let c = timer_expired(q); c; c = timer_expired(q)) conn_timeout(c, q);
  }
  file_sweep(false);
  if (hd.paused != 0) listen_resume();
  if (hd.nconns > 0 || file_count() > 0) timer_arm();
}

// ── the end ──────────────────────────────────────────────────────────────────────────────────────

/** Close all of queue `q`. */
function close_queue(q: i32): void {
  for (let c = queue_of(q).q_first; c; c = queue_of(q).q_first) conn_close(c);
}

/** rump_shutdown: no new connections, no new requests; what is under way may end. */
function drain_begin(): void {
  if (hd.draining != 0) return;
  hd.draining = 1;
  hd.drain_at = hd.now_us + hd.drain_us;
  listen_close();
  close_queue(s.Q_IDLE);
  close_queue(s.Q_NEW);
  timer_arm();
}

/** Are we done? */
function drain_check(): void {
  if (hd.finished != 0) return;
  if (hd.now_us >= hd.drain_at) {
    for (let q = 0; q < s.Q_COUNT; q++) {
      for (let c = queue_of(q).q_first; c; c = queue_of(q).q_first) conn_abort(c);
    }
  }
  if (hd.nconns > 0) return;
  file_sweep(true);
  hd.finished = 1;
  sys_close(hd.kq);
  app_done();
}
