/**
 * Real tools against the image on TAP: ping, curl, wrk, ab, httperf, iperf3, nmap, traceroute, dnsmasq;
 * and tshark over the capture of all of it.
 *
 * @timeout 300
 * @alone
 */
import assert from 'node:assert/strict';
import { describe, it, before, after, type TestContext } from 'node:test';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { need } from '../lib/need';
import { waitFor, withNetns, type Netns } from '../lib/net';
import { HOST, IMAGE, startTap, tsharkWrong, type TapImage } from './tapRig';

const skip = need('netns', 'tun', 'ping', 'curl', 'wrk', 'ab', 'httperf', 'iperf3', 'nmap', 'traceroute', 'tshark', 'dnsmasq');

interface Rig {
  ns: Netns;
  image: TapImage;
  /** Run a tool in the namespace; what it said. */
  tool(command: string, args: readonly string[], timeoutMs?: number): Promise<string>;
}

/** Define a suite around one image that stays up. */
function onTap(name: string, capture: boolean, define: (rig: () => Rig) => void): void {
  describe(name, { skip }, () => {
    let rig: Rig | undefined;
    let dir: string;
    let release = (): void => undefined;
    let gone: Promise<void> = Promise.resolve();
    before(async () => {
      dir = mkdtempSync(join(tmpdir(), 'rumpwasm-tap-'));
      await new Promise<void>((ready, failed) => {
        gone = withNetns(async (ns) => {
          const image = await startTap(ns, dir, { capture });
          const tool: Rig['tool'] = async (command, args, timeoutMs = 60_000) => {
            const result = await ns.run(command, [...args], { timeoutMs });
            return `${result.stdout}${result.stderr}`;
          };
          rig = { ns, image, tool };
          const end = new Promise<void>((resolve) => { release = resolve; });
          ready();
          await end;
        }).catch(failed);
      });
    });
    after(async () => {
      release();
      await gone;
      rmSync(dir, { recursive: true, force: true });
    });
    define(() => {
      if (!rig) throw new Error('the image does not run');
      return rig;
    });
  });
}

/** Traceroute and nmap see the image as a host with these ports. */
async function probed(rig: Rig): Promise<void> {
  const out = await rig.tool('nmap', ['-n', '-Pn', '-sS', '-O', '-p', '7,9,19,80,81,5201', IMAGE], 120_000);
  assert.match(out, /^80\/tcp\s+open/m);
  assert.match(out, /^81\/tcp\s+closed/m);
  assert.match(out, /Nmap done: 1 IP address \(1 host up\)/);
  assert.match(await rig.tool('traceroute', ['-n', '-w', '1', '-q', '1', IMAGE]), new RegExp(` 1 +${IMAGE.replaceAll('.', '\\.')} `));
}

onTap('the image on TAP in a namespace', false, (rig) => {
  it('answers ping -f ten thousand times', async () => {
    assert.match(await rig().tool('ping', ['-f', '-q', '-c', '10000', IMAGE]), /10000 received, 0% packet loss/);
  });
  it('puts fragments together: ping -s 8000', async () => {
    assert.match(await rig().tool('ping', ['-q', '-c', '20', '-i', '0.05', '-s', '8000', IMAGE]), /20 received, 0% packet loss/);
  });
  it('serves curl', async () => {
    assert.match(await rig().tool('curl', ['-si', `http://${IMAGE}/`]), /^HTTP\/1\.1 200 OK/);
  });
  it('serves wrk without a socket error', async () => {
    const out = await rig().tool('wrk', ['-t2', '-c64', '-d3s', `http://${IMAGE}/`]);
    assert.match(out, /Requests\/sec/);
    assert.doesNotMatch(out, /Socket errors|Non-2xx/);
  });
  it('serves ab without a failure', async () => {
    assert.match(await rig().tool('ab', ['-n', '10000', '-c', '32', `http://${IMAGE}/`]), /Failed requests:\s+0\b/);
  });
  it('serves httperf ten thousand connections', async () => {
    const out = await rig().tool('httperf', ['--server', IMAGE, '--num-conns', '10000'], 90_000);
    assert.match(out, /Total: connections 10000 requests 10000 replies 10000/);
    assert.match(out, /Errors: total 0 /);
  });
  const ways = { sending: [], receiving: ['-R'], 'four streams': ['-P', '4'], 'both ways': ['--bidir'], UDP: ['-u', '-b', '50M'] };
  for (const [what, args] of Object.entries(ways)) {
    it(`serves iperf3, ${what}`, async () => {
      assert.match(await rig().tool('iperf3', ['-c', IMAGE, '-t', '2', ...args]), /iperf Done\./);
    });
  }
  it('is seen by nmap and traceroute as it is', () => probed(rig()));
});

onTap('a capture of all of it', true, (rig) => {
  it('holds nothing that tshark finds wrong', async () => {
    const { tool, image, ns } = rig();
    await tool('ping', ['-f', '-q', '-c', '200', IMAGE]);
    await tool('ping', ['-q', '-c', '5', '-i', '0.05', '-s', '8000', IMAGE]);
    await tool('curl', ['-s', `http://${IMAGE}/`]);
    await tool('ab', ['-n', '500', '-c', '16', `http://${IMAGE}/`]);
    await tool('httperf', ['--server', IMAGE, '--num-conns', '500']);
    await tool('wrk', ['-t1', '-c4', '-d1s', `http://${IMAGE}/`]);
    for (const args of [[], ['-R'], ['-P', '2']]) await tool('iperf3', ['-c', IMAGE, '-n', '4M', ...args]);
    await tool('iperf3', ['-c', IMAGE, '-u', '-b', '10M', '-t', '1']);
    await probed(rig());
    image.process.signal('SIGINT');
    assert.equal((await image.process.ended).code, 0);
    assert.ok(statSync(image.pcap).size > 1_000_000, 'the capture is too small to be that of all this');
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
