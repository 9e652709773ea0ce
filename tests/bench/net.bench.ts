/**
 * netinet against the stacks of others, in turns with them: two images on a hub driven by hand, in one
 * process, against node:net over the kernel's loopback, in one process; and HTTP over a TAP device
 * against node:http over a veth pair.
 *
 * "Driven by hand" is without the event loop: run a, run b, until it is done. Published for lwIP in
 * WebAssembly driven like that, at MTU 1500: 272 to 346 MB/s. A full run makes more connections than there
 * are ephemeral ports, so new ones take the place of old ones that are in TIME-WAIT.
 */
import { join } from 'node:path';
import { boot, type Kernel } from '../../host/index';
import { Hub, hub } from '../../host/netdev/hub';
import { EINPROGRESS } from '../../kernel/abi/errno';
import { AF_INET, SOCK_STREAM } from '../../kernel/abi/socket';
import { SYS_accept, SYS_close, SYS_listen, SYS_recvfrom, SYS_sendto, SYS_socket } from '../../kernel/abi/syscall';
import type { Bench, BenchOptions, Row } from '../../tools/bench/bench';
import { need } from '../lib/need';
import { type Netns, waitFor, withNetns } from '../lib/net';
import { runNode } from '../lib/spawn';
import { cli, imagePath, root, site } from '../lib/tree';
import { interleave, parseWrk } from './lib';
import { nodeBulk, nodeConnections } from './peers/nodeNet';

const LOOPBACK = `node:net ${process.versions.node} over the kernel's loopback`;
const VETH = `node:http ${process.versions.node} over veth`;
const PIECE = 128 << 10;
const WINDOW = 256;
const PROBING_MS = 3000;

type Pair = [Kernel, Kernel];

/** Two images at rest on a hub, which run only when they are told to. */
async function pair(image: string, offload: boolean): Promise<Pair> {
  const lan = new Hub('bench');
  const make = (n: number): Promise<Kernel> => boot(imagePath(image), {
    netdevs: { virt0: hub(lan, { offload }) }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24` }, logLevel: 'err', manual: true,
  });
  const two: Pair = [await make(1), await make(2)];
  for (const end = performance.now() + PROBING_MS; performance.now() < end;) {
    turn(two);
    await new Promise((done) => { setTimeout(done, 10); });
  }
  return two;
}

function turn([a, b]: Pair): void {
  a.run();
  b.run();
}

function listen(kernel: Kernel): { fd: number; connect: (from: Kernel) => number } {
  const fd = kernel.sys.socket(AF_INET, SOCK_STREAM);
  kernel.sys.bind(fd, { family: 'IPv4', address: '10.0.0.2', port: 0 });
  kernel.sys.raw(SYS_listen, fd, 1024);
  const { port } = kernel.sys.getsockname(fd) as { port: number };
  const to = { family: 'IPv4', address: '10.0.0.2', port } as const;
  return {
    fd,
    connect(from) {
      const c = from.sys.raw(SYS_socket, AF_INET, SOCK_STREAM);
      const r = c < 0 ? c : from.sys.tryConnect(c, to);
      if (r < 0 && r !== -EINPROGRESS) throw new Error(`connect: ${r}`);
      return c;
    },
  };
}

/** One stream of `total` bytes. @returns MB/s */
function bulk(two: Pair, total: number): number {
  const [a, b] = two;
  const l = listen(b);
  const c = l.connect(a);
  let s = -1;
  while (s < 0) {
    turn(two);
    s = b.sys.raw(SYS_accept, l.fd);
  }
  const began = performance.now();
  for (let sent = 0, got = 0; got < total;) {
    for (let r = 1; r > 0 && sent < total; sent += Math.max(r, 0)) r = a.sys.raw(SYS_sendto, c, a.sys.data, PIECE);
    a.run();
    b.run();
    for (let r = 1; r > 0; got += Math.max(r, 0)) r = b.sys.raw(SYS_recvfrom, s, b.sys.data, PIECE);
    b.run();
  }
  const ms = performance.now() - began;
  a.sys.close(c);
  for (const fd of [s, l.fd]) b.sys.close(fd);
  turn(two);
  return total / 1e3 / ms;
}

/** Connect, accept, close on both sides, WINDOW at once. @returns connections a second */
function connections(two: Pair, count: number): number {
  const [a, b] = two;
  const l = listen(b);
  const began = performance.now();
  for (let made = 0; made < count;) {
    const open: number[] = [];
    for (let i = 0; i < WINDOW; i++) open.push(l.connect(a));
    for (let accepted = 0; accepted < WINDOW;) {
      turn(two);
      for (let s = b.sys.raw(SYS_accept, l.fd); s >= 0; s = b.sys.raw(SYS_accept, l.fd)) {
        b.sys.raw(SYS_close, s);
        accepted++;
      }
    }
    turn(two);
    for (const fd of open) a.sys.raw(SYS_close, fd);
    turn(two);
    made += WINDOW;
  }
  const ms = performance.now() - began;
  b.sys.close(l.fd);
  turn(two);
  return count / ms * 1e3;
}

async function onHub(report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const [rounds, total, count] = quick ? [1, 64 << 20, WINDOW * 20] : [5, 1 << 30, WINDOW * 200];
  const [wire, offload, many] = [await pair('NET', false), await pair('NET', true), await pair('NETBIG', true)];
  const bulks = { wire: () => bulk(wire, total), offload: () => bulk(offload, total), peer: () => nodeBulk(total) };
  bulks.wire();
  bulks.offload();
  const b = await interleave(rounds, bulks, (text) => log(`bulk: ${text}`));
  const peer = { peer: LOOPBACK, peerValue: b.medians.peer };
  report({ metric: 'bulk, MTU 1500, every frame as on a wire', value: b.medians.wire, unit: 'MB/s', ...peer, ratio: b.ratio('wire', 'peer'), aim: '≥ 350' });
  report({ metric: 'bulk, MTU 1500, segments left to the hub', value: b.medians.offload, unit: 'MB/s', ...peer, ratio: b.ratio('offload', 'peer'), aim: '≥ 350' });
  const both = { ours: () => connections(many, count), peer: () => nodeConnections(count / 10, WINDOW) };
  both.ours();
  const c = await interleave(rounds, both, (text) => log(`connections: ${text}`));
  report({ metric: 'connections, TIME-WAIT reused or recycled', value: c.medians.ours, unit: 'conn/s', peer: LOOPBACK, peerValue: c.medians.peer, ratio: c.ratio('ours', 'peer'), aim: '≥ 50000' });
  for (const kernel of [...wire, ...offload, ...many]) await kernel.close();
}

/** The image on tap0 at 10.0.0.2, the peer in a namespace of its own at 10.0.1.2; resolves with their ports. */
async function servers(ns: Netns, other: Netns): Promise<{ ours: string; peer: string }> {
  const image = ns.start(process.execPath, [
    cli, 'run', 'TAP', '-q', '-I', 'virt0,virtif,tap=tap0', '-W', 'virt0,inet,static,10.0.0.2/24', '-b', `${site},mount=/www`,
    '-e', 'HTTPD_ADDR=0.0.0.0', '-e', 'HTTPD_PORT=80',
  ], { cwd: root });
  await image.waitFor(/serving|running/, 60_000);
  await waitFor(() => { ns.ip('addr', 'replace', '10.0.0.1/24', 'dev', 'tap0'); return true; }, 'tap0');
  ns.ip('link', 'set', 'tap0', 'up');
  ns.ip('link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1', 'netns', other.name);
  for (const [where, name, address] of [[ns, 'veth0', '10.0.1.1/24'], [other, 'veth1', '10.0.1.2/24']] as const) {
    where.ip('addr', 'add', address, 'dev', name);
    where.ip('link', 'set', name, 'up');
  }
  // The image answers once its address is its own (RFC 5227).
  await waitFor(async () => (await ns.run('ping', ['-c', '1', '-W', '1', '10.0.0.2'])).code === 0, 'the image', 15_000);
  const peer = other.start(process.execPath, [join(root, 'tests/bench/peers/nodeHttp.mjs'), site, '0.0.0.0']);
  const [, port] = await peer.waitFor(/listening (\d+)/);
  return { ours: 'http://10.0.0.2/', peer: `http://10.0.1.2:${port}/` };
}

async function overTap(report: (row: Row) => void, { quick, log }: BenchOptions): Promise<void> {
  const missing = need('linux', 'netns', 'tun', 'wrk', 'ping');
  if (missing) throw new Error(missing);
  await withNetns((ns) => withNetns(async (other) => {
    const urls = await servers(ns, other);
    for (const [metric, args] of [['HTTP, keep-alive, 64 connections', ['-c64']], ['HTTP, a connection for each request', ['-c64', '-H', 'Connection: close']]] as const) {
      const measure = (url: string) => async (): Promise<number> => {
        const { stdout } = await ns.run('wrk', ['-t1', `-d${quick ? 1 : 3}s`, '--latency', ...args, url]);
        const { requestsPerSecond, socketErrors, badAnswers } = parseWrk(stdout);
        if (socketErrors + badAnswers > 0 || !(requestsPerSecond > 0)) throw new Error(`wrk ${url}: ${stdout}`);
        return requestsPerSecond;
      };
      const { medians, ratio } = await interleave(quick ? 1 : 5, { ours: measure(urls.ours), peer: measure(urls.peer) }, (text) => log(`${metric}: ${text}`));
      report({ metric: `${metric}, over TAP`, value: medians.ours, unit: 'req/s', peer: VETH, peerValue: medians.peer, ratio: ratio('ours', 'peer') });
    }
  }));
}

const bench: Bench = {
  name: 'net',
  about: 'netinet against node:net over loopback and node:http over veth',
  async run(report, options) {
    const built = await runNode([cli, 'build', 'NET', 'NETBIG', 'TAP'], { cwd: root, timeoutMs: 120_000 });
    if (built.code !== 0) throw new Error(built.stderr);
    await onHub(report, options);
    await overTap(report, options);
  },
};

export default bench;
