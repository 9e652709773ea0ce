/**
 * Block I/O of the image on files of the host (hyp_bio_open, hyp_bio, hyp_bio_close).
 *
 * The image can open only what it was given: names registered with boot({ blk: { disk0: 'a.img' } })
 * or `-b disk0=a.img`; it never names a path of the host. A request is queued, and its completion
 * {cookie, bytes or -errno} goes on ring RING_BIO:
 *
 *      up to SYNC_MAX bytes   pread/pwrite in the hypercall itself (1 µs when the page cache has it)
 *      larger, FUA, FLUSH     the thread pool of libuv, straight from and to linear memory
 *
 * Reads and writes are complete or failed: short ones are continued, the end of the file is EIO.
 * A write with FUA and a FLUSH complete after fdatasync. DISCARD makes a hole if that is to be had, and
 * succeeds; ZERO makes a hole or writes zeros (punch.ts).
 */
import {
  closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, read, readFileSync, readSync, write, writeSync,
} from 'node:fs';
import { BIO_ZERO } from '../kernel/abi/disk';
import { EBADF, EINVAL, EIO, EMFILE, ENOENT, EROFS } from '../kernel/abi/errno';
import {
  BIO_DISCARD, BIO_FLUSH, BIO_FUA, BIO_OPEN_CREATE, BIO_OPEN_RDONLY, BIO_READ, BIO_WRITE,
} from '../kernel/abi/rump';
import { errnoFromNode } from './errtrans';
import { punchHole, writeZeros } from './punch';

/** A block store which the host offers to the image. */
export interface BlockStore {
  /** File or block device of the host. */
  path: string;
  /** Open read-only even if it could be written. */
  readOnly?: boolean;
  /** Bytes a sector; default 512. */
  sector?: number;
  /** With hyp_bio_open's CREATE: the size in bytes to make the file with, if it is missing. */
  size?: number;
}

interface OpenStore {
  fd: number;
  size: number;
  sector: number;
  isDevice: boolean;
  readOnly: boolean;
  /** Transfers in the thread pool; the descriptor is closed when the last is done. */
  pending: number;
  closing: boolean;
}

/** Transfers up to this many bytes are made at once, on the main thread. */
const SYNC_MAX = 131072;
const HANDLES_MAX = 64;

/** Reports a completion: push on the ring, signal the interrupt. */
export type BioDone = (cookie: number, result: number) => void;

export class BioHost {
  private readonly stores: ReadonlyMap<string, BlockStore>;
  private readonly handles: (OpenStore | null)[] = [];
  private readonly done: BioDone;

  constructor(stores: ReadonlyMap<string, BlockStore>, done: BioDone) {
    this.stores = stores;
    this.done = done;
  }

  /** Open the store registered as `name`; a handle >= 0, or -errno. */
  open(name: string, flags: number): number {
    const store = this.stores.get(name);
    if (store === undefined) return -ENOENT;
    let handle = this.handles.indexOf(null);
    if (handle < 0) handle = this.handles.length;
    if (handle >= HANDLES_MAX) return -EMFILE;
    try {
      this.handles[handle] = openStore(store, flags);
    } catch (error) {
      if (handle === this.handles.length) this.handles[handle] = null;
      return -errnoFromNode(error);
    }
    return handle;
  }

  /** What hyp_bio_open tells the image of an open handle. */
  info(handle: number): { size: number; sector: number; type: number; readOnly: boolean } {
    const { size, sector, isDevice, readOnly } = this.handles[handle]!;
    return { size, sector, type: isDevice ? 1 : 0, readOnly };
  }

  /** Queue one transfer on `memory` (linear memory of the image); 0 or -errno. */
  submit(memory: Uint8Array, handle: number, op: number, ptr: number, len: number, off: number, cookie: number): number {
    const store = this.handles[handle];
    if (!store || store.closing) return -EBADF;
    const kind = op & 0xff;
    if (kind > BIO_ZERO || (op & ~(0xff | BIO_FUA)) !== 0) return -EINVAL;
    if (kind === BIO_FLUSH) {
      this.flush(store, cookie, 0);
      return 0;
    }
    if (!Number.isSafeInteger(off) || off < 0 || len < 0 || off + len > store.size) return -EINVAL;
    if (kind !== BIO_READ && store.readOnly) return -EROFS;
    if (kind === BIO_DISCARD || kind === BIO_ZERO) {
      this.clear(store, kind, off, len, cookie);
      return 0;
    }
    if (ptr < 0 || ptr + len > memory.length) return -EINVAL;
    const bytes = memory.subarray(ptr, ptr + len);
    if (len <= SYNC_MAX) this.transferNow(store, kind, bytes, off, cookie, (op & BIO_FUA) !== 0);
    else this.transferLater(store, kind, bytes, off, cookie, (op & BIO_FUA) !== 0);
    return 0;
  }

  /** Close a handle; transfers under way still complete. 0 or -errno. */
  close(handle: number): number {
    const store = this.handles[handle];
    if (!store || store.closing) return -EBADF;
    store.closing = true;
    this.handles[handle] = null;
    if (store.pending === 0) closeSync(store.fd);
    return 0;
  }

  /** Close everything. */
  closeAll(): void {
    for (let i = 0; i < this.handles.length; i++) if (this.handles[i]) this.close(i);
  }

  private transferNow(store: OpenStore, kind: number, bytes: Uint8Array, off: number, cookie: number, fua: boolean): void {
    let at = 0;
    try {
      while (at < bytes.length) {
        const n = kind === BIO_READ
          ? readSync(store.fd, bytes, at, bytes.length - at, off + at)
          : writeSync(store.fd, bytes, at, bytes.length - at, off + at);
        if (n === 0) {
          this.done(cookie, -EIO);
          return;
        }
        at += n;
      }
    } catch (error) {
      this.done(cookie, -errnoFromNode(error));
      return;
    }
    if (fua && kind === BIO_WRITE) this.flush(store, cookie, at);
    else this.done(cookie, at);
  }

  /** A range that holds nothing any more. */
  private clear(store: OpenStore, kind: number, off: number, len: number, cookie: number): void {
    if (len === 0 || punchHole(store.fd, off, len) || kind === BIO_DISCARD) {
      this.done(cookie, 0);
      return;
    }
    store.pending++;
    writeZeros(store.fd, off, len, (error) => {
      this.done(cookie, error ? -errnoFromNode(error) : 0);
      this.release(store);
    });
  }

  private transferLater(store: OpenStore, kind: number, bytes: Uint8Array, off: number, cookie: number, fua: boolean): void {
    let at = 0;
    store.pending++;
    const step = (): void => {
      const call = (kind === BIO_READ ? read : write) as typeof read;
      call(store.fd, bytes, at, bytes.length - at, off + at, (error, n) => {
        if (!error && n > 0) {
          at += n;
          if (at < bytes.length) {
            step();
            return;
          }
        }
        if (!error && at === bytes.length && fua && kind === BIO_WRITE) this.flush(store, cookie, at);
        else this.done(cookie, error ? -errnoFromNode(error) : at < bytes.length ? -EIO : at);
        this.release(store);
      });
    };
    step();
  }

  private flush(store: OpenStore, cookie: number, result: number): void {
    store.pending++;
    fdatasync(store.fd, (error) => {
      this.done(cookie, error ? -errnoFromNode(error) : result);
      this.release(store);
    });
  }

  private release(store: OpenStore): void {
    store.pending--;
    if (store.closing && store.pending === 0) closeSync(store.fd);
  }
}

/** @throws a Node system error */
function openStore(store: BlockStore, flags: number): OpenStore {
  let readOnly = store.readOnly === true || (flags & BIO_OPEN_RDONLY) !== 0;
  const create = (flags & BIO_OPEN_CREATE) !== 0 && store.size !== undefined && !readOnly;
  let fd: number;
  try {
    fd = openSync(store.path, readOnly ? constants.O_RDONLY : constants.O_RDWR | (create ? constants.O_CREAT : 0), 0o644);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (readOnly || (code !== 'EACCES' && code !== 'EROFS' && code !== 'EPERM')) throw error;
    fd = openSync(store.path, constants.O_RDONLY);
    readOnly = true;
  }
  try {
    const stat = fstatSync(fd, { bigint: false });
    const isDevice = stat.isBlockDevice();
    if (!isDevice && !stat.isFile()) throw Object.assign(new Error(`${store.path} is no file or block device`), { code: 'ENXIO' });
    if (create && stat.size === 0) ftruncateSync(fd, store.size);
    const size = isDevice ? deviceSize(stat.rdev) : create && stat.size === 0 ? store.size! : stat.size;
    return { fd, size, sector: store.sector ?? 512, isDevice, readOnly, pending: 0, closing: false };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Size of a block device by its number, from sysfs, which counts in 512 bytes. */
function deviceSize(rdev: number): number {
  const major = ((rdev >>> 8) & 0xfff) | (Math.floor(rdev / 2 ** 32) & ~0xfff);
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return Number(readFileSync(`/sys/dev/block/${major}:${minor}/size`, 'utf8')) * 512;
}
