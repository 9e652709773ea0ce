/**
 * LZO1X at length: the slow compressor, for data that is written once and read often. The same
 * bitstream, read by the same decoder at the same speed.
 *
 * Where lzo1x_1_compress looks once per position and takes what it finds, this one
 *  - keeps all positions of the last 48 KiB, in chains by a hash of 3 bytes, and follows `depth` of them;
 *  - weighs a match by the bytes it saves, which depends on the form that its distance needs;
 *  - looks one or two positions ahead before it takes a match (lazy matching).
 *
 *      head[hash] ─► position ─► prev[position] ─► prev[…] ─► …      positions modulo 64 KiB, 16 bits
 *
 *      form      distance          length   bytes
 *      M2        to 2 KiB          3..8     2
 *      M1        2049 to 3072      3        2   only directly after a run of literals
 *      M3        to 16 KiB         to 33    3, then 1 more for every 255
 *      M4        to 48 KiB         to 9     3, then 1 more for every 255
 *
 * Levels 3 to 9 set depth and patience. On 4 KiB blocks level 9 is about 13 % smaller than level 1.
 */

import { COPY_SLACK } from "./lzo_copy";
import { LZO_S_BACK, LzoEmit, M4_MAX_DIST } from "./lzo_emit";
import { LZO_E_ERROR, LZO_E_OUTPUT_OVERRUN } from "./lzo.abi";
import { LZO1X_TAIL, lzo1x_finish } from "./lzo1x_compress";

export const LZO1X_HC_LEVEL_MIN: i32 = 3;
export const LZO1X_HC_LEVEL_MAX: i32 = 9;

const HASH_BITS: u32 = 13;
const HEAD_BYTES: u32 = 2 << HASH_BITS;
/** Bytes of work memory: heads, and a link for each position of 64 KiB. */
export const LZO1X_HC_MEM_COMPRESS: u32 = HEAD_BYTES + 131072;
const BUF_MAX: u32 = 0x7e000000;
/** No use in looking further when a match is as long as this. */
const NICE: u32 = 256;
/** Distances of M1 after a run: 2049 to 3072. */
const M1_MIN_DIST: u32 = 2049;
const M1_MAX_DIST: u32 = 3072;
const M2_MAX_DIST: u32 = 2048;
const M3_MAX_DIST: u32 = 16384;
/** Links followed at levels 3 to 9. */
const DEPTHS: usize = memory.data<u16>([4, 8, 16, 32, 64, 160, 1024], 2);
/** From this level on two positions are looked at ahead, not one. */
const LAZY2_LEVEL: i32 = 6;

/** One search's surroundings, and its result. */
@unmanaged
class Hc {
  src: usize;
  src_end: usize;
  head: usize;
  prev: usize;
  depth: u32;
  /** Positions below this one are in the chains. */
  next: usize;
  /** What was found: 0 = nothing that saves a byte. */
  len: u32;
  dist: u32;
  saved: i32;
}

const HC: usize = memory.data(offsetof<Hc>(), 8);

/** Bytes saved by a match; `run` = more than 3 literals precede it. */
function saves(len: u32, dist: u32, run: bool): i32 {
  if (dist <= M2_MAX_DIST && len <= 8) return <i32>len - 2;
  if (len == 3) return run && dist >= M1_MIN_DIST && dist <= M1_MAX_DIST ? 1 : -1;
  const short: u32 = dist <= M3_MAX_DIST ? 33 : 9;
  const cost: u32 = len <= short ? 3 : 4 + (len - short) / 255;
  return <i32>(len - cost);
}

function hash3(p: usize): usize {
  return <usize>((((load<u32>(p) << 8) * 0x9e3779b1) >> (32 - HASH_BITS)) << 1);
}

/** Put the positions up to and including p into the chains. */
function insert(h: Hc, p: usize): void {
  for (let at = h.next; at <= p; at++) {
    const pos = <u32>(at - h.src);
    const head = h.head + hash3(at);
    store<u16>(h.prev + (<usize>(pos & 0xffff) << 1), load<u16>(head));
    store<u16>(head, pos);
  }
  if (p >= h.next) h.next = p + 1;
}

/** Bytes equal at m and p, up to `end`. */
function common(m: usize, p: usize, end: usize): u32 {
  const from = p;
  while (p + 8 <= end) {
    const x = load<u64>(m) ^ load<u64>(p);
    if (x != 0) return <u32>(p - from) + (<u32>ctz<u64>(x) >> 3);
    m += 8;
    p += 8;
  }
  while (p < end && load<u8>(m) == load<u8>(p)) {
    m++;
    p++;
  }
  return <u32>(p - from);
}

/** Find the match at p that saves most, at least `more` bytes; see Hc. Inserts p. */
function search(h: Hc, p: usize, run: bool, more: i32): void {
  h.len = 0;
  h.saved = more;
  const here = <u32>(p - h.src);
  if (p >= h.next) insert(h, p);
  let entry: u32 = load<u16>(h.prev + (<usize>(here & 0xffff) << 1));
  const first = load<u32>(p) & 0xffffff;
  let reach: u32 = 2;
  let last: u32 = 0;
  for (let n = h.depth; n > 0; n--) {
    const dist = (here - entry) & 0xffff;
    if (dist <= last || dist > M4_MAX_DIST) return;
    last = dist;
    const m = p - dist;
    // A longer match agrees at the byte behind the best one, and with the first three.
    if (load<u8>(m + reach) == load<u8>(p + reach) && (load<u32>(m) & 0xffffff) == first) {
      const len = common(m, p, h.src_end);
      const saved = saves(len, dist, run);
      if (saved > h.saved) {
        h.saved = saved;
        h.len = len;
        h.dist = dist;
        if (len >= NICE || p + len >= h.src_end) return;
        reach = len;
      }
    }
    entry = load<u16>(h.prev + (<usize>((here - dist) & 0xffff) << 1));
  }
}

/** The match at p, or, if waiting for one or two bytes saves more, none. */
function decide(h: Hc, p: usize, last: usize, literals: u32, level: i32): bool {
  search(h, p, literals > 3, 0);
  const len = h.len;
  if (len == 0) return false;
  const dist = h.dist;
  const saved = h.saved;
  const ahead = level >= LAZY2_LEVEL ? 2 : 1;
  let better = false;
  for (let k = 1; k <= ahead && !better && p + k < last && len < NICE; k++) {
    // The later match must make up for the bytes in between, and for an instruction if they make a run.
    const fourth = i32(literals <= 3 && literals + k > 3);
    search(h, p + k, literals + k > 3, saved + k - 1 + fourth);
    better = h.len != 0;
  }
  h.len = len;
  h.dist = dist;
  return !better;
}

/** The match as an instruction. */
function emit(op: usize, len: u32, dist: u32): usize {
  if (len > 3 || dist <= M2_MAX_DIST) return LzoEmit.match(op, dist, len);
  const d = dist - M1_MIN_DIST;
  store<u16>(op, ((d & 3) << 2) | ((d >> 2) << 8));
  return op + 2;
}

/** Empty chains for srclen bytes at src. */
function begin(src: usize, srclen: u32, wrkmem: usize, level: i32): Hc {
  const h = changetype<Hc>(HC);
  h.src = src;
  h.src_end = src + srclen;
  h.head = wrkmem;
  h.prev = wrkmem + HEAD_BYTES;
  h.depth = load<u16>(DEPTHS + (<usize>(level - LZO1X_HC_LEVEL_MIN) << 1));
  h.next = src;
  memory.fill(h.head, 0, HEAD_BYTES);
  return h;
}

/**
 * Compress srclen bytes to one LZO1X block, taking time.
 * @param level   LZO1X_HC_LEVEL_MIN to LZO1X_HC_LEVEL_MAX
 * @param wrkmem  LZO1X_HC_MEM_COMPRESS bytes, 2-byte aligned, contents free
 * @returns bytes of the block, or LZO_E_OUTPUT_OVERRUN, LZO_E_ERROR
 */
export function lzo1x_hc_compress(src: usize, srclen: u32, dst: usize, dstcap: u32, wrkmem: usize, level: i32): i32 {
  if (srclen > BUF_MAX || dstcap > BUF_MAX || level < LZO1X_HC_LEVEL_MIN || level > LZO1X_HC_LEVEL_MAX) return LZO_E_ERROR;
  const dst_end = dst + dstcap;
  const src_end = src + srclen;
  let op = dst;
  let anchor = src;
  if (srclen > LZO1X_TAIL) {
    const h = begin(src, srclen, wrkmem, level);
    const last = src_end - LZO1X_TAIL;
    insert(h, src);
    for (let ip = src + 1; ip < last;) {
      const lits = <u32>(ip - anchor);
      if (!decide(h, ip, last, lits, level)) {
        ip += 1;
        continue;
      }
      if (LzoEmit.room(lits, h.len) > <u32>(dst_end - op)) return LZO_E_OUTPUT_OVERRUN;
      op = LzoEmit.literals(op, anchor, lits, op == dst);
      op = emit(op, h.len, h.dist);
      ip += h.len;
      anchor = ip;
      if (ip < last) insert(h, ip - 1);
    }
  }
  return lzo1x_finish(op, dst, dst, dst_end, anchor, src_end, LZO_S_BACK);
}
