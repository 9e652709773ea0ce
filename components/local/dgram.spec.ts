/**
 * Local datagrams: bounds, addresses, truncation, peeking, control messages, back-pressure, errors.
 */
import { EAGAIN, ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EMSGSIZE, ENOBUFS, EOPNOTSUPP, ENOTCONN } from "../../kernel/abi/errno";
import { EVFILT_READ, EVFILT_WRITE } from "../../kernel/abi/event";
import { FIONREAD } from "../../kernel/abi/filio";
import { AF_LOCAL, AF_UNSPEC, MSG_CTRUNC, MSG_PEEK, MSG_TRUNC, SCM_TIMESTAMP, SO_ERROR, SO_TIMESTAMP, SOCK_DGRAM,
  SOL_SOCKET } from "../../kernel/abi/socket";
import * as u from "../../kernel/kern/usyscall";
import { spec_check, spec_fill, spec_mbufs_inuse } from "../../kernel/net/net_spec";
import * as t from "./local_spec";

t.spec_boot();

const HDR: usize = 768;
const IOV: usize = 800;
const CTL: usize = 832;
const NAME: usize = 128;

/** A datagram socket bound to `name`. */
function bound(name: string): i32 {
  const fd = u.sys_socket(AF_LOCAL, SOCK_DGRAM, 0);
  assert(u.sys_bind(fd, t.un(name), t.addrlen) == 0, "spec: bind");
  return fd;
}

function sendto(fd: i32, n: i32, from: i32, name: string): i32 {
  spec_fill(t.out(), n, from);
  return u.sys_sendto(fd, t.out(), n, 0, t.un(name), t.addrlen);
}

/** recvmsg into inb() with room for `n` bytes, an address and `ctl` bytes of control messages. */
function recvmsg(fd: i32, n: i32, ctl: i32, flags: i32): i32 {
  const h = t.scratch + HDR;
  memory.fill(h, 0, 28);
  store<usize>(h, t.scratch + NAME);
  store<i32>(h, 110, 4);
  store<usize>(h, t.scratch + IOV, 8);
  store<i32>(h, 1, 12);
  store<usize>(h, t.scratch + CTL, 16);
  store<i32>(h, ctl, 20);
  store<usize>(t.scratch + IOV, t.inb());
  store<i32>(t.scratch + IOV, n, 4);
  return u.sys_recvmsg(fd, h, flags);
}
function namelen(): i32 { return load<i32>(t.scratch + HDR, 4); }
function ctllen(): i32 { return load<i32>(t.scratch + HDR, 20); }
function msgflags(): i32 { return load<i32>(t.scratch + HDR, 24); }

describe("datagrams", () => {
  it("keep their bounds and say who sent them", () => {
    const base = spec_mbufs_inuse();
    const a = bound("a");
    const b = bound("b");
    expect(sendto(a, 100, 0, "b")).toBe(100);
    expect(sendto(a, 0, 0, "b")).toBe(0, "an empty one is one too");
    expect(sendto(a, 3000, 5, "b")).toBe(3000);
    expect(recvmsg(b, 200, 0, 0)).toBe(100);
    expect(t.isun(t.scratch + NAME, namelen(), "a")).toBe(true);
    expect(spec_check(t.inb(), 100, 0)).toBe(true);
    expect(recvmsg(b, 200, 0, 0)).toBe(0);
    expect(t.isun(t.scratch + NAME, namelen(), "a")).toBe(true);
    expect(recvmsg(b, 4000, 0, 0)).toBe(3000);
    expect(spec_check(t.inb(), 3000, 5)).toBe(true);
    expect(recvmsg(b, 4000, 0, 0)).toBe(-EAGAIN);
    u.sys_close(a); u.sys_close(b);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("are cut when they do not fit, and say so", () => {
    const a = bound("a");
    const b = bound("b");
    sendto(a, 100, 0, "b");
    expect(recvmsg(b, 60, 0, MSG_PEEK)).toBe(60);
    expect(msgflags() & MSG_TRUNC).toBe(MSG_TRUNC);
    expect(recvmsg(b, 60, 0, MSG_PEEK | MSG_TRUNC)).toBe(100, "the true length on request");
    expect(recvmsg(b, 100, 0, 0)).toBe(100);
    expect(msgflags()).toBe(0);
    sendto(a, 100, 0, "b");
    expect(u.sys_read(b, t.inb(), 10)).toBe(10);
    expect(u.sys_read(b, t.inb(), 10)).toBe(-EAGAIN, "the rest is gone");
    u.sys_close(a); u.sys_close(b);
  });

  it("bring their time along if asked", () => {
    const a = bound("a");
    const b = bound("b");
    t.setint(b, SO_TIMESTAMP, 1);
    sendto(a, 10, 0, "b");
    expect(recvmsg(b, 100, 64, MSG_PEEK)).toBe(10);
    expect(ctllen()).toBe(28);
    expect(load<i32>(t.scratch + CTL, 4)).toBe(SOL_SOCKET);
    expect(load<i32>(t.scratch + CTL, 8)).toBe(SCM_TIMESTAMP);
    expect(load<i64>(t.scratch + CTL, 12) > 1500000000).toBe(true);
    expect(recvmsg(b, 100, 20, 0)).toBe(10);
    expect(msgflags()).toBe(MSG_CTRUNC);
    expect(ctllen()).toBe(0);
    u.sys_close(a); u.sys_close(b);
  });

  it("refuse control messages that they cannot carry", () => {
    const a = bound("a");
    const b = bound("b");
    const h = t.scratch + HDR;
    memory.fill(h, 0, 28);
    store<usize>(h, t.un("b"));
    store<i32>(h, t.addrlen, 4);
    store<usize>(h, t.scratch + CTL, 16);
    store<i32>(h, 16, 20);
    const base = spec_mbufs_inuse();
    expect(u.sys_sendmsg(a, h, 0)).toBe(-EOPNOTSUPP);
    expect(spec_mbufs_inuse()).toBe(base);
    u.sys_close(a); u.sys_close(b);
  });

  it("find the receiver missing, gone, full", () => {
    const base = spec_mbufs_inuse();
    const a = bound("a");
    expect(sendto(a, 10, 0, "nobody")).toBe(-ECONNREFUSED);
    expect(u.sys_write(a, t.out(), 10)).toBe(-EDESTADDRREQ);
    expect(sendto(a, 70000, 0, "a")).toBe(-EMSGSIZE);
    const b = bound("b");
    let n = 0;
    let e = 0;
    while (true) {
      e = sendto(a, 1000, 0, "b");
      if (e < 0) break;
      n++;
    }
    expect(e).toBe(-ENOBUFS);
    expect(n > 30 && n < 70).toBe(true);
    u.sys_connect(a, t.un("b"), t.addrlen);
    expect(u.sys_write(a, t.out(), 1000)).toBe(-EAGAIN, "a connected one waits for room");
    u.sys_close(b);
    expect(t.getint(a, SO_ERROR)).toBe(ECONNRESET);
    expect(u.sys_write(a, t.out(), 10)).toBe(-EDESTADDRREQ, "no longer connected");
    u.sys_close(a);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("connect, reconnect and disconnect", () => {
    const a = bound("a");
    const b = bound("b");
    const c = bound("c");
    expect(u.sys_connect(a, t.un("b"), t.addrlen)).toBe(0);
    spec_fill(t.out(), 10, 0);
    expect(u.sys_write(a, t.out(), 10)).toBe(10);
    expect(u.sys_connect(a, t.un("c"), t.addrlen)).toBe(0);
    expect(u.sys_write(a, t.out(), 10)).toBe(10);
    expect(t.ioctlint(b, FIONREAD)).toBe(10);
    expect(t.ioctlint(c, FIONREAD)).toBe(10);
    store<u8>(t.un("c") + 1, AF_UNSPEC);
    expect(u.sys_connect(a, t.scratch, 16)).toBe(0);
    store<i32>(t.scratch + 252, 100);
    expect(u.sys_getpeername(a, t.scratch + NAME, t.scratch + 252)).toBe(-ENOTCONN);
    u.sys_close(c); u.sys_close(a); u.sys_close(b);
  });

  it("a socket may send to itself", () => {
    const a = bound("a");
    expect(u.sys_connect(a, t.un("a"), t.addrlen)).toBe(0);
    expect(u.sys_write(a, t.out(), 10)).toBe(10);
    expect(u.sys_read(a, t.inb(), 10)).toBe(10);
    u.sys_close(a);
  });
});

describe("readiness", () => {
  it("wakes a writer when the reader has read", () => {
    const kq = u.sys_kqueue();
    const a = t.pair(SOCK_DGRAM);
    const b = t.pair_b;
    t.watch(kq, a, EVFILT_WRITE);
    expect(t.events(kq)).toBe(1);
    while (u.sys_write(a, t.out(), 1000) > 0) {}
    expect(t.events(kq)).toBe(0);
    u.sys_read(b, t.inb(), 1000);
    u.sys_read(b, t.inb(), 1000);
    u.sys_read(b, t.inb(), 1000);
    expect(t.events(kq)).toBe(1);
    t.watch(kq, b, EVFILT_READ);
    while (u.sys_read(b, t.inb(), 1000) > 0) {}
    expect(t.events(kq)).toBe(1);
    expect(t.ev_filter(0)).toBe(EVFILT_WRITE);
    expect(t.ev_data(0)).toBe(65536);
    u.sys_write(a, t.out(), 0);
    expect(t.events(kq)).toBe(2, "an empty datagram is something to read");
    u.sys_close(a); u.sys_close(b); u.sys_close(kq);
  });
});
