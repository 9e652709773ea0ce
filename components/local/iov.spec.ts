/**
 * readv and writev on sockets: one send and one receive, whatever the number of buffers.
 */
import { EAGAIN, EFAULT, EINVAL } from "../../kernel/abi/errno";
import { IOV_BASE, IOV_LEN, IOV_MAX, IOVEC_SIZE, SOCK_DGRAM, SOCK_STREAM } from "../../kernel/abi/socket";
import * as u from "../../kernel/kern/usyscall";
import { spec_check, spec_fill, spec_mbufs_inuse } from "../../kernel/net/net_spec";
import * as t from "./local_spec";

t.spec_boot();

/** Write iovec `i` of the vector at `scratch`. */
function iov(i: i32, base: usize, len: i32): void {
  const at = t.scratch + 1024 + <usize>(i * IOVEC_SIZE);
  store<usize>(at, base, IOV_BASE);
  store<i32>(at, len, IOV_LEN);
}

function writev(fd: i32, cnt: i32): i32 {
  return u.sys_writev(fd, t.scratch + 1024, cnt);
}

function readv(fd: i32, cnt: i32): i32 {
  return u.sys_readv(fd, t.scratch + 1024, cnt);
}

describe("a vector on a datagram socket", () => {
  it("is one datagram, not one for each buffer", () => {
    const base = spec_mbufs_inuse();
    const a = t.pair(SOCK_DGRAM);
    const b = t.pair_b;
    spec_fill(t.out(), 300, 0);
    iov(0, t.out(), 100);
    iov(1, 0, 0);
    iov(2, t.out() + 100, 200);
    expect(writev(a, 3)).toBe(300);
    expect(t.recv(b, 1000, 0)).toBe(300);
    expect(t.recv(b, 1000, 0)).toBe(-EAGAIN);
    u.sys_close(a);
    u.sys_close(b);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("is filled with one datagram, the rest of which is lost", () => {
    const a = t.pair(SOCK_DGRAM);
    const b = t.pair_b;
    t.send(a, 100, 0);
    t.send(a, 50, 0);
    memory.fill(t.inb(), 0, 200);
    iov(0, t.inb(), 30);
    iov(1, t.inb() + 30, 40);
    expect(readv(b, 2)).toBe(70);
    expect(spec_check(t.inb(), 70, 0)).toBe(true);
    expect(load<u8>(t.inb() + 70)).toBe(0);
    iov(1, t.inb() + 30, 100);
    expect(readv(b, 2)).toBe(50, "the next one, from its start");
    expect(spec_check(t.inb(), 50, 0)).toBe(true);
    u.sys_close(a);
    u.sys_close(b);
  });
});

describe("a vector on a stream", () => {
  it("carries its bytes in order, as far as there is room", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    spec_fill(t.out(), 100000, 0);
    let at = 0;
    for (let i = 0; i < 100; i++) {
      iov(i, t.out() + at, i * 20);
      at += i * 20;
    }
    expect(writev(a, 100)).toBeGreaterThan(0);
    let got = 0;
    while (true) {
      iov(0, t.inb() + 0, 7);
      iov(1, t.inb() + 7, 500);
      const n = readv(b, 2);
      if (n == -EAGAIN) break;
      assert(n > 0 && spec_check(t.inb(), n, got), "the bytes");
      got += n;
    }
    expect(got).toBeGreaterThan(10000);
    u.sys_close(a);
    expect(readv(b, 2)).toBe(0, "the end");
    u.sys_close(b);
  });

  it("is checked before anything is sent", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    iov(0, t.out(), 10);
    iov(1, 0xfffffff0, 10);
    expect(writev(a, 2)).toBe(-EFAULT);
    iov(1, t.out(), -1);
    expect(writev(a, 2)).toBe(-EINVAL);
    expect(writev(a, 0)).toBe(-EINVAL);
    expect(writev(a, IOV_MAX + 1)).toBe(-EINVAL);
    expect(t.recv(b, 100, 0)).toBe(-EAGAIN);
    u.sys_close(a);
    u.sys_close(b);
  });

  it("may be read over its own iovecs", () => {
    const a = t.pair(SOCK_STREAM);
    const b = t.pair_b;
    t.send(a, 200, 0);
    iov(0, t.scratch + 1024, 24);
    iov(1, t.inb(), 50);
    iov(2, t.inb() + 50, 50);
    expect(readv(b, 3)).toBe(124);
    expect(spec_check(t.scratch + 1024, 24, 0)).toBe(true);
    expect(spec_check(t.inb(), 100, 24)).toBe(true);
    u.sys_close(a);
    u.sys_close(b);
  });
});
