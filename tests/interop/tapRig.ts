/**
 * The image on a TAP device in a network namespace of its own: what the interop tests share.
 *
 *      namespace:  tools (10.77.0.1) ── tap0 ── rumpwasm run TAP (10.77.0.2)
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Netns } from '../lib/net';
import { waitFor } from '../lib/net';
import type { Process } from '../lib/spawn';
import { cli, root, site } from '../lib/tree';

export const HOST = '10.77.0.1';
export const IMAGE = '10.77.0.2';

export interface TapImage {
  process: Process;
  pcap: string;
}

export interface TapOptions {
  name?: string;
  /** What -W says behind the interface's name. */
  address?: string;
  /** Keep what passes in TapImage.pcap. */
  capture?: boolean;
  /** Files for /www; default true. */
  site?: boolean;
  args?: string[];
}

/** Start image `name` in `ns` and give the other end of its TAP device an address. */
export async function startTap(ns: Netns, dir: string, options: TapOptions = {}): Promise<TapImage> {
  const pcap = join(dir, 'tap.pcap');
  const device = options.capture ? `tap=tap0,pcap=${pcap}` : 'tap=tap0';
  const address = options.address ?? `inet,static,${IMAGE}/24,${HOST}`;
  const child = ns.start(process.execPath, [
    cli, 'run', options.name ?? 'WIRE', '-q',
    '-I', `virt0,virtif,${device}`, '-W', `virt0,${address}`, ...(options.site === false ? [] : ['-b', `${site},mount=/www`, '-e', 'HTTPD_ADDR=0.0.0.0', '-e', 'HTTPD_PORT=80']), ...(options.args ?? []),
  ], { cwd: root });
  await child.waitFor(/serving|running/, 120_000);
  await waitFor(() => {
    ns.ip('addr', 'replace', `${HOST}/24`, 'dev', 'tap0');
    ns.ip('link', 'set', 'tap0', 'up');
    return true;
  }, 'tap0');
  return { process: child, pcap };
}

/** What tshark finds wrong in a capture; '' if nothing. */
export async function tsharkWrong(ns: Netns, pcap: string): Promise<string> {
  const checks = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((name) => ['-o', `${name}:TRUE`]);
  const bad = '_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0';
  const result = await ns.run('tshark', ['-r', pcap, ...checks, '-Y', bad], { timeoutMs: 120_000 });
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.split('\n').slice(0, 10).join('\n');
}
