/**
 * iperfd's streams: blocks out, blocks in, for TCP and for UDP.
 *
 *      UDP datagram: | sec u32 | usec u32 | number u32, or u64 | …     big-endian
 *
 * A TCP receiver reads and counts; a TCP sender writes until the buffer is full and waits for room. UDP
 * receivers count losses by the numbers and jitter by RFC 3550 §6.4.1; senders keep to the client's
 * rate with a timer of one millisecond.
 */
import { EAGAIN } from "../../kernel/abi/errno";
import * as ev from "../../kernel/abi/event";
import { SIN_ADDR, SIN_PORT, SOCKADDR_IN_SIZE } from "../../kernel/abi/sockaddr";
import { getmicrouptime, getmicrotime } from "../../kernel/kern/clock";
import { sys_recv, sys_recvfrom, sys_send, sys_sendto } from "../../kernel/kern/usyscall";
import { sin_at } from "./iperfd_addr";
import { BLOCK_SIZE, Stream, TEST_RUNNING, ip3, iperf_watch, stream_at } from "./iperfd_state";

/** The client's first datagram, and our answer to it (iperf 3.9 and later; before: 123456789, 987654321). */
const UDP_CONNECT_MSG: u32 = 0x36373839;
const UDP_CONNECT_REPLY: u32 = 0x39383736;
const UDP_LEGACY_MSG: u32 = 123456789;
const UDP_LEGACY_REPLY: u32 = 987654321;
/** Blocks a turn. */
const TURN: i32 = 4;

/** A stream that is not in use yet, numbered as iperf3 numbers them: 1, 3, 4, 5 … */
export function stream_new(fd: i32): Stream {
  const i = ip3.nstreams++;
  const s = stream_at(i);
  memory.fill(changetype<usize>(s), 0, offsetof<Stream>());
  s.s_fd = fd;
  s.s_used = 1;
  s.s_id = i == 0 ? 1 : i + 2;
  s.s_sender = ip3.bidir != 0 ? (i >= ip3.parallel ? 1 : 0) : ip3.reverse;
  return s;
}

/** A TCP stream has data (`filter` EVFILT_READ), or room. */
export function stream_turn(s: Stream, filter: i32): void {
  if (filter == ev.EVFILT_READ) stream_receive(s);
  else if (ip3.state == TEST_RUNNING) stream_send(s);
}

function stream_receive(s: Stream): void {
  for (let i = 0; i < TURN; i++) {
    const n = sys_recv(s.s_fd, ip3.block, BLOCK_SIZE, 0);
    if (n <= 0) {
      // The end, or an error: the control connection says what it means.
      if (n != -EAGAIN) iperf_watch(s.s_fd, ev.EVFILT_READ, ev.EV_DISABLE, 0, 0);
      return;
    }
    s.s_bytes += <u64>n;
  }
}

/** Count what has come and was not read yet: the test is over, the stream will be closed. */
export function stream_drain(s: Stream): void {
  for (let n = sys_recv(s.s_fd, ip3.block, BLOCK_SIZE, 0); n > 0; n = sys_recv(s.s_fd, ip3.block, BLOCK_SIZE, 0)) {
    s.s_bytes += <u64>n;
  }
}

function stream_send(s: Stream): void {
  for (let i = 0; i < TURN; i++) {
    const n = sys_send(s.s_fd, ip3.block, ip3.blksize, 0);
    if (n <= 0) {
      if (n != -EAGAIN) iperf_watch(s.s_fd, ev.EVFILT_WRITE, ev.EV_DISABLE, 0, 0);
      return;
    }
    s.s_bytes += <u64>n;
  }
}

/** The test runs: senders start. */
export function streams_start(): void {
  for (let i = 0; i < ip3.nstreams; i++) {
    const s = stream_at(i);
    if (s.s_sender == 0) continue;
    if (ip3.udp != 0) iperf_watch(i, ev.EVFILT_TIMER, ev.EV_ADD, 1, 0);
    else iperf_watch(s.s_fd, ev.EVFILT_WRITE, ev.EV_ADD, 0, <u32>changetype<usize>(s));
  }
}

/** The test is over: senders stop. */
export function streams_stop(): void {
  for (let i = 0; i < ip3.nstreams; i++) {
    const s = stream_at(i);
    if (s.s_sender == 0) continue;
    if (ip3.udp != 0) iperf_watch(i, ev.EVFILT_TIMER, ev.EV_DELETE, 0, 0);
    else iperf_watch(s.s_fd, ev.EVFILT_WRITE, ev.EV_DELETE, 0, 0);
  }
}

// ── UDP ──────────────────────────────────────────────────────────────────────────────────────────

function udp_find(addr: u32, port: u16): Stream {
  for (let i = 0; i < ip3.nstreams; i++) {
    const s = stream_at(i);
    if (s.s_addr == addr && s.s_port == port) return s;
  }
  return changetype<Stream>(0);
}

/** Datagrams have come. True if one of them made a new stream. */
export function udp_turn(expected: i32): bool {
  let made = false;
  for (let i = 0; i < 64; i++) {
    store<i32>(ip3.sa, 32, 32);
    const n = sys_recvfrom(ip3.ufd, ip3.block, BLOCK_SIZE, 0, ip3.sa, ip3.sa + 32);
    if (n < 0) break;
    const addr = load<u32>(ip3.sa, SIN_ADDR);
    const port = load<u16>(ip3.sa, SIN_PORT);
    const s = udp_find(addr, port);
    if (s) {
      if (n >= 12 && ip3.state == TEST_RUNNING) udp_count(s, n);
      continue;
    }
    const msg = n >= 4 ? load<u32>(ip3.block) : 0;
    if (ip3.nstreams >= expected || (msg != UDP_CONNECT_MSG && msg != UDP_LEGACY_MSG)) continue;
    const fresh = stream_new(-1);
    fresh.s_addr = addr;
    fresh.s_port = port;
    store<u32>(ip3.block, msg == UDP_LEGACY_MSG ? UDP_LEGACY_REPLY : UDP_CONNECT_REPLY);
    sys_sendto(ip3.ufd, ip3.block, 4, 0, ip3.sa, SOCKADDR_IN_SIZE);
    made = true;
  }
  return made;
}

/** A numbered datagram of `n` bytes in ip3.block. */
function udp_count(s: Stream, n: i32): void {
  const p = ip3.block;
  s.s_bytes += <u64>n;
  s.s_pkts++;
  const number = ip3.counters64 != 0 && n >= 16 ? bswap<u64>(load<u64>(p, 8)) : <u64>bswap<u32>(load<u32>(p, 8));
  if (number > s.s_highest) {
    s.s_lost += <i64>(number - s.s_highest) - 1;
    s.s_highest = number;
  } else if (s.s_lost > 0) {
    s.s_lost--;
  }
  const sent = <i64>bswap<u32>(load<u32>(p)) * 1000000 + <i64>bswap<u32>(load<u32>(p, 4));
  const transit = getmicrotime() - sent;
  if (s.s_pkts > 1) {
    const d = <f64>(transit > s.s_transit_us ? transit - s.s_transit_us : s.s_transit_us - transit);
    s.s_jitter_us += (d - s.s_jitter_us) / 16;
  }
  s.s_transit_us = transit;
}

/** The pacing timer of stream `i`: send what the rate allows by now. */
export function udp_pace(i: i32): void {
  if (i < 0 || i >= ip3.nstreams || ip3.state != TEST_RUNNING) return;
  const s = stream_at(i);
  const elapsed = <f64>(getmicrouptime() - ip3.start_us);
  const may = ip3.bandwidth > 0 ? <u64>(ip3.bandwidth / 8 * elapsed / 1000000) : ~(<u64>0);
  sin_at(ip3.sa, s.s_addr, s.s_port);
  for (let k = 0; k < 256 && s.s_bytes < may; k++) {
    const now = getmicrotime();
    s.s_pkts++;
    store<u32>(ip3.block, bswap<u32>(<u32>(now / 1000000)));
    store<u32>(ip3.block, bswap<u32>(<u32>(now % 1000000)), 4);
    if (ip3.counters64 != 0) store<u64>(ip3.block, bswap<u64>(s.s_pkts), 8);
    else store<u32>(ip3.block, bswap<u32>(<u32>s.s_pkts), 8);
    if (sys_sendto(ip3.ufd, ip3.block, ip3.blksize, 0, ip3.sa, SOCKADDR_IN_SIZE) < 0) {
      s.s_pkts--;
      return;
    }
    s.s_bytes += <u64>ip3.blksize;
  }
}
