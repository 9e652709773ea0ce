/**
 * Bulk over sockets by system calls, contents known: what the fault tests and benchmarks move.
 *
 * What is at offset n of every stream is pattern[(n + shift) mod 1 MiB], so that a receiver can check
 * any piece by one comparison, and two streams that are mixed up differ.
 */
import assert from 'node:assert/strict';
import { EAGAIN, ENOBUFS } from '../../kernel/abi/errno';
import * as abi from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import type { Kernel } from '../../host/index';
import { seededEntropy } from '../../host/determinism';
import { told } from './socketRig';

const PERIOD = 1 << 20;
const doubled = Buffer.alloc(2 * PERIOD);
seededEntropy('transfer').fill(doubled.subarray(0, PERIOD));
doubled.copyWithin(PERIOD, 0, PERIOD);

/** Most bytes of one call. */
export const PIECE: number = 128 << 10;

export class Sender {
  sent = 0;

  constructor(readonly kernel: Kernel, readonly fd: number, readonly total: number, private readonly shift = 0) {}

  /** Send until nothing more is taken; true when all has been, and the stream ended. */
  step(): boolean {
    const { sys } = this.kernel;
    while (this.sent < this.total) {
      const at = (this.sent + this.shift) % PERIOD;
      const len = Math.min(PIECE, this.total - this.sent);
      sys.u8.set(doubled.subarray(at, at + len), sys.data);
      const r = sys.raw(nr.SYS_sendto, this.fd, sys.data, len);
      if (r === -EAGAIN || r === -ENOBUFS) return false;
      assert.ok(r > 0, `send: ${told(r)}`);
      this.sent += r;
      if (this.sent === this.total) sys.raw(nr.SYS_shutdown, this.fd, abi.SHUT_WR);
    }
    return true;
  }
}

export class Receiver {
  got = 0;
  ended = false;

  constructor(readonly kernel: Kernel, readonly fd: number, private readonly shift = 0) {}

  /** Receive until there is nothing; true at the end of the stream. @throws if a byte is not what was sent */
  step(): boolean {
    const { sys } = this.kernel;
    while (!this.ended) {
      const n = sys.raw(nr.SYS_recvfrom, this.fd, sys.data, PIECE);
      if (n === -EAGAIN) return false;
      assert.ok(n >= 0, `recv after ${this.got} bytes: ${told(n)}`);
      const at = (this.got + this.shift) % PERIOD;
      const same = doubled.compare(sys.u8, sys.data, sys.data + n, at, at + n) === 0;
      assert.ok(same, `bytes from ${this.got} on are not what was sent`);
      this.got += n;
      this.ended = n === 0;
    }
    return true;
  }
}
