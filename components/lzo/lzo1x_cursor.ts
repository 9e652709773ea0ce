/**
 * Where the LZO1X decoder stands: shared by its fast and its careful half.
 *
 * The fast half keeps all of this in locals and writes it back only when it
 * hands over, so the record costs two loads and stores per hand-over.
 */

/** After an instruction without trailing literals: a literal run may follow. */
export const STATE_MATCH: u32 = 0;
/** 1..3: that many literals ended the last instruction. 4: a literal run did. */
export const STATE_RUN: u32 = 4;

@unmanaged
export class Lzo1xCursor {
  /** Next byte of input, and the end of the input. */
  ip: usize;
  ip_end: usize;
  /** Next byte of output, the first byte of output, its end. */
  op: usize;
  dst: usize;
  op_end: usize;
  /** What the last instruction was: STATE_* or 1..3. */
  state: u32;
  /** Bitstream version: 0 = LZO1X, 1 = with runs of zeros (lzo-rle). */
  version: u32;
}
