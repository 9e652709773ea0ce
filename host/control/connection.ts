/**
 * One connection to the control socket: lines in, answers and events out, nothing kept without bound.
 *
 *      socket ─► lines ─► queue ─► a few requests a turn ─► operation ─► answer
 *                  └ no more is read while the queue is not empty, or answers pile up
 *
 * Requests begin in the order in which they come, and those that do not last are answered in it. A
 * turn of the event loop serves only a few of them, so that a busy asker does not hold up the image.
 * Events are dropped while the asker does not read; answers are kept, and then nothing more is taken
 * from it. A line that is not a request is answered and survived; one without end ends the connection.
 * When the asker has said its last, what it asked for is still answered, but what lasts is cancelled:
 * whether anybody is left to hear of it cannot be told.
 */
import type { Socket } from 'node:net';
import { SystemError } from '../errtrans';
import type { Kernel } from '../kernel';
import { KernelGoneError, RumpPanic } from '../panic';
import { operations } from './operations';
import { ControlError, type ControlMessage, type ControlRequest, LineBuffer, parseRequest, type RequestId, requestMax } from './protocol';

/** Requests begun in one turn of the event loop. */
const turnMax = 16;
/** Requests that last, at one time. */
const lastingMax = 16;
/** How long a connection that is closed may take to take its last answers. */
const lastWordsMs = 300;
/** Bytes not yet taken by the asker beyond which nothing more is read from it. */
const writtenMax = 1024 * 1024;
/** The same beyond which events are dropped. */
const eventsMax = 65_536;

function describeError(error: unknown): { code: string; message: string } {
  if (error instanceof ControlError || error instanceof SystemError) return { code: error.code, message: error.message };
  if (error instanceof TypeError || error instanceof RangeError) return { code: 'EINVAL', message: error.message };
  if (error instanceof RumpPanic) return { code: 'EPANIC', message: error.message };
  if (error instanceof KernelGoneError) return { code: 'ESHUTDOWN', message: error.message };
  return { code: 'EBUG', message: error instanceof Error ? error.message : String(error) };
}

export class Connection {
  private readonly kernel: Kernel;
  private readonly instance: string;
  private readonly socket: Socket;
  private readonly lines = new LineBuffer(requestMax);
  private readonly lasting = new Map<AbortController, RequestId>();
  private queue: string[] = [];
  private turn: NodeJS.Immediate | null = null;
  private ended = false;

  /** @param socket with allowHalfOpen */
  constructor(kernel: Kernel, instance: string, socket: Socket) {
    this.kernel = kernel;
    this.instance = instance;
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('drain', () => this.resume());
    socket.on('end', () => {
      this.ended = true;
      this.resume();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.cancelAll());
  }

  /**
   * Say why there will be no conversation (any more), and hang up. What the other side still says is
   * heard and forgotten for a moment: hanging up on unread bytes would take our last words back.
   */
  refuse(code: string, message: string): void {
    this.send({ id: null, ok: false, error: { code, message } });
    this.cancelAll();
    this.socket.removeAllListeners('data');
    this.socket.removeAllListeners('drain');
    this.socket.end();
    this.socket.resume();
    setTimeout(() => this.socket.destroy(), lastWordsMs).unref();
  }

  /** Hang up; what was answered still goes out, if it is taken soon. */
  close(): void {
    this.cancelAll();
    this.socket.destroySoon();
    setTimeout(() => this.socket.destroy(), lastWordsMs).unref();
  }

  private take(chunk: Buffer): void {
    try {
      this.queue.push(...this.lines.push(chunk));
    } catch (error) {
      const { code, message } = describeError(error);
      this.refuse(code, message);
      return;
    }
    this.resume();
  }

  /** Go on with the queue at the next turn; read again once it is empty. */
  private resume(): void {
    const isFull = this.socket.writableLength > writtenMax;
    if (this.queue.length === 0 && !isFull) {
      this.socket.resume();
      this.finish();
      return;
    }
    this.socket.pause();
    if (!isFull) this.turn ??= setImmediate(() => this.serve());
  }

  private serve(): void {
    this.turn = null;
    if (this.socket.destroyed) return;
    for (const line of this.queue.splice(0, turnMax)) if (line.trim() !== '') this.begin(line);
    this.resume();
  }

  private begin(line: string): void {
    let request: ControlRequest;
    try {
      request = parseRequest(line);
    } catch (error) {
      this.send({ id: null, ok: false, error: describeError(error) });
      return;
    }
    try {
      const result = request.op === 'cancel' ? this.cancel(request) : this.call(request);
      if (!(result instanceof Promise)) this.send({ id: request.id, ok: true, result });
    } catch (error) {
      this.send({ id: request.id, ok: false, error: describeError(error) });
    }
  }

  /** The result, or a promise after which the answer has been sent. */
  private call(request: ControlRequest): unknown {
    const operation = operations.get(request.op);
    if (operation === undefined) throw new ControlError('ENOSYS', `there is no operation ${JSON.stringify(request.op)}`);
    if (this.lasting.size >= lastingMax) throw new ControlError('EBUSY', `${lastingMax} requests of this connection are still under way`);
    const { id } = request;
    const controller = new AbortController();
    const result = operation(this.kernel, {
      request, instance: this.instance, signal: controller.signal,
      emit: (event) => { if (this.socket.writableLength <= eventsMax) this.send({ id, event }); },
    });
    if (!(result instanceof Promise)) return result;
    this.lasting.set(controller, id);
    return result.then(
      (value: unknown) => this.send({ id, ok: true, result: value }),
      (error: unknown) => this.send({ id, ok: false, error: describeError(error) }),
    ).finally(() => {
      this.lasting.delete(controller);
      this.finish();
    });
  }

  private cancel({ request }: ControlRequest): { cancelled: number } {
    const chosen = [...this.lasting].filter(([, id]) => id === request);
    for (const [controller] of chosen) controller.abort();
    return { cancelled: chosen.length };
  }

  private cancelAll(): void {
    if (this.turn !== null) clearImmediate(this.turn);
    this.turn = null;
    this.queue = [];
    for (const controller of this.lasting.keys()) controller.abort();
  }

  private send(message: ControlMessage): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  /** The asker has asked its last, and everything is answered. */
  private finish(): void {
    if (!this.ended || this.queue.length > 0) return;
    for (const controller of this.lasting.keys()) controller.abort();
    if (this.lasting.size === 0) this.socket.end();
  }
}
