/** Judging requests, and the options' queries: what is refused, and with which error. */
import { EIO, ENOSPC, EOPNOTSUPP, EROFS } from "../../kernel/abi/errno";
import { NBD_BUFSIZE, NBD_MAXPAYLOAD, NC_ALIGNED, NC_DRAIN, NC_HOLES, NC_META, NC_RDONLY, NC_RESIZE, NC_STRUCTURED, nbd_check, nbd_error_of } from "./nbd_check";
import { meta_wanted } from "./nbd_meta";
import {
  NBD_CMD_BLOCK_STATUS, NBD_CMD_CACHE, NBD_CMD_DISC, NBD_CMD_FLAG_DF, NBD_CMD_FLAG_FAST_ZERO, NBD_CMD_FLAG_FUA, NBD_CMD_FLAG_NO_HOLE,
  NBD_CMD_FLUSH, NBD_CMD_READ, NBD_CMD_RESIZE, NBD_CMD_TRIM, NBD_CMD_WRITE, NBD_CMD_WRITE_ZEROES, NBD_EINVAL, NBD_EIO, NBD_ENOSPC, NBD_ENOTSUP,
  NBD_EOVERFLOW, NBD_EPERM, NBD_ESHUTDOWN, be16, be32, be64, put16, put32, put64,
} from "./nbd_proto";

const SIZE: u64 = 1 << 20;
const ALL: i32 = NC_STRUCTURED | NC_META | NC_HOLES | NC_ALIGNED | NC_RESIZE;
const TEXT: usize = memory.data(256);

function check(type: u32, flags: u32, off: u64, len: u32): u32 {
  return nbd_check(type, flags, off, len, SIZE, ALL);
}

describe("nbd_check", () => {
  it("lets good ones pass, up to the last sector", () => {
    expect(check(NBD_CMD_READ, 0, 0, 512)).toBe(0);
    expect(check(NBD_CMD_READ, NBD_CMD_FLAG_DF, SIZE - 512, 512)).toBe(0);
    expect(check(NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 0, 1 << 20)).toBe(0);
    expect(check(NBD_CMD_FLUSH, 0, 0, 0)).toBe(0);
    expect(check(NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, 512, 1024)).toBe(0);
    expect(check(NBD_CMD_BLOCK_STATUS, 0, 0, 1 << 20)).toBe(0);
    expect(check(NBD_CMD_CACHE, 0, 0, 512)).toBe(0);
    expect(nbd_check(NBD_CMD_TRIM, 0, 0, 0xfffffe00, <u64>1 << 40, ALL)).toBe(0);
  });
  it("refuses what lies beyond the end, also where sums overflow", () => {
    expect(check(NBD_CMD_READ, 0, SIZE, 512)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_READ, 0, SIZE - 512, 1024)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_WRITE, 0, SIZE - 512, 1024)).toBe(NBD_ENOSPC);
    expect(check(NBD_CMD_WRITE_ZEROES, 0, SIZE, 512)).toBe(NBD_ENOSPC);
    expect(check(NBD_CMD_TRIM, 0, SIZE, 512)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_READ, 0, <u64>0 - 512, 1024)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_WRITE, 0, <u64>0 - 512, 512)).toBe(NBD_ENOSPC);
  });
  it("refuses parts of sectors, nothing, and too much", () => {
    expect(check(NBD_CMD_READ, 0, 1, 512)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_READ, 0, 0, 511)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_WRITE, 0, 0, 0)).toBe(NBD_EINVAL);
    expect(nbd_check(NBD_CMD_READ, 0, 0, NBD_MAXPAYLOAD + 512, <u64>1 << 40, ALL)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, NBD_BUFSIZE + 512)).toBe(NBD_EOVERFLOW);
    expect(check(NBD_CMD_FLUSH, 0, 512, 0)).toBe(NBD_EINVAL);
  });
  it("takes any byte of a client that does not know of sectors", () => {
    const may = ALL & ~NC_ALIGNED;
    expect(nbd_check(NBD_CMD_READ, 0, 1, 511, SIZE, may)).toBe(0);
    expect(nbd_check(NBD_CMD_WRITE, 0, SIZE - 1, 1, SIZE, may)).toBe(0);
    expect(nbd_check(NBD_CMD_WRITE, 0, SIZE - 1, 2, SIZE, may)).toBe(NBD_ENOSPC);
    expect(nbd_check(NBD_CMD_READ, NBD_CMD_FLAG_DF, 1, NBD_BUFSIZE - 1, SIZE, may)).toBe(0);
    expect(nbd_check(NBD_CMD_READ, NBD_CMD_FLAG_DF, 1, NBD_BUFSIZE, SIZE, may)).toBe(NBD_EOVERFLOW);
  });
  it("judges a new size", () => {
    expect(check(NBD_CMD_RESIZE, 0, SIZE * 2, 0)).toBe(0);
    expect(check(NBD_CMD_RESIZE, 0, 512, 0)).toBe(0);
    expect(check(NBD_CMD_RESIZE, 0, 0, 0)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_RESIZE, 0, 513, 0)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_RESIZE, 0, SIZE, 512)).toBe(NBD_EINVAL);
    expect(nbd_check(NBD_CMD_RESIZE, 0, SIZE, 0, SIZE, ALL & ~NC_RESIZE)).toBe(NBD_EINVAL);
    expect(nbd_check(NBD_CMD_RESIZE, 0, SIZE, 0, SIZE, ALL | NC_RDONLY)).toBe(NBD_EPERM);
  });
  it("refuses what was not agreed, or is not known", () => {
    expect(check(NBD_CMD_DISC, 0, 0, 0)).toBe(NBD_EINVAL);
    expect(check(99, 0, 0, 512)).toBe(NBD_EINVAL);
    expect(check(NBD_CMD_WRITE, NBD_CMD_FLAG_NO_HOLE, 0, 512)).toBe(NBD_EINVAL);
    expect(nbd_check(NBD_CMD_BLOCK_STATUS, 0, 0, 512, SIZE, NC_STRUCTURED)).toBe(NBD_EINVAL);
    expect(nbd_check(NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 512, SIZE, 0)).toBe(NBD_EINVAL);
    expect(nbd_check(NBD_CMD_WRITE, 0, 0, 512, SIZE, NC_RDONLY)).toBe(NBD_EPERM);
    expect(nbd_check(NBD_CMD_TRIM, 0, 0, 512, SIZE, NC_RDONLY)).toBe(NBD_EPERM);
    expect(nbd_check(NBD_CMD_READ, 0, 0, 512, SIZE, NC_RDONLY)).toBe(0);
    expect(nbd_check(NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, 0, 512, SIZE, 0)).toBe(NBD_ENOTSUP);
    expect(check(NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO | NBD_CMD_FLAG_NO_HOLE, 0, 512)).toBe(NBD_ENOTSUP);
    expect(nbd_check(NBD_CMD_READ, 0, 0, 512, SIZE, NC_DRAIN)).toBe(NBD_ESHUTDOWN);
  });
  it("translates the kernel's errors", () => {
    expect(nbd_error_of(-ENOSPC)).toBe(NBD_ENOSPC);
    expect(nbd_error_of(-EROFS)).toBe(NBD_EPERM);
    expect(nbd_error_of(-EOPNOTSUPP)).toBe(NBD_ENOTSUP);
    expect(nbd_error_of(-EIO)).toBe(NBD_EIO);
    expect(nbd_error_of(-12345)).toBe(NBD_EIO);
  });
});

/** `n` queries, each of the 5 or 15 bytes of a text; the address behind them. */
function queries(n: u32, long: bool): usize {
  let at = put32(TEXT, n);
  const text = "base:allocation";
  const len = long ? 15 : 5;
  for (let i: u32 = 0; i < n; i++) {
    at = put32(at, len);
    for (let k = 0; k < len; k++) store<u8>(at++, <u8>text.charCodeAt(k));
  }
  return at;
}

describe("metadata queries", () => {
  it("finds the context, by name, by namespace, or by no query at all", () => {
    expect(meta_wanted(TEXT, queries(1, true), true)).toBe(1);
    expect(meta_wanted(TEXT, queries(1, false), true)).toBe(0);
    expect(meta_wanted(TEXT, queries(1, false), false)).toBe(1);
    expect(meta_wanted(TEXT, queries(0, false), true)).toBe(0);
    expect(meta_wanted(TEXT, queries(0, false), false)).toBe(1);
    expect(meta_wanted(TEXT, queries(3, true), true)).toBe(1);
  });
  it("refuses lengths that do not add up", () => {
    const end = queries(2, true);
    expect(meta_wanted(TEXT, end - 1, true)).toBe(-1);
    expect(meta_wanted(TEXT, end + 1, true)).toBe(-1);
    expect(meta_wanted(TEXT, TEXT + 3, true)).toBe(-1);
    put32(TEXT + 4, 0xffffffff);
    expect(meta_wanted(TEXT, end, true)).toBe(-1);
  });
});

describe("byte order", () => {
  it("is the network's", () => {
    put64(put32(put16(TEXT, 0x1234), 0xdeadbeef), 0x0102030405060708);
    expect(load<u8>(TEXT)).toBe(0x12);
    expect(be16(TEXT)).toBe(0x1234);
    expect(be32(TEXT + 2)).toBe(0xdeadbeef);
    expect(be64(TEXT + 6)).toBe(0x0102030405060708);
  });
});
