/**
 * Routing sockets: what is told, in which form, and what happens to who does not read.
 */
import { EAGAIN, ENOBUFS } from "../../kernel/abi/errno";
import { IFF_UP } from "../../kernel/abi/if";
import * as r from "../../kernel/abi/route";
import { AF_INET, AF_INET6, AF_ROUTE, SOCK_RAW } from "../../kernel/abi/socket";
import { SYS_close, SYS_read, SYS_socket, SYS_write } from "../../kernel/abi/syscall";
import { syscall } from "../../kernel/kern/syscall";
import { if_byindex, if_flags_change } from "../../kernel/net/ifnet";
import { spec_buf, spec_mbufs_inuse, spec_net_boot } from "../../kernel/net/net_spec";
import { RTF_GATEWAY } from "../../kernel/net/route";
import { ROUTE_MAXSOCKETS } from "rump/tunables";
import { route_init, rt_redirected, rtalloc4 } from "./route";
import { ip4, spec_addr_add, spec_addr_clear, spec_ask, spec_route, spec_route_ifs } from "./route_spec";

spec_net_boot();
route_init();
spec_route_ifs();

const MSG: usize = 65536;
const MSGLEN: i32 = 1024;

function open(family: i32): i32 {
  return syscall(SYS_socket, AF_ROUTE, SOCK_RAW, family, 0, 0, 0);
}

function close(fd: i32): void {
  syscall(SYS_close, fd, 0, 0, 0, 0, 0);
}

/** Read a message: its type, or -errno. */
function next(fd: i32): i32 {
  const n = syscall(SYS_read, fd, <i32>(spec_buf + MSG), MSGLEN, 0, 0, 0);
  if (n < 0) return n;
  assert(<i32>load<u16>(spec_buf + MSG) == n && load<u8>(spec_buf + MSG, 2) == 4, "length and version");
  return load<u8>(spec_buf + MSG, 3);
}

function i32_at(at: usize): i32 {
  return load<i32>(spec_buf + MSG + at);
}

/** The IPv4 address of the `n`-th sockaddr behind a header of `len` bytes. */
function addr(len: usize, n: usize): u32 {
  return load<u32>(spec_buf + MSG + len + (n << 4) + 4);
}

afterEach(() => {
  spec_route("flush");
  spec_addr_clear();
  expect(spec_mbufs_inuse()).toBe(0);
});

describe("routing sockets", () => {
  it("tell of routes as they come, change and go", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    const fd = open(0);
    expect(next(fd)).toBe(-EAGAIN);
    spec_route("add 20.0.0.0/8 10.0.0.7 mtu lock 1400 rtt 5");
    expect(next(fd)).toBe(r.RTM_ADD);
    expect(i32_at(12)).toBe(r.RTA_DST | r.RTA_GATEWAY | r.RTA_NETMASK | r.RTA_IFA);
    expect(<i32>load<u16>(spec_buf + MSG)).toBe(120 + 4 * 16);
    expect(i32_at(4) & 0xffff).toBe(2, "the interface");
    expect(i32_at(8) & RTF_GATEWAY).toBe(RTF_GATEWAY);
    expect(i32_at(40)).toBe(1, "locks");
    expect(i32_at(48)).toBe(1400, "mtu");
    expect(i32_at(88)).toBe(5000, "rtt");
    expect(addr(120, 0)).toBe(ip4(20, 0, 0, 0));
    expect(addr(120, 1)).toBe(ip4(10, 0, 0, 7));
    expect(addr(120, 2)).toBe(ip4(255, 0, 0, 0));
    expect(addr(120, 3)).toBe(ip4(10, 0, 0, 2));
    spec_route("change 20.0.0.0/8 10.0.0.8");
    expect(next(fd)).toBe(r.RTM_CHANGE);
    expect(addr(120, 1)).toBe(ip4(10, 0, 0, 8));
    spec_route("del 20.0.0.0/8");
    expect(next(fd)).toBe(r.RTM_DELETE);
    expect(next(fd)).toBe(-EAGAIN);
    close(fd);
  });

  it("tell of addresses, interfaces, redirects and misses", () => {
    const fd = open(AF_INET);
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    expect(next(fd)).toBe(r.RTM_NEWADDR);
    expect(i32_at(12)).toBe(r.RTA_NETMASK | r.RTA_IFA | r.RTA_BRD);
    expect(addr(32, 0)).toBe(ip4(255, 255, 255, 0));
    expect(addr(32, 1)).toBe(ip4(10, 0, 0, 2));
    expect(addr(32, 2)).toBe(ip4(10, 0, 0, 255));
    for (let i = 0; i < 3; i++) expect(next(fd)).toBe(r.RTM_ADD, "local, connected, broadcast");
    rtalloc4(ip4(9, 9, 9, 9), 0, 0, 0);
    expect(next(fd)).toBe(r.RTM_MISS);
    expect(addr(120, 0)).toBe(ip4(9, 9, 9, 9));
    for (let i = 0; i < 500; i++) rtalloc4(ip4(9, 9, 9, 9), 0, 0, 0);
    let misses = 0;
    while (next(fd) == r.RTM_MISS) misses++;
    expect(misses).toBe(99, "a hundred a second");
    spec_route("add default 10.0.0.1");
    expect(next(fd)).toBe(r.RTM_ADD);
    expect(rt_redirected(ip4(8, 8, 8, 8), ip4(10, 0, 0, 7), ip4(10, 0, 0, 1), 2)).toBe(true);
    expect(next(fd)).toBe(r.RTM_REDIRECT);
    expect(addr(120, 2)).toBe(ip4(10, 0, 0, 1), "the author");
    if_flags_change(if_byindex(2), 0, IFF_UP);
    expect(next(fd)).toBe(r.RTM_IFINFO);
    expect(i32_at(8) & IFF_UP).toBe(0);
    expect(i32_at(24)).toBe(1500, "mtu");
    if_flags_change(if_byindex(2), IFF_UP, 0);
    close(fd);
    const other = open(AF_INET6);
    spec_route("add 21.0.0.0/8 10.0.0.1");
    expect(next(other)).toBe(-EAGAIN, "another family");
    close(other);
  });

  it("lose messages when nobody reads, say so once, and count it", () => {
    spec_addr_add(2, ip4(10, 0, 0, 2), 24);
    const slow = open(0);
    for (let i = 0; i < 600; i++) spec_route("add 20." + (i >> 8).toString() + "." + (i & 255).toString() + ".0/24 10.0.0.1");
    const quick = open(0);
    spec_route("add 22.0.0.0/8 10.0.0.1");
    expect(next(quick)).toBe(r.RTM_ADD, "who reads has lost nothing");
    let n = 0;
    let got = next(slow);
    for (; got == r.RTM_ADD; got = next(slow)) n++;
    expect(got).toBe(-ENOBUFS, "behind what there was room for");
    expect(next(slow)).toBe(-EAGAIN);
    expect(n).toBeGreaterThan(100);
    expect(n).toBeLessThan(600);
    spec_ask("net.route.sock_overflows", "");
    expect(<i32>load<u64>(spec_buf + 4096)).toBe(601 - n);
    spec_route("add 23.0.0.0/8 10.0.0.1");
    expect(next(slow)).toBe(r.RTM_ADD, "and goes on");
    close(slow);
    close(quick);
  });

  it("take no requests, and are as many as the pool has", () => {
    const fd = open(0);
    expect(syscall(SYS_write, fd, <i32>spec_buf, 120, 0, 0, 0)).toBeLessThan(0);
    close(fd);
    const first = open(0);
    let last = first;
    for (let i = 1; i < ROUTE_MAXSOCKETS; i++) last = open(0);
    expect(open(0)).toBe(-ENOBUFS);
    for (let i = first; i <= last; i++) close(i);
    const again = open(0);
    expect(again).toBe(first);
    close(again);
  });
});
