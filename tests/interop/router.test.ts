/**
 * Real tools through two ROUTER images: ping, ping -R, traceroute (UDP, ICMP, TCP), tracepath, curl over a path whose
 * MTU has to be discovered, redirects, the reverse-path filter and proxy ARP as Linux hosts see them; and tshark over
 * the capture of it.
 *
 * @timeout 400
 * @alone
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from '../lib/need';
import { waitFor, type Netns } from '../lib/net';
import { LEFT, RIGHT, withNetwork, type Network } from './routerRig';

const skip = need('netns', 'tun', 'ping', 'curl', 'traceroute', 'tracepath', 'tshark', 'sysctl');
const escaped = (address: string): string => address.replaceAll('.', '\\.');

/** Serves one file; says "listening". */
const SERVER = "require('http').createServer((q,s)=>require('fs').createReadStream(process.argv[1]).pipe(s)).listen(8000,()=>console.log('listening'))";

describe('two routers between Linux hosts', { skip }, () => {
  let net: Network;
  let dir: string;
  let release = (): void => undefined;
  let gone: Promise<void> = Promise.resolve();

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'rumpwasm-router-'));
    await new Promise<void>((ready, failed) => {
      gone = withNetwork(dir, async (network) => {
        net = network;
        const end = new Promise<void>((resolve) => { release = resolve; });
        ready();
        await end;
      });
      gone.catch(failed);
    });
  });
  after(async () => {
    release();
    await gone;
    rmSync(dir, { recursive: true, force: true });
  });

  async function tool(ns: Netns, command: string, ...args: string[]): Promise<string> {
    const { stdout, stderr } = await ns.run(command, args, { timeoutMs: 90_000 });
    return stdout + stderr;
  }

  it('ping: every packet through both, TTL less by two', async () => {
    assert.match(await tool(net.left, 'ping', '-c', '3', '-i', '0.1', RIGHT), /ttl=62 [^]*3 received, 0% packet loss/);
    assert.match(await tool(net.left, 'ping', '-f', '-q', '-c', '2000', RIGHT), /2000 received, 0% packet loss/);
  });

  it('fragments: ping -s 8000, cut again for the narrow link', async () => {
    assert.match(await tool(net.left, 'ping', '-q', '-M', 'dont', '-c', '20', '-i', '0.05', '-s', '8000', RIGHT), /20 received, 0% packet loss/);
  });

  it('ping -R: the route there and back', async () => {
    const out = await tool(net.left, 'ping', '-n', '-R', '-c', '1', RIGHT);
    const route = [...out.slice(out.indexOf('RR:')).matchAll(/\b10\.0\.\d+\.\d+/g)].map(([address]) => address).slice(0, 8);
    // Linux enters itself twice where it turns a packet around.
    assert.deepEqual(route, [LEFT, '10.0.9.1', '10.0.1.1', RIGHT, RIGHT, '10.0.9.2', '10.0.0.1', LEFT], out);
  });

  it('ping -R and -T to a router itself', async () => {
    const out = await tool(net.left, 'ping', '-n', '-R', '-c', '1', '10.0.9.2');
    const route = [...out.slice(out.indexOf('RR:')).matchAll(/\b10\.0\.\d+\.\d+/g)].map(([address]) => address).slice(0, 5);
    assert.deepEqual(route, [LEFT, '10.0.9.1', '10.0.9.2', '10.0.0.1', LEFT], out);
    assert.match(await tool(net.left, 'ping', '-n', '-T', 'tsandaddr', '-c', '1', RIGHT), /TS:[^]*10\.0\.9\.1[^]*10\.0\.1\.1/);
  });

  for (const [what, args] of [['UDP', []], ['ICMP', ['-I']], ['TCP', ['-T', '-p', '80']]] as const) {
    it(`traceroute by ${what}`, async () => {
      const out = await tool(net.left, 'traceroute', '-n', '-w', '2', '-q', '1', ...args, RIGHT);
      for (const [i, hop] of ['10.0.0.1', '10.0.9.2', RIGHT].entries()) assert.match(out, new RegExp(`^ ?${i + 1}  ${escaped(hop)} `, 'm'), out);
    });
  }

  it('a destination without a route: !N; one that is rejected: !H', async () => {
    await net.b.ask('sysctl', 'net.route.table=del 0.0.0.0/0');
    await net.b.ask('sysctl', 'net.route.table=add 10.0.0.0/24 10.0.9.1');
    net.left.ip('route', 'flush', 'cache');
    await net.a.ask('sysctl', 'net.route.table=add 10.20.0.0/16 10.0.9.2');
    await net.a.ask('sysctl', 'net.route.table=add 10.21.0.0/16 reject');
    assert.match(await tool(net.left, 'traceroute', '-n', '-w', '2', '-q', '1', '10.20.0.1'), /^ ?2  10\.0\.9\.2 .*!N/m);
    assert.match(await tool(net.left, 'traceroute', '-n', '-w', '2', '-q', '1', '10.21.0.1'), /^ ?1  10\.0\.0\.1 .*!H/m);
  });

  it('tracepath finds the MTU of 1280', async () => {
    net.left.ip('route', 'flush', 'cache');
    const out = await tool(net.left, 'tracepath', '-n', RIGHT);
    assert.match(out, /pmtu 1280/);
    assert.match(out, /Resume: pmtu 1280 hops 3 back 3/);
  });

  it('curl over that path: a large file, each way; Linux has learnt the MTU from "fragmentation needed"', async () => {
    const file = join(dir, 'large');
    writeFileSync(file, Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => i * 31 >> 3)).toString('base64').repeat(3));
    const sum = createHash('sha256').update(readFileSync(file)).digest('hex');
    for (const [server, client, address] of [[net.left, net.right, LEFT], [net.right, net.left, RIGHT]] as const) {
      for (const ns of [server, client]) ns.ip('route', 'flush', 'cache');
      const process_ = server.start(process.execPath, ['-e', SERVER, file]);
      await process_.waitFor(/listening/);
      const got = join(dir, 'got');
      assert.match(await tool(client, 'curl', '-sS', '-o', got, '-w', '%{http_code}', `http://${address}:8000/`), /^200$/);
      assert.equal(createHash('sha256').update(readFileSync(got)).digest('hex'), sum);
      const peer = server === net.left ? RIGHT : LEFT;
      const { stdout } = await server.run('ip', ['route', 'get', peer]);
      assert.match(stdout, /mtu 1280/);
      await process_.stop();
    }
    assert.ok(await net.a.counter('cantfrag') > 0 && await net.b.counter('cantfrag') > 0);
  });

  it('a redirect is seen and followed by a Linux host', async () => {
    for (const name of ['all', 'ta0']) {
      await net.left.run('sysctl', ['-w', `net.ipv4.conf.${name}.accept_redirects=1`, `net.ipv4.conf.${name}.secure_redirects=0`]);
    }
    // 10.0.0.7 is a gateway that both know of; nobody needs to be there.
    net.left.ip('neigh', 'replace', '10.0.0.7', 'lladdr', '02:00:00:00:00:07', 'dev', 'ta0', 'nud', 'permanent');
    await net.a.ask('arp', '-s', '10.0.0.7', '02:00:00:00:00:07');
    assert.doesNotMatch((await net.left.run('ip', ['route', 'get', '10.7.0.1'])).stdout, /via 10\.0\.0\.7/);
    const out = await tool(net.left, 'ping', '-n', '-c', '2', '-W', '1', '10.7.0.1');
    assert.match(out, /From 10\.0\.0\.1:? icmp_seq=1 Redirect Host\(New nexthop: 10\.0\.0\.7\)/);
    assert.match((await net.left.run('ip', ['route', 'get', '10.7.0.1'])).stdout, /via 10\.0\.0\.7/);
    assert.ok(await net.a.counter('redirectsent') >= 1);
  });

  it('the reverse-path filter: off, loose, strict', async () => {
    net.left.ip('addr', 'add', '10.66.0.1/32', 'dev', 'lo');
    const dropped = async (): Promise<number> => {
      const before_ = await net.a.counter('rpfilter');
      await tool(net.left, 'ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', '-I', '10.66.0.1', RIGHT);
      return await net.a.counter('rpfilter') - before_;
    };
    assert.equal(await dropped(), 0, 'off');
    await net.a.ask('sysctl', 'net.inet.ip.rp_filter=2');
    assert.equal(await dropped(), 2, 'loose, no route');
    await net.a.ask('sysctl', 'net.route.table=add 10.66.0.0/16 10.0.9.2');
    assert.equal(await dropped(), 0, 'loose, a route somewhere else');
    await net.a.ask('sysctl', 'net.inet.ip.interfaces=virt0 rp_filter strict');
    assert.equal(await dropped(), 2, 'strict');
    assert.match(await tool(net.left, 'ping', '-q', '-c', '2', '-i', '0.2', RIGHT), /2 received/);
    await net.a.ask('sysctl', 'net.inet.ip.interfaces=virt0 rp_filter off', 'net.inet.ip.rp_filter=0');
  });

  it('proxy ARP: a host that takes all for its own link', async () => {
    net.left.ip('route', 'del', 'default');
    net.left.ip('addr', 'del', `${LEFT}/24`, 'dev', 'ta0');
    net.left.ip('addr', 'add', `${LEFT}/8`, 'dev', 'ta0');
    assert.match(await tool(net.left, 'ping', '-q', '-c', '1', '-W', '1', RIGHT), /0 received/);
    await net.a.ask('sysctl', 'net.inet.ip.interfaces=virt0 proxy_arp on');
    net.left.ip('neigh', 'flush', 'dev', 'ta0');
    assert.match(await tool(net.left, 'ping', '-q', '-c', '2', '-i', '0.2', RIGHT), /2 received/);
    await net.a.ask('sysctl', 'net.inet.ip.interfaces=virt0 proxy_arp off');
    net.left.ip('neigh', 'flush', 'dev', 'ta0');
    await net.a.ask('arp', '-s', '10.0.0.99', '02:00:00:00:00:99', 'pub');
    await tool(net.left, 'ping', '-q', '-c', '1', '-W', '1', '10.0.0.99');
    await waitFor(async () => /02:00:00:00:00:99/.test((await net.left.run('ip', ['neigh', 'show', '10.0.0.99'])).stdout), 'the published address');
  });

  it('a capture of it holds nothing that tshark finds wrong, and the errors that it should', async () => {
    await net.a.process.stop();
    const checks = ['ip.check_checksum:TRUE', 'udp.check_checksum:TRUE', 'tcp.desegment_tcp_streams:FALSE', 'tcp.analyze_sequence_numbers:FALSE'].flatMap((each) => ['-o', each]);
    const show = async (filter: string, ...fields: string[]): Promise<string[]> => {
      const { stdout } = await net.middle.run('tshark', ['-n', '-r', net.a.pcap, '--disable-protocol', 'http', ...checks, '-Y', filter, ...(fields.length > 0 ? ['-T', 'fields', ...fields.flatMap((f) => ['-e', f])] : [])], { timeoutMs: 120_000 });
      return stdout.split('\n').filter((line) => line !== '');
    };
    // Port unreachable is the Linux host's: it quotes checksums that it never had to compute.
    const wrong = '(_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0) && !(icmp.type == 3 && icmp.code == 3)';
    assert.deepEqual((await show(wrong)).slice(0, 10), []);
    const types = new Set((await show('icmp', 'icmp.type', 'icmp.code')).map((line) => line.split('\t').slice(0, 2).map((v) => v.split(',')[0]).join('/')));
    for (const type of ['11/0', '3/0', '3/1', '3/4', '5/1']) assert.ok(types.has(type), `${type} in ${[...types].join(' ')}`);
    assert.ok((await show('icmp.type == 3 && icmp.code == 4 && ip.src == 10.0.0.1', 'icmp.mtu')).every((mtu) => mtu === '1280'));
  });
});
