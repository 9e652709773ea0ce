/**
 * `rumpwasm route show cache [stats]`: the route cache of an instance (component rtcache), as
 * `ip -s route show cache` prints it, and its counters by the names of /proc/net/stat/rt_cache.
 *
 *      8.8.8.8 from 10.0.0.2 via 10.1.0.1 dev virt1
 *          cache used 7 age 2sec mtu 1400 iif virt0
 */
import { parseCounters, parseMetrics } from '../control/tables';
import { UsageError } from './errors';
import { columns, type Instance, type InstanceFlags, print } from './instance';

const what = 'route cache';

export interface CachedRoute {
  destination: string;
  source: string;
  /** null: sent from here. */
  iif: string | null;
  tos: number;
  gateway: string | null;
  interface: string;
  redirected: boolean;
  used: number;
  /** Seconds since the last packet. */
  age: number;
  metrics: Record<string, string>;
}

const dash = (word: string): string | null => (word === '-' ? null : word);

/** net.rtcache.table (components/rtcache, rtcache_text.ts). */
export function parseCache(text: string): CachedRoute[] {
  return text.split('\n').filter((line) => line !== '').map((line) => {
    const [destination = '', source = '', iif = '-', tos, gateway = '-', name = '', flag, used, age, metrics = '-'] = line.split(' ');
    return {
      destination, source, iif: dash(iif), tos: Number(tos), gateway: dash(gateway), interface: name, redirected: flag === 'redirected', used: Number(used), age: Number(age),
      metrics: metrics === '-' ? {} : parseMetrics(metrics),
    };
  });
}

/** "mtu 1400 rtt 131ms cwnd 10", in the units that ip-route prints. */
function metricText([name, value]: [string, string]): string {
  const locked = value.endsWith('!') ? 'lock ' : '';
  const number = value.replace(/!$/, '');
  return name.endsWith('_us') ? `${name.slice(0, -3)} ${locked}${Math.round(Number(number) / 1000)}ms` : `${name} ${locked}${number}`;
}

export function cacheText(routes: readonly CachedRoute[]): string {
  return routes.map(({ destination, source, iif, tos, gateway, interface: name, redirected, used, age, metrics }) => {
    const first = [destination, 'from', source, ...(tos === 0 ? [] : ['tos', `0x${tos.toString(16)}`]), ...(gateway === null ? [] : ['via', gateway]), 'dev', name];
    const second = ['cache', ...(redirected ? ['<redirected>'] : []), 'used', used, 'age', `${age}sec`, ...Object.entries(metrics).map(metricText), ...(iif === null ? [] : ['iif', iif])];
    return `${first.join(' ')}\n    ${second.join(' ')}`;
  }).join('\n');
}

/** Print what the words after "show cache" ask for. */
export async function showCache(words: readonly string[], flags: InstanceFlags, instance: Instance): Promise<void> {
  if (words.length > 1 || (words[0] !== undefined && words[0] !== 'stats')) throw new UsageError(`route show cache ${words.join(' ')}: expected stats, or nothing`);
  if (words[0] === 'stats') {
    print(flags, parseCounters(await instance.table('net.rtcache.stats', what)), (counters) => columns(Object.entries(counters), [1]));
    return;
  }
  const text = await instance.tryPages('net.rtcache.table');
  print(flags, parseCache(text ?? await instance.table('net.rtcache.table', what)), cacheText);
}
