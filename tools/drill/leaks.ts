/**
 * Does the stack give everything back? After a script every descriptor is closed and as much time passes
 * as any connection may last without its peer; then every pool must be as it was after the boot.
 *
 * This finds what no packet shows: a mbuf lost in an odd path, a control block that nothing ends.
 */
import type { Machine } from './machine';

/** Longer than all retransmissions, persist probes without an owner, and 2 MSL, µs. */
const PATIENCE_US = 4 * 3600 * 1e6;
/** Pools whose use may grow with what has been seen: caches that expire by themselves or by need. */
const caches = new Set(['rtentry']);

/** Objects in use by pool (sysctl kern.pools: "name size max inuse …"). */
export function poolUse(machine: Machine): Map<string, number> {
  const lines = String(machine.kernel.sysctl('kern.pools')).split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => {
    const words = line.split(' ');
    return [words[0]!, Number(words[3])];
  }));
}

/** Let it all end; what is not given back, in words, or null. */
export function findLeak(machine: Machine, before: ReadonlyMap<string, number>): string | null {
  machine.advanceTo(machine.nowUs + PATIENCE_US);
  const after = poolUse(machine);
  const lost = [...after].filter(([name, used]) => !caches.has(name) && used !== (before.get(name) ?? 0));
  return lost.length === 0 ? null : lost.map(([name, used]) => `${used - (before.get(name) ?? 0)} of pool ${name}`).join(', ');
}
