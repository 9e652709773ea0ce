/**
 * The import module `rumpuser`: what WASI lacks (kernel/kern/hyper.ts, docs/rumpuser.md).
 *
 *      hyp_init    version check                  hyp_bio*   block I/O on files of the host (bio.ts)
 *      hyp_log     one record of the kernel log   hyp_panic, hyp_exit   the ends of an image
 *
 * Addresses and lengths come from the image; a pair that leaves linear memory answers EFAULT (or is
 * cut, where there is no answer): a broken image must not read or write anything of the host.
 */
import { EFAULT, EPROTONOSUPPORT } from '../kernel/abi/errno';
import { BIOINFO_SIZE, INTR_BIO, LOG_DEBUG, LOG_EMERG, RING_BIO, RUMPUSER_VERSION } from '../kernel/abi/rump';
import { BioHost, type BlockStore } from './bio';
import type { KernelConsole } from './console';
import type { HyperHost, Hypercall } from './hyperHost';
import { PanicUnwind } from './panic';

export interface RumpuserOptions {
  console: KernelConsole;
  /** Block stores by the name the image opens them with. */
  blk: ReadonlyMap<string, BlockStore>;
  /** The image asks to be stopped once the present call has returned. */
  onExit: (status: number) => void;
}

/** The functions of module `rumpuser`, and what must be let go at the end. */
export interface Rumpuser {
  imports: Record<string, Hypercall>;
  close(): void;
}

export function makeRumpuser(host: HyperHost, options: RumpuserOptions): Rumpuser {
  const latin1 = new TextDecoder('latin1');
  const utf8 = new TextDecoder();
  const bio = new BioHost(options.blk, (cookie, result) => {
    host.ring(RING_BIO).push(cookie, result);
    host.intr(INTR_BIO);
  });

  /** The bytes [ptr, ptr+len) of linear memory, or null if they are not all inside. */
  function bytesAt(ptr: number, len: number): Uint8Array<ArrayBuffer> | null {
    const at = ptr >>> 0;
    return len >= 0 && at + len <= host.u8.length ? host.u8.subarray(at, at + len) : null;
  }

  const imports: Record<string, Hypercall> = {
    hyp_init: (version) => (version === RUMPUSER_VERSION ? 0 : -EPROTONOSUPPORT),

    hyp_panic(ptr, len) {
      throw new PanicUnwind(latin1.decode(bytesAt(ptr!, len!) ?? new Uint8Array()));
    },

    hyp_log(level, ptr, len) {
      const bytes = bytesAt(ptr!, len!);
      if (bytes) options.console.logBytes(Math.min(Math.max(level!, LOG_EMERG), LOG_DEBUG), bytes);
    },

    hyp_exit(status) { options.onExit(status!); },

    hyp_bio_open(ptr, len, flags, info) {
      const name = bytesAt(ptr!, len!);
      if (!name || !bytesAt(info!, BIOINFO_SIZE)) return -EFAULT;
      const handle = bio.open(utf8.decode(name), flags!);
      if (handle < 0) return handle;
      const { size, sector, type, readOnly } = bio.info(handle);
      const at = info! >>> 0;
      host.dv.setFloat64(at, size, true);
      host.dv.setInt32(at + 8, sector, true);
      host.dv.setInt32(at + 12, type, true);
      host.dv.setInt32(at + 16, readOnly ? 1 : 0, true);
      return handle;
    },

    hyp_bio: (handle, op, ptr, len, off, cookie) => bio.submit(host.u8, handle!, op!, ptr! >>> 0, len!, off!, cookie!),

    hyp_bio_close: (handle) => bio.close(handle!),
  };
  return { imports, close: () => bio.closeAll() };
}
