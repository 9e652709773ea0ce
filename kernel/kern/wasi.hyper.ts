/**
 * The part of WASI preview 1 that every image uses: the import module `wasi_snapshot_preview1`.
 *
 * Console bytes, entropy, wall clock, parameters (as environment variables) and, for the command
 * form `_start`, waiting and exit. Any WASI implementation serves: node:wasi, @wasmer/wasi, or the
 * host's own deterministic one (host/wasi/). Results are WASI errno numbers, 0 for success; the
 * callers in kern/rumpuser.ts turn them into ours.
 */
export declare function fd_write(fd: i32, iovs: usize, iovs_len: i32, nwritten: usize): i32;
export declare function random_get(buf: usize, len: i32): i32;
/** The time in ns goes to the u64 at `time`. The precision is an i64 by WASI's own definition. */
export declare function clock_time_get(id: i32, precision: i64, time: usize): i32;
export declare function environ_sizes_get(count: usize, size: usize): i32;
export declare function environ_get(environ: usize, buf: usize): i32;
export declare function poll_oneoff(subs: usize, events: usize, nsubs: i32, nevents: usize): i32;
export declare function proc_exit(status: i32): void;
