/**
 * One connection: octets in, answers out, and what it waits for in between.
 *
 *      event ─► conn_turn:   pending output? push it ─ blocked ─► wait for EVFILT_WRITE
 *                 ▲              │ sent
 *                 │              ▼
 *                 │          receive ─► parse ─► serve ─► … next pipelined request
 *                 └── more? ─── push all answers together ─┴─ close, linger, or wait
 *
 * Receiving goes to a buffer shared by all connections; only what cannot be dealt with at once (part
 * of a head, requests behind one whose answer is blocked) is copied to a buffer of the connection's
 * own. While output is pending nothing is received: the peer's window closes, so what a peer can make
 * us hold is bounded by two buffers. A read that did not fill its buffer has emptied the socket, so it
 * is not asked again: one system call in, one out, for a request.
 *
 * After an answer that closes while the peer may still be sending, the connection lingers: our side
 * is shut, input is thrown away until the peer closes or Q_LINGER's time is up (RFC 9112 §9.6), for a
 * reset would take the answer with it.
 */
import { EAGAIN } from "../../kernel/abi/errno";
import { EVFILT_READ, EVFILT_WRITE, EV_ADD, EV_CLEAR, EV_ONESHOT } from "../../kernel/abi/event";
import { SHUT_WR } from "../../kernel/abi/socket";
import { pool_get, pool_put } from "../../kernel/kern/pool";
import { sys_close, sys_recv, sys_shutdown } from "../../kernel/kern/usyscall";
import { http_body_done, http_body_feed, http_body_init } from "./http_body";
import { http_parse } from "./http_parse";
import * as q from "./http_req";
import { http_hasbody, http_req_init } from "./http_req";
import { REPLY_ROOM } from "./httpd_head";
import { out_settle, reply_continue, reply_error } from "./httpd_reply";
import { SENT, BLOCKED, conn_drop_output, conn_pending, conn_push, push_alive } from "./httpd_send";
import { method_status, serve } from "./httpd_serve";
import * as s from "./httpd_state";
import { BUFSIZE, CF_CLOSE, CF_LINGER, CF_UNREAD, Conn, conn_body, conn_req, hd, queue_of } from "./httpd_state";
import { conn_watch } from "./httpd_sys";
import { timer_restart, timer_set, timer_stop } from "./httpd_timer";
import { listen_resume } from "./httpd_listen";

/** Receives of one connection in one turn: then the others have theirs. */
const ROUNDS: i32 = 16;

// ── the end ──────────────────────────────────────────────────────────────────────────────────────

/** Close `c` and give everything back. */
export function conn_close(c: Conn): void {
  assert(c.c_fd >= 0, "conn_close: closed");
  conn_drop_output(c);
  if (c.c_in != 0) pool_put(hd.bufs, c.c_in);
  if (c.c_head != 0) pool_put(hd.bufs, c.c_head);
  timer_stop(c);
  sys_close(c.c_fd);
  c.c_fd = -1;
  pool_put(hd.conns, changetype<usize>(c));
  hd.nconns--;
  if (hd.paused != 0) listen_resume();
}

/** The socket failed, or the peer went away with output pending. */
export function conn_abort(c: Conn): void {
  hd.stat.aborted++;
  conn_close(c);
}

/** The last answer is out. */
function conn_finish(c: Conn): void {
  if ((c.c_flags & CF_LINGER) == 0 || sys_shutdown(c.c_fd, SHUT_WR) < 0) {
    conn_close(c);
    return;
  }
  c.c_flags |= s.CF_LINGERING;
  conn_linger(c);
}

/** Throw away what comes; close at the end. */
function conn_linger(c: Conn): void {
  let n = 0;
  for (let round = 0; round < ROUNDS; round++) {
    n = sys_recv(c.c_fd, hd.rx, BUFSIZE, 0);
    if (n <= 0) break;
  }
  if (n <= 0 && n != -EAGAIN) {
    conn_close(c);
    return;
  }
  timer_set(c, s.Q_LINGER);
  // If there is more, it is reported again: others have their turn meanwhile.
  if (n > 0) c.c_flags &= ~s.CF_WATCHED;
  if (!conn_listen(c)) conn_close(c);
}

/** Have the kqueue tell of input, if it does not yet; false if it cannot. */
function conn_listen(c: Conn): bool {
  if ((c.c_flags & s.CF_WATCHED) != 0) return true;
  c.c_flags |= s.CF_WATCHED;
  return conn_watch(c, EVFILT_READ, EV_ADD | EV_CLEAR) == 0;
}

// ── buffers ──────────────────────────────────────────────────────────────────────────────────────

/** A buffer; if there is none, that of the connection that has been sending its head for longest. */
function buf_get(c: Conn): usize {
  const p = pool_get(hd.bufs);
  if (p != 0) return p;
  const victim = queue_of(s.Q_HEAD).q_first;
  if (!victim || victim == c) return 0;
  hd.stat.timeouts++;
  conn_abort(victim);
  return pool_get(hd.bufs);
}

/** Keep the octets from `at` to `len` of those at `base`; false if there is no buffer. */
function conn_stash(c: Conn, base: usize, at: u32, len: u32): bool {
  const rest = len - at;
  if (rest == 0) {
    if (c.c_in != 0) pool_put(hd.bufs, c.c_in);
    c.c_in = 0;
  } else {
    assert(rest <= BUFSIZE, "conn_stash: length");
    if (c.c_in == 0) c.c_in = buf_get(c);
    if (c.c_in == 0) return false;
    memory.copy(c.c_in, base + at, rest);
  }
  c.c_inlen = rest;
  return true;
}

// ── requests ─────────────────────────────────────────────────────────────────────────────────────

/** Answer `code`, after which the connection closes: what the peer sends next cannot be understood. */
function conn_error(c: Conn, base: usize, code: i32): void {
  c.c_flags |= CF_CLOSE | CF_LINGER;
  reply_error(c, base, code);
}

/** A head is complete at `base`; `more` octets follow it in hand. */
function request_begin(c: Conn, base: usize, more: u32): void {
  const r = conn_req(c);
  if (!http_hasbody(r)) {
    serve(c, base);
    return;
  }
  const chunked = (r.hr_flags & q.HR_CHUNKED) != 0;
  const e = http_body_init(conn_body(c), r.hr_length, chunked, hd.maxbody);
  if (e < 0 || (r.hr_flags & q.HR_EXPECT_BAD) != 0) {
    conn_error(c, base, e < 0 ? -e : 417);
    return;
  }
  const waits = (r.hr_flags & q.HR_EXPECT_100) != 0 && more == 0;
  if (waits && method_status(r) != 0) {
    // The peer asks before it sends: a refusal spares it the body (RFC 9110 §10.1.1).
    conn_error(c, base, method_status(r));
    return;
  }
  c.c_head = buf_get(c);
  if (c.c_head == 0) {
    conn_error(c, base, 503);
    return;
  }
  memory.copy(c.c_head, base, r.hr_headlen);
  c.c_flags |= s.CF_BODY;
  if (waits) reply_continue();
}

/** The body of the request at c_head ends, or (`code` not 0) is refused. */
function request_end(c: Conn, code: i32): void {
  const head = c.c_head;
  c.c_flags &= ~s.CF_BODY;
  if (code == 0) serve(c, head);
  else conn_error(c, head, code);
  pool_put(hd.bufs, head);
  c.c_head = 0;
}

/** Deal with the `len` octets at `base`, as far as that is possible now: how many are done with. */
function conn_process(c: Conn, base: usize, len: u32): u32 {
  const r = conn_req(c);
  let at: u32 = 0;
  c.c_flags &= ~CF_UNREAD;
  while (at < len) {
    if ((c.c_flags & CF_CLOSE) != 0) {
      c.c_flags |= CF_LINGER;
      return len;
    }
    out_settle();
    if (conn_pending(c) || hd.outlen > BUFSIZE - REPLY_ROOM - 64) {
      c.c_flags |= CF_UNREAD;
      return at;
    }
    if ((c.c_flags & s.CF_BODY) != 0) {
      const took = http_body_feed(conn_body(c), base + at, len - at);
      if (took < 0) {
        request_end(c, -took);
        return len;
      }
      at += took;
      if (http_body_done(conn_body(c))) request_end(c, 0);
      continue;
    }
    if (r.hr_state == q.HS_DONE) http_req_init(r);
    const e = http_parse(r, base + at, len - at);
    if (e == 0) return at;
    if (e < 0) {
      conn_error(c, base + at, -e);
      return len;
    }
    at += e;
    request_begin(c, base + at - e, len - at);
  }
  return at;
}

/** There is no buffer for what must be kept: 503 if no answer of this turn comes first, and the end. */
function conn_nobuf(c: Conn): void {
  c.c_flags |= CF_CLOSE | CF_LINGER;
  if (hd.direct == 0 && hd.outlen == 0 && !conn_pending(c)) reply_error(c, 0, 503);
}

// ── turns ────────────────────────────────────────────────────────────────────────────────────────

/** Receive and process. Octets that came, 0 at the end of the stream, or -errno. */
function conn_receive(c: Conn): i32 {
  const own = c.c_in != 0;
  const base = own ? c.c_in : hd.rx;
  const have = own ? c.c_inlen : 0;
  assert(have < BUFSIZE, "conn_receive: a full buffer has been refused");
  const n = sys_recv(c.c_fd, base + have, BUFSIZE - have, 0);
  if (n <= 0) return n;
  const len = have + n;
  const at = conn_process(c, base, len);
  if (!conn_stash(c, base, at, len)) conn_nobuf(c);
  // As many as there was room for: there may be more.
  return n;
}

/** Send what there is to send. False if the turn is over: blocked, or the connection is gone. */
function conn_flush(c: Conn): bool {
  if (hd.outlen != 0 || hd.direct != 0 || conn_pending(c)) {
    const r = conn_push(c);
    if (r != SENT) {
      if (r != BLOCKED) conn_abort(c);
      return false;
    }
  }
  if ((c.c_flags & CF_CLOSE) == 0) return true;
  conn_finish(c);
  return false;
}

/**
 * The turn ends before everything is done: have another. Octets in the socket are reported again when
 * the filter is added again; for those in c_in, that the socket has room will do. False if impossible.
 */
function conn_again(c: Conn): bool {
  if ((c.c_flags & CF_UNREAD) != 0) return conn_watch(c, EVFILT_WRITE, EV_ADD | EV_ONESHOT) == 0;
  c.c_flags |= s.CF_WATCHED;
  return conn_watch(c, EVFILT_READ, EV_ADD | EV_CLEAR) == 0;
}

/** What `c` waits for now. `done`: it answered a request in this turn. */
function conn_settle(c: Conn, done: bool): void {
  let id = c.c_nreq > 0 ? s.Q_IDLE : s.Q_NEW;
  if ((c.c_flags & s.CF_BODY) != 0) id = s.Q_BODY;
  else if (c.c_inlen > 0) id = s.Q_HEAD;
  else if (hd.draining != 0) {
    conn_close(c);
    return;
  }
  if (done) timer_restart(c, id);
  else timer_set(c, id);
  if (!conn_listen(c)) conn_close(c);
}

/** Something happened to `c`: do all that can be done. */
export function conn_turn(c: Conn): void {
  assert(c.c_fd >= 0 && hd.outlen == 0 && hd.direct == 0, "conn_turn: state");
  if ((c.c_flags & s.CF_LINGERING) != 0) {
    conn_linger(c);
    return;
  }
  const before = c.c_nreq;
  if (!conn_flush(c)) return;
  for (let round = 0; round < ROUNDS; round++) {
    let n: i32 = BUFSIZE;
    if ((c.c_flags & CF_UNREAD) != 0) {
      const len = c.c_inlen;
      conn_stash(c, c.c_in, conn_process(c, c.c_in, len), len);
    } else {
      const room = <i32>(BUFSIZE - c.c_inlen);
      n = conn_receive(c);
      if (n == -EAGAIN) break;
      if (n <= 0) {
        if (n < 0) conn_abort(c);
        else conn_close(c);
        return;
      }
      if (n < room && (c.c_flags & s.CF_EOF) == 0) n = 0;
    }
    if (!conn_flush(c)) return;
    if (n == 0 && (c.c_flags & CF_UNREAD) == 0) break;
    if (round == ROUNDS - 1 && !conn_again(c)) {
      conn_close(c);
      return;
    }
  }
  conn_settle(c, c.c_nreq != before);
}

/** `c` has been on queue `id` for too long. */
export function conn_timeout(c: Conn, id: i32): void {
  if (id == s.Q_SEND && push_alive(c)) return;
  if (id == s.Q_HEAD || id == s.Q_BODY || id == s.Q_SEND) hd.stat.timeouts++;
  if (id == s.Q_SEND) {
    conn_abort(c);
  } else if (id == s.Q_HEAD || id == s.Q_BODY) {
    const head = id == s.Q_BODY ? c.c_head : c.c_in;
    c.c_flags |= CF_CLOSE;
    reply_error(c, head, 408);
    conn_flush(c);
  } else {
    conn_close(c);
  }
}
