/**
 * Random numbers: ChaCha20 (RFC 8439 §2.3) keyed once with the host's entropy.
 *
 *      state: constants 16 │ key 32 │ counter 4 │ nonce 12      out: 64-byte block, used from `left`
 *
 * One hypercall at boot; afterwards every number is a function of that seed, which is what makes a
 * run repeatable under an injected entropy source. After each block of output the key is replaced by
 * part of it (fast key erasure), so that earlier output cannot be computed from a memory image.
 */
import { kmem_alloc } from "./kmem";
import { panic } from "./panic";
import { rumpuser_getrandom } from "./rumpuser";

@unmanaged
class CprngState {
  key0: u64;
  key1: u64;
  key2: u64;
  key3: u64;
  /** Bytes of the block not yet given out: its last `left`. */
  left: i32;
  counter: u32;
}

let cp: CprngState = changetype<CprngState>(0);
/** 64 bytes: the block. */
let block: usize = 0;

export function cprng_boot(): void {
  cp = changetype<CprngState>(kmem_alloc(offsetof<CprngState>(), 64, "cprng"));
  block = kmem_alloc(128, 64, "cprng");
  const key = changetype<usize>(cp);
  if (rumpuser_getrandom(key, 32) != 32) panic("cprng: the host has no entropy");
}

function qr(a: usize, b: usize, c: usize, d: usize): void {
  let x = load<u32>(a);
  let y = load<u32>(b);
  let z = load<u32>(c);
  let w = load<u32>(d);
  x += y; w = rotl<u32>(w ^ x, 16);
  z += w; y = rotl<u32>(y ^ z, 12);
  x += y; w = rotl<u32>(w ^ x, 8);
  z += w; y = rotl<u32>(y ^ z, 7);
  store<u32>(a, x);
  store<u32>(b, y);
  store<u32>(c, z);
  store<u32>(d, w);
}

/** The next block; its first half becomes the key, its second half is output. */
function cprng_refill(): void {
  const b = block;
  const init = block + 64;
  store<u64>(init, 0x3320646e61707865);
  store<u64>(init, 0x6b20657479622d32, 8);
  memory.copy(init + 16, changetype<usize>(cp), 32);
  store<u64>(init, <u64>cp.counter, 48);
  cp.counter++;
  store<u64>(init, 0, 56);
  memory.copy(b, init, 64);
  for (let i = 0; i < 10; i++) {
    qr(b, b + 16, b + 32, b + 48);
    qr(b + 4, b + 20, b + 36, b + 52);
    qr(b + 8, b + 24, b + 40, b + 56);
    qr(b + 12, b + 28, b + 44, b + 60);
    qr(b, b + 20, b + 40, b + 60);
    qr(b + 4, b + 24, b + 44, b + 48);
    qr(b + 8, b + 28, b + 32, b + 52);
    qr(b + 12, b + 16, b + 36, b + 56);
  }
  for (let i: usize = 0; i < 64; i += 4) store<u32>(b + i, load<u32>(b + i) + load<u32>(init + i));
  memory.copy(changetype<usize>(cp), b, 32);
  memory.fill(b, 0, 32);
  cp.left = 32;
}

/** Fill `len` bytes at `buf`. */
export function cprng_strong(buf: usize, len: i32): void {
  while (len > 0) {
    if (cp.left == 0) cprng_refill();
    const n = min(len, cp.left);
    const from = block + <usize>(64 - cp.left);
    memory.copy(buf, from, n);
    memory.fill(from, 0, n);
    cp.left -= n;
    buf += n;
    len -= n;
  }
}

export function cprng_fast32(): u32 {
  if (cp.left < 4) cprng_refill();
  const from = block + <usize>(64 - cp.left);
  const v = load<u32>(from);
  store<u32>(from, 0);
  cp.left -= 4;
  return v;
}

export function cprng_fast64(): u64 {
  const hi = <u64>cprng_fast32();
  return (hi << 32) | cprng_fast32();
}

/** Even in [0, bound), without modulo bias. */
export function cprng_uniform(bound: u32): u32 {
  assert(bound != 0, "cprng_uniform: bound");
  const reject = (<u32>0 - bound) % bound;
  while (true) {
    const r = cprng_fast32();
    if (r >= reject) return r % bound;
  }
}
