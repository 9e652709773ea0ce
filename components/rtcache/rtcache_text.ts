/**
 * The cache as text: `rumpwasm route show cache` and its counters.
 *
 *      net.rtcache.table    DST SRC IIF TOS GATEWAY INTERFACE FLAG USE AGE METRICS    one line an entry
 *      net.rtcache.stats    name value
 *
 * A question "N" is answered with the entries from the N-th valid one on, as many as there is room for. IIF
 * is "-" for what is sent from here, AGE the seconds since the last packet. Control path: O(slots).
 */
import { EINVAL, ERANGE } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kstat_table } from "../../kernel/kern/kstat";
import { kparse_u64, kput_bytes, kput_char, kput_str, kput_u32 } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { Ifnet, if_byindex } from "../../kernel/net/ifnet";
import { kput_ipv4 } from "../../kernel/net/in_text";
import { RTF_DYNAMIC, RTF_GATEWAY } from "../../kernel/net/route";
import { kput_metrics } from "rump/route";
import { Rtcent, RtcacheStat, rtcache_at, rtcache_slots } from "./rtcache";

const RTCACHE_NAMES = "entries in_hit in_slow_tot in_slow_mc in_no_route in_brd in_martian_dst in_martian_src out_hit out_slow_tot out_slow_mc gc_total gc_ignored gc_goal_miss gc_dst_overflow in_hlist_search out_hlist_search";

@unmanaged
class RtcacheText {
  stat: RtcacheStat;
}

let rct: RtcacheText = changetype<RtcacheText>(0);

export function rtcache_text_boot(stat: RtcacheStat): void {
  rct = changetype<RtcacheText>(kmem_alloc(offsetof<RtcacheText>(), 4, "rtcache"));
  rct.stat = stat;
  sysctl_fn("net.rtcache.stats", stats_read, 0);
  sysctl_fn("net.rtcache.table", table_read, CTLFLAG_RW);
}

function stats_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, RTCACHE_NAMES, changetype<usize>(rct.stat), <i32>(offsetof<RtcacheStat>() >> 3));
}

function put_ifname(at: usize, end: usize, ifp: Ifnet): usize {
  if (changetype<usize>(ifp) == 0) return kput_str(at, end, "- ");
  return kput_char(kput_bytes(at, end, ifp.if_xname, ifp.if_namelen), end, 32);
}

/** The line of `e`. */
function put_entry(at: usize, end: usize, e: Rtcent): usize {
  const rt = e.rc_rt;
  at = kput_char(kput_ipv4(at, end, e.rc_dst), end, 32);
  at = kput_char(kput_ipv4(at, end, e.rc_src), end, 32);
  at = put_ifname(at, end, if_byindex(e.rc_key >> 8));
  at = kput_char(kput_u32(at, end, e.rc_key & 255), end, 32);
  at = (rt.rt_flags & RTF_GATEWAY) != 0 ? kput_ipv4(at, end, rt.rt_gateway4) : kput_char(at, end, 45);
  at = put_ifname(kput_char(at, end, 32), end, rt.rt_ifp);
  at = kput_str(at, end, (rt.rt_flags & RTF_DYNAMIC) != 0 ? "redirected " : "- ");
  at = kput_char(kput_u32(at, end, e.rc_use), end, 32);
  const age = <u32>(getmicrouptime() >> 20) - e.rc_last;
  at = kput_char(kput_u32(at, end, <u32>((<u64>age << 20) / 1000000)), end, 32);
  return kput_char(kput_metrics(at, end, rt), end, 10);
}

function table_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  let skip = newlen > 0 ? kparse_u64(newp, newlen) : 0;
  if (skip < 0) return -EINVAL;
  const end = buf + <usize>len;
  let at = buf;
  for (let i = 0; i < rtcache_slots(); i++) {
    const e = rtcache_at(i);
    if (!e || skip-- > 0) continue;
    const next = put_entry(at, end, e);
    if (next == end) return at == buf || newlen == 0 ? -ERANGE : <i32>(at - buf);
    at = next;
  }
  return <i32>(at - buf);
}
