/**
 * All state of the server: one structure, and the pools behind it.
 *
 *      HttpdState ── kq ── listeners
 *        │  rx 8 KiB, out 8 KiB      shared by all connections: a turn of one connection runs to its end
 *        │  queues[6]                connections by what they wait for, oldest first (httpd_timer.ts)
 *        │  cache                    open files (httpd_file.ts)
 *        └─ Conn ── HttpReq, HttpBody inside
 *             ├ c_in    octets of an incomplete head, or of requests that must wait
 *             ├ c_head  head of a request whose body is being read
 *             ├ c_out   octets that the socket had no room for
 *             └ c_file  file (or status page) that is being sent
 *
 * An idle connection holds nothing but its Conn (about 300 octets): what it needs buffers for is taken
 * from a pool when it happens and given back at once. All is carved at boot.
 */
import { IOVEC_SIZE, MSGHDR_SIZE } from "../../kernel/abi/socket";
import { KEVENT_SIZE } from "../../kernel/abi/event";
import { STAT_SIZEOF } from "../../kernel/abi/stat";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_init } from "../../kernel/kern/pool";
import { HTTPD_MAXCONNS, HTTPD_MAXFILES, HTTPD_MAXRANGES, HTTPD_NBUFS } from "rump/tunables";
import { HttpBody } from "./http_body";
import { Validator } from "./http_cond";
import { RANGES_MAX, RANGE_SIZE } from "./http_range";
import { HTTPREQ_SIZE, HTTP_HEAD_MAX, HttpReq } from "./http_req";
import { FileEnt } from "./httpd_file";
import { MULTI_SIZE } from "./httpd_multi";
import { IOVECS } from "./httpd_sys";

/** Octets of rx, out and of every pooled buffer: a whole head fits. */
export const BUFSIZE: u32 = HTTP_HEAD_MAX;
/** Room for the head of a response. */
export const HEAD_ROOM: u32 = 640;
/** Files up to this size are kept beside their head and sent with it in one piece. */
export const INLINE_MAX: u32 = 4096;
/** Octets of a decoded path. */
export const PATH_ROOM: i32 = 1024;
/** Octets of a rendered status page. */
export const STATUS_ROOM: i32 = 32768;
/** Events fetched at once. */
export const NEVENTS: i32 = 64;
export const LISTENERS_MAX: i32 = 4;
/** Octets of the access log that gather before they go to the console. */
export const LOG_ROOM: i32 = 8192;

/** What a connection waits for; its queue. */
export const Q_NONE: i32 = -1;
/** Another request. */
export const Q_IDLE: i32 = 0;
/** The rest of a head. */
export const Q_HEAD: i32 = 1;
/** The rest of a body. */
export const Q_BODY: i32 = 2;
/** The socket to have room. */
export const Q_SEND: i32 = 3;
/** The peer to close, after the last response. */
export const Q_LINGER: i32 = 4;
/** The first octet of the first request. */
export const Q_NEW: i32 = 5;
export const Q_COUNT: i32 = 6;

/** c_flags. */
/** Close when the output is out. */
export const CF_CLOSE: i32 = 0x01;
/** Close in two steps: the peer may still be sending (RFC 9112 §9.6). */
export const CF_LINGER: i32 = 0x02;
/** c_in holds octets that were not looked at yet. */
export const CF_UNREAD: i32 = 0x04;
/** A body is being read; the head is in c_head. */
export const CF_BODY: i32 = 0x08;
/** Known to the kqueue. */
export const CF_WATCHED: i32 = 0x10;
/** Waits for EVFILT_WRITE. */
export const CF_BLOCKED: i32 = 0x20;
/** The peer will send no more. */
export const CF_EOF: i32 = 0x40;
/** SHUT_WR was done; input is thrown away. */
export const CF_LINGERING: i32 = 0x80;

@unmanaged
export class Conn {
  /** Queue links. (A free object's first word is the pool's: c_fd must not be there.) */
  c_next: Conn;
  c_prev: Conn;
  /** -1: not in use. */
  c_fd: i32;
  c_flags: i32;
  c_queue: i32;
  /** When it was put on its queue, µs of uptime. */
  c_time: i64;
  c_in: usize;
  c_inlen: u32;
  c_head: usize;
  c_out: usize;
  c_outoff: u32;
  c_outlen: u32;
  /** What is being sent: a file, or `c_mem` if that is not 0; where, and how much is left. */
  c_file: FileEnt;
  c_mem: usize;
  c_off: i64;
  c_left: i64;
  /** A MultiRange (httpd_multi.ts), or 0. */
  c_multi: usize;
  /** Requests answered. */
  c_nreq: u32;
  /** Octets in the socket's buffer when sending was last blocked. */
  c_unsent: i32;
  c_family: i32;
}

const CONN_ADDR: usize = (offsetof<Conn>() + 7) & ~7;
const CONN_REQ: usize = CONN_ADDR + 16;
const CONN_BODY: usize = (CONN_REQ + <usize>HTTPREQ_SIZE + 7) & ~7;
const CONN_SIZE: usize = CONN_BODY + offsetof<HttpBody>();

/** The peer's address: 4 or 16 octets. */
export function conn_addr(c: Conn): usize {
  return changetype<usize>(c) + CONN_ADDR;
}

export function conn_req(c: Conn): HttpReq {
  return changetype<HttpReq>(changetype<usize>(c) + CONN_REQ);
}

export function conn_body(c: Conn): HttpBody {
  return changetype<HttpBody>(changetype<usize>(c) + CONN_BODY);
}

/** One queue of connections; q_us is how long one may stay. */
@unmanaged
export class ConnQueue {
  q_first: Conn;
  q_last: Conn;
  q_count: i32;
  q_us: i64;
}

/** Counters, for the status page and sysctl. */
@unmanaged
export class HttpdStat {
  accepted: u64;
  /** Turned away with 503 because no Conn was free. */
  refused: u64;
  requests: u64;
  /** Octets given to sockets. */
  sent: u64;
  timeouts: u64;
  /** Connections that ended with an error of the socket, or while output was pending. */
  aborted: u64;
  /** Requests answered from the cache of open files; files opened; entries dropped because the file changed. */
  hits: u64;
  misses: u64;
  stale: u64;
}

@unmanaged
export class HttpdState {
  kq: i32;
  /** LISTENERS_MAX descriptors. */
  lfds: usize;
  nlisten: i32;
  port: i32;
  /** No access log. */
  quiet: i32;
  /** Is there a status page? */
  status_on: i32;
  draining: i32;
  finished: i32;
  /** accept failed for want of descriptors: listeners are disabled until a connection closes. */
  paused: i32;
  timer_armed: i32;
  tick_ms: i32;
  nconns: i32;
  /** Most octets of a body that are read to be thrown away. */
  maxbody: i32;
  /** How long an open file that nobody asks for is kept, s. */
  cache_s: i64;
  drain_us: i64;
  drain_at: i64;
  conns: Pool;
  bufs: Pool;
  files: Pool;
  heads: Pool;
  smalls: Pool;
  multis: Pool;
  /** Uptime of this turn, µs; wall time of it, s; and the wall µs at which the next second begins. */
  now_us: i64;
  now_sec: i64;
  next_sec_us: i64;
  /** now_sec as an IMF-fixdate, and as the log has it. */
  date: usize;
  clfdate: usize;
  rx: usize;
  out: usize;
  outlen: u32;
  /** Octets to send instead of those of `out`: a prepared answer, where it lies. 0: none. */
  direct: usize;
  directlen: u32;
  /** The decoded path of the request at hand. */
  path: usize;
  /** root, then room for a path and an index's name. */
  fpath: usize;
  rootlen: i32;
  events: usize;
  change: usize;
  msg: usize;
  statbuf: usize;
  ranges: usize;
  word: usize;
  sockaddr: usize;
  /** The access log's buffer, and where its next octet goes. */
  log: usize;
  logat: usize;
  queues: usize;
  validator: Validator;
  stat: HttpdStat;
  /** Responses by status code: u32 at [code - 100]. */
  codes: usize;
}

/** The state; set once, at boot. */
export let hd: HttpdState = changetype<HttpdState>(0);

export function queue_of(q: i32): ConnQueue {
  return changetype<ConnQueue>(hd.queues + <usize>q * offsetof<ConnQueue>());
}

/** Carve everything. Boot only. */
export function httpd_state_init(): void {
  const name = "httpd";
  hd = changetype<HttpdState>(kmem_alloc(offsetof<HttpdState>(), 64, name));
  hd.conns = pool_init("httpd.conn", <u32>CONN_SIZE, HTTPD_MAXCONNS, 8);
  hd.bufs = pool_init("httpd.buf", BUFSIZE, HTTPD_NBUFS, 64);
  hd.files = pool_init("httpd.file", <u32>offsetof<FileEnt>() + 256, HTTPD_MAXFILES, 8);
  hd.heads = pool_init("httpd.head", HEAD_ROOM, HTTPD_MAXFILES, 64);
  hd.smalls = pool_init("httpd.small", HEAD_ROOM + INLINE_MAX, HTTPD_MAXFILES, 64);
  hd.multis = pool_init("httpd.ranges", MULTI_SIZE, HTTPD_MAXRANGES, 8);
  hd.lfds = kmem_alloc(<usize>LISTENERS_MAX << 2, 4, name);
  hd.date = kmem_alloc(32, 8, name);
  hd.clfdate = kmem_alloc(32, 8, name);
  hd.rx = kmem_alloc(BUFSIZE, 64, name);
  hd.out = kmem_alloc(BUFSIZE, 64, name);
  hd.path = kmem_alloc(PATH_ROOM, 8, name);
  hd.fpath = kmem_alloc(2 * PATH_ROOM, 8, name);
  hd.events = kmem_alloc(<usize>NEVENTS * KEVENT_SIZE, 8, name);
  hd.change = kmem_alloc(KEVENT_SIZE, 8, name);
  hd.msg = kmem_alloc(MSGHDR_SIZE + IOVECS * IOVEC_SIZE, 8, name);
  hd.statbuf = kmem_alloc(STAT_SIZEOF, 8, name);
  hd.ranges = kmem_alloc(<usize>(RANGES_MAX + 1) * RANGE_SIZE, 8, name);
  hd.word = kmem_alloc(16, 8, name);
  hd.sockaddr = kmem_alloc(128, 8, name);
  hd.log = kmem_alloc(LOG_ROOM, 8, name);
  hd.logat = hd.log;
  hd.queues = kmem_alloc(<usize>Q_COUNT * offsetof<ConnQueue>(), 8, name);
  hd.validator = changetype<Validator>(kmem_alloc(offsetof<Validator>(), 8, name));
  hd.stat = changetype<HttpdStat>(kmem_alloc(offsetof<HttpdStat>(), 8, name));
  hd.codes = kmem_alloc(500 << 2, 8, name);
}
