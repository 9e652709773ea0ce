/**
 * The other end of the control socket: requests, their answers, and the events of those that last.
 *
 *      const client = await ControlClient.open(path);
 *      await client.request('sysctl.get', { name: 'kern.stat' });
 *      const ping = client.start('ping', { address: '10.0.0.1' }, (event) => …);
 *      ping.cancel(); await ping.done;
 *
 * Answers are matched to requests by id, so any number may be under way on one connection.
 */
import { connect, type Socket } from 'node:net';
import { answerMax, ControlError, type ControlMessage, LineBuffer } from './protocol';

type OnEvent = (event: Record<string, unknown>) => void;

interface Pending {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
  onEvent: OnEvent | undefined;
}

/** A request that lasts. */
export interface Started<T> {
  done: Promise<T>;
  /** Ask for an early end; `done` then resolves with what there is. */
  cancel: () => void;
}

/** How long an instance may take to answer what does not last. */
const answerMs = 10_000;

export class ControlClient {
  private readonly socket: Socket;
  private readonly lines = new LineBuffer(answerMax);
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private failure: Error | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    // Whether reading or writing notices first that nobody is there is of no interest; 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => this.fail(new ControlError('ECONNRESET', 'the instance has gone away')));
  }

  /** Connect to the socket at `path`. @throws ControlError with the code of the failure */
  static open(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const onError = (error: NodeJS.ErrnoException): void => reject(new ControlError(error.code ?? 'EIO', `cannot connect to ${path}: ${error.code}`));
      socket.once('error', onError);
      socket.once('connect', () => {
        socket.removeListener('error', onError);
        resolve(new ControlClient(socket));
      });
    });
  }

  /**
   * Ask, and wait for the answer.
   * @throws ControlError with the code that the instance gave, or ETIMEDOUT
   */
  async request<T>(op: string, fields: Readonly<Record<string, unknown>> = {}, timeoutMs = answerMs): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new ControlError('ETIMEDOUT', `no answer within ${timeoutMs / 1000} s: the instance is busy or stopped`)), timeoutMs);
    });
    try {
      return await Promise.race([this.start<T>(op, fields).done, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ask for something that lasts. */
  start<T>(op: string, fields: Readonly<Record<string, unknown>> = {}, onEvent?: OnEvent): Started<T> {
    const id = this.nextId++;
    const done = new Promise<T>((resolve, reject) => {
      if (this.failure !== null) {
        reject(this.failure);
        return;
      }
      this.pending.set(id, { resolve: resolve as (result: unknown) => void, reject, onEvent });
      this.write({ ...fields, id, op });
    });
    return { done, cancel: () => this.write({ id: this.nextId++, op: 'cancel', request: id }) };
  }

  /** Hang up. What is under way is cancelled and fails. */
  close(): void {
    this.socket.destroy();
  }

  private write(request: Record<string, unknown>): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(request)}\n`);
  }

  private take(chunk: Buffer): void {
    try {
      for (const line of this.lines.push(chunk)) this.dispatch(JSON.parse(line) as ControlMessage);
    } catch (error) {
      this.fail(new ControlError('EBADMSG', `this is no control socket of ours: ${(error as Error).message}`));
      this.socket.destroy();
    }
  }

  private dispatch(message: ControlMessage): void {
    if (message.id === null && 'ok' in message && !message.ok) {
      // Not about one request: we have been refused.
      this.fail(new ControlError(message.error.code, message.error.message));
      return;
    }
    const pending = this.pending.get(message.id as number);
    if (pending === undefined) return;
    if ('event' in message) {
      pending.onEvent?.(message.event);
      return;
    }
    this.pending.delete(message.id as number);
    if (message.ok) pending.resolve(message.result);
    else pending.reject(new ControlError(message.error.code, message.error.message));
  }

  private fail(error: Error): void {
    this.failure ??= error;
    const waiting = [...this.pending.values()];
    this.pending.clear();
    for (const { reject } of waiting) reject(this.failure);
  }
}
