/**
 * lzo: the compressor of the RAM disk and of `.lzo` files; role "lzo".
 *
 * No state, no kernel imports, nothing allocated: the caller brings both
 * buffers and the work memory.  Built alone it is a library for any host:
 * memory and these functions (lzo_alone.ts).
 */

export { lzo1x_1_compress, LZO1X_1_MEM_COMPRESS } from "./lzo1x_compress";
export { LZO1X_HC_LEVEL_MAX, LZO1X_HC_LEVEL_MIN, LZO1X_HC_MEM_COMPRESS, lzo1x_hc_compress } from "./lzo1x_hc";
export { lzorle_1_compress } from "./lzorle_compress";
export { lzo1x_decompress_safe, lzorle_decompress_safe, LzoResult } from "./lzo1x_decompress";
export { adler32 } from "./adler32";
export { crc32 } from "./crc32";
export {
  LZO_E_EOF_NOT_FOUND, LZO_E_ERROR, LZO_E_INPUT_NOT_CONSUMED, LZO_E_INPUT_OVERRUN,
  LZO_E_LOOKBEHIND_OVERRUN, LZO_E_OK, LZO_E_OUTPUT_OVERRUN,
} from "./lzo.abi";
