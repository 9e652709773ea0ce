/**
 * What virtif counts, over all its interfaces: sysctl net.virtif.stats, "name value" lines.
 *
 * The counters of each interface (packets, bytes, errors) are the kernel's own, in Ifnet. The structure
 * is u64 only, in the order of NAMES.
 */
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kstat_table } from "../../kernel/kern/kstat";
import { sysctl_fn } from "../../kernel/kern/sysctl";

@unmanaged
export class VirtifStat {
  /** Frames received: copied because small; kept in one buffer; in several. */
  rxcopied: u64;
  rxsingle: u64;
  rxchain: u64;
  /** Dropped: a virtio_net_hdr that does not fit its frame; no buffer to put in its place. */
  rxbadhdr: u64;
  rxnobufs: u64;
  /** The device was full: frames waited. */
  txbusy: u64;
  /** Dropped by the device; put into one piece first because of too many. */
  txdropped: u64;
  txlinear: u64;
}

export let virtifstat: VirtifStat = changetype<VirtifStat>(0);
const NAMES = "rxcopied rxsingle rxchain rxbadhdr rxnobufs txbusy txdropped txlinear";

export function virtif_stat_boot(): void {
  virtifstat = changetype<VirtifStat>(kmem_alloc(offsetof<VirtifStat>(), 64, "virtifstat"));
  sysctl_fn("net.virtif.stats", virtifstat_read, 0);
}

function virtifstat_read(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  return kstat_table(buf, len, NAMES, changetype<usize>(virtifstat), <i32>(offsetof<VirtifStat>() >> 3));
}
