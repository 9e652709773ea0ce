/**
 * ramdisk: block devices in compressed memory; role "blkdev".
 *
 *      bio ─► RamDisk (this file: sectors, partial blocks) ─► store (rd_store.ts: blocks of 4 KiB)
 *
 * Any number of devices up to RAMDISK_MAXDEVS share one region of RAMDISK_PAGES pages (or of RAMDISK_MEM
 * bytes: a boot parameter, see ramdisk_param.ts). They are made by
 * "attach rd0 size=64M level=1 dedup=write limit=16M" (kernel/dev/diskctl.ts), or at boot by the
 * parameter RAMDISK="rd0 size=64M; rd1 size=1G". Every request is done when bio_submit returns.
 *
 *      size   logical size                     level  0 none, 1 LZO1X-1 (default), 2 lzo-rle, 3-9 slow and small
 *      limit  most memory for its blocks       dedup  off, scan, write (default)
 *      from   a RAM disk, of which it is to be a snapshot (instead of size)
 *
 * A write of part of a block reads the block first. DISCARD makes holes of whole blocks, ZERO zeros of
 * anything; a hole reads as zeros. Statistics have the names of zram's mm_stat and io_stat.
 */
import { BIO_ZERO, BLK_DATA, BLK_HOLE, BLK_ZERO, DEV_BSHIFT } from "../../kernel/abi/disk";
import { EBUSY, EINVAL, ENFILE, ENOSPC, EROFS } from "../../kernel/abi/errno";
import { BIO_DISCARD, BIO_FLUSH, BIO_READ, BIO_WRITE } from "../../kernel/abi/rump";
import { Args, arg_key, arg_next, arg_number, arg_value_is } from "../../kernel/dev/blkargs";
import { BLKF_DISCARD, BLKF_LOCKED, BLKF_RESIZE, BLKF_SYNC, BlkDriver, Blkdev, blkdev_attach, blkdev_get, blkdev_lookup, blkdriver_attach } from "../../kernel/dev/blkdev";
import { Buf, bio_complete } from "../../kernel/dev/buf";
import { cprng_fast64 } from "../../kernel/kern/cprng";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { Pool, pool_getz, pool_init, pool_init_obj, pool_put } from "../../kernel/kern/pool";
import { RAMDISK_MAXDEVS } from "rump/tunables";
import { ramdisk_command, ramdisk_put_stat, ramdisk_stat_init } from "./ramdisk_stat";
import { ramdisk_scan_init, ramdisk_scan_kick } from "./ramdisk_scan";
import { ramdisk_boot_attach, ramdisk_boot_pages } from "./ramdisk_param";
import { RDM_BLOCKS_MAX, RDS_KIND, RDS_SAME, rdm_get, rdm_next_hole, rdm_next_used } from "./rd_map";
import { rd_scan_set } from "./rd_scan";
import {
  RD_BLOCK, RD_DEDUP_OFF, RD_DEDUP_SCAN, RD_DEDUP_WRITE, RD_LEVEL_LZO, RD_LEVEL_MAX, RdVolume, rd_store_init, rdv_clone, rdv_create,
  rdv_discard, rdv_map, rdv_read, rdv_resize, rdv_take, rdv_write,
} from "./rd_store";

/** Sectors of a block: 8. */
const SPB_SHIFT: u64 = 3;
const SPB_MASK: u64 = 7;
/** Blocks that one d_status looks at, at most. */
const STATUS_BLOCKS: u32 = 65536;

@unmanaged
class RamdiskState {
  devs: Pool;
  volumes: Pool;
  driver: RamdiskDriver;
  /** One block, for parts of blocks. */
  block: usize;
  /** One bit a volume number in use. */
  numbers: u64;
}

let rs: RamdiskState = changetype<RamdiskState>(0);

/** A RAM disk. */
export class RamDisk extends Blkdev {
  rd_vol: RdVolume;
  /** Its number for the scanner. */
  rd_number: u32;
  rd_reads: u64;
  rd_writes: u64;
  /** Bytes. */
  rd_bytes_read: u64;
  rd_bytes_written: u64;
  /** Blocks given back by discard. */
  rd_notify_free: u64;
  /** Requests and commands that may have changed contents or size: whoever copies the disk looks at it. */
  rd_changes: u64;

  d_strategy(bp: Buf): void {
    const op = bp.b_op;
    if (op != BIO_READ && op != BIO_FLUSH) this.rd_changes++;
    if (op == BIO_READ) this.read(bp);
    else if (op == BIO_WRITE) this.write(bp);
    else if (op == BIO_DISCARD) this.discard(bp.b_blkno, bp.b_blkno + bp.b_nsect);
    else if (op == BIO_ZERO) bp.b_error = this.zero(bp.b_blkno, bp.b_blkno + bp.b_nsect);
    else assert(op == BIO_FLUSH, "ramdisk: operation");
    if (op != BIO_READ) ramdisk_scan_kick();
    bio_complete(bp);
  }

  /** Bytes of block `b` from sector `at` on that lie below sector `end`. */
  part(at: u64, end: u64): u32 {
    const next = (at | SPB_MASK) + 1;
    return <u32>(min<u64>(next, end) - at) << DEV_BSHIFT;
  }

  read(bp: Buf): void {
    const end = bp.b_blkno + bp.b_nsect;
    let to = bp.b_data;
    for (let at = bp.b_blkno; at < end;) {
      const n = this.part(at, end);
      const b = <u32>(at >> SPB_SHIFT);
      const e = rdv_read(this.rd_vol, b, n == RD_BLOCK ? to : rs.block);
      if (e < 0) {
        bp.b_error = e;
        break;
      }
      if (n != RD_BLOCK) memory.copy(to, rs.block + (<usize>(at & SPB_MASK) << DEV_BSHIFT), n);
      to += n;
      bp.b_resid -= n;
      at += n >> DEV_BSHIFT;
    }
    this.rd_reads++;
    this.rd_bytes_read += bp.b_bcount - bp.b_resid;
  }

  write(bp: Buf): void {
    const end = bp.b_blkno + bp.b_nsect;
    let from = bp.b_data;
    for (let at = bp.b_blkno; at < end;) {
      const n = this.part(at, end);
      const e = n == RD_BLOCK ? rdv_write(this.rd_vol, <u32>(at >> SPB_SHIFT), from) : this.write_part(at, from, n);
      if (e < 0) {
        bp.b_error = e;
        break;
      }
      from += n;
      bp.b_resid -= n;
      at += n >> DEV_BSHIFT;
    }
    this.rd_writes++;
    this.rd_bytes_written += bp.b_bcount - bp.b_resid;
  }

  /** Write n bytes of the block in which sector `at` lies; from = 0 writes zeros. 0 or -errno. */
  write_part(at: u64, from: usize, n: u32): i32 {
    const b = <u32>(at >> SPB_SHIFT);
    const e = rdv_read(this.rd_vol, b, rs.block);
    if (e < 0) return e;
    const to = rs.block + (<usize>(at & SPB_MASK) << DEV_BSHIFT);
    if (from != 0) memory.copy(to, from, n);
    else memory.fill(to, 0, n);
    return rdv_write(this.rd_vol, b, rs.block);
  }

  /** Give back the blocks that lie wholly between two sectors. */
  discard(at: u64, end: u64): void {
    const first = <u32>((at + SPB_MASK) >> SPB_SHIFT);
    // The last block of an odd-sized disk is whole when its sectors are.
    const last = end == this.d_nsect ? this.rd_vol.m_nblocks : <u32>(end >> SPB_SHIFT);
    if (first < last) this.rd_notify_free += rdv_discard(this.rd_vol, first, last);
  }

  /** Make zeros: holes, and parts of blocks at both ends. 0 or -errno. */
  zero(at: u64, end: u64): i32 {
    const head = (at & SPB_MASK) == 0 ? at : min<u64>((at | SPB_MASK) + 1, end);
    if (head > at) {
      const e = this.write_part(at, 0, <u32>(head - at) << DEV_BSHIFT);
      if (e < 0) return e;
    }
    this.discard(head, end);
    const tail = max<u64>(end & ~SPB_MASK, head);
    if (tail >= end || end == this.d_nsect) return 0;
    return this.write_part(tail, 0, <u32>(end - tail) << DEV_BSHIFT);
  }

  d_status(at: u64, nsect: usize): i32 {
    const m = rdv_map(this.rd_vol);
    const b = <u32>(at >> SPB_SHIFT);
    const slot = rdm_get(m, b);
    const kind = slot & RDS_KIND;
    const what = slot == 0 ? BLK_HOLE : kind == RDS_SAME && <u32>slot == 0 ? BLK_ZERO : BLK_DATA;
    const most = min<u64>(((at + load<u64>(nsect) - 1) >> SPB_SHIFT) + 1, <u64>m.m_nblocks);
    let to = b + 1;
    if (what == BLK_HOLE) {
      to = rdm_next_used(m, b);
    } else {
      const limit = <u32>min<u64>(most, <u64>b + STATUS_BLOCKS);
      const hole = rdm_next_hole(m, b);
      while (to < limit && to < hole) {
        const other = rdm_get(m, to);
        const zero = (other & RDS_KIND) == RDS_SAME && <u32>other == 0;
        if (zero != (what == BLK_ZERO)) break;
        to++;
      }
    }
    const run = (<u64>to << SPB_SHIFT) - at;
    store<u64>(nsect, min<u64>(run, load<u64>(nsect)));
    return what;
  }

  d_resize(nsect: u64): i32 {
    const nblocks = (nsect + SPB_MASK) >> SPB_SHIFT;
    this.rd_changes++;
    if (nblocks > RDM_BLOCKS_MAX) return -EINVAL;
    if (nsect < this.d_nsect && (nsect & SPB_MASK) != 0) {
      // What is cut off must not come back when it grows again.
      const stop = min<u64>((nsect | SPB_MASK) + 1, this.d_nsect);
      const e = this.write_part(nsect, 0, <u32>(stop - nsect) << DEV_BSHIFT);
      if (e < 0) return e;
    }
    const e = rdv_resize(this.rd_vol, <u32>nblocks);
    if (e == 0) this.d_nsect = nsect;
    return e;
  }

  d_erase(): i32 {
    this.rd_changes++;
    rdv_discard(this.rd_vol, 0, this.rd_vol.m_nblocks);
    return 0;
  }

  d_set(args: Args): i32 {
    while (arg_next(args)) {
      const e = this.set_one(args);
      if (e < 0) return e;
    }
    return 0;
  }

  /** One key=value word: level, dedup, limit. */
  set_one(args: Args): i32 {
    const v = this.rd_vol;
    if (arg_key(args, "level")) {
      const n = arg_number(args);
      if (n < 0 || n > RD_LEVEL_MAX) return -EINVAL;
      v.v_level = <i32>n;
    } else if (arg_key(args, "dedup")) {
      if (arg_value_is(args, "off")) v.v_dedup = RD_DEDUP_OFF;
      else if (arg_value_is(args, "scan")) v.v_dedup = RD_DEDUP_SCAN;
      else if (arg_value_is(args, "write")) v.v_dedup = RD_DEDUP_WRITE;
      else return -EINVAL;
      rd_scan_set(this.rd_number, v);
      ramdisk_scan_kick();
    } else if (arg_key(args, "from")) {
      return ramdisk_clone(this, args);
    } else if (arg_key(args, "limit")) {
      const n = arg_number(args);
      if (n < 0) return -EINVAL;
      v.v_limit = n;
    } else {
      return -EINVAL;
    }
    return 0;
  }

  d_stat(at: usize, end: usize): usize {
    return ramdisk_put_stat(this, at, end);
  }

  d_detach(): i32 {
    this.d_erase();
    rd_scan_set(this.rd_number, changetype<RdVolume>(0));
    ramdisk_free(this);
    return 0;
  }
}

/** Makes RAM disks: names that begin with "rd". */
export class RamdiskDriver extends BlkDriver {
  dr_owns(name: usize, n: i32): bool {
    return n > 2 && load<u16>(name) == 0x6472;
  }

  dr_attach(name: usize, n: i32, args: Args): i32 {
    const dev = ramdisk_alloc();
    if (changetype<usize>(dev) == 0) return -ENFILE;
    let size: i64 = 0;
    let e = 0;
    while (e == 0 && arg_next(args)) {
      if (arg_key(args, "size")) size = arg_number(args);
      else e = dev.set_one(args);
    }
    if (size == 0) size = dev.d_nsect << DEV_BSHIFT;
    const nsect = size >> DEV_BSHIFT;
    if (e == 0 && (size <= 0 || size != nsect << DEV_BSHIFT)) e = -EINVAL;
    if (e == 0) e = dev.d_resize(nsect);
    if (e == 0) e = blkdev_attach(dev, name, n);
    if (e < 0) {
      dev.d_erase();
      rd_scan_set(dev.rd_number, changetype<RdVolume>(0));
      ramdisk_free(dev);
      return e;
    }
    rd_scan_set(dev.rd_number, dev.rd_vol);
    return e;
  }

  dr_command(args: Args, at: usize, end: usize): i32 {
    return ramdisk_command(args, at, end);
  }
}

/**
 * Make the contents of `dev` those of the RAM disk that args names, of this moment: the one becomes a
 * snapshot of the other. 0, or -errno with nothing changed.
 */
function ramdisk_clone(dev: RamDisk, args: Args): i32 {
  const unit = blkdev_lookup(args.a_val, args.a_vallen);
  if (unit < 0) return unit;
  if (!rs.driver.dr_owns(args.a_val, args.a_vallen)) return -EINVAL;
  if ((dev.d_flags & BLKF_LOCKED) != 0) return -EROFS;
  const from = changetype<RamDisk>(changetype<usize>(blkdev_get(unit)));
  if (from == dev) return -EINVAL;
  const p = pool_getz(rs.volumes);
  if (p == 0) return -ENFILE;
  const e = rdv_clone(changetype<RdVolume>(p), from.rd_vol);
  if (e == 0) {
    rdv_take(dev.rd_vol, changetype<RdVolume>(p));
    dev.d_nsect = from.d_nsect;
    dev.rd_changes++;
  }
  pool_put(rs.volumes, p);
  return e;
}

/** A device with an empty volume and default settings; null (0) if there are no more. */
function ramdisk_alloc(): RamDisk {
  const none = changetype<RamDisk>(0);
  const number = <u32>ctz<u64>(~rs.numbers);
  if (number >= <u32>RAMDISK_MAXDEVS) return none;
  const dev = changetype<RamDisk>(pool_getz(rs.devs));
  const vol = changetype<RdVolume>(pool_getz(rs.volumes));
  assert(changetype<usize>(dev) != 0 && changetype<usize>(vol) != 0, "ramdisk_alloc: pools and numbers disagree");
  rs.numbers |= <u64>1 << <u64>number;
  rdv_create(vol, 0, RD_LEVEL_LZO, RD_DEDUP_WRITE);
  dev.rd_vol = vol;
  dev.rd_number = number;
  dev.d_flags = BLKF_SYNC | BLKF_DISCARD | BLKF_RESIZE;
  dev.d_blksize = RD_BLOCK;
  return dev;
}

function ramdisk_free(dev: RamDisk): void {
  assert(dev.rd_vol.m_used == 0 && dev.rd_vol.m_pages == 0, "ramdisk_free: not empty");
  rs.numbers &= ~(<u64>1 << <u64>dev.rd_number);
  pool_put(rs.volumes, changetype<usize>(dev.rd_vol));
  pool_put(rs.devs, changetype<usize>(dev));
}

/** Boot, phase DEV. */
export function ramdisk_attach(): i32 {
  assert(RAMDISK_MAXDEVS > 0 && RAMDISK_MAXDEVS < 64, "ramdisk: RAMDISK_MAXDEVS must be below 64");
  rs = changetype<RamdiskState>(kmem_alloc(offsetof<RamdiskState>(), 8, "ramdisk"));
  rs.devs = pool_init_obj<RamDisk>("ramdisk.devs", RAMDISK_MAXDEVS);
  rs.volumes = pool_init("ramdisk.volumes", offsetof<RdVolume>(), RAMDISK_MAXDEVS + 1); // one in passing: ramdisk_clone
  rs.block = kmem_alloc(RD_BLOCK, 64, "ramdisk");
  const pages = ramdisk_boot_pages();
  if (pages < 0) return pages;
  rd_store_init(cprng_fast64(), pages);
  ramdisk_scan_init();
  ramdisk_stat_init();
  rs.driver = kobj<RamdiskDriver>("ramdisk");
  blkdriver_attach(rs.driver);
  return ramdisk_boot_attach(rs.driver);
}
