/**
 * Hosts and routers in network namespaces: what the interop tests of forwarding share with their benchmark.
 *
 *      left: 10.0.0.2 ── tap ── virt0 [A: ROUTER] virt1 ── tap ── bridge ── tap ── virt0 [B: ROUTER] virt1 ── tap ── right: 10.0.1.2
 *            10.0.0.1 ─────────┘            └── 10.0.9.1, MTU 1280 ─┘ └─ 10.0.9.2 ──┘            └── 10.0.1.1
 *
 * Routers are processes of `rumpwasm run ROUTER` in a namespace of their own (middle); the other ends of their TAP
 * devices are moved to where they belong.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { waitFor, withNetns, type Netns } from '../lib/net';
import { runNode, type Process } from '../lib/spawn';
import { cli, root } from '../lib/tree';

export const LEFT = '10.0.0.2';
export const RIGHT = '10.0.1.2';

export class RouterProcess {
  constructor(readonly name: string, readonly process: Process, readonly pcap: string) {}

  /** A command of `rumpwasm` about it. */
  async ask(command: string, ...words: string[]): Promise<string> {
    const result = await runNode([cli, command, '--instance', this.name, ...words], { cwd: root, timeoutMs: 30_000 });
    if (result.code !== 0) throw new Error(`${command} ${words.join(' ')}: ${result.stderr}`);
    return result.stdout;
  }

  /** A counter of net.inet.ip.stats or another table. */
  async counter(name: string, table = 'net.inet.ip.stats'): Promise<number> {
    return Number(new RegExp(`\\b${name} (\\d+)`).exec(await this.ask('sysctl', table))?.[1]);
  }
}

/** Move a device from one namespace to another and configure it there. */
export function plug(from: Netns, to: Netns, device: string, address: string, mtu = 1500): void {
  execFileSync('ip', ['-n', from.name, 'link', 'set', device, 'netns', to.name]);
  to.ip('addr', 'add', address, 'dev', device);
  to.ip('link', 'set', device, 'mtu', String(mtu), 'up');
}

/** Start a router in `ns` with -I words for virt0 and virt1 and an address for each. */
export async function startRouter(ns: Netns, dir: string, letter: string, devices: [string, string], addresses: [string, string], args: string[] = []): Promise<RouterProcess> {
  const name = `router-${process.pid}-${letter}`;
  const pcap = join(dir, `${letter}.pcap`);
  const child = ns.start(process.execPath, [
    cli, 'run', 'ROUTER', '-q', '--name', name, '-I', `virt0,virtif,${devices[0].replace('PCAP', `pcap=${pcap}`)}`, '-I', `virt1,virtif,${devices[1]}`,
    '-W', `virt0,inet,static,${addresses[0]}`, '-W', `virt1,inet,static,${addresses[1]}`, ...args,
  ], { cwd: root });
  await child.waitFor(/running/, 240_000);
  for (const device of devices) {
    const tap = /tap=(\w+)/.exec(device)![1]!;
    await waitFor(() => { ns.ip('link', 'show', 'dev', tap); return true; }, tap);
  }
  return new RouterProcess(name, child, pcap);
}

export interface Network {
  left: Netns;
  right: Netns;
  middle: Netns;
  a: RouterProcess;
  b: RouterProcess;
}

/** Both routers with a narrow link between them, and a host on either side. */
export async function withNetwork(dir: string, body: (network: Network) => Promise<void>): Promise<void> {
  await withNetns(async (middle) => withNetns(async (left) => withNetns(async (right) => {
    const a = await startRouter(middle, dir, 'a', ['tap=ta0,PCAP', 'tap=ta1,mtu=1280'], ['10.0.0.1/24', '10.0.9.1/24'], ['-R', '10.0.1.0/24,10.0.9.2', '-R', '10.7.0.0/16,10.0.0.7']);
    const b = await startRouter(middle, dir, 'b', ['tap=tb0,mtu=1280', 'tap=tb1'], ['10.0.9.2/24', '10.0.1.1/24'], ['-R', '0.0.0.0/0,10.0.9.1']);
    middle.ip('link', 'add', 'br0', 'mtu', '1280', 'type', 'bridge');
    for (const tap of ['ta1', 'tb0']) middle.ip('link', 'set', tap, 'mtu', '1280', 'master', 'br0', 'up');
    middle.ip('link', 'set', 'br0', 'up');
    plug(middle, left, 'ta0', `${LEFT}/24`);
    plug(middle, right, 'tb1', `${RIGHT}/24`);
    left.ip('route', 'add', 'default', 'via', '10.0.0.1');
    right.ip('route', 'add', 'default', 'via', '10.0.1.1');
    await body({ left, right, middle, a, b });
  })));
}
