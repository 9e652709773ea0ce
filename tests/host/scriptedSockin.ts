/**
 * A host half of sockin without a host: peers are strings, and everything happens in the order in
 * which a test says it. With it an image that serves is a pure function of its inputs.
 *
 *      const peers = new ScriptedPeers();
 *      boot('SOCKIN', { components: { sockin: { hypercalls: peers.hypercalls } }, … });
 *      const peer = peers.connect('GET / HTTP/1.1\r\n…');  kernel.run();  peer.answer
 */
import type { ComponentHost, HyperHost } from '../../host/hyperHost';
import { EAGAIN, EBADF } from '../../kernel/abi/errno';
import { INTR_SOCKIN, RING_SOCKIN } from '../../kernel/abi/rump';
import { AF_INET, IOV_BASE, IOV_LEN, IOVEC_SIZE } from '../../kernel/abi/socket';
import { SA_FAMILY, SA_LEN, SIN_ADDR, SIN_PORT, SOCKADDR_IN_SIZE } from '../../kernel/abi/sockaddr';
import { SOCKIN_EV_RDHUP, SOCKIN_EV_READ } from '../../components/sockin/sockin.abi';

/** One connection, seen from outside. */
export class Peer {
  /** What the image has sent. */
  answer = '';
  closed = false;
  cookie = -1;
  constructor(public unread: Buffer, public finished: boolean, readonly port: number) {}
}

export class ScriptedPeers {
  private host: HyperHost | null = null;
  private readonly handles = new Map<number, Peer>();
  private readonly waiting: Peer[] = [];
  private nextHandle = 1;
  private listenerCookie = -1;
  private listener = -1;

  readonly hypercalls = (host: HyperHost): ComponentHost => {
    this.host = host;
    return { imports: this.imports(host), close: () => {} };
  };

  /** A peer connects and sends `text`, and with `finish` nothing more. */
  connect(text: string, finish = false): Peer {
    const peer = new Peer(Buffer.from(text, 'latin1'), finish, 40_000 + this.nextHandle);
    this.waiting.push(peer);
    this.event(this.listenerCookie, SOCKIN_EV_READ);
    return peer;
  }

  /** A peer that is connected sends more. */
  send(peer: Peer, text: string): void {
    peer.unread = Buffer.concat([peer.unread, Buffer.from(text, 'latin1')]);
    this.event(peer.cookie, SOCKIN_EV_READ);
  }

  private event(cookie: number, bits: number): void {
    this.host!.ring(RING_SOCKIN).push(cookie, bits, 0);
    this.host!.intr(INTR_SOCKIN);
  }

  private imports(host: HyperHost): ComponentHost['imports'] {
    const take = (h: number, at: number, length: number): number => {
      const peer = this.handles.get(h);
      if (peer === undefined) return -EBADF;
      if (peer.unread.length === 0) return peer.finished ? 0 : -EAGAIN;
      const n = Math.min(length, peer.unread.length);
      host.u8.set(peer.unread.subarray(0, n), at);
      peer.unread = peer.unread.subarray(n);
      return n;
    };
    const give = (h: number, at: number, length: number): number => {
      const peer = this.handles.get(h);
      if (peer === undefined) return -EBADF;
      peer.answer += Buffer.from(host.u8.subarray(at, at + length)).toString('latin1');
      return length;
    };
    const each = (act: typeof give, h: number, iov: number, count: number): number => {
      let total = 0;
      for (let at = iov; at < iov + count * IOVEC_SIZE; at += IOVEC_SIZE) {
        const n = act(h, host.dv.getUint32(at + IOV_BASE, true), host.dv.getUint32(at + IOV_LEN, true));
        if (n <= 0) return total > 0 ? total : n;
        total += n;
      }
      return total;
    };
    const close = (h: number): number => {
      const peer = this.handles.get(h);
      if (peer) peer.closed = true;
      this.handles.delete(h);
      return 0;
    };
    const zero = (): number => 0;
    return {
      sockin_socket: (_domain, _type, _proto, cookie) => {
        this.listenerCookie = cookie!;
        this.listener = this.nextHandle++;
        return this.listener;
      },
      sockin_accept: (_h, cookie, sa, size) => this.accept(host, cookie!, sa!, size!),
      sockin_send: (h, at, length) => give(h!, at!, length!),
      sockin_recv: (h, at, length) => take(h!, at!, length!),
      sockin_sendmsg: (h, iov, count) => each(give, h!, iov!, count!),
      sockin_recvmsg: (h, iov, count) => each(take, h!, iov!, count!),
      sockin_avail: (h) => this.handles.get(h!)?.unread.length ?? 0,
      sockin_close: (h) => close(h!), sockin_abort: (h) => close(h!),
      sockin_bind: zero, sockin_listen: zero, sockin_connect: zero, sockin_shutdown: zero, sockin_getname: zero,
      sockin_setopt: zero, sockin_getopt: zero, sockin_unsent: zero, sockin_atmark: zero,
    };
  }

  private accept(host: HyperHost, cookie: number, sa: number, size: number): number {
    const peer = this.waiting.shift();
    if (peer === undefined) return -EAGAIN;
    const handle = this.nextHandle++;
    peer.cookie = cookie;
    this.handles.set(handle, peer);
    if (size >= SOCKADDR_IN_SIZE) {
      host.u8.fill(0, sa, sa + SOCKADDR_IN_SIZE);
      host.dv.setUint8(sa + SA_LEN, SOCKADDR_IN_SIZE);
      host.dv.setUint8(sa + SA_FAMILY, AF_INET);
      host.dv.setUint16(sa + SIN_PORT, peer.port);
      host.dv.setUint32(sa + SIN_ADDR, 0x0a000001);
    }
    this.event(cookie, SOCKIN_EV_READ | (peer.finished ? SOCKIN_EV_RDHUP : 0));
    return handle;
  }
}
