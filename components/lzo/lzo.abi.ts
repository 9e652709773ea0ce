/**
 * Results of the LZO1X coder.
 *
 * The numbers are those that every user of LZO knows (lzo1x_decompress_safe
 * and its kin), so that callers and tests can compare codes one to one.  They
 * are all negative; a result >= 0 is a length in bytes.
 *
 * LZO_E_EOF_NOT_FOUND is part of that set but the block decoder has no use
 * for it: an end marker is 3 bytes, so the decoder demands 3 bytes ahead of
 * every instruction, and a stream that was torn anywhere ends as
 * LZO_E_INPUT_OVERRUN.  The container reader (lzop*.user.ts) reports it for a
 * file whose last block is missing.
 */

export const LZO_E_OK: i32 = 0;
/** An argument is out of range (a length above 2 GiB). */
export const LZO_E_ERROR: i32 = -1;
/** The stream ended inside an instruction or before its end marker. */
export const LZO_E_INPUT_OVERRUN: i32 = -4;
/** The output does not fit in the buffer given. */
export const LZO_E_OUTPUT_OVERRUN: i32 = -5;
/** A copy reaches back before the first byte of output. */
export const LZO_E_LOOKBEHIND_OVERRUN: i32 = -6;
/** No end marker (see above). */
export const LZO_E_EOF_NOT_FOUND: i32 = -7;
/** The end marker was reached with input left over. */
export const LZO_E_INPUT_NOT_CONSUMED: i32 = -8;
