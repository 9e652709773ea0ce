/**
 * Exports: what clients see of the block devices.
 *
 *      NBD_EXPORTS="disk=rd0; backup=rd1 ro"      names of our own, perhaps read-only
 *      (not given)                                every device under its own name
 *
 * The first is also what is meant by the empty name. Devices that come and go at run time are seen by
 * the next client that asks; one that a client uses stays until it is done with it (blkdev_open).
 * Names with a "~" are snapshots that somebody makes for a moment, and are not shown.
 */
import { BLKF_LOCKED, BLKF_RDONLY, Blkdev, blkdev_get, blkdev_lookup } from "../../kernel/dev/blkdev";
import { EINVAL, ENXIO } from "../../kernel/abi/errno";
import { LOG_ERR } from "../../kernel/abi/rump";
import { Args, ARGS_SIZE, arg_is, arg_next, args_init } from "../../kernel/dev/blkargs";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { log_begin, log_bytes, log_end, log_str } from "../../kernel/kern/log";
import { getparam } from "../../kernel/kern/rumpuser";
import { DEV_MAXDEVS, NBD_MAXEXPORTS } from "rump/tunables";

const PARAM_MAX: i32 = 2048;
const TILDE: u8 = 0x7e;
const EQUALS: u8 = 0x3d;
const SEMICOLON: u8 = 0x3b;

/** One export of the parameter; the texts lie in it. */
@unmanaged
class Export {
  ex_name: usize;
  ex_namelen: i32;
  ex_dev: usize;
  ex_devlen: i32;
  ex_rdonly: i32;
}

@unmanaged
class ExportState {
  table: usize;
  /** 0 = there is no list: every device. */
  count: i32;
  text: usize;
  args: usize;
}

let xs: ExportState = changetype<ExportState>(0);

function export_at(i: i32): Export {
  return changetype<Export>(xs.table + <usize>i * offsetof<Export>());
}

/** "NAME[=DEVICE] [ro]"; 0 or -errno. */
function export_parse(text: usize, n: i32): i32 {
  const a = changetype<Args>(xs.args);
  args_init(a, text, n);
  if (!arg_next(a)) return 0;
  if (xs.count == NBD_MAXEXPORTS) return -EINVAL;
  const x = export_at(xs.count++);
  x.ex_name = a.a_word;
  x.ex_namelen = 0;
  while (x.ex_namelen < a.a_wordlen && load<u8>(a.a_word + x.ex_namelen) != EQUALS) x.ex_namelen++;
  const named = x.ex_namelen < a.a_wordlen;
  x.ex_dev = named ? a.a_word + x.ex_namelen + 1 : a.a_word;
  x.ex_devlen = named ? a.a_wordlen - x.ex_namelen - 1 : a.a_wordlen;
  if (arg_next(a)) {
    if (!arg_is(a, "ro") || arg_next(a)) return -EINVAL;
    x.ex_rdonly = 1;
  }
  return x.ex_devlen > 0 ? 0 : -EINVAL;
}

/** Boot. 0 or -errno. */
export function nbd_export_init(): i32 {
  xs = changetype<ExportState>(kmem_alloc(offsetof<ExportState>(), 8, "nbd"));
  xs.table = kmem_alloc(<usize>NBD_MAXEXPORTS * offsetof<Export>(), 8, "nbd");
  xs.text = kmem_alloc(PARAM_MAX, 8, "nbd");
  xs.args = kmem_alloc(ARGS_SIZE, 8, "nbd");
  const n = getparam("NBD_EXPORTS", xs.text, PARAM_MAX);
  for (let at = 0; at < n;) {
    let to = at;
    while (to < n && load<u8>(xs.text + to) != SEMICOLON) to++;
    if (export_parse(xs.text + at, to - at) < 0) {
      log_begin(LOG_ERR, "nbd");
      log_str("NBD_EXPORTS: expected NAME[=DEVICE] [ro], not ");
      log_bytes(xs.text + at, to - at);
      log_end();
      return -EINVAL;
    }
    at = to + 1;
  }
  return 0;
}

/** One past the last index that nbd_export_unit takes. */
export function nbd_export_end(): i32 {
  return xs.count > 0 ? xs.count : DEV_MAXDEVS;
}

/** Unit of export `i`; -ENXIO when there is no device for it. */
export function nbd_export_unit(i: i32): i32 {
  if (xs.count > 0) {
    const x = export_at(i);
    return blkdev_lookup(x.ex_dev, x.ex_devlen);
  }
  const dev = blkdev_get(i);
  if (changetype<usize>(dev) == 0) return -ENXIO;
  for (let k = 0; k < dev.d_namelen; k++) if (load<u8>(dev.d_name + k) == TILDE) return -ENXIO;
  return i;
}

/** Where the name of export `i` is, which has a device. */
export function nbd_export_name(i: i32): usize {
  return xs.count > 0 ? export_at(i).ex_name : blkdev_get(i).d_name;
}

export function nbd_export_namelen(i: i32): i32 {
  return xs.count > 0 ? export_at(i).ex_namelen : blkdev_get(i).d_namelen;
}

/** May it only be read? */
export function nbd_export_rdonly(i: i32): bool {
  if (xs.count > 0 && export_at(i).ex_rdonly != 0) return true;
  const dev: Blkdev = blkdev_get(nbd_export_unit(i));
  return (dev.d_flags & (BLKF_RDONLY | BLKF_LOCKED)) != 0;
}

/** The export called `name`; the first of all for an empty name. Its index, or -ENXIO. */
export function nbd_export_find(name: usize, n: i32): i32 {
  const end = nbd_export_end();
  for (let i = 0; i < end; i++) {
    if (nbd_export_unit(i) < 0) continue;
    if (n == 0) return i;
    if (nbd_export_namelen(i) == n && memory.compare(nbd_export_name(i), name, n) == 0) return i;
  }
  return -ENXIO;
}
