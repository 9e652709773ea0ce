/**
 * The language of the control socket: lines of JSON, described in docs/control.md.
 *
 *      request   {"id": 1, "op": "sysctl.get", "name": "kern.stat"}
 *      events    {"id": 1, "event": {…}}                                 only of operations that last
 *      answer    {"id": 1, "ok": true, "result": …}
 *                {"id": 1, "ok": false, "error": {"code": "ENOENT", "message": "…"}}
 *
 * Both sides cut the stream into lines with LineBuffer, which bounds what it keeps: a peer that never
 * ends its line costs one limit, not memory.
 */

/** Version of the protocol, in the answer to "status". */
export const controlProtocol = 1;
/** Bytes of a request at most. */
export const requestMax = 65_536;
/** Bytes of an answer at most. */
export const answerMax: number = 64 * 1024 * 1024;

export type RequestId = string | number | null;

export interface ControlRequest {
  id: RequestId;
  op: string;
  [field: string]: unknown;
}

export type ControlMessage =
  | { id: RequestId; event: Record<string, unknown> }
  | { id: RequestId; ok: true; result: unknown }
  | { id: RequestId; ok: false; error: { code: string; message: string } };

/** Something about control sockets that the user can mend, or that the other side has refused. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  /** An errno's name: 'ENOENT'. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Bytes in, whole lines out. */
export class LineBuffer {
  private readonly limit: number;
  private parts: Buffer[] = [];
  private size = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /**
   * The lines that `chunk` completes, without their ends.
   * @throws ControlError EMSGSIZE when a line has more bytes than the limit; nothing more can be read then
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.keep(rest.subarray(0, end));
      lines.push(Buffer.concat(this.parts).toString('utf8').replace(/\r$/, ''));
      this.parts = [];
      this.size = 0;
      rest = rest.subarray(end + 1);
    }
    if (rest.length > 0) this.keep(rest);
    return lines;
  }

  private keep(part: Buffer): void {
    this.size += part.length;
    if (this.size > this.limit) throw new ControlError('EMSGSIZE', `a line of more than ${this.limit} bytes`);
    this.parts.push(part);
  }
}

/** What a line asks for. @throws ControlError EBADMSG */
export function parseRequest(line: string): ControlRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new ControlError('EBADMSG', 'this is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ControlError('EBADMSG', 'a request is an object');
  const { id = null, op } = value as { id?: unknown; op?: unknown };
  if (id !== null && typeof id !== 'string' && typeof id !== 'number') throw new ControlError('EBADMSG', 'an id is a string or a number');
  if (typeof op !== 'string') throw new ControlError('EBADMSG', 'a request has an op');
  return { ...value, id, op };
}
