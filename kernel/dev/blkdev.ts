/**
 * Block devices: what a disk is to the rest of the kernel, and the table of those there are.
 *
 *      nbd, diskctl, file systems ─► Blkdev ◄─ ramdisk (memory, done at once)
 *                                          ◄─ etfs (files of the host, done later)
 *
 * Sectors are 512 bytes everywhere; d_blksize says what the device likes best. Devices come and go at
 * run time: a driver makes one and attaches it under a name; it is detached when nobody has it open.
 * Users hold the unit number (an index of the table) and must close it. What a kind of device can do
 * beyond reads and writes are virtual methods that answer -EOPNOTSUPP here.
 * A driver (BlkDriver) makes devices on request: "attach rd0 size=64M".
 */
import { BLK_DATA, DISK_NAMELEN } from "../abi/disk";
import { EBUSY, EEXIST, EINVAL, ENFILE, ENOENT, ENXIO, EOPNOTSUPP } from "../abi/errno";
import { DEV_MAXDEVS } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { Args } from "./blkargs";
import { Buf, bio_init } from "./buf";

/** d_flags: writes are refused with EROFS, by nature, or while it is locked. */
export const BLKF_RDONLY: i32 = 1;
export const BLKF_LOCKED: i32 = 8;
/** Every request is done when bio_submit returns. */
export const BLKF_SYNC: i32 = 2;
/** DISCARD makes holes. */
export const BLKF_DISCARD: i32 = 4;
/** d_resize can be asked for. */
export const BLKF_RESIZE: i32 = 16;

/** A block device. Managed layout: from kobj or pool_init_obj. */
export abstract class Blkdev {
  d_name: usize;
  d_namelen: i32;
  d_unit: i32;
  d_flags: i32;
  d_nopen: i32;
  d_inflight: i32;
  d_blksize: u32;
  /** Sectors of 512 bytes. */
  d_nsect: u64;
  /** Requests that were refused: unaligned, beyond the end, read-only. */
  d_invalid: u32;

  /** Start `bp`, which has been checked; bio_complete(bp) when it is done, now or later. */
  abstract d_strategy(bp: Buf): void;
  /** The device is to go; nobody has it open. Free everything, the object too. 0 or -errno. */
  abstract d_detach(): i32;
  /** What is at sector `at`: BLK_*; `*nsect` (at most what it was) sectors from there are alike. */
  d_status(at: u64, nsect: usize): i32 {
    return BLK_DATA;
  }
  /** Change the size. */
  d_resize(nsect: u64): i32 {
    return -EOPNOTSUPP;
  }
  /** Forget all contents. */
  d_erase(): i32 {
    return -EOPNOTSUPP;
  }
  /** Settings: key=value words. */
  d_set(args: Args): i32 {
    return -EOPNOTSUPP;
  }
  /** Numbers about it as text, from `at` to `end`; the new `at`. */
  d_stat(at: usize, end: usize): usize {
    return at;
  }
}

/** Who makes devices. */
export abstract class BlkDriver {
  dr_next: usize;
  /** Is `name` (n bytes) a name of this driver's devices? */
  abstract dr_owns(name: usize, n: i32): bool;
  /** Make device `name` as `args` say, and attach it. Unit or -errno. */
  abstract dr_attach(name: usize, n: i32, args: Args): i32;
  /** A command that concerns no single device; its answer from `at` on. Bytes or -errno. */
  dr_command(args: Args, at: usize, end: usize): i32 {
    return -EOPNOTSUPP;
  }
}

@unmanaged
class BlkState {
  /** DEV_MAXDEVS pointers. */
  table: usize;
  names: usize;
  ndevs: i32;
  drivers: usize;
}

let bd: BlkState = changetype<BlkState>(0);

/** Boot: before any driver. */
export function blkdev_init(): void {
  bd = changetype<BlkState>(kmem_alloc(offsetof<BlkState>(), 8, "blkdev"));
  bd.table = kmem_alloc(<usize>DEV_MAXDEVS << 2, 64, "blkdev");
  bd.names = kmem_alloc(<usize>DEV_MAXDEVS << 4, 64, "blkdev");
  assert(DISK_NAMELEN <= 16, "blkdev_init: names");
  bio_init();
}

/** Register a driver. Boot only. */
export function blkdriver_attach(dr: BlkDriver): void {
  dr.dr_next = bd.drivers;
  bd.drivers = changetype<usize>(dr);
}

/** The driver whose devices are called like `name`; null (0) if there is none. */
export function blkdriver_for(name: usize, n: i32): BlkDriver {
  for (let at = bd.drivers; at != 0; at = changetype<BlkDriver>(at).dr_next) {
    if (changetype<BlkDriver>(at).dr_owns(name, n)) return changetype<BlkDriver>(at);
  }
  return changetype<BlkDriver>(0);
}

/** Drivers one after the other: the first for null. */
export function blkdriver_next(dr: BlkDriver): BlkDriver {
  return changetype<BlkDriver>(changetype<usize>(dr) == 0 ? bd.drivers : dr.dr_next);
}

/** Device `unit`; null (0) if there is none. */
export function blkdev_get(unit: i32): Blkdev {
  if (<u32>unit >= <u32>DEV_MAXDEVS) return changetype<Blkdev>(0);
  return changetype<Blkdev>(load<usize>(bd.table + (<usize>unit << 2)));
}

/** Unit of the device called `name`, or -ENXIO. */
export function blkdev_lookup(name: usize, n: i32): i32 {
  for (let unit = 0; unit < DEV_MAXDEVS; unit++) {
    const dev = blkdev_get(unit);
    if (changetype<usize>(dev) == 0 || dev.d_namelen != n) continue;
    if (memory.compare(dev.d_name, name, n) == 0) return unit;
  }
  return -ENXIO;
}

/** Show `dev` under `name`; its unit, or -errno. The driver has set size, flags and block size. */
export function blkdev_attach(dev: Blkdev, name: usize, n: i32): i32 {
  if (n <= 0 || n > DISK_NAMELEN) return -EINVAL;
  if (blkdev_lookup(name, n) >= 0) return -EEXIST;
  let unit = 0;
  while (unit < DEV_MAXDEVS && changetype<usize>(blkdev_get(unit)) != 0) unit++;
  if (unit == DEV_MAXDEVS) return -ENFILE;
  dev.d_unit = unit;
  dev.d_nopen = 0;
  dev.d_inflight = 0;
  dev.d_invalid = 0;
  dev.d_name = bd.names + (<usize>unit << 4);
  dev.d_namelen = n;
  memory.copy(dev.d_name, name, n);
  store<usize>(bd.table + (<usize>unit << 2), changetype<usize>(dev));
  bd.ndevs++;
  return unit;
}

/** Take device `unit` away. -EBUSY while it is open or has requests under way. */
export function blkdev_detach(unit: i32): i32 {
  const dev = blkdev_get(unit);
  if (changetype<usize>(dev) == 0) return -ENOENT;
  if (dev.d_nopen > 0 || dev.d_inflight > 0) return -EBUSY;
  const e = dev.d_detach();
  if (e < 0) return e;
  store<usize>(bd.table + (<usize>unit << 2), 0);
  bd.ndevs--;
  return 0;
}

/** Use the device called `name`: it stays until blkdev_close. Unit or -errno. */
export function blkdev_open(name: usize, n: i32): i32 {
  const unit = blkdev_lookup(name, n);
  if (unit >= 0) blkdev_get(unit).d_nopen++;
  return unit;
}

export function blkdev_close(unit: i32): i32 {
  const dev = blkdev_get(unit);
  if (changetype<usize>(dev) == 0) return -ENXIO;
  if (dev.d_nopen == 0) return -EINVAL;
  dev.d_nopen--;
  return 0;
}

/** Devices there are. */
export function blkdev_count(): i32 {
  return bd.ndevs;
}
