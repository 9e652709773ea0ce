/**
 * Connections as fast as two images make them, in one process, each with an orderly end: the closer's FIN
 * is read by the other side before that closes too, so that exactly one side is left in TIME-WAIT.
 */
import { boot, type Kernel } from '../../host/index';
import { Hub, hub } from '../../host/netdev/hub';
import { EAGAIN, EINPROGRESS } from '../../kernel/abi/errno';
import { AF_INET, SO_REUSEADDR, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_accept, SYS_close, SYS_listen, SYS_recvfrom } from '../../kernel/abi/syscall';
import { imagePath } from '../lib/tree';

export interface Pair { client: Kernel; server: Kernel; close(): Promise<void> }

export interface PairOptions {
  image?: string;
  /** Parameters of both images, such as VTW_ENTRIES. */
  params?: Record<string, string | number>;
  /** Set on both after boot. */
  sysctl?: Record<string, number>;
}

/** 10.0.0.1, who connects, and 10.0.0.2, who listens, on a hub. */
export async function makePair({ image = 'NET', params = {}, sysctl = {} }: PairOptions = {}): Promise<Pair> {
  const lan = new Hub('churn');
  const make = async (n: number): Promise<Kernel> => {
    const kernel = await boot(imagePath(image), {
      netdevs: { virt0: hub(lan) }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24`, ...params }, logLevel: 'err',
    });
    // One after the other, so that a port comes again only when all have been used.
    kernel.sysctl('net.inet.ip.anonportalgo.selected', 'bsd');
    for (const [name, value] of Object.entries(sysctl)) kernel.sysctl(name, value);
    return kernel;
  };
  const [client, server] = [await make(1), await make(2)];
  return { client, server, async close() { await client.close(); await server.close(); } };
}

/** A counter or setting of `kernel`. */
export function value(kernel: Kernel, name: string): number {
  return Number(kernel.sysctl(`net.inet.tcp.${name}`));
}

export interface ChurnOptions {
  /** Connections at once. */
  window?: number;
  /** Who closes first, and keeps the TIME-WAIT. */
  closer?: 'client' | 'server';
  /** Ports that the server listens on, from 5001. */
  ports?: number;
}

export interface ChurnResult {
  made: number;
  /** -errno of connects that failed at once → how many. */
  refused: Map<number, number>;
  /** Connections that were aborted or never seen by the other side. */
  lost: number;
  seconds: number;
}

const turn = (): Promise<void> => new Promise((done) => { setImmediate(done); });
const FIRST_PORT = 5001;
const known = new WeakSet<Pair>();

function listeners(server: Kernel, ports: number): number[] {
  return Array.from({ length: ports }, (_, i) => {
    const fd = server.sys.socket(AF_INET, SOCK_STREAM);
    server.sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    server.sys.bind(fd, { family: 'IPv4', address: '0.0.0.0', port: FIRST_PORT + i });
    server.sys.raw(SYS_listen, fd, 511);
    return fd;
  });
}

/** Make and end `count` connections, once the two know each other's hardware addresses. */
export async function churn(two: Pair, count: number, options: ChurnOptions = {}): Promise<ChurnResult> {
  if (!known.has(two)) {
    known.add(two);
    const fd = two.client.sys.socket(AF_INET, SOCK_DGRAM);
    two.client.sys.sendto(fd, new Uint8Array(1), { family: 'IPv4', address: '10.0.0.2', port: 9 });
    for (let i = 0; i < 20; i++) await turn();
    two.client.sys.raw(SYS_close, fd);
  }
  return churnNow(two, count, options);
}

/** One run: who is connecting, who waits for the closer's FIN. */
class Churn {
  readonly refused = new Map<number, number>();
  /** The client's sockets that the server has not accepted yet. */
  readonly connecting = new Set<number>();
  /** Sockets that wait for the closer's FIN. */
  private readonly ending = new Set<number>();
  private readonly listening: number[];
  private readonly ports: number;
  private readonly clientCloses: boolean;
  started = 0;
  accepted = 0;
  ended = 0;
  lost = 0;

  constructor(private readonly two: Pair, { closer = 'server', ports = 1 }: ChurnOptions) {
    this.ports = ports;
    this.clientCloses = closer === 'client';
    this.listening = listeners(two.server, ports);
  }

  get open(): number {
    return this.connecting.size + this.ending.size;
  }

  begin(): boolean {
    const { sys } = this.two.client;
    const fd = sys.socket(AF_INET, SOCK_STREAM);
    const r = sys.tryConnect(fd, { family: 'IPv4', address: '10.0.0.2', port: FIRST_PORT + this.started % this.ports });
    if (r >= 0 || r === -EINPROGRESS) {
      this.connecting.add(fd);
      this.started++;
      return true;
    }
    sys.raw(SYS_close, fd);
    this.refused.set(r, (this.refused.get(r) ?? 0) + 1);
    return false;
  }

  accept(): void {
    const { client, server } = this.two;
    for (const l of this.listening) {
      for (let fd = server.sys.raw(SYS_accept, l); fd >= 0; fd = server.sys.raw(SYS_accept, l)) {
        this.accepted++;
        // Which of the client's sockets it is does not matter: all are alike.
        const peer = this.connecting.values().next().value as number;
        this.connecting.delete(peer);
        if (this.clientCloses) client.sys.raw(SYS_close, peer);
        else server.sys.raw(SYS_close, fd);
        this.ending.add(this.clientCloses ? fd : peer);
      }
    }
  }

  end(): void {
    const { sys } = this.clientCloses ? this.two.server : this.two.client;
    for (const fd of this.ending) {
      const r = sys.raw(SYS_recvfrom, fd, sys.data, 1);
      if (r === -EAGAIN) continue;
      if (r < 0) this.lost++;
      sys.raw(SYS_close, fd);
      this.ending.delete(fd);
      this.ended++;
    }
  }

  close(): void {
    for (const fd of this.listening) this.two.server.sys.raw(SYS_close, fd);
    for (const fd of this.connecting) this.two.client.sys.raw(SYS_close, fd);
  }
}

async function churnNow(two: Pair, count: number, options: ChurnOptions): Promise<ChurnResult> {
  const run = new Churn(two, options);
  const began = performance.now();
  for (let idle = 0; run.ended < count && idle < 3000;) {
    const before = run.started + run.accepted + run.ended;
    while (run.open < (options.window ?? 128) && run.started < count && run.begin()) { /* one more */ }
    await turn();
    run.accept();
    run.end();
    // Nothing moves for a while only when something was lost: the test says so instead of hanging.
    idle = run.started + run.accepted + run.ended === before ? idle + 1 : 0;
    if (idle > 50) await new Promise((done) => { setTimeout(done, 2); });
  }
  const seconds = (performance.now() - began) / 1e3;
  // The last FINs are on their way.
  for (let i = 0; i < 50; i++) await turn();
  run.close();
  return { made: run.ended, refused: run.refused, lost: run.lost + (count - run.ended), seconds };
}
