/**
 * What the kernel asks of WASI: console, entropy, clocks, parameters, in our own terms.
 *
 * WASI answers through memory, so a small scratch area stands here; its errno numbers become ours.
 * Parameters (`-e NAME=VALUE`, and what the CLI makes of -I, -W, -b) are environment variables: they
 * are fetched once at boot, into the arena.
 *
 *      environ: argc pointers │ "NAME=VALUE\0NAME=VALUE\0…"
 */
import { EINVAL, EIO, ENOENT } from "../abi/errno";
import { kmem_alloc } from "./kmem";
import { clock_time_get, environ_get, environ_sizes_get, fd_write, random_get } from "./wasi.hyper";

@unmanaged
class RumpuserState {
  iov_base: usize;
  iov_len: i32;
  out: i32;
  time: u64;
  envc: i32;
  env: usize;
}

let ru: RumpuserState = changetype<RumpuserState>(0);

/** Fetch the parameters; 0 or -errno. */
export function rumpuser_boot(): i32 {
  ru = changetype<RumpuserState>(kmem_alloc(offsetof<RumpuserState>(), 8, "rumpuser"));
  const count = changetype<usize>(ru) + offsetof<RumpuserState>("envc");
  const size = changetype<usize>(ru) + offsetof<RumpuserState>("out");
  if (environ_sizes_get(count, size) != 0) return -EIO;
  if (ru.envc == 0) return 0;
  ru.env = kmem_alloc(<usize>ru.envc << 2, 4, "params");
  const buf = kmem_alloc(<usize>ru.out + 1, 1, "params");
  return environ_get(ru.env, buf) == 0 ? 0 : -EIO;
}

/** Bytes for the console, as they are. */
export function rumpuser_console(ptr: usize, len: i32): void {
  ru.iov_base = ptr;
  ru.iov_len = len;
  fd_write(1, changetype<usize>(ru), 1, changetype<usize>(ru) + offsetof<RumpuserState>("out"));
}

/** Fill `len` bytes with entropy; `len` or -EIO. */
export function rumpuser_getrandom(ptr: usize, len: i32): i32 {
  return random_get(ptr, len) == 0 ? len : -EIO;
}

/** Clock `which` (CLOCK_REALTIME or CLOCK_MONOTONIC), µs. */
export function rumpuser_clock(which: i32): i64 {
  if (clock_time_get(which, 1000, changetype<usize>(ru) + offsetof<RumpuserState>("time")) != 0) return 0;
  return <i64>(ru.time / 1000);
}

/** Address of the value of the parameter named by `len` bytes at `name`; 0 if it is not set. */
function param_value(name: usize, len: i32): usize {
  for (let i = 0; i < ru.envc; i++) {
    const s = load<usize>(ru.env + (<usize>i << 2));
    let j = 0;
    // Not beyond the end of `s`: the name comes from outside and may be of any length.
    while (j < len && load<u8>(s + j) != 0 && load<u8>(s + j) == load<u8>(name + j)) j++;
    if (j == len && load<u8>(s + j) == 61) return s + j + 1;
  }
  return 0;
}

/** The value, NUL-terminated, of parameter `name` (a literal); 0 if it is not set. */
export function getparam_ptr(name: string): usize {
  for (let i = 0; i < ru.envc; i++) {
    const s = load<usize>(ru.env + (<usize>i << 2));
    let j = 0;
    while (j < name.length && <i32>load<u8>(s + j) == name.charCodeAt(j)) j++;
    if (j == name.length && load<u8>(s + j) == 61) return s + j + 1;
  }
  return 0;
}

/** Length of the NUL-terminated bytes at `s`. */
export function param_len(s: usize): i32 {
  let n = 0;
  while (load<u8>(s + n) != 0) n++;
  return n;
}

/** Copy parameter `name` to `buf`; its length, -ENOENT, or -EINVAL if it does not fit. */
export function getparam(name: string, buf: usize, buflen: i32): i32 {
  const v = getparam_ptr(name);
  if (v == 0) return -ENOENT;
  return param_copy(v, buf, buflen);
}

/** As getparam, with the name as `namelen` bytes at `name`. */
export function getparam_bytes(name: usize, namelen: i32, buf: usize, buflen: i32): i32 {
  const v = param_value(name, namelen);
  if (v == 0) return -ENOENT;
  return param_copy(v, buf, buflen);
}

function param_copy(v: usize, buf: usize, buflen: i32): i32 {
  const n = param_len(v);
  if (n > buflen) return -EINVAL;
  memory.copy(buf, v, n);
  return n;
}

/** Parameter `name` as a decimal number; `absent` if it is not set; -EINVAL if it is not a number. */
export function getparam_int(name: string, absent: i32): i32 {
  const v = getparam_ptr(name);
  if (v == 0) return absent;
  let n = 0;
  let i = 0;
  for (; i < 9; i++) {
    const d = <i32>load<u8>(v + i) - 48;
    if (d < 0 || d > 9) break;
    n = n * 10 + d;
  }
  return i > 0 && load<u8>(v + i) == 0 ? n : -EINVAL;
}

/** Number of parameters, and the address of the i-th "NAME=VALUE". */
export function param_count(): i32 {
  return ru.envc;
}

export function param_at(i: i32): usize {
  return load<usize>(ru.env + (<usize>i << 2));
}
