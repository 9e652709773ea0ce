/**
 * etfs: files of the host as block devices ("extra-terrestrial file system", rump's word); role "blkdev".
 *
 *      bio ─► EtfsDisk ─► queue (etfs_queue.ts: merging, scheduler, barriers) ─► hyp_bio ─► host
 *      bio done ◄── etfs_intr ◄── RING_BIO ◄─────────────────────────────────────────────┘
 *
 * The host decides which files there are: "attach hd0" opens the store that it has registered under that
 * name (`-b hd0,file=disk.img`), and the parameter ETFS="hd0; hd1 ro" does so at boot. Any name will do
 * that is not one of a RAM disk (rd0 …). Requests are done later, in any order; errors of the host come
 * back as errno. FLUSH and FUA are durable before they are done.
 */
import { DEV_BSHIFT } from "../../kernel/abi/disk";
import { EINVAL, ENFILE } from "../../kernel/abi/errno";
import {
  BIOINFO_SIZE, BIO_COMPLETION_SIZE, BIO_OPEN_CREATE, BIO_OPEN_RDONLY, INTR_BIO, LOG_ERR, RING_BIO,
} from "../../kernel/abi/rump";
import { Args, ARGS_SIZE, arg_is, arg_next, args_init } from "../../kernel/dev/blkargs";
import { BLKF_DISCARD, BLKF_RDONLY, BlkDriver, Blkdev, blkdev_attach, blkdriver_attach } from "../../kernel/dev/blkdev";
import { Buf } from "../../kernel/dev/buf";
import { hyp_bio_close, hyp_bio_open } from "../../kernel/kern/hyper";
import { intr_establish } from "../../kernel/kern/intr";
import { kmem_alloc, kobj } from "../../kernel/kern/kmem";
import { log_begin, log_bytes, log_end, log_int, log_str } from "../../kernel/kern/log";
import { Pool, pool_getz, pool_init_obj, pool_put } from "../../kernel/kern/pool";
import { ring_consume, ring_create, ring_peek, ring_register } from "../../kernel/kern/ring";
import { getparam } from "../../kernel/kern/rumpuser";
import { ETFS_MAXDEVS } from "rump/tunables";
import {
  EtfsQueue, etfs_queue_busy, etfs_queue_done, etfs_queue_get, etfs_queue_init, etfs_queue_put, etfs_queue_stat, etfs_queue_submit,
} from "./etfs_queue";

const PARAM_MAX: i32 = 1024;
const RING_SIZE: u32 = 256;
const SEMICOLON: u8 = 0x3b;

@unmanaged
class EtfsState {
  devs: Pool;
  driver: EtfsDriver;
  ring: usize;
  info: usize;
  text: usize;
  args: usize;
}

let es: EtfsState = changetype<EtfsState>(0);

/** A file of the host. */
export class EtfsDisk extends Blkdev {
  ed_handle: i32;
  ed_queue: EtfsQueue;

  d_strategy(bp: Buf): void {
    etfs_queue_submit(this.ed_queue, bp);
  }

  d_stat(at: usize, end: usize): usize {
    return etfs_queue_stat(this.ed_queue, at, end);
  }

  d_detach(): i32 {
    assert(!etfs_queue_busy(this.ed_queue), "etfs: requests of a device that nobody uses");
    hyp_bio_close(this.ed_handle);
    etfs_free(this);
    return 0;
  }
}

/** Opens what the host has registered. */
export class EtfsDriver extends BlkDriver {
  dr_owns(name: usize, n: i32): bool {
    // rd0, and rd~1, a snapshot; but not "rdisk".
    const ram = n > 2 && load<u16>(name) == 0x6472 && <u32>(load<u8>(name + 2) | 0x20) - 97 >= 26;
    return n > 0 && !ram;
  }

  dr_attach(name: usize, n: i32, args: Args): i32 {
    let flags = BIO_OPEN_CREATE;
    while (arg_next(args)) {
      if (!arg_is(args, "ro")) return -EINVAL;
      flags = BIO_OPEN_RDONLY;
    }
    const handle = hyp_bio_open(name, n, flags, es.info);
    if (handle < 0) return handle;
    const dev = etfs_alloc(handle);
    let e = -ENFILE;
    if (changetype<usize>(dev) != 0) {
      dev.d_nsect = <u64>load<f64>(es.info) >> DEV_BSHIFT;
      dev.d_blksize = max<u32>(load<u32>(es.info, 8), 4096);
      dev.d_flags = BLKF_DISCARD;
      if (load<i32>(es.info, 16) != 0) dev.d_flags |= BLKF_RDONLY;
      e = dev.d_nsect > 0 ? blkdev_attach(dev, name, n) : -EINVAL;
    }
    if (e >= 0) return e;
    hyp_bio_close(handle);
    if (changetype<usize>(dev) != 0) etfs_free(dev);
    return e;
  }
}

function etfs_alloc(handle: i32): EtfsDisk {
  const dev = changetype<EtfsDisk>(pool_getz(es.devs));
  if (changetype<usize>(dev) == 0) return dev;
  dev.ed_handle = handle;
  dev.ed_queue = etfs_queue_get(handle);
  return dev;
}

function etfs_free(dev: EtfsDisk): void {
  etfs_queue_put(dev.ed_queue);
  pool_put(es.devs, changetype<usize>(dev));
}

/** Interrupt: transfers are done. */
function etfs_intr(arg: usize): void {
  for (let at = ring_peek(es.ring); at != 0; at = ring_peek(es.ring)) {
    const cookie = load<i32>(at);
    const result = load<i32>(at, 4);
    ring_consume(es.ring);
    etfs_queue_done(cookie, result);
  }
}

/** Attach what the `n` bytes at `text` say: "hd0 ro". 0 or -errno. */
function attach_one(text: usize, n: i32): i32 {
  const a = changetype<Args>(es.args);
  args_init(a, text, n);
  if (!arg_next(a)) return 0;
  const e = es.driver.dr_owns(a.a_word, a.a_wordlen) ? es.driver.dr_attach(a.a_word, a.a_wordlen, a) : -EINVAL;
  if (e >= 0) return 0;
  log_begin(LOG_ERR, "etfs");
  log_str("cannot open ");
  log_bytes(text, n);
  log_str(": errno ");
  log_int(-e);
  log_end();
  return e;
}

/** Boot, phase DEV. */
export function etfs_attach(): i32 {
  es = changetype<EtfsState>(kmem_alloc(offsetof<EtfsState>(), 8, "etfs"));
  es.devs = pool_init_obj<EtfsDisk>("etfs.devs", ETFS_MAXDEVS);
  es.info = kmem_alloc(BIOINFO_SIZE, 8, "etfs");
  es.args = kmem_alloc(ARGS_SIZE, 8, "etfs");
  es.text = kmem_alloc(PARAM_MAX, 8, "etfs");
  es.ring = ring_create(RING_SIZE, BIO_COMPLETION_SIZE, "etfs.ring");
  ring_register(RING_BIO, es.ring);
  intr_establish(INTR_BIO, etfs_intr, 0);
  etfs_queue_init();
  es.driver = kobj<EtfsDriver>("etfs");
  blkdriver_attach(es.driver);
  const n = getparam("ETFS", es.text, PARAM_MAX);
  for (let at = 0; at < n;) {
    let to = at;
    while (to < n && load<u8>(es.text + to) != SEMICOLON) to++;
    const e = attach_one(es.text + at, to - at);
    if (e < 0) return e;
    at = to + 1;
  }
  return 0;
}
