/**
 * Drives sockin's host half without an image: its own linear memory, its own event ring.
 *
 *      test ── TestSocket ──> hypercalls ──> backend ──> events on the ring ──> TestSocket.bits
 *
 * The driver stands where the image would: flush() consumes the ring as a run of the image does, and
 * wakes whoever waits for a bit. Deadlines are generous, because the machine is shared.
 */
import assert from 'node:assert/strict';
import { HostRing } from '../../host/hostRing';
import type { HyperHost } from '../../host/hyperHost';
import { errnoFromNode, errnoName } from '../../host/errtrans';
import { RING_DATA, RING_ENTRIES, RING_ENTRYSIZE, RING_HEAD, RING_TAIL } from '../../kernel/abi/rump';
import { AF_INET, AF_INET6, SOCK_STREAM } from '../../kernel/abi/socket';
import { hypercalls, type SockinComponent } from '../../components/sockin/sockin.user';
import { readSockaddr, writeSockaddr, type Endpoint } from '../../components/sockin/nodeAddress.user';
import { SOCKIN_EVENT_SIZE } from '../../components/sockin/sockin.abi';

const RING_AT = 1024;
const ENTRIES = 64;
/** Scratch for addresses, options and iovecs; buffers for data. */
export const ADDR = 65536;
export const OPT = 66000;
export const IOV = 67000;
export const BUF = 131072;
export const BUF_SIZE = 1 << 20;

export const LOOPBACK: Record<number, string> = { [AF_INET]: '127.0.0.1', [AF_INET6]: '0:0:0:0:0:0:0:1' };

/** Positive errno of a name, by the translation the backends use. */
export const errno = (name: string): number => errnoFromNode(name);

type Waiter = { cookie: number; mask: number; done: () => void };

export class Driver {
  readonly memory = new WebAssembly.Memory({ initial: 32, maximum: 32 });
  readonly u8 = new Uint8Array(this.memory.buffer) as Uint8Array<ArrayBuffer>;
  readonly dv = new DataView(this.memory.buffer) as DataView<ArrayBuffer>;
  readonly sockin: SockinComponent;
  /** Bits and last error seen, by cookie. */
  readonly bits = new Map<number, number>();
  readonly errors = new Map<number, number>();
  /** Runs that the host asked for, and events in them. */
  runs = 0;
  events = 0;
  private readonly ring: HostRing;
  private waiters: Waiter[] = [];
  private cookies = 100;

  constructor(backend: string) {
    this.dv.setInt32(RING_AT + RING_ENTRIES, ENTRIES, true);
    this.dv.setInt32(RING_AT + RING_ENTRYSIZE, SOCKIN_EVENT_SIZE, true);
    this.ring = new HostRing(this.memory.buffer as ArrayBuffer, RING_AT);
    this.sockin = hypercalls(this.host(backend));
  }

  private host(backend: string): HyperHost {
    const { u8, dv } = this;
    const i32 = new Int32Array(u8.buffer);
    return {
      u8, dv, i32, memory: () => ({ u8, dv, i32 }), ring: () => this.ring,
      intr: () => {}, flush: () => this.run(), params: new Map([['SOCKIN_BACKEND', backend]]), options: {},
      log: () => {}, clock: undefined as never, random: undefined as never, errnoFromNode,
      fail: (error) => { throw error; },
    };
  }

  /** What a run of the image does with the ring. */
  private run(): void {
    this.runs++;
    const head = this.dv.getUint32(RING_AT + RING_HEAD, true);
    let tail = this.dv.getUint32(RING_AT + RING_TAIL, true);
    for (; tail !== head; tail++) {
      const at = RING_AT + RING_DATA + (tail & (ENTRIES - 1)) * SOCKIN_EVENT_SIZE;
      const cookie = this.dv.getInt32(at, true);
      this.bits.set(cookie, (this.bits.get(cookie) ?? 0) | this.dv.getInt32(at + 4, true));
      const error = this.dv.getInt32(at + 8, true);
      if (error !== 0) this.errors.set(cookie, error);
      this.events++;
    }
    this.dv.setUint32(RING_AT + RING_TAIL, head, true);
    const ready = this.waiters.filter((w) => ((this.bits.get(w.cookie) ?? 0) & w.mask) !== 0);
    this.waiters = this.waiters.filter((w) => !ready.includes(w));
    for (const w of ready) w.done();
    this.sockin.afterRun!();
  }

  /** Wait until `cookie` has any of `mask`, and take those bits. */
  async wait(cookie: number, mask: number, ms = 20_000): Promise<number> {
    if (((this.bits.get(cookie) ?? 0) & mask) === 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((done, fail) => {
        const waiter = { cookie, mask, done };
        this.waiters.push(waiter);
        timer = setTimeout(() => {
          this.waiters = this.waiters.filter((w) => w !== waiter);
          fail(new Error(`no event ${mask} for ${cookie} within ${ms} ms; has ${this.bits.get(cookie) ?? 0}`));
        }, ms);
      });
      clearTimeout(timer);
    }
    const bits = this.bits.get(cookie) ?? 0;
    this.bits.set(cookie, bits & ~mask);
    return bits & mask;
  }

  /** Make a hypercall by its name without the prefix. */
  call(name: string, ...args: number[]): number {
    return this.sockin.imports[`sockin_${name}`]!(...args) as number;
  }

  /** As call, but a failure is an exception. */
  must(name: string, ...args: number[]): number {
    const r = this.call(name, ...args);
    assert.ok(r >= 0, `${name}: ${r < 0 ? errnoName(-r) : r}`);
    return r;
  }

  socket(family = AF_INET, type = SOCK_STREAM): TestSocket {
    const cookie = this.cookies++;
    return new TestSocket(this, this.must('socket', family, type, 0, cookie), cookie, family);
  }

  adopt(handle: number, cookie: number, family: number): TestSocket {
    return new TestSocket(this, handle, cookie, family);
  }

  newCookie(): number { return this.cookies++; }

  /** Put a sockaddr at ADDR; its length. */
  sockaddr(family: number, end: Endpoint): number {
    return writeSockaddr(this.sockinHost, ADDR, 128, family, end);
  }

  readSockaddr(family: number): Endpoint {
    const end = readSockaddr(this.sockinHost, ADDR, this.u8[ADDR]!, family);
    assert.notEqual(typeof end, 'number');
    return end as Endpoint;
  }

  private get sockinHost() { return this.host('node'); }

  close(): void { void this.sockin.close(); }
}

/** One socket, with the calls in the form that tests like. */
export class TestSocket {
  constructor(readonly d: Driver, readonly h: number, readonly cookie: number, readonly family: number) {}

  bind(end: Endpoint): number { return this.d.call('bind', this.h, ADDR, this.d.sockaddr(this.family, end)); }
  connect(end: Endpoint): number { return this.d.call('connect', this.h, ADDR, this.d.sockaddr(this.family, end)); }
  listen(backlog: number): number { return this.d.call('listen', this.h, backlog); }

  name(which = 0): Endpoint {
    this.d.must('getname', this.h, which, ADDR, 128);
    return this.d.readSockaddr(this.family);
  }

  /** Listen on the loopback; the endpoint. */
  listening(backlog = 128): Endpoint {
    assert.equal(this.bind({ address: LOOPBACK[this.family]!, port: 0 }), 0);
    assert.equal(this.listen(backlog), 0);
    return this.name();
  }

  async connected(end: Endpoint): Promise<this> {
    const r = this.connect(end);
    if (r === 0) return this;
    assert.equal(errnoName(-r), 'EINPROGRESS');
    const bits = await this.wait(0x10 | 0x20);
    assert.equal(bits & 0x20, 0, `connect: ${errnoName(this.error ?? 0)}`);
    return this;
  }

  tryAccept(): TestSocket | number {
    const cookie = this.d.newCookie();
    const h = this.d.call('accept', this.h, cookie, ADDR, 128);
    return h < 0 ? h : this.d.adopt(h, cookie, this.family);
  }

  async accept(): Promise<TestSocket> {
    for (;;) {
      const s = this.tryAccept();
      if (typeof s !== 'number') return s;
      assert.equal(errnoName(-s), 'EAGAIN');
      await this.wait(0x01);
    }
  }

  send(data: Uint8Array | string, flags = 0): number {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.d.u8.set(bytes, BUF);
    return this.d.call('send', this.h, BUF, bytes.length, flags);
  }

  sendTo(data: Uint8Array | string, end: Endpoint): number {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.d.u8.set(bytes, BUF);
    this.d.dv.setUint32(IOV, BUF, true);
    this.d.dv.setUint32(IOV + 4, bytes.length, true);
    return this.d.call('sendmsg', this.h, IOV, 1, 0, ADDR, this.d.sockaddr(this.family, end));
  }

  /** Bytes, or -errno. */
  recv(len = 65536, flags = 0): Buffer | number {
    const n = this.d.call('recv', this.h, BUF, len, flags);
    return n < 0 ? n : Buffer.from(this.d.u8.subarray(BUF, BUF + Math.min(n, len)));
  }

  /** Some bytes, waiting for them; empty at the end of the stream. */
  async read(len = 65536): Promise<Buffer> {
    for (;;) {
      const r = this.recv(len);
      if (typeof r !== 'number') return r;
      assert.equal(errnoName(-r), 'EAGAIN');
      await this.wait(0x01);
    }
  }

  /** Everything up to the end of the stream. */
  async readAll(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const part = await this.read();
      if (part.length === 0) return Buffer.concat(parts);
      parts.push(part);
    }
  }

  /** Send all of `data`, waiting for room. */
  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length;) {
      const r = this.send(data.subarray(at, at + 65536));
      if (r > 0) at += r;
      else {
        assert.equal(errnoName(-r), 'EAGAIN');
        await this.wait(0x02);
      }
    }
  }

  setopt(level: number, opt: number, value: number): number {
    this.d.dv.setInt32(OPT, value, true);
    return this.d.call('setopt', this.h, level, opt, OPT, 4);
  }

  getopt(level: number, opt: number): number {
    const n = this.d.call('getopt', this.h, level, opt, OPT, 4);
    return n < 0 ? n : this.d.dv.getInt32(OPT, true);
  }

  wait(mask: number, ms?: number): Promise<number> { return this.d.wait(this.cookie, mask, ms); }
  shutdown(how: number): number { return this.d.call('shutdown', this.h, how); }
  close(): number { return this.d.call('close', this.h); }
  abort(): number { return this.d.call('abort', this.h); }
  avail(): number { return this.d.call('avail', this.h); }
  get error(): number | undefined { return this.d.errors.get(this.cookie); }
}
