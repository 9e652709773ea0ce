/**
 * Two images on a hub in one process, by system calls alone: bulk transfer and connections. Both stacks,
 * the copy between the memories and the event loop are in the figures; one processor does it all.
 */
import { boot, type Kernel } from '../../host/index';
import { Hub, hub } from '../../host/netdev/hub';
import { EAGAIN, EINPROGRESS } from '../../kernel/abi/errno';
import { AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET } from '../../kernel/abi/socket';
import { SYS_accept, SYS_close, SYS_listen, SYS_recvfrom, SYS_sendto } from '../../kernel/abi/syscall';
import type { Bench } from '../../tools/bench/bench';
import { runNode } from '../lib/spawn';
import { cli, imagePath, root } from '../lib/tree';
import { median } from './lib';

const PORT = 5001;
const CHUNK = 65536;

interface Pair { a: Kernel; b: Kernel; close(): Promise<void> }

async function pair(offload: boolean): Promise<Pair> {
  const lan = new Hub('bench');
  const make = (n: number): Promise<Kernel> => boot(imagePath('NET'), {
    netdevs: { virt0: hub(lan, { offload }) }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24` }, logLevel: 'err',
  });
  const [a, b] = [await make(1), await make(2)];
  return { a, b, async close() { await a.close(); await b.close(); } };
}

const turn = (): Promise<void> => new Promise((done) => { setImmediate(done); });

/** `attempt` until it answers something other than -EAGAIN. */
async function until(attempt: () => number): Promise<number> {
  for (;;) {
    const r = attempt();
    if (r !== -EAGAIN) return r;
    await turn();
  }
}

function listen(kernel: Kernel): number {
  const fd = kernel.sys.socket(AF_INET, SOCK_STREAM);
  kernel.sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  kernel.sys.bind(fd, { family: 'IPv4', address: '0.0.0.0', port: PORT });
  kernel.sys.raw(SYS_listen, fd, 511);
  return fd;
}

/** Begin to connect a socket of `kernel` to the listener; 0 or -errno. */
function target(kernel: Kernel): (fd: number) => number {
  return (fd) => kernel.sys.tryConnect(fd, { family: 'IPv4', address: '10.0.0.2', port: PORT });
}

/** One stream of `total` bytes from a to b. @returns MB/s */
async function bulk({ a, b }: Pair, total: number): Promise<number> {
  const l = listen(b);
  const c = a.sys.socket(AF_INET, SOCK_STREAM);
  target(a)(c);
  const s = await until(() => b.sys.raw(SYS_accept, l));
  const began = performance.now();
  let sent = 0;
  let got = 0;
  while (got < total) {
    for (let r = 1; r > 0 && sent < total; sent += Math.max(r, 0)) r = a.sys.raw(SYS_sendto, c, a.sys.data, CHUNK);
    for (let r = 1; r > 0; got += Math.max(r, 0)) r = b.sys.raw(SYS_recvfrom, s, b.sys.data, CHUNK);
    await turn();
  }
  const ms = performance.now() - began;
  for (const [kernel, fd] of [[a, c], [b, s], [b, l]] as const) kernel.sys.raw(SYS_close, fd);
  return total / 1e3 / ms;
}

/** Connect, accept, close on both sides, `count` times, `window` at once. @returns connections a second */
async function connections({ a, b }: Pair, count: number, window: number): Promise<number> {
  const l = listen(b);
  const connect = target(a);
  const began = performance.now();
  const open: number[] = [];
  let started = 0;
  let accepted = 0;
  while (accepted < count) {
    while (open.length < window && started < count) {
      const fd = a.sys.socket(AF_INET, SOCK_STREAM);
      const r = connect(fd);
      if (r < 0 && r !== -EINPROGRESS) {
        a.sys.raw(SYS_close, fd);
        break;
      }
      open.push(fd);
      started++;
    }
    await turn();
    for (let r = b.sys.raw(SYS_accept, l); r >= 0; r = b.sys.raw(SYS_accept, l)) {
      b.sys.raw(SYS_close, r);
      a.sys.raw(SYS_close, open.shift()!);
      accepted++;
    }
  }
  b.sys.raw(SYS_close, l);
  return count / (performance.now() - began) * 1e3;
}

async function several(rounds: number, once: () => Promise<number>): Promise<number> {
  const values: number[] = [];
  await once();
  for (let i = 0; i < rounds; i++) values.push(await once());
  return median(values);
}

const bench: Bench = {
  name: 'hub',
  about: 'two images on a hub in one process: bulk transfer at MTU 1500, connections',
  async run(report, { quick, log }) {
    const built = await runNode([cli, 'build', 'NET'], { cwd: root, timeoutMs: 120_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    const [rounds, total, count] = quick ? [1, 32 << 20, 5_000] : [5, 512 << 20, 40_000];
    for (const offload of [true, false]) {
      const how = offload ? 'segments and checksums left to the hub' : 'every frame as on a wire';
      const two = await pair(offload);
      log(how);
      report({ metric: `bulk, MTU 1500, ${how}`, value: await several(rounds, () => bulk(two, total)), unit: 'MB/s', aim: '≥ 350' });
      if (offload) report({ metric: 'connections: open, accept, close', value: await several(rounds, () => connections(two, count, 128)), unit: 'conn/s', aim: '≥ 50000' });
      await two.close();
    }
  },
};

export default bench;
