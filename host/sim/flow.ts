/**
 * A TCP flow of a simulation: a client on one image, a server on another, a pattern each way.
 *
 *      client: connect, send `up` bytes, half-close, read to the end
 *      server: accept, the same with `down` bytes
 *
 * Which byte stands where is a function of (flow, direction, offset), so the receiver can check each
 * without keeping any. How much is written and read at a time comes from the flow's own stream of
 * chances; a slow reader makes windows close.
 */
import type { Kernel } from '../kernel';
import { EAGAIN, EINPROGRESS, ENOTCONN } from '../../kernel/abi/errno';
import { AF_INET, SHUT_WR, SOCK_STREAM } from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import { errnoName } from '../errtrans';

export interface FlowPlan {
  id: number;
  from: number;
  to: number;
  port: number;
  up: number;
  down: number;
  /** Reads only every so many turns; 0 = every time. */
  lazy: number;
}

/** The byte at `offset` of stream `stream`. */
export function patternByte(stream: number, offset: number): number {
  return (offset * 131 + (offset >>> 8) * 7 + stream * 29) & 0xff;
}

/** One end: what it has to send, and what it expects. */
class End {
  fd = -1;
  sent = 0;
  got = 0;
  shut = false;
  eof = false;
  error = '';

  constructor(readonly kernel: Kernel, readonly out: number, readonly total: number, readonly into: number, readonly expected: number) {}

  get done(): boolean { return this.error !== '' || (this.shut && this.eof); }

  fail(why: string): void {
    this.error = why;
  }

  /** Write up to `n` bytes of what is left; half-close at the end. */
  write(n: number): void {
    const { sys } = this.kernel;
    if (this.shut || this.error !== '') return;
    const len = Math.min(n, this.total - this.sent);
    if (len === 0) {
      this.shut = true;
      const r = sys.raw(nr.SYS_shutdown, this.fd, SHUT_WR);
      if (r < 0 && r !== -ENOTCONN) this.fail(`shutdown: ${errnoName(-r)}`);
      return;
    }
    for (let i = 0; i < len; i++) sys.u8[sys.data + i] = patternByte(this.out, this.sent + i);
    const r = sys.raw(nr.SYS_sendto, this.fd, sys.data, len);
    if (r >= 0) this.sent += r;
    else if (r !== -EAGAIN) this.fail(`send: ${errnoName(-r)}`);
  }

  /** Read up to `n` bytes and check them. */
  read(n: number): void {
    const { sys } = this.kernel;
    if (this.eof || this.error !== '') return;
    const r = sys.raw(nr.SYS_recvfrom, this.fd, sys.data, n);
    if (r === -EAGAIN) return;
    if (r < 0) {
      this.fail(`recv: ${errnoName(-r)}`);
      return;
    }
    if (r === 0) {
      this.eof = true;
      if (this.got !== this.expected) this.fail(`the stream ended after ${this.got} of ${this.expected} bytes`);
      return;
    }
    for (let i = 0; i < r; i++) {
      if (sys.u8[sys.data + i] === patternByte(this.into, this.got + i)) continue;
      this.fail(`byte ${this.got + i} is wrong`);
      return;
    }
    this.got += r;
  }

  close(): void {
    if (this.fd >= 0) this.kernel.sys.raw(nr.SYS_close, this.fd);
    this.fd = -1;
  }
}

export class Flow {
  readonly client: End;
  readonly server: End;
  private turns = 0;

  /** @param random the next chance, an unsigned 32-bit number */
  constructor(readonly plan: FlowPlan, kernels: readonly Kernel[], private readonly random: () => number) {
    const { id } = plan;
    this.client = new End(kernels[plan.from]!, 2 * id, plan.up, 2 * id + 1, plan.down);
    this.server = new End(kernels[plan.to]!, 2 * id + 1, plan.down, 2 * id, plan.up);
  }

  /** Begin: connect to `address`. */
  start(address: string): void {
    const { sys } = this.client.kernel;
    const fd = sys.raw(nr.SYS_socket, AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
      this.client.fail(`socket: ${errnoName(-fd)}`);
      return;
    }
    this.client.fd = fd;
    const r = sys.tryConnect(fd, { family: 'IPv4', address, port: this.plan.port });
    if (r < 0 && r !== -EINPROGRESS) this.client.fail(`connect: ${errnoName(-r)}`);
  }

  /** Port of the client's end, once it has one. */
  clientPort(): number {
    const name = this.client.kernel.sys.getsockname(this.client.fd) as { port: number } | null;
    return name?.port ?? 0;
  }

  /** What went wrong, '' if nothing did. */
  get error(): string {
    return this.client.error !== '' ? `client: ${this.client.error}` : this.server.error !== '' ? `server: ${this.server.error}` : '';
  }

  get done(): boolean {
    return this.error !== '' || (this.client.done && this.server.done);
  }

  /** Do what can be done. */
  turn(): void {
    this.turns++;
    const lazy = this.plan.lazy > 0 && this.turns % this.plan.lazy !== 0;
    for (const end of [this.client, this.server]) {
      if (end.fd < 0) continue;
      end.write(1 + this.random() % 32768);
      if (!lazy) end.read(1 + this.random() % 65536);
    }
  }

  close(): void {
    this.client.close();
    this.server.close();
  }
}
