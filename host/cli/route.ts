/**
 * `rumpwasm route [show | get ADDRESS | add … | change … | del … | flush]`: the routing table of an
 * instance. What follows add, change and del goes to sysctl net.route.table as it is:
 *
 *      add DESTINATION[/LENGTH] WAY [metric N] [mtu N] [src ADDRESS]     DESTINATION: an address or "default"
 *      del DESTINATION[/LENGTH] [GATEWAY] [metric N]                     WAY: a gateway, "dev IF", "reject", "blackhole"
 */
import type { Command } from 'commander';
import { isIPv4 } from 'node:net';
import { ControlError } from '../control/protocol';
import { parseRoutes, type Route } from '../control/tables';
import { UsageError } from './errors';
import { columns, type Instance, instanceCommand, type InstanceFlags, print, type SysctlAnswer, withInstance } from './instance';

const table = 'net.route.table';
const what = 'routing table of its own';

/** The table as netstat -r has it. */
export function routesText(routes: readonly Route[]): string {
  const rows = routes.map(({ destination, gateway, flags, interface: name, use, mtu, expire }) => [
    destination === '0.0.0.0/0' ? 'default' : destination.replace(/\/32$/, ''), gateway ?? 'link', flags, use, mtu, name, expire === null ? '' : expire,
  ]);
  return columns([['Destination', 'Gateway', 'Flags', 'Use', 'Mtu', 'Interface', 'Expire'], ...rows], [3, 4]);
}

/** The default first, then by destination. */
export async function fetchRoutes(instance: Instance): Promise<Route[]> {
  const key = ({ destination }: Route): number => destination.split(/[./]/).reduce((sum, part) => sum * 256 + Number(part), 0);
  return parseRoutes(await instance.table(table, what)).sort((a, b) => key(a) - key(b));
}

async function get(instance: Instance, address: string): Promise<Route> {
  if (!isIPv4(address)) throw new UsageError(`route get: ${address} is not an IPv4 address`);
  try {
    const { value } = await instance.client.request<SysctlAnswer>('sysctl.get', { name: table, ask: `get ${address}` });
    return parseRoutes(String(value))[0]!;
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.code === 'ESRCH') throw new ControlError('ESRCH', `route: there is no route to ${address}`);
    if (error.code === 'ENOENT') throw new ControlError('ENOENT', `instance ${instance.name} has no ${what}: its image was linked without it`);
    throw error;
  }
}

function routeText(address: string, route: Route): string {
  return columns([
    ['   route to:', address], ['destination:', route.destination], ['    gateway:', route.gateway ?? 'link'], ['  interface:', route.interface],
    ['     source:', route.source ?? '-'], ['      flags:', route.flags], ['        mtu:', route.mtu],
  ]);
}

async function route(verb: string, words: readonly string[], flags: InstanceFlags, instance: Instance): Promise<void> {
  if (verb === 'show') {
    print(flags, await fetchRoutes(instance), routesText);
    return;
  }
  if (verb === 'get') {
    const [address = ''] = words;
    print(flags, await get(instance, address), (found) => routeText(address, found));
    return;
  }
  await instance.command(table, [verb, ...words].join(' '), what);
}

export function registerRoute(program: Command): void {
  instanceCommand(program, 'route', 'routing table of an instance')
    .argument('[verb]', 'show, get ADDRESS, add, change, del, flush', 'show')
    .argument('[words...]', 'DESTINATION[/LENGTH] GATEWAY|dev IF|reject|blackhole [metric N] [mtu N] [src ADDRESS]')
    .action((verb: string, words: string[], flags: InstanceFlags) => {
      const known = verb === 'delete' ? 'del' : verb;
      if (!['show', 'get', 'add', 'change', 'del', 'flush'].includes(known)) throw new UsageError(`route ${verb}: expected show, get, add, change, del or flush`);
      return withInstance(flags, (instance) => route(known, words, flags, instance));
    });
}
