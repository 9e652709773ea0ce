/**
 * TAP on Linux: an image in a network namespace, and the tools of a host against it. The device is made
 * here and moved into the namespace, where it is first brought up; nothing of the machine is touched.
 *
 * @timeout 240
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { BootError } from '../../host/boot';
import { Frame } from '../../host/netdev/frame';
import { NetdevError } from '../../host/netdev/netdev';
import { pcap } from '../../host/netdev/pcap';
import { fault } from '../../host/netdev/fault';
import { tap, type TapNetdev, type TapOptions } from '../../host/netdev/tap';
import type { Kernel } from '../../host/kernel';
import { nativeMissing } from '../../host/native/koffi';
import { bootImage } from '../host/images';
import { need } from '../lib/need';
import { type Netns, waitFor, withNetns } from '../lib/net';
import { run, runNode } from '../lib/spawn';
import { cli, tempDir } from '../lib/tree';
import { ether, MAC_A, pattern } from './frames';
import { TestPort } from './port';
import { counter } from './counter';

const noTap = need('linux', 'netns', 'tun', 'ping', 'curl');
let serial = 0;

/** A name that no other test uses at this time. */
function freshName(): string {
  return `rw${process.pid % 100000}t${serial++}`;
}

interface Rig { ns: Netns; kernel: Kernel; dev: TapNetdev }

/** 10.0.0.1 in a namespace ── tap ── image 10.0.0.2, which answers HTTP on port 80 from JavaScript. */
async function withTap(options: TapOptions, body: (rig: Rig) => Promise<void>, wrap: (dev: TapNetdev) => unknown = (dev) => dev): Promise<void> {
  await withNetns(async (ns) => {
    const dev = tap({ name: freshName(), ...options });
    const kernel = await bootImage('NET', { netdevs: { virt0: wrap(dev) }, params: { 'net.virt0': 'inet,static,10.0.0.2/24' } });
    try {
      execFileSync('ip', ['link', 'set', dev.name, 'netns', ns.name]);
      ns.ip('addr', 'add', '10.0.0.1/24', 'dev', dev.name);
      ns.ip('link', 'set', dev.name, 'up');
      await body({ ns, kernel, dev });
    } finally {
      await kernel.close();
    }
  });
}

/** Serve `body` for every request, one each connection. */
async function serveHttp(kernel: Kernel, body: Buffer): Promise<void> {
  const server = kernel.net.createServer((socket) => {
    socket.once('data', () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`);
      socket.end(body);
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((done) => { server.listen(80, () => done()); });
}

async function ping(ns: Netns, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await ns.run('ping', ['-W', '2', ...args, '10.0.0.2'], { timeoutMs: 30_000 });
  return stdout + stderr;
}

const ways: [string, TapOptions, string | false][] = [
  ['native', { io: 'native' }, nativeMissing() ?? false],
  ['native, no offloads', { io: 'native', offload: false }, nativeMissing() ?? false],
  ['native, spinning', { io: 'native', spinUs: 100 }, nativeMissing() ?? false],
  ['perl', { io: 'perl' }, need('perl')],
  ['python3', { io: 'python3' }, need('python3')],
];

describe('tap', { skip: noTap }, () => {
  for (const [name, options, missing] of ways) {
    it(`${name}: pings, floods, fragments, megabytes`, { skip: missing }, async () => {
      await withTap(options, async ({ ns, kernel, dev }) => {
        assert.match(dev.name, /^rw/);
        assert.equal(dev.mtu, 1500);
        assert.match(await ping(ns, '-c', '2', '-i', '0.1'), / 2 received, 0% packet loss/);
        assert.match(await ping(ns, '-f', '-c', '2000'), / 2000 received, 0% packet loss/);
        assert.match(await ping(ns, '-c', '3', '-i', '0.05', '-s', '8000'), / 3 received, 0% packet loss/);
        const body = pattern(8 << 20);
        await serveHttp(kernel, body);
        const got = await ns.run('curl', ['-s', 'http://10.0.0.2/'], { timeoutMs: 30_000 });
        assert.equal(got.code, 0);
        assert.equal(got.stdout.length, Buffer.from(body.toString('utf8')).toString().length);
        assert.equal(counter(kernel, 'net.virtif.stats', 'rxbadhdr'), 0);
      });
    });
  }

  it('carries bytes unchanged in both directions', async (t) => {
    const file = join(tempDir(t), 'big');
    writeFileSync(file, pattern(32 << 20));
    await withTap({}, async ({ ns, kernel }) => {
      let received = 0;
      let wrong = 0;
      const server = kernel.net.createServer((socket) => {
        socket.on('data', (data: Buffer) => {
          if (Buffer.compare(data, pattern(data.length, received)) !== 0) wrong++;
          received += data.length;
        });
        socket.on('end', () => { socket.end(pattern(5_000_000)); });
      });
      await new Promise<void>((done) => { server.listen(7000, () => done()); });
      const script = `const s = require('net').connect({ port: 7000, host: '10.0.0.2', allowHalfOpen: true }); let n = 0, h = require('crypto').createHash('md5');
        s.on('data', (d) => { n += d.length; h.update(d); }); s.on('end', () => console.log(n, h.digest('hex'))); require('fs').createReadStream(${JSON.stringify(file)}).pipe(s);`;
      const { stdout } = await ns.run(process.execPath, ['-e', script], { timeoutMs: 60_000 });
      assert.deepEqual([received, wrong], [32 << 20, 0]);
      const { createHash } = await import('node:crypto');
      assert.equal(stdout.trim(), `5000000 ${createHash('md5').update(pattern(5_000_000)).digest('hex')}`);
      assert.ok(counter(kernel, 'net.virtif.stats', 'rxchain') > 100, 'large receive is used');
    });
  });

  it('is captured without anything that tshark complains about', { skip: need('tshark') }, async (t) => {
    const file = join(tempDir(t), 'tap.pcap');
    await withTap({}, async ({ ns, kernel }) => {
      await serveHttp(kernel, pattern(1 << 20));
      await ping(ns, '-c', '3', '-i', '0.05', '-s', '5000');
      await ns.run('curl', ['-s', '-o', '/dev/null', 'http://10.0.0.2/', 'http://10.0.0.2:81/']);
    }, (dev) => pcap(dev, file));
    const checks = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((name) => ['-o', `${name}:TRUE`]);
    const bad = '_ws.malformed || ip.checksum.status == "Bad" || tcp.checksum.status == "Bad" || udp.checksum.status == "Bad" || icmp.checksum.status == "Bad"';
    const { stdout } = await run('tshark', ['-r', file, ...checks, '-Y', bad]);
    assert.equal(stdout, '');
    const { stdout: all } = await run('tshark', ['-r', file, '-T', 'fields', '-e', 'frame.len']);
    const lengths = all.trim().split('\n').map(Number);
    assert.ok(lengths.length > 700 && Math.max(...lengths) <= 1514, 'segments as on a wire');
  });

  it('may have faults', async () => {
    await withTap({}, async ({ ns }) => {
      await ping(ns, '-c', '1');
      const said = await ping(ns, '-f', '-c', '1000');
      const lost = 1000 - Number(/ (\d+) received/.exec(said)![1]);
      assert.ok(lost > 100 && lost < 300, `${lost} lost of 1000, 19 % expected`);
    }, (dev) => fault(dev, { loss: 0.1 }));
  });

  it('survives its interface going down, and being deleted', async () => {
    await withTap({}, async ({ ns, kernel, dev }) => {
      assert.match(await ping(ns, '-c', '1'), / 1 received/);
      ns.ip('link', 'set', dev.name, 'down');
      assert.ok(dev.send(Frame.of(ether(Buffer.alloc(6, 255), MAC_A, pattern(50)))) < 0);
      ns.ip('link', 'set', dev.name, 'up');
      assert.match(await ping(ns, '-c', '1'), / 1 received/);
      ns.ip('link', 'del', dev.name);
      await waitFor(() => dev.send(Frame.of(ether(Buffer.alloc(6, 255), MAC_A, pattern(50)))) < 0, 'the end of it');
      assert.ok(kernel.isAlive);
    });
  });

  it('takes the MTU of the host, makes names, and lets go of the interface', async () => {
    const port = new TestPort();
    const dev = port.plug(tap({ name: 'rwmtu%d', mtu: 9000 }));
    assert.match(dev.name, /^rwmtu\d+$/);
    assert.equal(dev.mtu, 9000);
    assert.throws(() => new TestPort().plug(tap({ name: dev.name })), (error: Error) => error instanceof NetdevError && / is in use by another program$/.test(error.message));
    dev.close();
    await waitFor(() => !existsSync(`/sys/class/net/${dev.name}`), 'the device to go');
  });
});

describe('tap that cannot be had', () => {
  it('is explained in one line', { skip: noTap }, async () => {
    const { stdout, stderr, code } = await runNode([cli, 'run', 'NET', '-I', 'virt0,virtif,tap=lo']);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /virt0: there is an interface lo which is not a TAP device/);
  });

  for (const io of ['native', 'perl']) {
    it(`for want of a privilege, with what to do instead (${io})`, { skip: noTap || need('setpriv', 'perl') }, async () => {
      const { stderr, code } = await run('setpriv', ['--bounding-set=-net_admin', process.execPath, cli, 'run', 'NET', '-I', `virt0,virtif,tap=rwnone,io=${io}`]);
      assert.equal(code, 1);
      assert.match(stderr, /virt0: TAP device rwnone needs CAP_NET_ADMIN: run as root, or have root make it .*ip tuntap add rwnone mode tap user \$USER\); or use hub=NAME .* sockin/);
      assert.equal(stderr.trim().split('\n').filter((line) => !line.startsWith('…')).length, 1, stderr);
    });
  }

  it('ends the boot', { skip: noTap }, async () => {
    await assert.rejects(bootImage('NET', { netdevs: { virt0: 'tap=lo' }, log: () => undefined }),
      (error: Error) => error instanceof BootError && error.code === 'EINVAL');
  });
});
