/**
 * The hypercalls of the kernel proper: the import module `rumpuser`.
 *
 * Only what WASI preview 1 lacks is here; console bytes, entropy, clock, parameters and files of the
 * host come through `wasi_snapshot_preview1` (kern/wasi.hyper.ts). Version RUMPUSER_VERSION; the
 * manual page is docs/rumpuser.md. A hypercall never blocks and never re-enters the image. Arguments
 * are i32 and f64, because an i64 costs a BigInt at the boundary (7.1 ns against 4.6).
 *
 * Together with the `*.hyper.ts` files of an image's components this file is its privilege list:
 * mkimage refuses an image that imports anything else.
 */

/** Offer interface version `version`; 0, or -errno if the host speaks another. */
export declare function hyp_init(version: i32): i32;

/** The kernel cannot go on: `len` bytes of ASCII at `msg` say why. Does not return. */
export declare function hyp_panic(msg: usize, len: i32): void;

/** One log record: `level` is LOG_* of abi/rump.ts, `len` bytes of UTF-8 at `ptr`, no newline. */
export declare function hyp_log(level: i32, ptr: usize, len: i32): void;

/** Ask the host to stop the pump once the present call has returned; `status` is the exit status. */
export declare function hyp_exit(status: i32): void;

/** Open the block store that the host knows as `path`; fills a BIOINFO at `info`; handle or -errno. */
export declare function hyp_bio_open(path: usize, len: i32, flags: i32, info: usize): i32;

/**
 * Queue one transfer: `op` BIO_*, `len` bytes at `ptr`, byte offset `off`. Returns 0 if it is queued
 * (completion {cookie, bytes or -errno} on RING_BIO, then rump_intr(INTR_BIO)), or -errno at once.
 */
export declare function hyp_bio(handle: i32, op: i32, ptr: usize, len: i32, off: f64, cookie: i32): i32;

/** Close a handle of hyp_bio_open; transfers under way still complete. 0 or -errno. */
export declare function hyp_bio_close(handle: i32): i32;
