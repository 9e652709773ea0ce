/**
 * Random system calls on random sockets over sockin, in any order, sensible or not: no answer but an
 * errno, no panic, and nothing left when all is closed. The seed is in the name of a failure.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { EVFILT_READ, EVFILT_WRITE } from '../../kernel/abi/event';
import * as abi from '../../kernel/abi/socket';
import { errnoName } from '../../host/errtrans';
import { Sock, type SocketRig } from '../net/socketRig';
import { noEpoll, sockinRig } from './rig';

const STEPS = 6000;
const SOCKETS = 60;

/** mulberry32: numbers in [0, n). */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** Ports that listen or did, so that connects now and then succeed. */
interface World { rig: SocketRig; socks: Sock[]; ports: number[]; next: (n: number) => number }

const data = Buffer.alloc(100_000, 'random');

function act(world: World, s: Sock): number {
  const { next, ports, socks } = world;
  const port = ports.length > 0 ? ports[next(ports.length)]! : 9;
  const address = s.family === 'IPv4' ? '127.0.0.1' : '::1';
  switch (next(16)) {
    case 0: return s.bind(address, next(4) === 0 ? port : 0);
    case 1: {
      const r = s.listen(1 + next(20));
      if (r === 0) ports.push(s.name().port);
      return r;
    }
    case 2: case 3: return s.connect({ address, port });
    case 4: case 5: {
      const c = s.accept();
      if (typeof c === 'number') return c;
      socks.push(c);
      return 0;
    }
    case 6: case 7: return s.send(data.subarray(0, next(data.length)), next(8) === 0 ? abi.MSG_OOB : 0);
    case 8: case 9: return s.recvRaw(next(100_000), next(4) === 0 ? abi.MSG_PEEK : next(6) === 0 ? abi.MSG_WAITALL : 0);
    case 10: return s.sendTo(data.subarray(0, next(2000)), { address, port });
    case 11: return s.shutdown(next(4));
    case 12: return s.ready(next(2) === 0 ? EVFILT_READ : EVFILT_WRITE) ? 0 : 1;
    case 13: return s.setopt(abi.SOL_SOCKET, [abi.SO_RCVBUF, abi.SO_REUSEADDR, abi.SO_RCVLOWAT, abi.SO_KEEPALIVE][next(4)]!, 1 + next(5000));
    case 14: return s.getopt(abi.SOL_SOCKET, abi.SO_ERROR);
    default: {
      socks.splice(socks.indexOf(s), 1);
      return next(3) === 0 ? s.abort() : s.close();
    }
  }
}

/** Descriptors that this process has open. */
const descriptors = (): number => (existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0);

async function randomWalk(backend: string, seed: number, steps: number): Promise<void> {
  const before = descriptors();
  const rig = await sockinRig(backend);
  const world: World = { rig, socks: [], ports: [], next: generator(seed) };
  const { next, socks } = world;
  for (let i = 0; i < steps; i++) {
    if (socks.length < SOCKETS && (socks.length < 4 || next(8) === 0)) {
      const family = next(3) === 0 ? 'IPv6' : 'IPv4';
      socks.push(next(3) === 0 ? Sock.dgram(rig, rig.a, family) : Sock.stream(rig, rig.a, family));
    }
    const r = act(world, socks[next(socks.length)]!);
    if (r < 0) assert.doesNotMatch(errnoName(-r), /^(E#|EIO|EFAULT|EBADF|ENOSYS)/, `step ${i}: ${r}`);
    if (next(10) === 0) await rig.pause(0);
  }
  for (const s of socks) s.close();
  await rig.until(() => rig.a.sysctl('net.sockin.open') === 0, 'all sockets closed');
  assert.ok(rig.a.isAlive);
  await rig.close();
  if (steps === STEPS) await rig.until(() => descriptors() <= before, 'all descriptors closed');
}

for (const backend of ['epoll', 'node']) {
  for (const seed of [1, 2, 3]) {
    test(`${backend}, seed ${seed}`, { skip: backend === 'epoll' ? noEpoll() : false }, async () => {
      await randomWalk(backend, 0, 100); // Node opens a few descriptors of its own when it first needs them
      await randomWalk(backend, seed, STEPS);
    });
  }
}
