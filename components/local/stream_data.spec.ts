/**
 * Local streams: data both ways, back-pressure, iovecs, urgent data, half close, reset, records.
 */
import { EAGAIN, ECONNRESET, EFAULT, EINVAL, EPIPE, EMSGSIZE } from "../../kernel/abi/errno";
import { FIONREAD, FIONSPACE, FIONWRITE, SIOCATMARK } from "../../kernel/abi/filio";
import { MSG_OOB, MSG_PEEK, MSG_WAITALL, SHUT_RD, SHUT_WR, SO_ERROR, SO_LINGER, SOCK_SEQPACKET, SOCK_STREAM,
  SOL_SOCKET } from "../../kernel/abi/socket";
import * as u from "../../kernel/kern/usyscall";
import { spec_check, spec_fill, spec_mbufs_inuse } from "../../kernel/net/net_spec";
import * as t from "./local_spec";

t.spec_boot();

describe("data", () => {
  it("flows both ways, in order, until the buffer is full", () => {
    const base = spec_mbufs_inuse();
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    let sent = 0;
    while (true) {
      const k = t.send(a, 3000, sent);
      if (k < 0) {
        expect(k).toBe(-EAGAIN);
        break;
      }
      sent += k;
    }
    expect(sent > 60000 && sent <= 65536).toBe(true);
    expect(t.ioctlint(b, FIONREAD)).toBe(sent);
    expect(t.ioctlint(a, FIONWRITE)).toBe(sent);
    expect(t.ioctlint(a, FIONSPACE)).toBe(65536 - sent);
    let got = 0;
    while (true) {
      const k = t.recv(b, 1777, got);
      if (k < 0) {
        expect(k).toBe(-EAGAIN);
        break;
      }
      got += k;
    }
    expect(got).toBe(sent);
    expect(t.send(b, 100, 7)).toBe(100);
    expect(t.recv(a, 200, 7)).toBe(100);
    u.sys_close(a); u.sys_close(b);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("comes without an address", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    t.send(a, 10, 0);
    store<i32>(t.scratch + 252, 100);
    store<u8>(t.scratch + 128, 0xee);
    expect(u.sys_recvfrom(b, t.inb(), 10, 0, t.scratch + 128, t.scratch + 252)).toBe(10);
    expect(load<i32>(t.scratch + 252)).toBe(0);
    expect(load<u8>(t.scratch + 128)).toBe(0xee);
    u.sys_close(a); u.sys_close(b);
  });

  it("takes a part of a large write", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    expect(t.send(a, 200000, 0)).toBe(65536);
    expect(t.send(a, 1, 0)).toBe(-EAGAIN);
    expect(t.recv(b, 1000, 0)).toBe(1000);
    expect(t.send(a, 100000, 65536)).toBe(-EAGAIN, "less room than the low-water mark");
    expect(t.recv(b, 4000, 1000)).toBe(4000);
    expect(t.send(a, 100000, 65536)).toBe(5000);
    expect(t.recv(b, 200000, 5000)).toBe(65536);
    u.sys_close(a); u.sys_close(b);
  });

  it("can be looked at before it is taken", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    t.send(a, 100, 0);
    expect(u.sys_recv(b, t.inb(), 50, MSG_PEEK)).toBe(50);
    expect(spec_check(t.inb(), 50, 0)).toBe(true);
    expect(u.sys_recv(b, t.inb(), 101, MSG_WAITALL)).toBe(-EAGAIN, "all or nothing");
    expect(u.sys_recv(b, t.inb(), 100, MSG_WAITALL)).toBe(100);
    t.send(a, 10, 0);
    u.sys_close(a);
    expect(u.sys_recv(b, t.inb(), 100, MSG_WAITALL)).toBe(10, "no more can come");
    expect(t.recv(b, 0, 0)).toBe(0);
    u.sys_close(b);
  });

  it("is gathered and scattered", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    spec_fill(t.out(), 5000, 0);
    const iov = t.scratch + 512;
    const hdr = t.scratch + 768;
    for (let i = 0; i < 4; i++) {
      store<usize>(iov + i * 8, t.out() + i * 1000);
      store<i32>(iov + i * 8, i == 2 ? 0 : 1000, 4);
    }
    memory.fill(hdr, 0, 28);
    store<usize>(hdr, iov, 8);
    store<i32>(hdr, 2, 12);
    expect(u.sys_sendmsg(a, hdr, 0)).toBe(2000);
    expect(u.sys_sendmsg(a, hdr, 0)).toBe(2000);
    for (let i = 0; i < 4; i++) store<usize>(iov + i * 8, t.inb() + i * 1000);
    store<i32>(hdr, 4, 12);
    expect(u.sys_recvmsg(b, hdr, 0)).toBe(3000);
    expect(spec_check(t.inb(), 2000, 0)).toBe(true);
    expect(spec_check(t.inb() + 3000, 1000, 0)).toBe(true, "the empty segment was passed over");
    store<i32>(hdr, 100000, 12);
    expect(u.sys_recvmsg(b, hdr, 0)).toBe(-EMSGSIZE);
    store<i32>(hdr, 1, 12);
    store<usize>(iov, <usize>0x7ffffff0);
    expect(u.sys_recvmsg(b, hdr, 0)).toBe(-EFAULT);
    u.sys_close(a); u.sys_close(b);
  });

  it("marks urgent data in line", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    t.send(a, 10, 0);
    spec_fill(t.out(), 1, 10);
    expect(u.sys_send(a, t.out(), 1, MSG_OOB)).toBe(1);
    t.send(a, 5, 11);
    expect(t.ioctlint(b, SIOCATMARK)).toBe(0);
    expect(t.recv(b, 100, 0)).toBe(10, "a read stops at the mark");
    expect(t.ioctlint(b, SIOCATMARK)).toBe(1);
    expect(t.recv(b, 100, 10)).toBe(6);
    expect(t.ioctlint(b, SIOCATMARK)).toBe(0);
    expect(u.sys_recv(b, t.inb(), 1, MSG_OOB)).toBe(-EINVAL);
    u.sys_close(a); u.sys_close(b);
  });
});

describe("the end", () => {
  it("half closes", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    t.send(a, 10, 0);
    expect(u.sys_shutdown(a, SHUT_WR)).toBe(0);
    expect(t.send(a, 1, 0)).toBe(-EPIPE);
    expect(t.recv(b, 100, 0)).toBe(10);
    expect(t.recv(b, 100, 0)).toBe(0);
    expect(t.recv(b, 100, 0)).toBe(0);
    expect(t.send(b, 20, 3)).toBe(20, "the other way is open");
    expect(t.recv(a, 100, 3)).toBe(20);
    u.sys_close(b);
    expect(t.recv(a, 100, 0)).toBe(0);
    u.sys_close(a);
  });

  it("refuses what nobody will read", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    t.send(a, 10, 0);
    expect(u.sys_shutdown(b, SHUT_RD)).toBe(0);
    expect(t.recv(b, 10, 0)).toBe(0, "and drops what was there");
    expect(t.send(a, 1, 0)).toBe(-EPIPE);
    u.sys_close(a); u.sys_close(b);
  });

  it("resets with a linger time of 0", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    store<i32>(t.scratch + 512, 1);
    store<i32>(t.scratch + 516, 0);
    expect(u.sys_setsockopt(a, SOL_SOCKET, SO_LINGER, t.scratch + 512, 8)).toBe(0);
    u.sys_close(a);
    expect(t.getint(b, SO_ERROR)).toBe(ECONNRESET);
    expect(t.getint(b, SO_ERROR)).toBe(0);
    u.sys_close(b);
  });

  it("leaves nothing behind", () => {
    const base = spec_mbufs_inuse();
    const n = t.sockets();
    for (let i = 0; i < 2000; i++) {
      const a = t.pair(SOCK_STREAM);
      const b = t.pair_b;
      t.send(a, 100, 0);
      t.send(b, 5000, 0);
      u.sys_close(i & 1 ? a : b);
      u.sys_close(i & 1 ? b : a);
    }
    expect(t.sockets()).toBe(n);
    expect(spec_mbufs_inuse()).toBe(base);
  });
});

describe("seqpacket", () => {
  it("keeps the bounds of records on a connection", () => {
    const a = t.pair(SOCK_SEQPACKET);
    const b = t.pair_b;
    expect(t.send(a, 10, 0)).toBe(10);
    expect(t.send(a, 20, 10)).toBe(20);
    expect(t.send(a, 70000, 0)).toBe(-EMSGSIZE);
    expect(t.recv(b, 100, 0)).toBe(10);
    expect(t.recv(b, 5, 10)).toBe(5);
    expect(t.recv(b, 5, 0)).toBe(-EAGAIN, "the rest of a record is lost");
    u.sys_close(a);
    expect(t.recv(b, 5, 0)).toBe(0);
    u.sys_close(b);
  });
});
