/**
 * Socket calls of the harness's clients, with Linux's meanings, on an image that never blocks.
 *
 *      begin(request) ─▶ Pending ── attempt() ─▶ Answer, or null: it waits still
 *                           └ timeoutUs, expired()     SO_RCVTIMEO, SO_SNDTIMEO, poll's timeout
 *
 * A descriptor blocks unless O_NONBLOCK is set; a pending call is attempted again whenever something
 * has happened in the image.
 */
import { EAGAIN, EINPROGRESS } from '../../kernel/abi/errno';
import { F_GETFL, F_SETFL, O_NONBLOCK } from '../../kernel/abi/fcntl';
import { SO_DOMAIN, SO_ERROR, SO_RCVTIMEO, SO_SNDTIMEO, SOCK_STREAM, SOL_SOCKET } from '../../kernel/abi/socket';
import * as nr from '../../kernel/abi/syscall';
import { SystemError, linuxFromErrno } from '../errtrans';
import type { Sys } from '../api/sysSockets';
import { atStruct, optionMax } from '../api/sysBase';
import { fromLinuxAddress, toLinuxAddress } from './linuxAddress';
import {
  LINUX_EINVAL, LINUX_F_GETFD, LINUX_F_GETFL, LINUX_F_SETFD, LINUX_F_SETFL, LINUX_MSG_DONTWAIT, LINUX_O_NONBLOCK, LINUX_O_RDWR,
  linuxFamily, nativeFamily, nativeIoctl, nativeMessageFlags, nativeOption, nativeType,
} from './linuxConstants';
import * as op from './protocol';
import type { Answer, Request } from './protocol';
import { pollAlways, pollBits } from './readiness';

/** A call that may have to wait. */
export interface Pending {
  attempt(): Answer | null;
  /** How long it may wait, µs; null: for ever. */
  timeoutUs: number | null;
  /** The answer when that has passed. */
  expired(): Answer;
}

interface Descriptor {
  nonblock: boolean;
  stream: boolean;
  /** SO_RCVTIMEO, SO_SNDTIMEO in µs; 0 = none. */
  receiveUs: number;
  sendUs: number;
}

const LINUX_ENOPROTOOPT = 92;
const LINUX_ENOTTY = 25;
const LINUX_EAFNOSUPPORT = 97;
const POLLFD_SIZE = 8;

export const failure = (errno: number): Answer => ({ ret: -1, errno });
/** The image's answer: >= 0 or -errno. */
const answer = (result: number): Answer => (result < 0 ? failure(linuxFromErrno(-result)) : { ret: result });
const at = (result: Answer): Pending => ({ attempt: () => result, timeoutUs: null, expired: () => result });

export class Sockets {
  private readonly descriptors = new Map<number, Descriptor>();

  constructor(private readonly sys: Sys) {}

  /** Begin a socket call; undefined if `request` is not one. */
  begin(request: Request): Pending | undefined {
    const { fd, a } = request;
    switch (request.op) {
      case op.OP_SOCKET: return at(this.socket(request));
      case op.OP_BIND: return at(this.bind(request));
      case op.OP_LISTEN: return at(answer(this.sys.raw(nr.SYS_listen, fd, a)));
      case op.OP_ACCEPT: return this.accept(request);
      case op.OP_CONNECT: return this.connect(request);
      case op.OP_RECV:
      case op.OP_RECVFROM: return this.receive(request);
      case op.OP_SEND: return this.send(fd, a, request.payload, null);
      case op.OP_SENDTO: return this.sendto(request);
      case op.OP_FCNTL: return at(this.fcntl(request));
      case op.OP_IOCTL: return at(this.ioctl(request));
      case op.OP_CLOSE: return at(this.close(fd));
      case op.OP_SHUTDOWN: return at(answer(this.sys.raw(nr.SYS_shutdown, fd, a)));
      case op.OP_GETSOCKOPT: return at(this.getsockopt(request));
      case op.OP_SETSOCKOPT: return at(this.setsockopt(request));
      case op.OP_POLL: return this.poll(request);
      default: return undefined;
    }
  }

  private adopt(fd: number, nonblock: boolean, stream: boolean): void {
    this.descriptors.set(fd, { nonblock, stream, receiveUs: 0, sendUs: 0 });
  }

  private socket({ a, b, c }: Request): Answer {
    const { type, nonblock } = nativeType(b);
    const result = this.sys.raw(nr.SYS_socket, nativeFamily(a), type, c);
    if (result >= 0) this.adopt(result, nonblock, type === SOCK_STREAM);
    return answer(result);
  }

  private bind({ fd, payload }: Request): Answer {
    const address = fromLinuxAddress(payload);
    if (address === null) return failure(payload.length < 8 ? LINUX_EINVAL : LINUX_EAFNOSUPPORT);
    try {
      this.sys.bind(fd, address);
      return { ret: 0 };
    } catch (error) {
      return told(error);
    }
  }

  private accept({ fd }: Request): Pending {
    const listener = this.descriptors.get(fd);
    return this.waiting(listener, listener?.receiveUs ?? 0, false, () => {
      const result = this.sys.tryAccept(fd);
      if (result < 0) return result;
      this.adopt(result, false, true);
      return { ret: result, payload: toLinuxAddress(this.sys.takeAddress()) };
    });
  }

  private connect({ fd, payload }: Request): Pending {
    const address = fromLinuxAddress(payload);
    if (address === null) return at(failure(payload.length < 8 ? LINUX_EINVAL : LINUX_EAFNOSUPPORT));
    const descriptor = this.descriptors.get(fd);
    const result = this.sys.tryConnect(fd, address);
    if (result !== -EINPROGRESS || descriptor === undefined || descriptor.nonblock) return at(answer(result));
    return {
      attempt: () => (pollBits(this.sys, fd) === 0 ? null : answer(-this.errorOf(fd))),
      timeoutUs: descriptor.sendUs === 0 ? null : descriptor.sendUs,
      expired: () => answer(-EINPROGRESS),
    };
  }

  /** SO_ERROR, NetBSD's number; clears it. */
  private errorOf(fd: number): number {
    try {
      return this.sys.getsockoptInt(fd, SOL_SOCKET, SO_ERROR);
    } catch (error) {
      return error instanceof SystemError ? error.errno : EAGAIN;
    }
  }

  private receive({ op: number, fd, a, b }: Request): Pending {
    const descriptor = this.descriptors.get(fd);
    const flags = nativeMessageFlags(b);
    return this.waiting(descriptor, descriptor?.receiveUs ?? 0, (b & LINUX_MSG_DONTWAIT) !== 0, () => {
      const result = this.sys.tryRecvfrom(fd, Math.max(0, a), flags);
      if (result < 0) return result;
      const data = this.sys.takeData(Math.min(result, Math.max(0, a)));
      if (number === op.OP_RECV) return { ret: result, payload: data };
      const from = toLinuxAddress(this.sys.takeAddress());
      return { ret: result, aux: from.length, payload: Buffer.concat([from, data]) };
    });
  }

  private sendto({ fd, a, b, payload }: Request): Pending {
    if (b < 0 || b > payload.length) return at(failure(LINUX_EINVAL));
    return this.send(fd, a, payload.subarray(b), b === 0 ? null : payload.subarray(0, b));
  }

  private send(fd: number, linuxFlags: number, data: Uint8Array, to: Uint8Array | null): Pending {
    const descriptor = this.descriptors.get(fd);
    const address = to === null || descriptor?.stream === true ? null : fromLinuxAddress(to);
    if (to !== null && address === null && descriptor?.stream !== true) return at(failure(LINUX_EAFNOSUPPORT));
    const flags = nativeMessageFlags(linuxFlags);
    const nonblock = (linuxFlags & LINUX_MSG_DONTWAIT) !== 0;
    let done = 0;
    const pending = this.waiting(descriptor, descriptor?.sendUs ?? 0, nonblock, () => {
      const result = this.sys.trySendto(fd, data.subarray(done), address, flags);
      if (result < 0) return done > 0 && result !== -EAGAIN ? { ret: done } : result;
      done += result;
      const more = done < data.length && descriptor?.stream === true && result > 0;
      // Linux's blocking send returns when all has been taken.
      return more ? -EAGAIN : { ret: done };
    });
    const partly = (given: Answer): Answer => (given.ret < 0 && done > 0 ? { ret: done } : given);
    return {
      attempt: () => {
        const given = pending.attempt();
        return given === null ? null : partly(given);
      },
      timeoutUs: pending.timeoutUs, expired: () => partly(pending.expired()),
    };
  }

  /** A call that answers -EAGAIN while it would block. */
  private waiting(descriptor: Descriptor | undefined, timeoutUs: number, nonblock: boolean, call: () => number | Answer): Pending {
    const blocks = descriptor !== undefined && !descriptor.nonblock && !nonblock;
    return {
      attempt: () => {
        const result = call();
        if (typeof result !== 'number') return result;
        return result === -EAGAIN && blocks ? null : answer(result);
      },
      timeoutUs: timeoutUs === 0 ? null : timeoutUs,
      expired: () => answer(-EAGAIN),
    };
  }

  private fcntl({ fd, a, b }: Request): Answer {
    const descriptor = this.descriptors.get(fd);
    if (descriptor === undefined) return answer(this.sys.raw(nr.SYS_fcntl, fd, F_GETFL));
    if (a === LINUX_F_GETFL) return { ret: LINUX_O_RDWR | (descriptor.nonblock ? LINUX_O_NONBLOCK : 0) };
    if (a === LINUX_F_GETFD || a === LINUX_F_SETFD) return { ret: 0 };
    if (a !== LINUX_F_SETFL) return failure(LINUX_EINVAL);
    descriptor.nonblock = (b & LINUX_O_NONBLOCK) !== 0;
    return answer(this.sys.raw(nr.SYS_fcntl, fd, F_SETFL, descriptor.nonblock ? O_NONBLOCK : 0));
  }

  private ioctl({ fd, a }: Request): Answer {
    const request = nativeIoctl(a);
    if (request === undefined) return failure(LINUX_ENOTTY);
    const where = this.sys.base + atStruct;
    const result = this.sys.raw(nr.SYS_ioctl, fd, request, where);
    return result < 0 ? answer(result) : { ret: 0, payload: this.sys.u8.slice(where, where + 4) };
  }

  private close(fd: number): Answer {
    this.descriptors.delete(fd);
    return answer(this.sys.raw(nr.SYS_close, fd));
  }

  private getsockopt({ fd, a, b, c }: Request): Answer {
    const native = nativeOption(a, b);
    if (native === undefined) return failure(LINUX_ENOPROTOOPT);
    if (c < 0) return failure(LINUX_EINVAL);
    try {
      // Options are at least an integer here; Linux gives as much of it as was asked for.
      const value = this.sys.getsockopt(fd, native.level, native.option, Math.max(4, Math.min(c, optionMax / 2)));
      if (native.level === SOL_SOCKET && native.option === SO_ERROR) {
        const error = value.readInt32LE(0);
        value.writeInt32LE(error === 0 ? 0 : linuxFromErrno(error), 0);
      } else if (native.level === SOL_SOCKET && native.option === SO_DOMAIN) value.writeInt32LE(linuxFamily(value.readInt32LE(0)), 0);
      return { ret: 0, payload: value.subarray(0, c) };
    } catch (error) {
      return told(error);
    }
  }

  private setsockopt({ fd, a, b, payload }: Request): Answer {
    const native = nativeOption(a, b);
    if (native === undefined) return failure(LINUX_ENOPROTOOPT);
    if (payload.length > optionMax / 2) return failure(LINUX_EINVAL);
    const result = this.sys.trySetsockopt(fd, native.level, native.option, payload);
    const descriptor = this.descriptors.get(fd);
    const isTimeout = native.level === SOL_SOCKET && (native.option === SO_RCVTIMEO || native.option === SO_SNDTIMEO);
    if (result >= 0 && descriptor !== undefined && isTimeout && payload.length >= 16) {
      const us = Number(payload.readBigInt64LE(0)) * 1e6 + Number(payload.readBigInt64LE(8));
      if (native.option === SO_RCVTIMEO) descriptor.receiveUs = us;
      else descriptor.sendUs = us;
    }
    return answer(result);
  }

  /** a: how many, b: timeout in ms; the array comes back with its revents. */
  private poll({ a, b, payload }: Request): Pending {
    if (a < 0 || payload.length < a * POLLFD_SIZE) return at(failure(LINUX_EINVAL));
    const look = (): Answer => {
      const out = Buffer.from(payload);
      let ready = 0;
      for (let i = 0; i < a; i++) {
        const fd = out.readInt32LE(i * POLLFD_SIZE);
        const wanted = out.readInt16LE(i * POLLFD_SIZE + 4);
        const bits = fd < 0 ? 0 : pollBits(this.sys, fd) & (wanted | pollAlways);
        out.writeInt16LE(bits, i * POLLFD_SIZE + 6);
        if (bits !== 0) ready++;
      }
      return { ret: ready, payload: out };
    };
    return {
      attempt: () => {
        const found = look();
        return found.ret === 0 && b !== 0 ? null : found;
      },
      timeoutUs: b < 0 ? null : b * 1000,
      expired: look,
    };
  }
}

/** What a call threw, as an answer. */
function told(error: unknown): Answer {
  if (error instanceof SystemError) return failure(linuxFromErrno(error.errno));
  throw error;
}
