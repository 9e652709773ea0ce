/**
 * An image on TAP, a hostile program of ours in the same namespace (badInput.py, floods.py), and an eye
 * on the image by its control socket: is it alive, what is in use, what has it counted.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { ControlClient } from '../../host/control/client';
import { controlDirectory, socketPath } from '../../host/control/directory';
import type { InstanceStatus } from '../../host/control/instances';
import { type Netns, waitFor, withNetns } from '../lib/net';
import { root } from '../lib/tree';
import { IMAGE, startTap, type TapImage } from './tapRig';

/** What a group of the hostile program says of itself. */
export interface Told {
  group: string;
  sent: number;
  /** Counters that have to have moved, at least by so much: `ip.badsum`. */
  counters: Record<string, number>;
  [more: string]: unknown;
}

/** Debian's, which is the one that scapy is for; another may come first in the PATH. */
const PYTHON = '/usr/bin/python3';

export type Counters = Map<string, number>;

export class HostileRig {
  constructor(readonly ns: Netns, readonly image: TapImage, readonly control: ControlClient, readonly name: string) {}

  private async table(name: string): Promise<string[][]> {
    const { value } = await this.control.request<{ value: string }>('sysctl.get', { name });
    return value.split('\n').filter((line) => line !== '').map((line) => line.split(' '));
  }

  async sysctl(name: string, value: string | number): Promise<void> {
    await this.control.request('sysctl.set', { name, value });
  }

  /** Counters of a protocol, named `ip.badsum`. */
  async counters(...protocols: string[]): Promise<Counters> {
    const all: Counters = new Map();
    for (const protocol of protocols) {
      for (const [name, value] of await this.table(`net.inet.${protocol}.stats`)) all.set(`${protocol}.${name}`, Number(value));
    }
    return all;
  }

  /** Objects of each pool that are in use, and the most that have been. */
  async pools(): Promise<Map<string, { inUse: number; max: number }>> {
    return new Map((await this.table('kern.pools')).map(([name, , max, inUse]) => [name!, { max: Number(max), inUse: Number(inUse) }]));
  }

  async linearMemory(): Promise<number> {
    return (await this.control.request<InstanceStatus>('status')).memory.linear;
  }

  /** Run a group of a hostile program to its end. */
  async attack(script: string, ...words: string[]): Promise<Told> {
    const done = await this.ns.run(PYTHON, ['-B', join(root, 'tests', 'interop', script), ...words], { timeoutMs: 120_000 });
    assert.equal(done.code, 0, `${words.join(' ')}: ${done.stdout}${done.stderr.split('\n').slice(-12).join('\n')}`);
    return JSON.parse(done.stdout.trim().split('\n').pop()!) as Told;
  }

  /** Whoever asks is answered: ping, fragments too, and curl. Neighbours are learned anew, as a forged ARP may stand. */
  async alive(): Promise<void> {
    assert.ok(this.image.process.running, `the image has ended:\n${this.image.process.output}`);
    assert.doesNotMatch(this.image.process.output, /panic|trap|unreachable executed/i);
    this.ns.ip('neigh', 'flush', 'dev', 'tap0');
    const ping = await this.ns.run('ping', ['-q', '-c', '3', '-i', '0.05', '-W', '2', IMAGE]);
    assert.match(ping.stdout, /3 received/, ping.stdout);
    const large = await this.ns.run('ping', ['-q', '-c', '2', '-i', '0.05', '-W', '2', '-s', '4000', IMAGE]);
    assert.match(large.stdout, /2 received/, large.stdout);
    const curl = await this.ns.run('curl', ['-si', '-m', '5', `http://${IMAGE}/`]);
    assert.match(curl.stdout, /^HTTP\/1\.1 200 OK/, curl.stderr);
  }

  /** Wait until no pool has more in use than `before`; those that still have, as text. */
  async settle(before: Map<string, { inUse: number }>, timeoutMs: number): Promise<void> {
    let over = '';
    await waitFor(async () => {
      const now = await this.pools();
      over = [...now].filter(([name, { inUse }]) => inUse > before.get(name)!.inUse)
        .map(([name, { inUse }]) => `${name}: ${inUse}, was ${before.get(name)!.inUse}`).join('; ');
      return over === '';
    }, 'pools', timeoutMs, 500).catch(async () => {
      const pcbs = (await this.table('net.inet.tcp.pcblist')).map((line) => line.slice(1, 6).join(' ')).join('\n');
      assert.fail(`not given back: ${over}\n${pcbs}`);
    });
  }
}

/** Around the tests of a suite: an image of its own. */
export function hostileRig(title: string, sysctls: Record<string, number> = {}): () => HostileRig {
  let rig: HostileRig | undefined;
  let dir = '';
  let release = (): void => undefined;
  let gone: Promise<void> = Promise.resolve();
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'rumpwasm-hostile-'));
    await new Promise<void>((ready, failed) => {
      gone = withNetns(async (ns) => {
        const name = `${title}-${process.pid}`;
        const image = await startTap(ns, dir, { args: ['--name', name] });
        // As long as the longest burst: what is sent is what the image gets.
        ns.ip('link', 'set', 'tap0', 'txqueuelen', '20000');
        const control = await ControlClient.open(socketPath(controlDirectory(), name));
        rig = new HostileRig(ns, image, control, name);
        for (const [key, value] of Object.entries(sysctls)) await rig.sysctl(key, value);
        const end = new Promise<void>((resolve) => { release = resolve; });
        ready();
        await end;
        control.close();
      }).catch(failed);
    });
  });
  after(async () => {
    release();
    await gone;
    rmSync(dir, { recursive: true, force: true });
  });
  return () => {
    assert.ok(rig, 'the image does not run');
    return rig;
  };
}
