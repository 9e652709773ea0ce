/**
 * What an image with fibtest exports besides: requests, look-ups in loops, packets and floods of them.
 *
 * Addresses are in host order here, because the model that they are compared with is.
 */
import { AF_INET } from "../../kernel/abi/socket";
import { in_cksum_data } from "../../kernel/net/in_cksum";
import { m_devget } from "../../kernel/net/mbuf3";
import { NETISR_IP, netisr_input } from "../../kernel/net/netisr";
import { RTF_GATEWAY, RTF_STATIC, RTF_UP, RTM_ADD, RTM_CHANGE, Rtinfo } from "../../kernel/net/route";
import { rtalloc4, rtdepth4, rtrequest } from "rump/route";
import { rtcache_in, rtcache_put } from "rump/rtcache";
import { fts } from "./fibtest";

/** The array of addresses (as in a packet). */
export function fibtest_addresses(): usize {
  return fts.addresses;
}

/** Add, delete or change (RTM_*) a route to `dst`/`len` by gateway `gw` on sink1. 0 or -errno. */
export function fibtest_request(cmd: i32, dst: u32, len: i32, gw: u32): i32 {
  const ri = fts.ri;
  memory.fill(changetype<usize>(ri), 0, offsetof<Rtinfo>());
  ri.ri_family = AF_INET;
  ri.ri_dst4 = bswap<u32>(dst);
  ri.ri_prefixlen = len;
  ri.ri_flags = RTF_UP | RTF_STATIC | RTF_GATEWAY;
  ri.ri_ifindex = fts.sink1.if_index;
  if (cmd == RTM_ADD || cmd == RTM_CHANGE) ri.ri_gateway4 = bswap<u32>(gw);
  return rtrequest(cmd, ri);
}

/** The gateway towards `dst`, 0: none. */
export function fibtest_lookup(dst: u32): u32 {
  const rt = rtalloc4(bswap<u32>(dst), 0, 0, 1);
  return rt ? bswap<u32>(rt.rt_gateway4) : 0;
}

/** Nodes that the look-up of `dst` reads. */
export function fibtest_depth(dst: u32): i32 {
  return rtdepth4(bswap<u32>(dst));
}

/** Look the first `n` addresses up, `rounds` times: how many have a route. */
export function fibtest_trie(n: i32, rounds: i32): i32 {
  let found = 0;
  for (let r = 0; r < rounds; r++) {
    for (let i = 0; i < n; i++) if (rtalloc4(load<u32>(fts.addresses + (<usize>i << 2)), 0, 0, 1)) found++;
  }
  return found;
}

/** The same through the cache: how many were in it. What is not is entered, twice over, before it is counted. */
export function fibtest_cache(n: i32, rounds: i32): i32 {
  let hits = 0;
  for (let r = 0; r < rounds; r++) {
    for (let i = 0; i < n; i++) {
      const dst = load<u32>(fts.addresses + (<usize>i << 2));
      if (rtcache_in(dst, 0x01020304, 0, 1)) hits++;
      else {
        const rt = rtalloc4(dst, 0x01020304, 0, 1);
        if (rt) rtcache_put(dst, 0x01020304, 0, 1, rt);
      }
    }
  }
  return hits;
}

/** An empty loop over the same addresses: what the others spend besides. */
export function fibtest_nothing(n: i32, rounds: i32): u32 {
  let sum: u32 = 0;
  for (let r = 0; r < rounds; r++) {
    for (let i = 0; i < n; i++) sum = (sum ^ load<u32>(fts.addresses + (<usize>i << 2))) * 5;
  }
  return sum;
}

/** A datagram from `src` to `dst` comes in by sink0. */
export function fibtest_packet(dst: u32, src: u32): void {
  const p = fts.packet;
  store<u8>(p, 0x45);
  store<u16>(p, bswap<u16>(28), 2);
  store<u16>(p, 0, 6);
  store<u8>(p, 64, 8);
  store<u8>(p, 17, 9);
  store<u16>(p, 0, 10);
  store<u32>(p, bswap<u32>(src), 12);
  store<u32>(p, bswap<u32>(dst), 16);
  store<u16>(p, <u16>in_cksum_data(p, 20), 10);
  const m = m_devget(p, 28, true);
  if (!m) return;
  m.ph_rcvif = fts.sink0.if_index;
  netisr_input(NETISR_IP, m);
}

/**
 * A flood of `n` datagrams between addresses that a generator makes from `seed`, and with every `every`-th one a
 * datagram of flow number (count mod `flows`), which goes from 10.1.x.y to one of the first addresses. How many
 * of those were sent.
 */
export function fibtest_flood(n: i32, seed: u32, every: i32, flows: i32): i32 {
  let x = seed | 1;
  let sent = 0;
  for (let i = 0; i < n; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    const src = (x * 0x9e3779b1) & 0x3fffffff | 0x40000000;
    fibtest_packet(0x10000000 + x % 0xb0000000, src);
    if (flows == 0 || i % every != 0) continue;
    fibtest_flow(sent % flows);
    sent++;
  }
  return sent;
}

/** One datagram of flow `f`. */
export function fibtest_flow(f: i32): void {
  fibtest_packet(bswap<u32>(load<u32>(fts.addresses + (<usize>f << 2))), 0x0a010000 + f);
}

/** Datagrams that left by sink1. */
export function fibtest_sent(): f64 {
  return <f64>fts.sink1.ifi_opackets;
}
