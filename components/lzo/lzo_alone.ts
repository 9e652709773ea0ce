/**
 * lzo as a library: what the module exports when it is built alone
 * (`rumpwasm build --component lzo`, build/component-lzo.wasm).
 *
 * No import but panic, no state.  Memory from lzo_arena() on belongs to the host, which
 * lays out its buffers there: work memory, input, output, an LzoResult.
 */

export { lzo1x_1_compress } from "./lzo1x_compress";
export { lzo1x_hc_compress } from "./lzo1x_hc";
export { lzorle_1_compress } from "./lzorle_compress";
export { lzo1x_decompress_safe, lzorle_decompress_safe } from "./lzo1x_decompress";
export { adler32 } from "./adler32";
export { crc32 } from "./crc32";

/** First byte of memory that the module does not use, 64-byte aligned. */
export function lzo_arena(): usize {
  return (__heap_base + 63) & ~63;
}
