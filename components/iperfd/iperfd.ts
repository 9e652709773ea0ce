/**
 * iperfd: a server for iperf3, so that the real client measures the image.
 *
 *      client                          server
 *      cookie ────────────────────────▶
 *             ◀──────── PARAM_EXCHANGE
 *      length, JSON ──────────────────▶
 *             ◀──────── CREATE_STREAMS
 *      connections, each with cookie ─▶ (UDP: a datagram, answered)
 *             ◀──────── TEST_START, TEST_RUNNING
 *      data ◀────────────────────────▶ data
 *      TEST_END ──────────────────────▶
 *             ◀──────── EXCHANGE_RESULTS
 *      length, JSON ──────────────────▶
 *             ◀──────── length, JSON, DISPLAY_RESULTS
 *      IPERF_DONE ────────────────────▶
 *
 * iperf3's control protocol, from what its client says and expects. One test at a time; a second client
 * is told ACCESS_DENIED. Parameters: IPERFD_PORT (5201). Retransmissions of our side are reported as
 * not known.
 */
import { EAGAIN, EINVAL } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { IPPROTO_TCP, TCP_NODELAY } from "../../kernel/abi/inet";
import { LOG_ERR } from "../../kernel/abi/rump";
import { AF_INET, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_REUSEADDR } from "../../kernel/abi/socket";
import { SOCKADDR_IN_SIZE } from "../../kernel/abi/sockaddr";
import { IPERFD_MAXSTREAMS } from "rump/tunables";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kqueue_notify } from "../../kernel/kern/kqueue";
import { log_begin, log_end, log_int, log_str } from "../../kernel/kern/log";
import { getparam_int } from "../../kernel/kern/rumpuser";
import { app_done, app_register } from "../../kernel/kern/shutdown";
import { sysctl_quad } from "../../kernel/kern/sysctl";
import * as u from "../../kernel/kern/usyscall";
import { sin_at } from "./iperfd_addr";
import { json_number, json_results } from "./iperfd_json";
import * as s from "./iperfd_state";
import { IperfState, Stream, ip3, iperf_state_init, iperf_watch, stream_at } from "./iperfd_state";
import { stream_drain, stream_new, stream_turn, streams_start, streams_stop, udp_pace, udp_turn } from "./iperfd_stream";

function serve(type: i32): i32 {
  const fd = u.sys_socket(AF_INET, type, 0);
  if (fd < 0) return fd;
  store<i32>(ip3.change, 1);
  u.sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ip3.change, 4);
  sin_at(ip3.sa, 0, bswap<u16>(<u16>ip3.port));
  let e = u.sys_bind(fd, ip3.sa, SOCKADDR_IN_SIZE);
  if (e >= 0 && type == SOCK_STREAM) e = u.sys_listen(fd, 128);
  if (e >= 0) e = iperf_watch(fd, ev.EVFILT_READ, ev.EV_ADD, 0, type == SOCK_STREAM ? s.UD_LISTEN : s.UD_UDP);
  if (e >= 0) return fd;
  log_begin(LOG_ERR, "iperfd");
  log_str("cannot serve port ");
  log_int(ip3.port);
  log_str(": errno ");
  log_int(-e);
  log_end();
  return e;
}

/** POSTINIT phase. 0 or -errno. */
export function iperfd_init(): i32 {
  iperf_state_init();
  ip3.port = getparam_int("IPERFD_PORT", 5201);
  if (ip3.port <= 0 || ip3.port > 65535) return -EINVAL;
  ip3.kq = u.sys_kqueue();
  if (ip3.kq < 0) return ip3.kq;
  const e = kqueue_notify(ip3.kq, iperfd_run, 0);
  if (e < 0) return e;
  iperf_watch(ev.KE_IDENT_SHUTDOWN, ev.EVFILT_USER, ev.EV_ADD | ev.EV_ONESHOT, 0, 0);
  ip3.lfd = serve(SOCK_STREAM);
  if (ip3.lfd < 0) return ip3.lfd;
  ip3.ufd = serve(SOCK_DGRAM);
  if (ip3.ufd < 0) return ip3.ufd;
  sysctl_quad("iperfd.tests", changetype<usize>(ip3) + offsetof<IperfState>("tests"), 0);
  app_register();
  return 0;
}

function iperfd_run(arg: usize): void {
  // One batch: what is left brings us back (kern/kqueue.ts), after others have had their turn.
  const n = u.sys_kevent(ip3.kq, 0, 0, ip3.events, s.NEVENTS);
  for (let i = 0; i < n; i++) iperfd_event(ip3.events + <usize>i * ev.KEVENT_SIZE);
}

function iperfd_event(e: usize): void {
  const filter = <i32>load<i16>(e, ev.KE_FILTER);
  const udata = load<u32>(e, ev.KE_UDATA);
  const ident = load<i32>(e, ev.KE_IDENT);
  if (filter == ev.EVFILT_USER) {
    test_end();
    app_done();
  } else if (filter == ev.EVFILT_TIMER) {
    udp_pace(ident);
  } else if (udata == s.UD_LISTEN) {
    accept_all();
  } else if (udata == s.UD_UDP) {
    if (udp_turn(expected()) && ip3.nstreams == expected()) test_run();
  } else if (udata == s.UD_CONTROL) {
    control_turn();
  } else if (ident >= 0 && stream_alive(udata)) {
    stream_turn(changetype<Stream>(<usize>udata), filter);
  }
}

/** An event may be of a stream that an earlier event of the same batch ended. */
function stream_alive(udata: u32): bool {
  for (let i = 0; i < ip3.nstreams; i++) if (<u32>changetype<usize>(stream_at(i)) == udata) return stream_at(i).s_fd >= 0;
  return false;
}

/** Streams of this test. */
function expected(): i32 {
  if (ip3.state != s.CREATE_STREAMS) return 0;
  return ip3.bidir != 0 ? ip3.parallel * 2 : ip3.parallel;
}

function accept_all(): void {
  for (let i = 0; i < 16; i++) {
    const fd = u.sys_accept(ip3.lfd, 0, 0);
    if (fd < 0) return;
    if (ip3.control < 0) {
      ip3.control = fd;
      ip3.state = 0;
      ip3.got = 0;
      ip3.nstreams = 0;
      iperf_watch(fd, ev.EVFILT_READ, ev.EV_ADD, 0, s.UD_CONTROL);
    } else if (ip3.udp == 0 && ip3.nstreams < expected()) {
      stream_accept(fd);
    } else {
      store<u8>(ip3.change, <u8>s.ACCESS_DENIED);
      u.sys_send(fd, ip3.change, 1, 0);
      u.sys_close(fd);
    }
  }
}

/** A data connection. Its cookie is the first of its bytes; all that follows is payload. */
function stream_accept(fd: i32): void {
  const str = stream_new(fd);
  store<i32>(ip3.change, ip3.nodelay);
  if (ip3.nodelay != 0) u.sys_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, ip3.change, 4);
  // The cookie is taken off by count: the first COOKIE_SIZE bytes of a stream are not payload.
  str.s_bytes = <u64>0 - <u64>s.COOKIE_SIZE;
  iperf_watch(fd, ev.EVFILT_READ, ev.EV_ADD, 0, <u32>changetype<usize>(str));
  if (ip3.nstreams == expected()) test_run();
}

function say(state: i32): void {
  ip3.state = state;
  store<u8>(ip3.change, <u8>state);
  u.sys_send(ip3.control, ip3.change, 1, 0);
}

function test_run(): void {
  say(s.TEST_START);
  say(s.TEST_RUNNING);
  ip3.start_us = getmicrouptime();
  ip3.end_us = ip3.start_us;
  streams_start();
}

/** The data connections are closed; what they counted stays. A client may wait for a whole block: the end frees it. */
function streams_close(): void {
  if (ip3.state == s.TEST_RUNNING) streams_stop();
  for (let i = 0; i < ip3.nstreams; i++) {
    const str = stream_at(i);
    if (str.s_fd < 0) continue;
    if (str.s_sender == 0) stream_drain(str);
    u.sys_close(str.s_fd);
    str.s_fd = -1;
  }
}

/** Everything of the test is closed. */
function test_end(): void {
  streams_close();
  ip3.nstreams = 0;
  ip3.state = 0;
  if (ip3.control >= 0) u.sys_close(ip3.control);
  ip3.control = -1;
}

/** The control connection has bytes: what they are depends on the state. */
function control_turn(): void {
  for (let i = 0; i < 8; i++) {
    const more = ip3.state == 0 ? control_cookie()
      : ip3.state == s.PARAM_EXCHANGE || ip3.state == s.EXCHANGE_RESULTS ? control_json() : control_byte();
    if (!more) return;
  }
}

/** Read towards `want` bytes at `buf`, ip3.got of which are there. 1 complete, 0 not yet, -1 the test is over. */
function control_read(buf: usize, want: i32): i32 {
  const n = u.sys_recv(ip3.control, buf + ip3.got, want - ip3.got, 0);
  if (n == -EAGAIN) return 0;
  if (n <= 0) {
    test_end();
    return -1;
  }
  ip3.got += n;
  return ip3.got == want ? 1 : 0;
}

function control_cookie(): bool {
  if (control_read(ip3.cookie, s.COOKIE_SIZE) <= 0) return false;
  ip3.got = 0;
  say(s.PARAM_EXCHANGE);
  return true;
}

/** Length (4 bytes, big-endian), then the JSON. */
function control_json(): bool {
  if (ip3.got < 4) {
    if (control_read(ip3.json, 4) <= 0) return false;
  }
  const len = <i32>bswap<u32>(load<u32>(ip3.json));
  if (len <= 0 || len > s.JSON_MAX) {
    test_end();
    return false;
  }
  if (control_read(ip3.json, 4 + len) <= 0) return false;
  ip3.got = 0;
  if (ip3.state == s.PARAM_EXCHANGE) take_params(ip3.json + 4, len);
  else send_results();
  return true;
}

function take_params(json: usize, len: i32): void {
  ip3.udp = <i32>json_number(json, len, "udp", 0);
  ip3.reverse = <i32>json_number(json, len, "reverse", 0);
  ip3.bidir = <i32>json_number(json, len, "bidirectional", 0);
  ip3.parallel = <i32>json_number(json, len, "parallel", 1);
  ip3.blksize = <i32>json_number(json, len, "len", ip3.udp != 0 ? 1448 : s.BLOCK_SIZE);
  ip3.bandwidth = json_number(json, len, "bandwidth", 0);
  ip3.counters64 = <i32>json_number(json, len, "udp_counters_64bit", 0);
  ip3.nodelay = <i32>json_number(json, len, "nodelay", 0);
  if (ip3.blksize < 16 || ip3.blksize > s.BLOCK_SIZE) ip3.blksize = s.BLOCK_SIZE;
  const streams = ip3.bidir != 0 ? ip3.parallel * 2 : ip3.parallel;
  if (ip3.parallel < 1 || streams > IPERFD_MAXSTREAMS) {
    test_end();
    return;
  }
  ip3.tests++;
  say(s.CREATE_STREAMS);
}

function send_results(): void {
  const p = ip3.json;
  const end = json_results(ip3, p + 4, p + <usize>s.JSON_MAX);
  const len = <i32>(end - p) - 4;
  store<u32>(p, bswap<u32>(len));
  u.sys_send(ip3.control, p, len + 4, 0);
  say(s.DISPLAY_RESULTS);
}

/** A state of the client's. */
function control_byte(): bool {
  ip3.got = 0;
  if (control_read(ip3.json, 1) <= 0) return false;
  const state = <i32>load<u8>(ip3.json);
  ip3.got = 0;
  if (state == s.TEST_END && ip3.state == s.TEST_RUNNING) {
    ip3.end_us = getmicrouptime();
    streams_close();
    say(s.EXCHANGE_RESULTS);
    return true;
  }
  if (state == s.IPERF_DONE || state == s.CLIENT_TERMINATE) test_end();
  return false;
}
