/**
 * Readiness of sockets by kqueue, and socket options, on local streams.
 */
import { ECONNRESET, EINVAL } from "../../kernel/abi/errno";
import { EV_CLEAR, EV_EOF, EVFILT_READ, EVFILT_WRITE, NOTE_LOWAT } from "../../kernel/abi/event";
import { AF_LOCAL, SHUT_WR, SO_LINGER, SO_RCVBUF, SO_RCVLOWAT, SO_SNDBUF, SO_TYPE, SOCK_STREAM, SOL_SOCKET,
  SO_DOMAIN, SO_REUSEADDR } from "../../kernel/abi/socket";
import * as u from "../../kernel/kern/usyscall";
import { sost } from "../../kernel/net/socket";
import * as t from "./local_spec";

t.spec_boot();

describe("readiness", () => {
  it("tells bytes, room, the end and errors", () => {
    const kq = u.sys_kqueue();
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    expect(t.watch(kq, b, EVFILT_READ)).toBe(0);
    expect(t.watch(kq, a, EVFILT_WRITE)).toBe(0);
    expect(t.events(kq)).toBe(1);
    expect(t.ev_ident(0)).toBe(a);
    expect(t.ev_filter(0)).toBe(EVFILT_WRITE);
    expect(t.ev_data(0)).toBe(65536);
    t.send(a, 65536, 0);
    expect(t.events(kq)).toBe(1, "readable, no longer writeable");
    expect(t.ev_ident(0)).toBe(b);
    expect(t.ev_data(0)).toBe(65536);
    t.recv(b, 1000, 0);
    expect(t.events(kq)).toBe(1, "less room than the low-water mark is none");
    t.recv(b, 64536, 1000);
    expect(t.events(kq)).toBe(1, "writeable again, nothing to read");
    expect(t.ev_ident(0)).toBe(a);
    u.sys_close(b);
    expect(t.events(kq)).toBe(1);
    expect(t.ev_flags(0) & EV_EOF).toBe(EV_EOF);
    u.sys_close(a);
    expect(t.events(kq)).toBe(0, "closing takes the knotes along");
    u.sys_close(kq);
  });

  it("counts connections to accept, and tells an error with the end", () => {
    const kq = u.sys_kqueue();
    const l = t.listener("srv", 8);
    t.watch(kq, l, EVFILT_READ);
    expect(t.events(kq)).toBe(0);
    const c1 = t.client("srv");
    const c2 = t.client("srv");
    expect(t.events(kq)).toBe(1);
    expect(t.ev_data(0)).toBe(2);
    t.watch(kq, c1, EVFILT_READ);
    u.sys_close(l);
    expect(t.events(kq)).toBe(1);
    expect(t.ev_ident(0)).toBe(c1);
    expect(t.ev_flags(0) & EV_EOF).toBe(EV_EOF);
    expect(t.ev_fflags(0)).toBe(ECONNRESET);
    u.sys_close(c1); u.sys_close(c2); u.sys_close(kq);
  });

  it("minds low-water marks, and edges", () => {
    const kq = u.sys_kqueue();
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    expect(t.setint(b, SO_RCVLOWAT, 100)).toBe(0);
    t.watch(kq, b, EVFILT_READ);
    t.send(a, 99, 0);
    expect(t.events(kq)).toBe(0);
    t.send(a, 1, 99);
    expect(t.events(kq)).toBe(1);
    t.recv(b, 1000, 0);
    t.watch(kq, b, EVFILT_READ, 0, NOTE_LOWAT, 10);
    t.send(a, 9, 0);
    expect(t.events(kq)).toBe(0);
    t.send(a, 1, 9);
    expect(t.events(kq)).toBe(1);
    t.recv(b, 1000, 0);
    t.watch(kq, b, EVFILT_READ, EV_CLEAR, NOTE_LOWAT, 1);
    t.send(a, 9, 0);
    expect(t.events(kq)).toBe(1);
    expect(t.events(kq)).toBe(0, "an edge is told once");
    t.send(a, 1, 9);
    expect(t.events(kq)).toBe(1);
    u.sys_close(a); u.sys_close(b); u.sys_close(kq);
  });

  it("shows half closes", () => {
    const kq = u.sys_kqueue();
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    t.send(a, 10, 0);
    u.sys_shutdown(a, SHUT_WR);
    t.watch(kq, b, EVFILT_READ);
    expect(t.events(kq)).toBe(1);
    expect(t.ev_data(0)).toBe(10);
    expect(t.ev_flags(0) & EV_EOF).toBe(EV_EOF, "the end is known before the data is read");
    t.recv(b, 10, 0);
    expect(t.events(kq)).toBe(1);
    expect(t.ev_data(0)).toBe(0);
    u.sys_close(a); u.sys_close(b); u.sys_close(kq);
  });
});

describe("options", () => {
  it("are kept and given back", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    expect(t.getint(a, SO_TYPE)).toBe(SOCK_STREAM);
    expect(t.getint(a, SO_DOMAIN)).toBe(AF_LOCAL);
    expect(t.getint(a, SO_REUSEADDR)).toBe(0);
    expect(t.setint(a, SO_REUSEADDR, 5)).toBe(0);
    expect(t.getint(a, SO_REUSEADDR)).toBe(1);
    expect(t.setint(b, SO_RCVBUF, 10000)).toBe(0);
    expect(t.getint(b, SO_RCVBUF)).toBe(10000);
    expect(t.send(a, 65536, 0)).toBe(10000);
    expect(t.setint(a, SO_SNDBUF, 0)).toBe(-EINVAL);
    expect(t.setint(a, SO_SNDBUF, 0x7fffffff)).toBe(0);
    expect(t.getint(a, SO_SNDBUF)).toBe(sost.so_sbmax, "cut to the maximum");
    expect(t.setint(a, 0x7777, 1)).toBe(-42, "ENOPROTOOPT");
    store<i32>(t.scratch + 512, 1);
    store<i32>(t.scratch + 516, 17);
    u.sys_setsockopt(a, SOL_SOCKET, SO_LINGER, t.scratch + 512, 8);
    store<i32>(t.scratch + 520, 8);
    expect(u.sys_getsockopt(a, SOL_SOCKET, SO_LINGER, t.scratch + 512, t.scratch + 520)).toBe(0);
    expect(load<i32>(t.scratch + 516)).toBe(17);
    u.sys_close(a); u.sys_close(b);
  });
});
