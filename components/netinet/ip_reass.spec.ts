/**
 * Fragments: put together in any order, never when they overlap, bounded, and gone after their time.
 */
import { AF_INET, SOCK_DGRAM } from "../../kernel/abi/socket";
import { SYS_recvfrom, SYS_socket, SYS_bind } from "../../kernel/abi/syscall";
import { EAGAIN } from "../../kernel/abi/errno";
import { syscall } from "../../kernel/kern/syscall";
import { spec_buf, spec_mbufs_inuse } from "../../kernel/net/net_spec";
import { sin_put } from "./in_pcb_user";
import { ipstat } from "./in_stat";
import * as ip from "./ip";
import { ip4, spec_in, spec_netinet_boot, spec_out, spec_outlen, spec_pass, spec_sent } from "./netinet_spec";

spec_netinet_boot();
const fd = syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0, 0, 0, 0);
syscall(SYS_bind, fd, <i32>spec_buf, sin_put(spec_buf, 0, 53), 0, 0, 0);

const PKT: usize = spec_buf + 4096;

/** A datagram of `total` UDP bytes (header included) from 10.0.0.9:1 to port 53; its fragment [off, off+len) arrives. */
function fragment(id: i32, total: i32, off: i32, len: i32, more: bool, tos: i32 = 0): void {
  memory.fill(PKT, 0, 20);
  store<u8>(PKT, 0x45);
  store<u8>(PKT, <u8>tos, ip.IP_TOS);
  store<u16>(PKT, bswap<u16>(<u16>(20 + len)), ip.IP_LEN);
  store<u16>(PKT, bswap<u16>(<u16>id), ip.IP_ID);
  store<u16>(PKT, bswap<u16>(<u16>((off >> 3) | (more ? 0x2000 : 0))), ip.IP_OFF);
  store<u8>(PKT, 64, ip.IP_TTL);
  store<u8>(PKT, 17, ip.IP_P);
  store<u32>(PKT, ip4(10, 0, 0, 9), ip.IP_SRC);
  store<u32>(PKT, ip4(10, 0, 0, 1), ip.IP_DST);
  for (let i = 0; i < len; i++) store<u8>(PKT + 20 + i, <u8>((off + i) * 7));
  if (off == 0) {
    store<u16>(PKT + 20, bswap<u16>(1));
    store<u16>(PKT + 20, bswap<u16>(53), 2);
    store<u16>(PKT + 20, bswap<u16>(<u16>total), 4);
    store<u16>(PKT + 20, 0, 6);
  }
  spec_in(PKT, 20 + len);
}

function received(): i32 {
  const n = syscall(SYS_recvfrom, fd, <i32>spec_buf + 8192, 65536, 0, 0, 0);
  for (let i = 0; i < n; i++) if (load<u8>(spec_buf + 8192 + i) != <u8>((8 + i) * 7)) return -1000;
  return n;
}

describe("fragments", () => {
  it("in order, reversed and shuffled give the datagram", () => {
    const base = spec_mbufs_inuse();
    fragment(1, 3000, 0, 1000, true);
    fragment(1, 3000, 1000, 1000, true);
    expect(received()).toBe(-EAGAIN);
    fragment(1, 3000, 2000, 1000, false);
    expect(received()).toBe(2992);
    fragment(2, 3000, 2000, 1000, false);
    fragment(2, 3000, 1000, 1000, true);
    fragment(2, 3000, 0, 1000, true);
    expect(received()).toBe(2992);
    fragment(3, 3000, 1000, 1000, true);
    fragment(3, 3000, 2000, 1000, false);
    fragment(3, 3000, 0, 1000, true);
    expect(received()).toBe(2992);
    expect(spec_mbufs_inuse()).toBe(base);
  });
  it("that are repeated do no harm", () => {
    fragment(4, 2000, 0, 1000, true);
    fragment(4, 2000, 0, 1000, true);
    fragment(4, 2000, 1000, 1000, false);
    expect(received()).toBe(1992);
  });
  it("that overlap end the datagram", () => {
    const before = ipstat.fragoverlap;
    const base = spec_mbufs_inuse();
    fragment(5, 2000, 0, 1000, true);
    fragment(5, 2000, 992, 1008, false);
    expect(ipstat.fragoverlap).toBe(before + 1);
    expect(received()).toBe(-EAGAIN);
    expect(spec_mbufs_inuse()).toBe(base);
  });
  it("with two ends, beyond 64 KiB or of odd length are refused", () => {
    const base = spec_mbufs_inuse();
    fragment(6, 2000, 1000, 1000, false);
    fragment(6, 2000, 2000, 1000, false);
    fragment(7, 2000, 65528, 1000, false);
    fragment(8, 2000, 0, 999, true);
    expect(received()).toBe(-EAGAIN);
    expect(spec_mbufs_inuse()).toBe(base);
  });
  it("are marked by congestion one for all; a mark among those that cannot carry one ends the datagram (RFC 3168 §5.3)", () => {
    // What the datagram says of ECN: IP_RECVTOS is not there, so by what becomes of it.
    const before = ipstat.fragecn;
    const base = spec_mbufs_inuse();
    fragment(20, 2000, 0, 1000, true, 2);
    fragment(20, 2000, 1000, 1000, false, 3);
    expect(received()).toBe(1992);
    fragment(21, 2000, 0, 1000, true, 0);
    fragment(21, 2000, 1000, 1000, false, 3);
    expect(received()).toBe(-EAGAIN);
    expect(ipstat.fragecn).toBe(before + 1);
    fragment(22, 2000, 0, 1000, true, 2);
    fragment(22, 2000, 1000, 1000, false, 0);
    expect(received()).toBe(1992);
    expect(spec_mbufs_inuse()).toBe(base);
  });
  it("of one source cannot take the whole table, nor stay for ever", () => {
    const base = spec_mbufs_inuse();
    for (let i = 0; i < 1000; i++) fragment(1000 + i, 2000, 0, 1000, true);
    expect(ipstat.fragflood).toBeGreaterThan(900);
    fragment(5000, 2000, 0, 1000, true);
    fragment(5000, 2000, 1000, 1000, false);
    expect(received()).toBe(1992);
    const sent = spec_sent();
    spec_pass(40000000);
    expect(spec_mbufs_inuse()).toBe(base);
    expect(spec_sent()).toBeGreaterThan(sent);
    expect(load<u8>(spec_out, 20)).toBe(11, "time exceeded");
    expect(load<u8>(spec_out, 21)).toBe(1, "in reassembly");
    expect(spec_outlen()).toBeGreaterThan(56);
  });
});
