/**
 * The scanner's pace: RAMDISK's ksmd. A timer that looks at a few blocks at a time, while there is
 * anything that has not been looked at since it was written.
 *
 * sysctl, with KSM's names and defaults:
 *
 *      ramdisk.pages_to_scan     100     blocks a step
 *      ramdisk.sleep_millisecs   20      between steps
 *      ramdisk.run               1       0 stops it
 */
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { CALLOUT_SIZE, Callout, callout_init, callout_pending, callout_schedule } from "../../kernel/kern/callout";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { sysctl_int } from "../../kernel/kern/sysctl";
import { RAMDISK_MAXDEVS } from "rump/tunables";
import { rd_scan_init, rd_scan_step } from "./rd_scan";
import { rd_scan_rounds } from "./rd_store";

const PAGES_TO_SCAN: i32 = 100;
const SLEEP_MS: i32 = 20;

@unmanaged
class KsmState {
  run: i32;
  pages_to_scan: i32;
  sleep_ms: i32;
  /** Its timer. */
  timer: Callout;
}

let ksm: KsmState = changetype<KsmState>(0);

/** Boot. */
export function ramdisk_scan_init(): void {
  ksm = changetype<KsmState>(kmem_alloc(offsetof<KsmState>(), 8, "ramdisk.ksm"));
  ksm.run = 1;
  ksm.pages_to_scan = PAGES_TO_SCAN;
  ksm.sleep_ms = SLEEP_MS;
  ksm.timer = changetype<Callout>(kmem_alloc(CALLOUT_SIZE, 8, "ramdisk.ksm"));
  callout_init(ksm.timer, ramdisk_scan_tick, 0);
  const at = changetype<usize>(ksm);
  sysctl_int("ramdisk.run", at + offsetof<KsmState>("run"), CTLFLAG_RW, 0, 1);
  sysctl_int("ramdisk.pages_to_scan", at + offsetof<KsmState>("pages_to_scan"), CTLFLAG_RW, 1, 100000);
  sysctl_int("ramdisk.sleep_millisecs", at + offsetof<KsmState>("sleep_ms"), CTLFLAG_RW, 1, 3600000);
  rd_scan_init(RAMDISK_MAXDEVS);
}

/** There may be something to scan: arm the timer unless it is. */
export function ramdisk_scan_kick(): void {
  if (rd_scan_rounds() == 0 || callout_pending(ksm.timer)) return;
  callout_schedule(ksm.timer, <i64>ksm.sleep_ms * 1000);
}

function ramdisk_scan_tick(arg: usize): void {
  // Stopped: look again at the same pace, as setting a sysctl does not call us.
  const more = ksm.run == 0 || rd_scan_step(ksm.pages_to_scan);
  if (more) callout_schedule(ksm.timer, <i64>ksm.sleep_ms * 1000);
}
