/**
 * Listening with node:net, answered at once.
 *
 * The image's bind() and listen() must say EADDRINUSE when they return. Node binds and listens within
 * the call to Server.listen(), but hides it twice: an address goes through dns.lookup(), which answers
 * a literal one tick later, and errors are emitted one tick later. So for the length of the call
 * dns.lookup is one that answers literals immediately, and the error is taken from the diagnostics
 * channel, where Node publishes it synchronously. Should a version of Node do neither, the answer is
 * "pending" and the caller hears from the server's events, with SO_ERROR on the socket.
 */
import { channel } from 'node:diagnostics_channel';
import dns from 'node:dns';
import { isIP, type ListenOptions, type Server } from 'node:net';

type LookupCallback = (error: Error | null, address: string, family: number) => void;

/** dns.lookup for literal addresses: answers before it returns. For node:dgram's `lookup` option, too. */
export function lookupLiteral(address: string, options: unknown, callback?: LookupCallback): void {
  const answer = (callback ?? options) as LookupCallback;
  answer(null, address, isIP(address.split('%')[0] ?? '') || 4);
}

export interface ListenAnswer {
  /** Listening now. */
  listening: boolean;
  /** Why not; absent when it is not known yet. */
  error?: unknown;
}

interface ListenFailure { server?: Server; error?: unknown }

/** server.listen(options) with its result. The server needs an 'error' listener: Node emits it as well, later. */
export function listenNow(server: Server, options: ListenOptions): ListenAnswer {
  let error: unknown;
  const failed = channel('tracing:net.server.listen:error');
  const note = (message: unknown): void => {
    const failure = message as ListenFailure;
    if (failure.server === server) error = failure.error;
  };
  const module = dns as { lookup: unknown };
  const saved = module.lookup;
  failed.subscribe(note);
  module.lookup = lookupLiteral;
  try {
    server.listen({ ...options, exclusive: true });
  } catch (thrown) {
    error = thrown;
  } finally {
    module.lookup = saved;
    failed.unsubscribe(note);
  }
  return error === undefined ? { listening: server.listening } : { listening: false, error };
}
