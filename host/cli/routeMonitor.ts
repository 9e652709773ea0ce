/**
 * `rumpwasm route monitor`: changes of routes, addresses and interfaces of an instance, a line each, until
 * interrupted. With -j each line is a JSON object.
 *
 *      add 10.1.0.0/16 via 10.0.0.2 dev virt0 src 10.0.0.1
 */
import { parseInterfaces } from '../control/tables';
import type { RouteEvent } from '../api/routeEvents';
import type { Instance, InstanceFlags } from './instance';

/** Where a route leads that refuses (RTF_BLACKHOLE, RTF_PROHIBIT, RTF_REJECT of kernel/net/route.ts); empty for others. */
function refusal({ flags, type }: RouteEvent): string {
  if (type === 'interface' || (flags & 0x1008) === 0) return '';
  if ((flags & 0x1000) !== 0) return 'blackhole';
  return (flags & 0x2000000) !== 0 ? 'prohibit' : 'unreachable';
}

/** The line of `event`; `name` is that of its interface. */
export function eventText(event: RouteEvent, name: string): string {
  const { type, destination, gateway, address, broadcast, author, mtu } = event;
  const pair = (word: string, value: string | number | undefined): string[] => (value === undefined ? [] : [word, String(value)]);
  if (type === 'overflow') return 'overflow: some were lost, look at the tables anew';
  if (type === 'address' || type === 'address-gone') return [type, ...pair('', address), ...pair('brd', broadcast), 'dev', name].filter((word) => word !== '').join(' ');
  const refused = refusal(event);
  if (refused !== '') return [type, destination === '0.0.0.0/0' ? 'default' : destination, refused].join(' ');
  return [
    type, ...(destination === undefined ? [] : [destination === '0.0.0.0/0' ? 'default' : destination]), ...pair('via', gateway), ...(event.index === 0 ? [] : ['dev', name]),
    ...pair('src', address), ...pair('from', author), ...pair('mtu', mtu), ...(type === 'interface' ? [(event.flags & 1) !== 0 ? 'up' : 'down'] : []),
  ].join(' ');
}

/** Until interrupted. */
export async function monitorRoutes(flags: InstanceFlags, instance: Instance): Promise<void> {
  const names = parseInterfaces(await instance.tryTable('net.interfaces') ?? '').map(({ name }) => name);
  const started = instance.start<{ events: number }>('route.monitor', {}, (event) => {
    const { route } = event as { route?: RouteEvent };
    if (route === undefined) return;
    const name = names[route.index - 1] ?? `#${route.index}`;
    process.stdout.write(`${flags.json ? JSON.stringify({ ...route, interface: route.index === 0 ? null : name }) : eventText(route, name)}\n`);
  });
  const interrupt = (): void => started.cancel();
  process.on('SIGINT', interrupt);
  try {
    await started.done;
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
}
