/**
 * Real tools against the image on TAP: ping, curl, wrk, ab, httperf, iperf3, nmap, traceroute, dnsmasq;
 * and tshark over the capture of all of it.
 *
 * @timeout 300
 * @alone
 */
import assert from 'node:assert/strict';
import { describe, it, before, after, type TestContext } from 'node:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from '../lib/need';
import { waitFor, withNetns, type Netns } from '../lib/net';
import { HOST, IMAGE, startTap, type TapImage } from './tapRig';

const skip = need('netns', 'tun', 'ping', 'curl', 'wrk', 'ab', 'httperf', 'iperf3', 'nmap', 'traceroute', 'tshark', 'dnsmasq');

/** What tshark finds wrong in a capture; '' if nothing. */
async function tsharkWrong(ns: Netns, pcap: string): Promise<string> {
  const checks = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((name) => ['-o', `${name}:TRUE`]);
  const bad = '_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0';
  const result = await ns.run('tshark', ['-r', pcap, ...checks, '-Y', bad], { timeoutMs: 120_000 });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.split('\n').slice(0, 10).join('\n');
}

describe('the image on TAP in a namespace', { skip }, () => {
  let ns: Netns;
  let image: TapImage;
  let dir: string;
  let release: () => void;
  let gone: Promise<void>;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'rumpwasm-tap-'));
    await new Promise<void>((ready, failed) => {
      gone = withNetns(async (made) => {
        ns = made;
        image = await startTap(ns, dir);
        ready();
        await new Promise<void>((resolve) => { release = resolve; });
      }).catch(failed);
    });
  });
  after(async () => {
    release();
    await gone;
    rmSync(dir, { recursive: true, force: true });
  });

  const tool = async (command: string, args: string[], timeoutMs = 60_000): Promise<string> => {
    const result = await ns.run(command, args, { timeoutMs });
    return `${result.stdout}${result.stderr}`;
  };

  it('answers ping -f ten thousand times', async () => {
    assert.match(await tool('ping', ['-f', '-q', '-c', '10000', IMAGE]), /10000 received, 0% packet loss/);
  });
  it('puts fragments together: ping -s 8000', async () => {
    assert.match(await tool('ping', ['-q', '-c', '20', '-i', '0.05', '-s', '8000', IMAGE]), /20 received, 0% packet loss/);
  });
  it('serves curl', async () => {
    assert.match(await tool('curl', ['-si', `http://${IMAGE}/`]), /^HTTP\/1\.1 200 OK/);
  });
  it('serves wrk without a socket error', async () => {
    const out = await tool('wrk', ['-t2', '-c64', '-d3s', `http://${IMAGE}/`]);
    assert.match(out, /Requests\/sec/);
    assert.doesNotMatch(out, /Socket errors|Non-2xx/);
  });
  it('serves ab without a failure', async () => {
    assert.match(await tool('ab', ['-n', '10000', '-c', '32', `http://${IMAGE}/`]), /Failed requests:\s+0\b/);
  });
  it('serves httperf ten thousand connections', async () => {
    const out = await tool('httperf', ['--server', IMAGE, '--num-conns', '10000'], 90_000);
    assert.match(out, /Total: connections 10000 requests 10000 replies 10000/);
    assert.match(out, /Errors: total 0 /);
  });
  for (const [what, args] of [['sending', []], ['receiving', ['-R']], ['four streams', ['-P', '4']], ['UDP', ['-u', '-b', '50M']]] as const) {
    it(`serves iperf3, ${what}`, async () => {
      assert.match(await tool('iperf3', ['-c', IMAGE, '-t', '2', ...args]), /iperf Done\./);
    });
  }
  it('is seen by nmap as it is', async () => {
    const out = await tool('nmap', ['-n', '-Pn', '-sS', '-O', '-p', '7,9,19,80,81,5201', IMAGE], 120_000);
    assert.match(out, /^80\/tcp\s+open/m);
    assert.match(out, /^81\/tcp\s+closed/m);
    assert.match(out, /Nmap done: 1 IP address \(1 host up\)/);
  });
  it('is one hop away for traceroute', async () => {
    assert.match(await tool('traceroute', ['-n', '-w', '1', '-q', '1', IMAGE]), new RegExp(` 1 +${IMAGE.replaceAll('.', '\\.')} `));
  });
  it('left a capture in which tshark finds nothing wrong', async () => {
    image.process.signal('SIGINT');
    assert.equal((await image.process.ended).code, 0);
    assert.equal(await tsharkWrong(ns, image.pcap), '');
  });
});

describe('the image as a DHCP client of dnsmasq', { skip }, () => {
  it('gets an address, a gateway, and serves on it', async (t: TestContext) => {
    const dir = mkdtempSync(join(tmpdir(), 'rumpwasm-dhcp-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    await withNetns(async (ns) => {
      const image = await startTap(ns, dir, { address: 'inet,dhcp' });
      writeFileSync(join(dir, 'leases'), '');
      const server = ns.start('dnsmasq', [
        '--no-daemon', '--port=0', '--interface=tap0', '--bind-interfaces', '--no-resolv', `--dhcp-leasefile=${join(dir, 'leases')}`,
        '--dhcp-range=10.77.0.50,10.77.0.60,2m', `--dhcp-option=3,${HOST}`, '--log-dhcp',
      ]);
      await waitFor(() => /DHCPACK\(tap0\) (10\.77\.0\.5\d|10\.77\.0\.60)/.exec(`${server.stdout}${server.stderr}`), 'DHCPACK', 30_000);
      const address = /DHCPACK\(tap0\) ([\d.]+)/.exec(`${server.stdout}${server.stderr}`)![1]!;
      const out = await waitFor(async () => {
        const result = await ns.run('curl', ['-si', '-m', '2', `http://${address}/`]);
        return result.code === 0 ? result.stdout : null;
      }, 'curl', 15_000);
      assert.match(out, /^HTTP\/1\.1 200 OK/);
      image.process.signal('SIGINT');
      assert.equal((await image.process.ended).code, 0);
    });
  });
});
