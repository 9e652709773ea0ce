/**
 * Is a descriptor ready? What poll(2) asks, answered by three level-triggered knotes of the image.
 *
 *      EVFILT_READ   data to read, a connection to accept, the end (EV_EOF), or an error
 *      EVFILT_WRITE  room to write once connected, or that nobody reads any more (EV_EOF)
 *      EVFILT_EXCEPT urgent data: only sockets have it
 *
 * poll bits are Linux's, which are everybody's. An error without an end shows as a read event without
 * anything to read. Cost: one kqueue and three system calls each time, so for tests and the harness only.
 */
import { EV_EOF, EV_ERROR, EVFILT_EXCEPT, EVFILT_READ, EVFILT_WRITE } from '../../kernel/abi/event';
import { SO_ACCEPTCONN, SOL_SOCKET } from '../../kernel/abi/socket';
import type { Sys } from '../api/sysSockets';

export const POLLIN = 0x001;
export const POLLPRI = 0x002;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;
export const POLLRDNORM = 0x040;
export const POLLWRNORM = 0x100;
export const POLLRDHUP = 0x2000;

/** Bits that poll reports whether asked for or not. */
export const pollAlways: number = POLLERR | POLLHUP | POLLNVAL;

function isListener(sys: Sys, fd: number): boolean {
  try {
    return sys.getsockoptInt(fd, SOL_SOCKET, SO_ACCEPTCONN) !== 0;
  } catch {
    return false;
  }
}

/** All poll bits that hold for `fd` at this moment. */
export function pollBits(sys: Sys, fd: number): number {
  const kq = sys.kqueue();
  try {
    const events = sys.kevent(kq, [EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT].map((filter) => ({ ident: fd, filter })), 6);
    let bits = 0;
    for (const { filter, flags, fflags, data } of events) {
      if (filter === EVFILT_EXCEPT) {
        if ((flags & EV_ERROR) === 0) bits |= POLLPRI;
        continue;
      }
      const ended = (flags & EV_EOF) !== 0;
      if (ended && fflags !== 0) bits |= POLLERR;
      if (filter === EVFILT_READ) {
        bits |= POLLIN | POLLRDNORM;
        if (ended) bits |= POLLRDHUP;
        else if (data === 0 && !isListener(sys, fd)) bits |= POLLERR;
      } else if (ended) bits |= POLLOUT | POLLWRNORM | POLLHUP;
      else bits |= POLLOUT | POLLWRNORM;
    }
    // Half closed by us alone is no hang-up.
    return (bits & POLLHUP) !== 0 && (bits & POLLRDHUP) === 0 ? bits & ~POLLHUP : bits;
  } catch {
    return POLLNVAL;
  } finally {
    sys.close(kq);
  }
}
