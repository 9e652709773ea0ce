/**
 * The host half of sockin: the hypercalls of sockin.hyper.ts over one of two backends.
 *
 *      SOCKIN_BACKEND=epoll   Linux, koffi: system calls and one epoll descriptor
 *      SOCKIN_BACKEND=node    node:net and node:dgram
 *      SOCKIN_BACKEND=auto    epoll where it works, else node (the default)
 *
 * The backend is made with the first socket, when linear memory exists; until then the process has
 * nothing of it. `options.backend` of boot() has the same words and precedence over the parameter.
 */
import type { ComponentHost, HyperHost } from '../../host/hyperHost';
import { LOG_DEBUG, LOG_WARNING } from '../../kernel/abi/rump';
import type { SockinBackend } from './backend.user';
import { EpollBackend } from './backendEpoll.user';
import { NodeBackend } from './backendNode.user';
import { EventQueue } from './eventQueue.user';
import { linuxSys } from './linuxSys.user';

/** What hypercalls() returns, with what tests and statistics look at. */
export interface SockinComponent extends ComponentHost {
  /** The backend in use; made by the first call. */
  backend(): SockinBackend;
}

/** The backend's name among the parameters. @throws when there is none such, or it cannot work here */
function chosen(host: HyperHost): string {
  const wanted = String(host.options.backend ?? host.params.get('SOCKIN_BACKEND') ?? 'auto');
  if (!['auto', 'epoll', 'node'].includes(wanted)) {
    throw new RangeError(`SOCKIN_BACKEND=${wanted}: there are auto, epoll and node`);
  }
  if (wanted === 'epoll') linuxSys();
  return wanted;
}

/** Make the backend called `wanted`. @throws when epoll was asked for by name and is not to be had */
export function makeBackend(wanted: string, host: HyperHost, queue: EventQueue): SockinBackend {
  if (wanted === 'node') return new NodeBackend(host, queue);
  try {
    return new EpollBackend(host, queue);
  } catch (error) {
    if (wanted === 'epoll') throw error;
    host.log(LOG_DEBUG, `sockin: no epoll (${(error as Error).message}); using node:net`);
    return new NodeBackend(host, queue);
  }
}

export function hypercalls(host: HyperHost): SockinComponent {
  const wanted = chosen(host);
  const queue = new EventQueue(host);
  let made: SockinBackend | undefined;
  let keep = true;
  let closed = false;

  function backend(): SockinBackend {
    if (made) return made;
    made = makeBackend(wanted, host, queue);
    if (!keep) made.unref();
    host.log(LOG_DEBUG, `sockin: ${made.name} backend`);
    return made;
  }

  return {
    backend,
    imports: {
      sockin_socket: (domain, type, proto, cookie) => backend().socket(domain!, type!, proto!, cookie!),
      sockin_bind: (h, sa, salen) => backend().bind(h!, sa!, salen!),
      sockin_listen: (h, backlog) => backend().listen(h!, backlog!),
      sockin_accept: (h, cookie, sa, size) => backend().accept(h!, cookie!, sa!, size!),
      sockin_connect: (h, sa, salen) => backend().connect(h!, sa!, salen!),
      sockin_send: (h, buf, len, flags) => backend().send(h!, buf!, len!, flags!),
      sockin_recv: (h, buf, len, flags) => backend().recv(h!, buf!, len!, flags!),
      sockin_sendmsg: (h, iov, n, flags, sa, salen) => backend().sendmsg(h!, iov!, n!, flags!, sa!, salen!),
      sockin_recvmsg: (h, iov, n, flags, sa, size) => backend().recvmsg(h!, iov!, n!, flags!, sa!, size!),
      sockin_shutdown: (h, how) => backend().shutdown(h!, how!),
      sockin_close: (h) => backend().close(h!),
      sockin_abort: (h) => backend().abort(h!),
      sockin_getname: (h, which, sa, size) => backend().getname(h!, which!, sa!, size!),
      sockin_setopt: (h, level, opt, val, len) => backend().setopt(h!, level!, opt!, val!, len!),
      sockin_getopt: (h, level, opt, val, len) => backend().getopt(h!, level!, opt!, val!, len!),
      sockin_avail: (h) => backend().avail(h!),
      sockin_unsent: (h) => backend().unsent(h!),
      sockin_atmark: (h) => backend().atmark(h!),
    },
    afterRun: () => queue.afterRun(),
    close(): void {
      if (closed) return;
      closed = true;
      queue.stop();
      try {
        made?.shutdownAll();
      } catch (error) {
        host.log(LOG_WARNING, `sockin: ${(error as Error).message}`);
      }
    },
    ref(): void {
      keep = true;
      made?.ref();
    },
    unref(): void {
      keep = false;
      made?.unref();
    },
  };
}
