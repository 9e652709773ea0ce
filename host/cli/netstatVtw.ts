/**
 * `rumpwasm netstat -V`: vestiges of connections in TIME-WAIT, as NetBSD's netstat prints them.
 *
 *      net.inet.tcp.vtw.*     entries, bytes of all tables, counters                       (tcp_vtw.ts)
 *      net.inet.tcp.mslt.*    how long TIME-WAIT lasts, in half seconds of MSL            (tcp_mslt.ts)
 */
import { ControlError } from '../control/protocol';
import type { Instance, SysctlAnswer } from './instance';

const VTW = 'net.inet.tcp.vtw.';
const MSLT = 'net.inet.tcp.mslt.';

/** Values by what follows net.inet.tcp., such as "vtw.live". */
export type Vestiges = Record<string, number>;

export async function fetchVestiges(instance: Instance): Promise<Vestiges> {
  const nodes = await instance.client.request<SysctlAnswer[]>('sysctl.list');
  const names = nodes.map(({ name }) => name).filter((name) => name.startsWith(VTW) || name.startsWith(MSLT));
  if (names.length === 0) throw new ControlError('ENOENT', `instance ${instance.name} has no vestiges of connections: its image has no TCP of its own`);
  const values = await Promise.all(names.map(async (name) => [name.slice('net.inet.tcp.'.length), Number((await instance.sysctl(name)).value)] as const));
  return Object.fromEntries(values);
}

/** Half seconds of MSL as the seconds that TIME-WAIT lasts. */
function timeWait(all: Vestiges, name: string): string {
  return `${all[`mslt.${name}`]!} s`;
}

export function vestigesText(all: Vestiges): string {
  const of = (name: string): number => all[`vtw.${name}`] ?? 0;
  const perLookup = of('lookups') === 0 ? '' : ` (${(of('probes') / of('lookups')).toFixed(2)} a lookup)`;
  return [
    `vestigial TIME-WAIT: ${of('enable') === 1 ? 'on' : 'off'}, ${of('entries')} entries of ${(of('bytes') / Math.max(1, of('entries'))).toFixed(1)} bytes, ${of('bytes')} bytes in all`,
    `\t${of('live')} live, ${of('hiwat')} at most`,
    `\t${of('inserted')} inserted, ${of('expired')} expired, ${of('killed')} killed (the oldest, when all were in use)`,
    `\t${of('reused')} gave way to a new connection, ${of('noaddr')} without room for their local address`,
    `\t${of('lookups')} lookups: ${of('hits')} hits, ${of('misses')} misses`,
    `\t${of('probes')} lines read${perLookup}, ${of('longest')} at most for one lookup; ${of('losing')} entries read in vain`,
    `TIME-WAIT: loopback ${timeWait(all, 'loopback')}, local ${timeWait(all, 'local')}, remote ${timeWait(all, 'remote')}${all['mslt.enable'] === 1 ? '' : '; truncation is off: all are remote'}`,
  ].join('\n');
}
