/**
 * Local streams through the system calls: names, connecting and accepting, the backlog.
 */
import { EADDRINUSE, EAGAIN, EBADF, ECONNREFUSED, ECONNRESET, EFAULT, EINVAL, EISCONN, ENOTCONN, ENOTSOCK,
  EOPNOTSUPP, EPIPE, EPROTOTYPE, EAFNOSUPPORT, EPROTONOSUPPORT } from "../../kernel/abi/errno";
import { AF_INET, AF_LOCAL, SHUT_WR, SO_LISTENOVERFLOW, SO_LISTENQLEN, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM,
  SO_ACCEPTCONN } from "../../kernel/abi/socket";
import * as u from "../../kernel/kern/usyscall";
import * as t from "./local_spec";

t.spec_boot();

describe("socket(2)", () => {
  it("tells what it has not", () => {
    expect(u.sys_socket(AF_INET, SOCK_STREAM, 0)).toBe(-EAFNOSUPPORT);
    expect(u.sys_socket(99, SOCK_STREAM, 0)).toBe(-EAFNOSUPPORT);
    expect(u.sys_socket(AF_LOCAL, SOCK_RAW, 0)).toBe(-EPROTOTYPE);
    expect(u.sys_socket(AF_LOCAL, SOCK_STREAM, 77)).toBe(-EPROTONOSUPPORT);
    expect(u.sys_bind(500, t.un("x"), t.addrlen)).toBe(-EBADF);
    const kq = u.sys_kqueue();
    expect(u.sys_bind(kq, t.un("x"), t.addrlen)).toBe(-ENOTSOCK);
    u.sys_close(kq);
  });
});

describe("names", () => {
  it("are unique while their socket lives", () => {
    const n = t.sockets();
    const a = t.listener("/tmp/s", 5);
    expect(a >= 0).toBe(true);
    expect(t.listener("/tmp/s", 5)).toBe(-EADDRINUSE);
    u.sys_close(a);
    const b = t.listener("/tmp/s", 5);
    expect(b >= 0).toBe(true);
    u.sys_close(b);
    expect(t.sockets()).toBe(n);
  });

  it("are told by getsockname and getpeername", () => {
    const l = t.listener("srv", 5);
    const c = t.client("srv");
    store<i32>(t.scratch + 252, 120);
    const a = u.sys_accept(l, t.scratch + 128, t.scratch + 252);
    expect(load<i32>(t.scratch + 252)).toBe(2, "the client has no name");
    store<i32>(t.scratch + 252, 120);
    expect(u.sys_getpeername(c, t.scratch + 128, t.scratch + 252)).toBe(0);
    expect(t.isun(t.scratch + 128, load<i32>(t.scratch + 252), "srv")).toBe(true);
    store<i32>(t.scratch + 252, 120);
    expect(u.sys_getsockname(l, t.scratch + 128, t.scratch + 252)).toBe(0);
    expect(t.isun(t.scratch + 128, load<i32>(t.scratch + 252), "srv")).toBe(true);
    store<i32>(t.scratch + 252, 120);
    expect(u.sys_getsockname(c, t.scratch + 128, t.scratch + 252)).toBe(0);
    expect(load<i32>(t.scratch + 252)).toBe(2, "not bound: the bare family");
    store<i32>(t.scratch + 252, 3);
    store<u8>(t.scratch + 131, 0xee);
    u.sys_getpeername(c, t.scratch + 128, t.scratch + 252);
    expect(load<i32>(t.scratch + 252)).toBe(5, "the true length");
    expect(load<u8>(t.scratch + 131)).toBe(0xee, "but no more than there is room");
    u.sys_close(a);
    u.sys_close(c);
    u.sys_close(l);
  });

  it("must be names", () => {
    const s = u.sys_socket(AF_LOCAL, SOCK_STREAM, 0);
    expect(u.sys_bind(s, t.un(""), t.addrlen)).toBe(-EINVAL);
    expect(u.sys_bind(s, t.un("abc"), 1)).toBe(-EINVAL);
    expect(u.sys_bind(s, t.un("abc"), 1000)).toBe(-EINVAL);
    expect(u.sys_bind(s, <usize>0x7ffffff0, 16)).toBe(-EFAULT);
    expect(u.sys_bind(s, t.un("abc"), t.addrlen)).toBe(0);
    expect(u.sys_bind(s, t.un("abd"), t.addrlen)).toBe(-EINVAL, "bound already");
    u.sys_close(s);
  });
});

describe("connect and accept", () => {
  it("refuse when nobody listens", () => {
    expect(t.client("nobody")).toBe(-ECONNREFUSED);
    const s = u.sys_socket(AF_LOCAL, SOCK_STREAM, 0);
    u.sys_bind(s, t.un("mute"), t.addrlen);
    expect(t.client("mute")).toBe(-ECONNREFUSED);
    u.sys_close(s);
    const d = u.sys_socket(AF_LOCAL, SOCK_DGRAM, 0);
    u.sys_bind(d, t.un("dgram"), t.addrlen);
    expect(t.client("dgram")).toBe(-EPROTOTYPE);
    expect(u.sys_listen(d, 1)).toBe(-EOPNOTSUPP);
    u.sys_close(d);
  });

  it("take connections in order, no more than the backlog", () => {
    const n = t.sockets();
    const l = t.listener("srv", 3);
    expect(u.sys_accept(l, 0, 0)).toBe(-EAGAIN);
    const c1 = t.client("srv");
    const c2 = t.client("srv");
    const c3 = t.client("srv");
    expect(t.getint(l, SO_LISTENQLEN)).toBe(3);
    expect(t.client("srv")).toBe(-ECONNREFUSED);
    expect(t.getint(l, SO_LISTENOVERFLOW)).toBe(1);
    expect(t.send(c1, 10, 100)).toBe(10);
    expect(t.send(c2, 10, 200)).toBe(10);
    const a1 = u.sys_accept(l, 0, 0);
    const a2 = u.sys_accept(l, 0, 0);
    expect(t.recv(a1, 10, 100)).toBe(10);
    expect(t.recv(a2, 10, 200)).toBe(10);
    const c4 = t.client("srv");
    expect(c4 >= 0).toBe(true, "room again");
    u.sys_close(l);
    expect(t.recv(c3, 1, 0)).toBe(-ECONNRESET, "never accepted");
    expect(t.recv(c3, 1, 0)).toBe(0, "an error is told once");
    expect(t.send(c4, 1, 0)).toBe(-ECONNRESET);
    expect(t.send(c4, 1, 0)).toBe(-EPIPE);
    u.sys_close(c1); u.sys_close(c2); u.sys_close(c3); u.sys_close(c4); u.sys_close(a1); u.sys_close(a2);
    expect(t.sockets()).toBe(n);
  });

  it("work for a client that is gone already", () => {
    const l = t.listener("srv", 3);
    const c = t.client("srv");
    t.send(c, 5, 0);
    u.sys_close(c);
    const a = u.sys_accept(l, 0, 0);
    expect(t.recv(a, 10, 0)).toBe(5);
    expect(t.recv(a, 10, 0)).toBe(0);
    u.sys_close(a);
    u.sys_close(l);
  });

  it("hold on to the state", () => {
    const l = t.listener("srv", 3);
    expect(u.sys_connect(l, t.un("srv"), t.addrlen)).toBe(-EOPNOTSUPP);
    expect(t.getint(l, SO_ACCEPTCONN)).toBe(1);
    const c = t.client("srv");
    expect(u.sys_connect(c, t.un("srv"), t.addrlen)).toBe(-EISCONN);
    expect(u.sys_listen(c, 1)).toBe(-EINVAL);
    expect(u.sys_accept(c, 0, 0)).toBe(-EINVAL);
    const s = u.sys_socket(AF_LOCAL, SOCK_STREAM, 0);
    expect(t.send(s, 1, 0)).toBe(-ENOTCONN);
    expect(t.recv(s, 1, 0)).toBe(-ENOTCONN);
    expect(t.recv(l, 1, 0)).toBe(-ENOTCONN);
    expect(u.sys_shutdown(s, SHUT_WR)).toBe(-ENOTCONN);
    expect(u.sys_shutdown(c, 9)).toBe(-EINVAL);
    store<i32>(t.scratch + 252, 100);
    expect(u.sys_getpeername(s, t.scratch + 128, t.scratch + 252)).toBe(-ENOTCONN);
    u.sys_close(s); u.sys_close(c); u.sys_close(l);
  });
});
