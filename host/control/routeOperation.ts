/**
 * Operation "route.monitor": changes of routes, addresses and interfaces, told as they happen, until it is cancelled.
 *
 *      {"event": {"route": {"type": "add", "destination": "10.1.0.0/16", …}}} …
 */
import { SystemError } from '../errtrans';
import type { Kernel } from '../kernel';
import { ControlError } from './protocol';
import type { Call } from './operations';

/** Until cancelled. How many events there were. */
export async function routeMonitorOperation(kernel: Kernel, { signal, emit }: Call): Promise<{ events: number }> {
  let events = 0;
  let listener;
  try {
    listener = kernel.routeEvents((route) => {
      events++;
      emit({ route });
    });
  } catch (error) {
    if (error instanceof SystemError && error.code !== 'ENOBUFS' && error.code !== 'EMFILE') {
      throw new ControlError('EPROTONOSUPPORT', `image ${kernel.name} has no routing sockets`);
    }
    throw error;
  }
  const stop = (): void => listener.stop();
  signal.addEventListener('abort', stop);
  try {
    await listener.done;
    return { events };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
