/**
 * System calls of a script, made on the image.
 *
 * Descriptors of the script are names for those of the image. Sockets of the image never block; here a
 * descriptor without O_NONBLOCK does, in the script's time: the call is tried again whenever something
 * has happened, and other events go on meanwhile.
 *
 *      attempt() → { result, … } done        → null  it waits
 */
import { EAGAIN, EINPROGRESS } from '../../kernel/abi/errno';
import { F_GETFL, F_SETFL, O_NONBLOCK } from '../../kernel/abi/fcntl';
import { SOCK_DGRAM, SOCK_NONBLOCK, SOCK_TYPEMASK, SO_ERROR, SOL_SOCKET } from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import { pollBits, POLLOUT, pollAlways } from '../../host/harness/readiness';
import type { InetAddress } from '../../host/api/sockaddr';
import type { Sys } from '../../host/api/sysSockets';
import type { Kernel } from '../../host/kernel';
import { type Flows, servicePort } from './flow';
import { firstDifference, patternOf } from './pattern';
import type { Call, Settings, Value } from './script';
import { addressOf, CallError, numberOf, optionOf } from './values';

/** A descriptor that the script knows. */
interface Descriptor {
  fd: number;
  nonblock: boolean;
  datagram: boolean;
  /** Bytes written and read: positions in the two streams. */
  written: number;
  read: number;
  /** Its contents are the script's own words: not the pattern. */
  ownWords: boolean;
  boundPort: number | null;
}

/** What a call came to: the result, and what a script may say about its outcome beside that. */
export interface Outcome {
  result: number;
  /** Something else than the result is wrong. */
  complaint?: string;
}

/** A call that has begun. null: it still waits. */
export type Attempt = () => Outcome | null;

type Handler = (items: readonly Value[], call: Call) => Attempt;

const again = (result: number): boolean => result === -EAGAIN;
const once = (call: () => number): Attempt => () => ({ result: call() });

export class Calls {
  private readonly descriptors = new Map<number, Descriptor>();
  private readonly sys: Sys;
  private readonly handlers: Readonly<Record<string, Handler>>;
  /** The image's descriptor of the connection that was used last, for code blocks. */
  lastFd = -1;

  constructor(kernel: Kernel, private readonly settings: Settings, private readonly tcp: Flows, private readonly udp: Flows) {
    this.sys = kernel.sys;
    const write: Handler = (items) => this.write(items);
    const read: Handler = (items) => this.read(items);
    this.handlers = {
      socket: (items, call) => this.socket(items, call),
      accept: (items, call) => this.accept(items, call),
      bind: (items) => this.bind(items),
      listen: (items) => once(() => this.sys.raw(nr.SYS_listen, this.fd(items), numberOf(items[1]))),
      connect: (items) => this.connect(items),
      write, send: write, sendto: write, read, recv: read, recvfrom: read,
      close: (items) => this.close(items),
      shutdown: (items) => once(() => this.sys.raw(nr.SYS_shutdown, this.fd(items), numberOf(items[1]))),
      setsockopt: (items) => once(() => this.sys.trySetsockopt(this.fd(items), numberOf(items[1]), numberOf(items[2]), optionOf(items[3]))),
      getsockopt: (items) => this.getsockopt(items),
      fcntl: (items) => this.fcntl(items),
      ioctl: (items) => this.ioctl(items),
      poll: (items) => this.poll(items),
    };
  }

  /** Begin a call. @throws CallError if it makes no sense */
  begin(call: Call): Attempt {
    const handler = this.handlers[call.name];
    if (handler === undefined) throw new CallError(`${call.name}() is not a call known here`);
    return handler(call.items, call);
  }

  /** Close what the script left open. */
  closeAll(): void {
    for (const { fd } of this.descriptors.values()) this.sys.raw(nr.SYS_close, fd);
    this.descriptors.clear();
  }

  private descriptor(items: readonly Value[]): Descriptor {
    const number = numberOf(items[0]);
    const found = this.descriptors.get(number);
    if (found === undefined) throw new CallError(`the script has no descriptor ${number}`);
    return found;
  }

  private fd(items: readonly Value[]): number {
    return this.descriptor(items).fd;
  }

  /** The image answered with descriptor `fd`, which the script calls by its own number. */
  private adopt(call: Call, fd: number, nonblock: boolean, datagram: boolean): void {
    const name = call.result === null || call.result < 0 ? fd : call.result;
    if (this.descriptors.has(name)) throw new CallError(`the script uses descriptor ${name} twice`);
    this.descriptors.set(name, { fd, nonblock, datagram, written: 0, read: 0, ownWords: false, boundPort: null });
    this.lastFd = fd;
  }

  private socket(items: readonly Value[], call: Call): Attempt {
    const domain = items[0]?.kind === 'any' ? 2 : numberOf(items[0]);
    const type = numberOf(items[1]);
    const protocol = numberOf(items[2]);
    return () => {
      const result = this.sys.raw(nr.SYS_socket, domain, type, protocol);
      if (result < 0) return { result };
      this.adopt(call, result, (type & SOCK_NONBLOCK) !== 0, (type & SOCK_TYPEMASK) === SOCK_DGRAM);
      return { result: call.result !== null && call.result >= 0 ? call.result : result };
    };
  }

  private accept(items: readonly Value[], call: Call): Attempt {
    const listener = this.descriptor(items);
    return () => {
      const result = this.sys.tryAccept(listener.fd);
      if (again(result) && !listener.nonblock) return null;
      if (result < 0) return { result };
      this.adopt(call, result, false, false);
      return { result: call.result !== null && call.result >= 0 ? call.result : result };
    };
  }

  private bind(items: readonly Value[]): Attempt {
    const descriptor = this.descriptor(items);
    const address = addressOf(items[1], { family: 'IPv4', address: '0.0.0.0', port: servicePort });
    return () => {
      const at = this.sys.base + 5120;
      const result = this.sys.raw(nr.SYS_bind, descriptor.fd, at, putAddress(this.sys, at, address));
      if (result === 0) descriptor.boundPort = address.port;
      return { result };
    };
  }

  private connect(items: readonly Value[]): Attempt {
    const descriptor = this.descriptor(items);
    const address = addressOf(items[1], { family: 'IPv4', address: this.settings.remoteIp, port: servicePort });
    const flows = descriptor.datagram ? this.udp : this.tcp;
    let begun = false;
    return () => {
      if (!begun) {
        const flow = flows.at(descriptor.boundPort, address.port);
        flow.reopen();
        const before = flows.current;
        flows.current = flow;
        begun = true;
        this.lastFd = descriptor.fd;
        const result = this.sys.tryConnect(descriptor.fd, address);
        if (result < 0 && result !== -EINPROGRESS && before !== null) flows.current = before;
        if (result !== -EINPROGRESS || descriptor.nonblock) return { result };
        return null;
      }
      if ((pollBits(this.sys, descriptor.fd) & POLLOUT) === 0) return null;
      return { result: -this.sys.getsockoptInt(descriptor.fd, SOL_SOCKET, SO_ERROR) };
    };
  }

  private write(items: readonly Value[]): Attempt {
    const descriptor = this.descriptor(items);
    const words = items[1]?.kind === 'string' ? Buffer.from(items[1].text, 'latin1') : null;
    const length = numberOf(items[2]);
    const flags = items.length > 3 ? numberOf(items[3]) : 0;
    const to = items[4] === undefined ? null
      : addressOf(items[4], { family: 'IPv4', address: this.settings.remoteIp, port: servicePort });
    if (words !== null) descriptor.ownWords = true;
    this.lastFd = descriptor.fd;
    let done = 0;
    return () => {
      const bytes = words?.subarray(done, length) ?? patternOf('local', descriptor.datagram ? 0 : descriptor.written, length - done);
      const result = this.sys.trySendto(descriptor.fd, bytes, descriptor.datagram ? to : null, flags);
      if (result < 0) {
        if (again(result) && !descriptor.nonblock) return null;
        return { result: done > 0 ? done : result };
      }
      descriptor.written += result;
      done += result;
      return done < length && !descriptor.nonblock ? null : { result: done };
    };
  }

  private read(items: readonly Value[]): Attempt {
    const descriptor = this.descriptor(items);
    const words = items[1]?.kind === 'string' ? items[1].text : null;
    const size = numberOf(items[2]);
    const flags = items.length > 3 ? numberOf(items[3]) : 0;
    this.lastFd = descriptor.fd;
    return () => {
      const result = this.sys.raw(nr.SYS_recvfrom, descriptor.fd, this.sys.data, size, flags);
      if (again(result) && !descriptor.nonblock) return null;
      if (result <= 0) return { result };
      const bytes = this.sys.u8.subarray(this.sys.data, this.sys.data + Math.min(result, size));
      const offset = descriptor.datagram ? 0 : descriptor.read;
      const isPeek = (flags & 2) !== 0;
      if (!isPeek) descriptor.read += result;
      if (words !== null) {
        const text = Buffer.from(bytes).toString('latin1');
        return text === words ? { result } : { result, complaint: `it read ${JSON.stringify(text)}` };
      }
      const bad = firstDifference('remote', offset, bytes);
      return bad < 0 ? { result } : { result, complaint: `byte ${offset + bad} of the stream is not what the peer sent there` };
    };
  }

  private close(items: readonly Value[]): Attempt {
    const { fd } = this.descriptor(items);
    this.descriptors.delete(numberOf(items[0]));
    return once(() => this.sys.raw(nr.SYS_close, fd));
  }

  private getsockopt(items: readonly Value[]): Attempt {
    const fd = this.fd(items);
    const level = numberOf(items[1]);
    const option = numberOf(items[2]);
    const wanted = items[3] === undefined || items[3].kind === 'any' ? null : optionOf(items[3]);
    return () => {
      const at = this.sys.base + 6144;
      const atLength = this.sys.base + 5632;
      this.sys.dv.setInt32(atLength, wanted instanceof Uint8Array ? wanted.length : wanted === null ? 256 : 4, true);
      const result = this.sys.raw(nr.SYS_getsockopt, fd, level, option, at, atLength);
      if (result < 0 || wanted === null) return { result };
      if (wanted instanceof Uint8Array) {
        const got = this.sys.u8.slice(at, at + wanted.length);
        return Buffer.compare(got, wanted) === 0 ? { result } : { result, complaint: `the option is ${Buffer.from(got).toString('hex')}` };
      }
      const got = this.sys.dv.getInt32(at, true);
      return got === wanted ? { result } : { result, complaint: `the option is ${got}` };
    };
  }

  private fcntl(items: readonly Value[]): Attempt {
    const descriptor = this.descriptor(items);
    const command = numberOf(items[1]);
    const argument = items.length > 2 ? numberOf(items[2]) : 0;
    return () => {
      // Linux's numbers, which scripts quote: O_NONBLOCK is 0x800 there.
      if (command === F_GETFL) return { result: 2 | (descriptor.nonblock ? 0x800 : 0) };
      const result = this.sys.raw(nr.SYS_fcntl, descriptor.fd, command, argument);
      if (result === 0 && command === F_SETFL) descriptor.nonblock = (argument & O_NONBLOCK) !== 0;
      return { result };
    };
  }

  private ioctl(items: readonly Value[]): Attempt {
    const fd = this.fd(items);
    const request = numberOf(items[1]);
    const wanted = items[2] === undefined || items[2].kind === 'any' ? null : numberOf(items[2]);
    return () => {
      const at = this.sys.base + 4096;
      const result = this.sys.raw(nr.SYS_ioctl, fd, request, at);
      const got = this.sys.dv.getInt32(at, true);
      return result < 0 || wanted === null || got === wanted ? { result } : { result, complaint: `it answered ${got}` };
    };
  }

  /** poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, timeout_ms) */
  private poll(items: readonly Value[]): Attempt {
    const list = items[0]?.kind === 'list' ? items[0].items : [];
    const entries = list.map((item) => {
      if (item.kind !== 'record') throw new CallError('poll: a list of {fd=…, events=…, revents=…} is wanted');
      const fd = this.fd([item.fields.get('fd')!]);
      return { fd, events: numberOf(item.fields.get('events')), revents: numberOf(item.fields.get('revents')) };
    });
    const timeoutMs = numberOf(items[2]);
    return () => {
      const found = entries.map(({ fd, events }) => pollBits(this.sys, fd) & (events | pollAlways));
      const result = found.filter((bits) => bits !== 0).length;
      if (result === 0 && timeoutMs !== 0) return null;
      const bad = entries.findIndex(({ revents }, i) => revents !== found[i]);
      return bad < 0 ? { result } : { result, complaint: `revents of entry ${bad} is 0x${found[bad]!.toString(16)}` };
    };
  }
}

/** Write an IPv4 sockaddr at `at`; its length. */
function putAddress(sys: Sys, at: number, { address, port }: InetAddress): number {
  sys.dv.setUint32(at, 0);
  sys.dv.setUint8(at, 16);
  sys.dv.setUint8(at + 1, 2);
  sys.dv.setUint16(at + 2, port);
  address.split('.').forEach((part, i) => sys.dv.setUint8(at + 4 + i, Number(part)));
  sys.dv.setFloat64(at + 8, 0);
  return 16;
}

