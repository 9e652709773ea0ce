/**
 * For the specs of local sockets: the system calls as one-liners over memory of the spec.
 */
import { EV_ADD, KEVENT_SIZE, KE_DATA, KE_FFLAGS, KE_FILTER, KE_FLAGS, KE_IDENT } from "../../kernel/abi/event";
import { SA_FAMILY, SUN_PATH } from "../../kernel/abi/sockaddr";
import { AF_LOCAL, SOCK_STREAM, SOL_SOCKET } from "../../kernel/abi/socket";
import { SYS_socketpair } from "../../kernel/abi/syscall";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_str } from "../../kernel/kern/kstring";
import { syscall } from "../../kernel/kern/syscall";
import { sys_bind, sys_close, sys_connect, sys_getsockopt, sys_ioctl, sys_kevent, sys_listen, sys_read, sys_setsockopt,
  sys_socket, sys_write } from "../../kernel/kern/usyscall";
import { spec_buf, spec_check, spec_fill, spec_net_boot } from "../../kernel/net/net_spec";
import { sost } from "../../kernel/net/socket";
import { local_init } from "./local";

/** Addresses, option values, kevents: small things. */
export let scratch: usize = 0;
export let addrlen: i32 = 0;

export function spec_boot(): void {
  spec_net_boot();
  scratch = kmem_alloc(4096, 64, "spec");
  assert(local_init() == 0, "spec: local_init");
}

/** A sockaddr_un for `name`; its length goes to `addrlen`. */
export function un(name: string): usize {
  const at = scratch;
  store<u8>(at, 0);
  store<u8>(at, AF_LOCAL, SA_FAMILY);
  addrlen = <i32>(kput_str(at + SUN_PATH, at + 106, name) - at);
  return at;
}

/** Whether the address of `len` bytes at `at` is that of `name`. */
export function isun(at: usize, len: i32, name: string): bool {
  if (len != SUN_PATH + name.length || load<u8>(at, SA_FAMILY) != AF_LOCAL || load<u8>(at) != len) return false;
  for (let i = 0; i < name.length; i++) {
    if (<i32>load<u8>(at + SUN_PATH + i) != name.charCodeAt(i)) return false;
  }
  return true;
}

/** A pair of sockets: the first is the answer (or -errno), the second in `pair_b`. */
export let pair_b: i32 = 0;
export function pair(type: i32): i32 {
  const e = syscall(SYS_socketpair, AF_LOCAL, type, 0, <i32>(scratch + 256), 0, 0);
  if (e < 0) return e;
  pair_b = load<i32>(scratch + 260);
  return load<i32>(scratch + 256);
}

export function setint(fd: i32, opt: i32, v: i32): i32 {
  store<i32>(scratch + 512, v);
  return sys_setsockopt(fd, SOL_SOCKET, opt, scratch + 512, 4);
}

/** The value of an option, or -errno. */
export function getint(fd: i32, opt: i32): i32 {
  store<i32>(scratch + 516, 4);
  const e = sys_getsockopt(fd, SOL_SOCKET, opt, scratch + 512, scratch + 516);
  return e < 0 ? e : load<i32>(scratch + 512);
}

export function ioctlint(fd: i32, cmd: i32): i32 {
  const e = sys_ioctl(fd, cmd, scratch + 512);
  return e < 0 ? e : load<i32>(scratch + 512);
}

/** Watch `fd` with `filter` on `kq`; 0 or -errno. */
export function watch(kq: i32, fd: i32, filter: i32, flags: i32 = 0, fflags: i32 = 0, data: i64 = 0): i32 {
  const at = scratch + 1024;
  memory.fill(at, 0, KEVENT_SIZE);
  store<i32>(at, fd, KE_IDENT);
  store<i16>(at, <i16>filter, KE_FILTER);
  store<u16>(at, <u16>(EV_ADD | flags), KE_FLAGS);
  store<i32>(at, fflags, KE_FFLAGS);
  store<i64>(at, data, KE_DATA);
  return sys_kevent(kq, at, 1, 0, 0);
}

/** Fetch events; their number. Each by ev_*(i). */
export function events(kq: i32): i32 {
  return sys_kevent(kq, 0, 0, scratch + 2048, 16);
}
export function ev_ident(i: i32): i32 {
  return load<i32>(scratch + 2048 + <usize>i * KEVENT_SIZE, KE_IDENT);
}
export function ev_filter(i: i32): i32 {
  return load<i16>(scratch + 2048 + <usize>i * KEVENT_SIZE, KE_FILTER);
}
export function ev_flags(i: i32): i32 {
  return load<u16>(scratch + 2048 + <usize>i * KEVENT_SIZE, KE_FLAGS);
}
export function ev_fflags(i: i32): i32 {
  return load<i32>(scratch + 2048 + <usize>i * KEVENT_SIZE, KE_FFLAGS);
}
export function ev_data(i: i32): i64 {
  return load<i64>(scratch + 2048 + <usize>i * KEVENT_SIZE, KE_DATA);
}

/** Where specs keep what they send, and what they receive. */
export function out(): usize {
  return spec_buf;
}
export function inb(): usize {
  return spec_buf + 524288;
}

/** A listener at `name`, or -errno. */
export function listener(name: string, backlog: i32): i32 {
  const fd = sys_socket(AF_LOCAL, SOCK_STREAM, 0);
  let e = sys_bind(fd, un(name), addrlen);
  if (e == 0) e = sys_listen(fd, backlog);
  if (e == 0) return fd;
  sys_close(fd);
  return e;
}

/** A stream connected to `name`, or -errno. */
export function client(name: string): i32 {
  const fd = sys_socket(AF_LOCAL, SOCK_STREAM, 0);
  const e = sys_connect(fd, un(name), addrlen);
  if (e == 0) return fd;
  sys_close(fd);
  return e;
}

export function send(fd: i32, n: i32, from: i32): i32 {
  spec_fill(out(), n, from);
  return sys_write(fd, out(), n);
}

/** Read up to `n` bytes, which must be spec_fill's from `from`; bytes, -errno, or -1000 when they are others. */
export function recv(fd: i32, n: i32, from: i32): i32 {
  const k = sys_read(fd, inb(), n);
  return k > 0 && !spec_check(inb(), k, from) ? -1000 : k;
}

export function sockets(): i32 {
  return sost.so_pool.pr_nout;
}
