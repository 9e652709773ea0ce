/**
 * What the tests of httpd share: an image that serves, and a client that can be rude.
 *
 *      const web = await startWeb({ files: { 'index.html': '…' }, params: { HTTPD_QUIET: 1 } });
 *      const wire = await web.connect();  wire.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
 *      const answer = await wire.answer();          // one response, framed as RFC 9112 says
 *
 * The client is a plain socket: it sends what it is told, octet for octet, and reads answers by their
 * own framing, so that pipelining, early closes and wrong lengths show.
 */
import { connect as netConnect, type Socket } from 'node:net';
import { boot, type BootOptions, type Kernel } from '../../host/index';

/** Longest wait for anything. */
const PATIENCE_MS = 10_000;

export interface Answer {
  status: number;
  reason: string;
  version: string;
  /** By lower-case name; a field that came twice is an error of the server here. */
  headers: Map<string, string>;
  /** Head as it came. */
  head: string;
  body: Buffer;
}

/** /_status.json. */
export interface StatusPage {
  server: string;
  version: string;
  date: string;
  uptime_us: number;
  bytes_sent: number;
  connections: Record<'open' | 'max' | 'idle' | 'reading' | 'sending' | 'closing' | 'accepted' | 'refused' | 'timeouts' | 'aborted', number>;
  requests: { total: number; by_status: Record<string, number> };
  files: Record<'cached' | 'max' | 'hits' | 'misses' | 'stale', number>;
  sockets: Record<'open' | 'hiwat' | 'max', number>;
  descriptors: Record<'open' | 'max', number>;
  memory: Record<'used' | 'total', number>;
  pools: Array<Record<'size' | 'max' | 'inuse' | 'hiwat' | 'fail' | 'gets' | 'puts', number> & { name: string }>;
}

export interface WebOptions {
  /** Files of the served tree. */
  files?: Record<string, string | Uint8Array>;
  params?: BootOptions['params'];
  /** 'epoll', 'node' or 'auto' (sockin). */
  backend?: string;
  boot?: Partial<BootOptions>;
}

/** One connection to the server. */
export class Wire {
  readonly socket: Socket;
  /** All that came and was not read yet. */
  pending: Buffer = Buffer.alloc(0);
  /** Did the server end its side? And with an error ('ECONNRESET')? */
  ended = false;
  error: string | null = null;
  private wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => { this.pending = Buffer.concat([this.pending, chunk]); this.wake(); });
    socket.on('end', () => { this.ended = true; this.wake(); });
    socket.on('error', (error: NodeJS.ErrnoException) => { this.error = error.code ?? error.message; this.ended = true; this.wake(); });
    socket.on('close', () => { this.ended = true; this.wake(); });
  }

  send(data: string | Uint8Array): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Send the octets one by one, in packets of their own as far as that can be had. */
  async drip(data: string, ms = 0): Promise<void> {
    this.socket.setNoDelay(true);
    for (const octet of Buffer.from(data, 'latin1')) {
      this.socket.write(Buffer.from([octet]));
      await new Promise((done) => { setTimeout(done, ms); });
    }
  }

  /** Wait until `ready` says so. */
  private async until(ready: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!ready()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${what} within ${PATIENCE_MS} ms; have ${JSON.stringify(this.pending.toString('latin1').slice(0, 300))}`);
      await new Promise<void>((done) => {
        const timer = setTimeout(done, left);
        this.wake = () => { clearTimeout(timer); done(); };
      });
    }
  }

  private take(n: number): Buffer {
    const out = this.pending.subarray(0, n);
    this.pending = this.pending.subarray(n);
    return out;
  }

  /** Read one answer. `head`: it is the answer to a HEAD. */
  async answer({ head = false }: { head?: boolean } = {}): Promise<Answer> {
    await this.until(() => this.pending.includes('\r\n\r\n') || this.ended, 'head of an answer');
    const end = this.pending.indexOf('\r\n\r\n');
    if (end < 0) throw new Error(`closed (${this.error ?? 'in order'}) before an answer; have ${JSON.stringify(this.pending.toString('latin1').slice(0, 300))}`);
    const text = this.take(end + 4).toString('latin1');
    const answer = parseHead(text);
    const bodiless = head || answer.status === 204 || answer.status === 304 || answer.status < 200;
    if (bodiless) return answer;
    const length = Number(answer.headers.get('content-length') ?? NaN);
    if (!Number.isInteger(length)) throw new Error(`an answer without Content-Length: ${text}`);
    await this.until(() => this.pending.length >= length || this.ended, `body of ${length} octets`);
    if (this.pending.length < length) throw new Error(`closed (${this.error ?? 'in order'}) ${length - this.pending.length} octets before the end`);
    answer.body = Buffer.from(this.take(length));
    return answer;
  }

  /** Wait for the server to close; what it sent before that and was not read. */
  async closed(): Promise<string> {
    await this.until(() => this.ended, 'close');
    return this.pending.toString('latin1');
  }

  /** End our side, or tear the connection down. */
  end(): void { this.socket.end(); }
  destroy(): void { this.socket.destroy(); }
}

function parseHead(text: string): Answer {
  const lines = text.slice(0, -4).split('\r\n');
  const match = /^(HTTP\/\d\.\d) (\d{3}) (.+)$/.exec(lines[0] ?? '');
  if (!match) throw new Error(`not a status line: ${JSON.stringify(lines[0])}`);
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): (.*)$/.exec(line);
    if (!field) throw new Error(`not a field line: ${JSON.stringify(line)}`);
    const name = field[1]!.toLowerCase();
    if (headers.has(name)) throw new Error(`${name} twice`);
    headers.set(name, field[2]!);
  }
  return { version: match[1]!, status: Number(match[2]), reason: match[3]!, headers, head: text, body: Buffer.alloc(0) };
}

/** A running server. */
export class Web {
  readonly kernel: Kernel;
  readonly port: number;
  /** What the console said: the access log. */
  readonly lines: () => string[];
  private readonly wires: Wire[] = [];

  constructor(kernel: Kernel, lines: () => string[]) {
    this.kernel = kernel;
    this.port = Number(kernel.sysctl('httpd.port'));
    this.lines = lines;
  }

  async connect(): Promise<Wire> {
    const socket = netConnect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true });
    const wire = new Wire(socket);
    this.wires.push(wire);
    await new Promise<void>((done, fail) => { socket.once('connect', done); socket.once('error', fail); });
    return wire;
  }

  /** Send `raw` on a connection of its own and read one answer. The connection is left to the caller. */
  async raw(raw: string, options: { head?: boolean } = {}): Promise<Answer & { wire: Wire }> {
    const wire = await this.connect();
    wire.send(raw);
    return { ...await wire.answer(options), wire };
  }

  /** One request with a Host and these fields, its answer, and the end of the connection. */
  async request(target: string, { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
    const lines = Object.entries({ Host: 'test', Connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    const { wire, ...answer } = await this.raw(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, { head: method === 'HEAD' });
    const rest = await wire.closed();
    wire.destroy();
    if (rest !== '') throw new Error(`octets behind the answer: ${JSON.stringify(rest.slice(0, 200))}`);
    return answer;
  }

  /** The status page, parsed. */
  async status(): Promise<StatusPage> {
    return JSON.parse((await this.request('/_status.json')).body.toString()) as StatusPage;
  }

  /** Write a file of the served tree. */
  async write(path: string, data: string | Uint8Array): Promise<void> {
    const dir = path.split('/').slice(0, -1).join('/');
    if (dir !== '') await this.kernel.fs.mkdir(`/www/${dir}`, { recursive: true });
    await this.kernel.fs.writeFile(`/www/${path}`, data);
  }

  async close(): Promise<void> {
    for (const wire of this.wires) wire.destroy();
    await this.kernel.close();
  }
}

/** Boot an image with httpd on a free port of 127.0.0.1. */
export async function startWeb({ files = {}, params = {}, backend = 'auto', boot: more = {} }: WebOptions = {}): Promise<Web> {
  let console = '';
  const kernel = await boot(process.env.HTTPD_IMAGE ?? 'SOCKIN', {
    params: { HTTPD_ADDR: '127.0.0.1', HTTPD_PORT: 0, ...params },
    host: { backend },
    console: (bytes: Uint8Array) => { console += Buffer.from(bytes).toString('latin1'); },
    log: () => {},
    ...more,
  } as BootOptions);
  const web = new Web(kernel, () => console.split('\n').filter((line) => line !== ''));
  await kernel.fs.mkdir('/www', { recursive: true });
  for (const [path, data] of Object.entries(files)) await web.write(path, data);
  return web;
}

/** A GET as HTTP/1.1 writes it; `more` are field lines. */
export const get = (target: string, more = ''): string => `GET ${target} HTTP/1.1\r\nHost: h\r\n${more}\r\n`;

/** `n` octets that tell where they are: no two places look alike. */
export function pattern(n: number): Buffer {
  const out = Buffer.alloc(n);
  for (let i = 0; i + 4 <= n; i += 4) out.writeUInt32LE((i * 2654435761) >>> 0, i);
  return out;
}
