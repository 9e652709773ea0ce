/**
 * Addresses and message headers between the image's memory and Linux.
 *
 *      NetBSD: | len u8 | family u8 | port … |      Linux: | family u16 | port … |
 *
 * From the third byte on sockaddr_in and sockaddr_in6 are the same on both sides, so Linux writes
 * straight into linear memory and two bytes are set right afterwards; on the way out the address is
 * copied to scratch memory, because the image's buffer is not ours to change.
 *
 *      struct msghdr (64 bit): name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48
 *      struct iovec: base 0, len 8
 */
import { EFAULT, EINVAL, EMSGSIZE } from '../../kernel/abi/errno';
import { SOCKADDR_IN6_SIZE, SOCKADDR_IN_SIZE } from '../../kernel/abi/sockaddr';
import * as abi from '../../kernel/abi/socket';
import { checkSockaddr, span } from './backend.user';
import * as linux from './linuxAbi.user';
import { S_ADDR, S_IOV, S_LEN, S_MSGHDR, type LinuxSys } from './linuxSys.user';
import { SOCKIN_IOV_MAX } from './sockin.abi';

const TWO32 = 0x100000000;

export class LinuxAddress {
  /** Native address of the socklen_t that goes with prepare(). */
  readonly lengthAt: number;
  private readonly view: DataView<ArrayBuffer>;

  constructor(private readonly sys: LinuxSys, private readonly u8: Uint8Array<ArrayBuffer>, private readonly base: number) {
    this.lengthAt = sys.at + S_LEN;
    this.view = new DataView(u8.buffer, u8.byteOffset, u8.byteLength);
  }

  /** Bring the image's sockaddr to S_ADDR in Linux's form. Its length or -errno. */
  fromImage(pointer: number, salen: number, family: number): number {
    const sa = pointer >>> 0;
    const r = checkSockaddr(this.u8, sa, salen, family);
    if (r < 0) return r;
    const six = family === abi.AF_INET6;
    const size = six ? SOCKADDR_IN6_SIZE : SOCKADDR_IN_SIZE;
    const { scratch } = this.sys;
    for (let i = 0; i < size; i += 4) scratch.setUint32(S_ADDR + i, this.view.getUint32(sa + i, true), true);
    scratch.setUint16(S_ADDR, six ? linux.AF_INET6 : linux.AF_INET, true);
    return size;
  }

  /**
   * Get ready for Linux to write an address at `sa`.
   * @returns its native address, 0 when none is wanted (size 0), or -errno
   */
  prepare(sa: number, size: number): number {
    if (size === 0) return 0;
    if (!span(sa, size, this.u8.length)) return -EFAULT;
    if (size < SOCKADDR_IN6_SIZE) return -EINVAL;
    this.sys.scratch.setUint32(S_LEN, size, true);
    this.u8[sa] = 0;
    return this.base + sa;
  }

  /** Linux has written an address at `sa`: give it NetBSD's first two bytes. Its length, 0 if unnamed. */
  toImage(sa: number): number {
    return this.settle(sa, this.sys.scratch.getUint32(S_LEN, true));
  }

  toImageFromMessage(sa: number): number {
    return this.settle(sa, this.sys.scratch.getUint32(S_MSGHDR + 8, true));
  }

  private settle(sa: number, length: number): number {
    const family = length < 2 ? 0 : this.view.getUint16(sa, true);
    const size = family === linux.AF_INET ? SOCKADDR_IN_SIZE : family === linux.AF_INET6 ? SOCKADDR_IN6_SIZE : 0;
    this.u8[sa] = size;
    this.u8[sa + 1] = size === 0 ? abi.AF_UNSPEC : family === linux.AF_INET ? abi.AF_INET : abi.AF_INET6;
    return size;
  }

  /** Translate the image's iovec array to S_IOV. Bytes it describes, or -errno. */
  iovec(iov: number, count: number): number {
    if (count < 0 || count > SOCKIN_IOV_MAX) return -EMSGSIZE;
    if (!span(iov, count * abi.IOVEC_SIZE, this.u8.length)) return -EFAULT;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const at = this.view.getUint32(iov + i * abi.IOVEC_SIZE + abi.IOV_BASE, true);
      const len = this.view.getUint32(iov + i * abi.IOVEC_SIZE + abi.IOV_LEN, true);
      if (!span(at, len, this.u8.length)) return -EFAULT;
      this.word64(S_IOV + i * 16, this.base + at);
      this.word64(S_IOV + i * 16 + 8, len);
      total += len;
    }
    return total;
  }

  /** Fill the msghdr at S_MSGHDR for the iovecs at S_IOV. */
  message(name: number, namelen: number, iovcnt: number): void {
    const { scratch, at } = this.sys;
    this.word64(S_MSGHDR, name);
    scratch.setUint32(S_MSGHDR + 8, namelen, true);
    this.word64(S_MSGHDR + 16, at + S_IOV);
    this.word64(S_MSGHDR + 24, iovcnt);
    this.word64(S_MSGHDR + 32, 0);
    this.word64(S_MSGHDR + 40, 0);
    scratch.setUint32(S_MSGHDR + 48, 0, true);
  }

  /** Store a native address or length: two halves, because a BigInt would be the slow way. */
  private word64(at: number, value: number): void {
    this.sys.scratch.setUint32(at, value % TWO32, true);
    this.sys.scratch.setUint32(at + 4, Math.floor(value / TWO32), true);
  }
}
