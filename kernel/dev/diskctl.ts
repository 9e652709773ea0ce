/**
 * SYS_diskctl: block devices as apps and the host use them (kernel/abi/disk.ts has the calls).
 *
 * Commands of DISK_CTL, one line of words; their answers are lines of key=value words:
 *
 *      attach NAME size=N …      make a device        list                every device, a line each
 *      detach NAME               take it away         stat NAME           its numbers, a line each
 *      resize NAME size=N        while it is used     set NAME …          settings, as with attach
 *      flush NAME                forget all contents  lock | unlock NAME  refuse writes, or no longer
 *
 * (RapidDisk's verbs, in its sense: `flush` is BLKFLSBUF of a RAM disk.) Other words go to the drivers.
 * The same commands can be asked of sysctl kern.disk, which is how `rumpwasm disk` reaches an instance.
 * Transfers: see disktransfer.ts.
 */
import {
  BIO_ZERO, BLK_STATUS_MAX, DEV_BSHIFT, DISK_CLOSE, DISK_CTL, DISK_DISCARD, DISK_DONE, DISK_OPEN, DISK_READ, DISK_STATUS,
  DISK_SYNC, DISK_WRITE, DISK_ZERO,
} from "../abi/disk";
import { EBADF, EFAULT, EINVAL, ENOSPC, ENOSYS, ENXIO, EOPNOTSUPP, EROFS } from "../abi/errno";
import { BIO_DISCARD, BIO_FLUSH, BIO_READ, BIO_WRITE, CTLFLAG_RW } from "../abi/rump";
import { SYS_diskctl } from "../abi/syscall";
import { DEV_MAXDEVS } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { kput_bytes, kput_char, kput_str, kput_u64, useracc } from "../kern/kstring";
import { sysent_set } from "../kern/syscall";
import { sysctl_fn } from "../kern/sysctl";
import { Args, ARGS_SIZE, arg_is, arg_key, arg_next, arg_number, args_init } from "./blkargs";
import {
  BLKF_LOCKED, BLKF_RDONLY, BlkDriver, Blkdev, blkdev_detach, blkdev_get, blkdev_lookup, blkdev_open, blkdriver_for,
  blkdriver_next,
} from "./blkdev";
import { disktransfer, disktransfer_close, disktransfer_done, disktransfer_init } from "./disktransfer";

const VERB_LIST: i32 = 1;
const VERB_ATTACH: i32 = 2;
const VERB_DETACH: i32 = 3;
const VERB_RESIZE: i32 = 4;
const VERB_FLUSH: i32 = 5;
const VERB_LOCK: i32 = 6;
const VERB_UNLOCK: i32 = 7;
const VERB_SET: i32 = 8;
const VERB_STAT: i32 = 9;

@unmanaged
class DiskctlState {
  args: usize;
  /** Scratch of DISK_STATUS. */
  nsect: u64;
}

let dc: DiskctlState = changetype<DiskctlState>(0);

/** Boot. */
export function diskctl_init(): void {
  dc = changetype<DiskctlState>(kmem_alloc(offsetof<DiskctlState>(), 8, "diskctl"));
  dc.args = kmem_alloc(ARGS_SIZE, 8, "diskctl");
  disktransfer_init();
  sysent_set(SYS_diskctl, sys_diskctl);
  sysctl_fn("kern.disk", sysctl_disk, CTLFLAG_RW);
}

/** sysctl kern.disk: asked a command, its answer; asked nothing, the list. */
function sysctl_disk(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  const end = buf + <usize>len;
  return newlen > 0 ? diskctl_command(newp, newlen, buf, end) : list_devices(buf, end);
}

/** Write " key=value". */
export function diskctl_put(at: usize, end: usize, key: string, value: u64): usize {
  at = kput_str(kput_char(at, end, 32), end, key);
  return kput_u64(kput_char(at, end, 0x3d), end, value);
}

function put_name(at: usize, end: usize, dev: Blkdev): usize {
  return kput_bytes(kput_str(at, end, "name="), end, dev.d_name, dev.d_namelen);
}

/** The line of one device. */
function put_device(at: usize, end: usize, dev: Blkdev): usize {
  at = put_name(at, end, dev);
  at = diskctl_put(at, end, "unit", dev.d_unit);
  at = diskctl_put(at, end, "size", dev.d_nsect << DEV_BSHIFT);
  at = diskctl_put(at, end, "blksize", dev.d_blksize);
  at = diskctl_put(at, end, "locked", u64((dev.d_flags & (BLKF_RDONLY | BLKF_LOCKED)) != 0));
  at = diskctl_put(at, end, "open", dev.d_nopen);
  return kput_char(at, end, 10);
}

function list_devices(at: usize, end: usize): i32 {
  const from = at;
  for (let unit = 0; unit < DEV_MAXDEVS; unit++) {
    const dev = blkdev_get(unit);
    if (changetype<usize>(dev) != 0) at = put_device(at, end, dev);
  }
  return at == end ? -ENOSPC : <i32>(at - from);
}

/** Sectors of a `size=` word; 0 if it is missing, -EINVAL if it is no whole number of sectors. */
function size_arg(a: Args): i64 {
  while (arg_next(a)) {
    if (!arg_key(a, "size")) return -EINVAL;
    const n = arg_number(a);
    return n <= 0 || (n & ((1 << DEV_BSHIFT) - 1)) != 0 ? -EINVAL : n >> DEV_BSHIFT;
  }
  return 0;
}

/** Number of the command word; 0 = not one of devices. */
function verb_of(a: Args): i32 {
  if (arg_is(a, "list")) return VERB_LIST;
  if (arg_is(a, "attach")) return VERB_ATTACH;
  if (arg_is(a, "detach")) return VERB_DETACH;
  if (arg_is(a, "resize")) return VERB_RESIZE;
  if (arg_is(a, "flush")) return VERB_FLUSH;
  if (arg_is(a, "lock")) return VERB_LOCK;
  if (arg_is(a, "unlock")) return VERB_UNLOCK;
  if (arg_is(a, "set")) return VERB_SET;
  return arg_is(a, "stat") ? VERB_STAT : 0;
}

/** A command on a device; its further words are in `a`. */
function device_command(dev: Blkdev, verb: i32, a: Args, at: usize, end: usize): i32 {
  if (verb == VERB_DETACH) return blkdev_detach(dev.d_unit);
  if (verb == VERB_SET) return dev.d_set(a);
  if (verb == VERB_STAT) {
    const to = dev.d_stat(at, end);
    return to == end ? -ENOSPC : <i32>(to - at);
  }
  if (verb == VERB_LOCK || verb == VERB_UNLOCK) {
    dev.d_flags = verb == VERB_LOCK ? dev.d_flags | BLKF_LOCKED : dev.d_flags & ~BLKF_LOCKED;
    return 0;
  }
  // What follows changes contents.
  if ((dev.d_flags & (BLKF_RDONLY | BLKF_LOCKED)) != 0) return -EROFS;
  if (verb == VERB_FLUSH) return dev.d_erase();
  const nsect = size_arg(a);
  return nsect <= 0 ? -EINVAL : dev.d_resize(nsect);
}

/** A command that no device's name follows: the first driver that knows it answers. */
function driver_command(text: usize, len: i32, at: usize, end: usize): i32 {
  const a = changetype<Args>(dc.args);
  for (let dr = blkdriver_next(changetype<BlkDriver>(0)); changetype<usize>(dr) != 0; dr = blkdriver_next(dr)) {
    args_init(a, text, len);
    const n = dr.dr_command(a, at, end);
    if (n != -EOPNOTSUPP) return n;
  }
  return -EINVAL;
}

/** One command line; its answer goes to [at, end). Bytes of it, or -errno. */
export function diskctl_command(text: usize, len: i32, at: usize, end: usize): i32 {
  const a = changetype<Args>(dc.args);
  args_init(a, text, len);
  if (!arg_next(a)) return -EINVAL;
  const verb = verb_of(a);
  if (verb == VERB_LIST) return list_devices(at, end);
  if (verb == 0) return driver_command(text, len, at, end);
  if (!arg_next(a)) return -EINVAL;
  if (verb == VERB_ATTACH) {
    const dr = blkdriver_for(a.a_word, a.a_wordlen);
    return changetype<usize>(dr) == 0 ? -ENXIO : dr.dr_attach(a.a_word, a.a_wordlen, a);
  }
  const unit = blkdev_lookup(a.a_word, a.a_wordlen);
  return unit < 0 ? unit : device_command(blkdev_get(unit), verb, a, at, end);
}

/** What is at `nsect` sectors from `at` on. */
function status(unit: i32, at: u64, nsect: u32): i32 {
  const dev = blkdev_get(unit);
  if (changetype<usize>(dev) == 0 || dev.d_nopen == 0) return -EBADF;
  if (nsect == 0 || at + nsect > dev.d_nsect) return -EINVAL;
  dc.nsect = min<u32>(nsect, BLK_STATUS_MAX);
  const what = dev.d_status(at, changetype<usize>(dc) + offsetof<DiskctlState>("nsect"));
  return what < 0 ? what : (what << 28) | <i32>dc.nsect;
}

function sys_diskctl(verb: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  const at = <u64><u32>a2 | (<u64><u32>a3 << 32);
  switch (verb) {
    case DISK_CTL:
      if (!useracc(a1, a2) || !useracc(a3, a4)) return -EFAULT;
      return diskctl_command(a1, a2, a3, <usize>a3 + <usize>a4);
    case DISK_OPEN: return useracc(a1, a2) ? blkdev_open(a1, a2) : -EFAULT;
    case DISK_CLOSE: return disktransfer_close(a1);
    case DISK_READ: return useracc(a4, a5) ? disktransfer(a1, BIO_READ, at, a4, a5, 0) : -EFAULT;
    case DISK_WRITE: return useracc(a4, a5) ? disktransfer(a1, BIO_WRITE, at, a4, a5, 0) : -EFAULT;
    case DISK_DISCARD: return disktransfer(a1, BIO_DISCARD, at, 0, 0, a4);
    case DISK_ZERO: return disktransfer(a1, BIO_ZERO, at, 0, 0, a4);
    case DISK_SYNC: return disktransfer(a1, BIO_FLUSH, 0, 0, 0, 0);
    case DISK_STATUS: return status(a1, at, a4);
    case DISK_DONE: return disktransfer_done(a1);
    default: return -ENOSYS;
  }
}
