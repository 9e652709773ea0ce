/**
 * Operation "ping": echo requests from within the image, told as they are answered.
 *
 *      {"event": {"reply": {…}}} …  {"event": {"trouble": {…}}} …  then the summary as the answer
 *
 * A flood is not told reply by reply but, ten times a second, how many were sent and answered.
 */
import { isNoRawSockets, type PingOptions, type PingSummary } from '../api/ping';
import type { Kernel } from '../kernel';
import { ControlError, type ControlRequest } from './protocol';
import type { Call } from './operations';

/** Requests closer to each other than this are a flood. */
const intervalMinMs = 1;
const hourMs = 3_600_000;
const progressMs = 100;

/** A number within limits. */
function amount(request: ControlRequest, field: string, least: number, most: number): number | undefined {
  const value = request[field];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= least && value <= most)) throw new ControlError('EINVAL', `ping wants ${field} from ${least} to ${most}`);
  return value;
}

function whole(request: ControlRequest, field: string, least: number, most: number): number | undefined {
  const value = amount(request, field, least, most);
  if (value !== undefined && !Number.isInteger(value)) throw new ControlError('EINVAL', `ping wants ${field}, a whole number`);
  return value;
}

function pingOptions(request: ControlRequest): PingOptions {
  const intervalMs = amount(request, 'intervalMs', intervalMinMs, hourMs);
  const timeoutMs = amount(request, 'timeoutMs', 1, hourMs);
  const size = whole(request, 'size', 0, 65_507);
  const ttl = whole(request, 'ttl', 1, 255);
  return {
    count: whole(request, 'count', 0, Number.MAX_SAFE_INTEGER) ?? 0, flood: request.flood === true,
    ...(intervalMs === undefined ? {} : { intervalUs: intervalMs * 1000 }),
    ...(timeoutMs === undefined ? {} : { timeoutUs: timeoutMs * 1000 }),
    ...(size === undefined ? {} : { size }), ...(ttl === undefined ? {} : { ttl }),
  };
}

/** Run one to its end. */
export async function pingOperation(kernel: Kernel, { request, signal, emit }: Call): Promise<PingSummary> {
  const { address } = request;
  if (typeof address !== 'string') throw new ControlError('EINVAL', 'ping wants address, a string');
  const options = pingOptions(request);
  if (!options.flood) {
    options.onReply = (reply) => emit({ reply });
    options.onTrouble = (trouble) => emit({ trouble });
  }
  let pinger;
  try {
    pinger = kernel.ping(address, options);
  } catch (error) {
    if (isNoRawSockets(error)) throw new ControlError('EPROTONOSUPPORT', `image ${kernel.name} has no raw sockets, so it cannot ping`);
    throw error;
  }
  const progress = options.flood ? setInterval(() => emit({ progress: pinger.summary }), progressMs) : undefined;
  const stop = (): void => pinger.stop();
  signal.addEventListener('abort', stop);
  try {
    return await pinger.done;
  } finally {
    clearInterval(progress);
    signal.removeEventListener('abort', stop);
  }
}
