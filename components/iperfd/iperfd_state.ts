/**
 * iperfd's state: one test at a time, its control connection, its streams.
 *
 *      listener ─ first connection ─▶ control      the next `parallel` ones ─▶ streams (TCP)
 *      UDP socket ─ a peer's first datagram ─▶ stream (UDP), keyed by the peer's address
 */
import { KEVENT_SIZE } from "../../kernel/abi/event";
import { IPERFD_MAXSTREAMS } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import * as ev from "../../kernel/abi/event";
import { sys_kevent } from "../../kernel/kern/usyscall";

/** iperf3's states, one byte on the control connection. */
export const TEST_START: i32 = 1;
export const TEST_RUNNING: i32 = 2;
export const TEST_END: i32 = 4;
export const PARAM_EXCHANGE: i32 = 9;
export const CREATE_STREAMS: i32 = 10;
export const CLIENT_TERMINATE: i32 = 12;
export const EXCHANGE_RESULTS: i32 = 13;
export const DISPLAY_RESULTS: i32 = 14;
export const IPERF_DONE: i32 = 16;
export const ACCESS_DENIED: i32 = 0xff;

/** 36 characters and a NUL: what ties streams to their test. */
export const COOKIE_SIZE: i32 = 37;
export const NEVENTS: i32 = 64;
/** Blocks that are sent come from here; what is received goes here and is forgotten. */
export const BLOCK_SIZE: i32 = 131072;
export const JSON_MAX: i32 = 32768;

export const UD_LISTEN: u32 = 1;
export const UD_CONTROL: u32 = 2;
export const UD_UDP: u32 = 3;

@unmanaged
export class Stream {
  s_fd: i32;
  s_used: i32;
  /** Sends (1) or receives (0). */
  s_sender: i32;
  s_id: i32;
  s_bytes: u64;
  /** UDP: the peer; datagrams counted; highest number seen; lost; late. */
  s_addr: u32;
  s_port: u16;
  s_pkts: u64;
  s_highest: u64;
  s_lost: i64;
  s_jitter_us: f64;
  s_transit_us: i64;
}

@unmanaged
export class IperfState {
  kq: i32;
  lfd: i32;
  ufd: i32;
  port: i32;
  control: i32;
  /** What the test is doing: one of the states above, 0 = none. */
  state: i32;
  cookie: usize;
  /** Bytes of a message that have come: cookie, then length and JSON. */
  got: i32;
  json: usize;
  /** The client's parameters. */
  udp: i32;
  reverse: i32;
  bidir: i32;
  parallel: i32;
  blksize: i32;
  bandwidth: f64;
  counters64: i32;
  nodelay: i32;
  nstreams: i32;
  start_us: i64;
  end_us: i64;
  /** UDP pacing: bytes that may have been sent by now are rate × time. */
  draining: i32;
  tests: u64;
  events: usize;
  change: usize;
  sa: usize;
  block: usize;
  streams: usize;
}

export let ip3: IperfState = changetype<IperfState>(0);

export function iperf_state_init(): void {
  ip3 = changetype<IperfState>(kmem_alloc(offsetof<IperfState>(), 64, "iperfd"));
  ip3.cookie = kmem_alloc(64, 8, "iperfd");
  ip3.json = kmem_alloc(<usize>JSON_MAX + 8, 8, "iperfd");
  ip3.events = kmem_alloc(<usize>NEVENTS * KEVENT_SIZE, 8, "iperfd");
  ip3.change = kmem_alloc(KEVENT_SIZE, 8, "iperfd");
  ip3.sa = kmem_alloc(64, 8, "iperfd");
  ip3.block = kmem_alloc(BLOCK_SIZE, 64, "iperfd");
  ip3.streams = kmem_alloc(<usize>IPERFD_MAXSTREAMS * offsetof<Stream>(), 64, "iperfd");
  ip3.control = -1;
}

export function stream_at(i: i32): Stream {
  return changetype<Stream>(ip3.streams + <usize>i * offsetof<Stream>());
}

/** One change of the kqueue; 0 or -errno. */
export function iperf_watch(ident: i32, filter: i32, flags: i32, data: i64, udata: u32): i32 {
  const ch = ip3.change;
  store<u32>(ch, ident, ev.KE_IDENT);
  store<i16>(ch, <i16>filter, ev.KE_FILTER);
  store<u16>(ch, <u16>flags, ev.KE_FLAGS);
  store<i32>(ch, 0, ev.KE_FFLAGS);
  store<u32>(ch, udata, ev.KE_UDATA);
  store<i64>(ch, data, ev.KE_DATA);
  return sys_kevent(ip3.kq, ch, 1, 0, 0);
}
