/**
 * NBD spoken by hand: what well-behaved clients never say.
 */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

export const OPT = { exportName: 1, abort: 2, list: 3, startTls: 5, info: 6, go: 7, structured: 8, listMeta: 9, setMeta: 10 };
export const REP = { ack: 1, server: 2, info: 3, meta: 4, unsup: 0x80000001, invalid: 0x80000003, unknown: 0x80000006, tooBig: 0x80000009 };
export const CMD = { read: 0, write: 1, disc: 2, flush: 3, trim: 4, cache: 5, zeroes: 6, status: 7, resize: 8 };

export const u16 = (n: number): Buffer => { const b = Buffer.alloc(2); b.writeUInt16BE(n); return b; };
export const u32 = (n: number): Buffer => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
export const u64 = (n: number): Buffer => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); return b; };
export const text = (s: string): Buffer => Buffer.concat([u32(Buffer.byteLength(s)), Buffer.from(s)]);

export interface OptionReply { option: number; type: number; data: Buffer }
export interface Chunk { flags: number; type: number; cookie: number; data: Buffer }

export class Wire {
  readonly socket: Socket;
  #buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => { this.#buffer = Buffer.concat([this.#buffer, data]); this.#wake(); });
    socket.on('error', () => {});
    socket.on('close', () => { this.#ended = true; this.#wake(); });
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Wire(socket);
  }

  /** Connected, greeted, and flags sent. */
  static async greet(port: number, flags = 3): Promise<Wire> {
    const wire = await Wire.open(port);
    const hello = await wire.take(18);
    if (hello.toString('latin1', 0, 16) !== 'NBDMAGICIHAVEOPT') throw new Error('no greeting');
    wire.send(u32(flags));
    return wire;
  }

  /** … and with export `name` in use. @param infos what it asks to be told of it: 3 = block sizes */
  static async go(port: number, name: string, structured = false, meta = false, infos: number[] = []): Promise<Wire> {
    const wire = await Wire.greet(port);
    if (structured) await wire.option(OPT.structured);
    if (meta) await wire.option(OPT.setMeta, Buffer.concat([text(name), u32(1), text('base:allocation')]));
    const replies = await wire.option(OPT.go, Buffer.concat([text(name), u16(infos.length), ...infos.map(u16)]));
    if (replies.at(-1)!.type !== REP.ack) throw new Error(`GO ${name}: ${replies.at(-1)!.type}`);
    return wire;
  }

  send(...parts: Buffer[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  /** The next `n` bytes. @throws when the connection ends first */
  async take(n: number): Promise<Buffer> {
    while (this.#buffer.length < n) {
      if (this.#ended) throw new Error('the server has closed the connection');
      await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
    const bytes = this.#buffer.subarray(0, n);
    this.#buffer = this.#buffer.subarray(n);
    return bytes;
  }

  /** Resolves when the server has closed the connection, with what it still said. */
  async end(): Promise<Buffer> {
    while (!this.#ended) await new Promise<void>((resolve) => { this.#wake = resolve; });
    return this.#buffer;
  }

  /** Send an option; its replies up to the last. */
  async option(option: number, data: Buffer = Buffer.alloc(0)): Promise<OptionReply[]> {
    this.send(Buffer.from('IHAVEOPT'), u32(option), u32(data.length), data);
    const replies: OptionReply[] = [];
    for (;;) {
      const head = await this.take(20);
      const reply = { option: head.readUInt32BE(8), type: head.readUInt32BE(12), data: await this.take(head.readUInt32BE(16)) };
      replies.push(reply);
      if (reply.type === REP.ack || reply.type >= 0x80000000) return replies;
    }
  }

  request(type: number, cookie: number, offset: number, length: number, data: Buffer = Buffer.alloc(0), flags = 0): void {
    this.send(u32(0x25609513), u16(flags), u16(type), u64(cookie), u64(offset), u32(length), data);
  }

  /** A simple reply: error and cookie; `length` bytes of data follow one without an error. */
  async reply(length = 0): Promise<{ error: number; cookie: number; data: Buffer }> {
    const head = await this.take(16);
    if (head.readUInt32BE(0) !== 0x67446698) throw new Error(`no simple reply: ${head.toString('hex')}`);
    const error = head.readUInt32BE(4);
    return { error, cookie: Number(head.readBigUInt64BE(8)), data: error === 0 ? Buffer.from(await this.take(length)) : Buffer.alloc(0) };
  }

  /** Chunks up to the last of one reply. */
  async chunks(): Promise<Chunk[]> {
    const all: Chunk[] = [];
    for (;;) {
      const head = await this.take(20);
      if (head.readUInt32BE(0) !== 0x668e33ef) throw new Error(`no chunk: ${head.toString('hex')}`);
      const flags = head.readUInt16BE(4);
      all.push({ flags, type: head.readUInt16BE(6), cookie: Number(head.readBigUInt64BE(8)), data: Buffer.from(await this.take(head.readUInt32BE(16))) });
      if ((flags & 1) !== 0) return all;
    }
  }

  close(): void {
    this.socket.destroy();
  }
}
