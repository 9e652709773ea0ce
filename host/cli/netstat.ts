/**
 * `rumpwasm netstat [-a | -s | -r | -i | -m | -V]`: what the network of an instance is doing.
 *
 *      (nothing), -a     connections; with -a also listeners and unconnected sockets   net.inet.*.pcblist
 *      -s                counters of every protocol; twice: only those that are not 0  net.*.stats
 *      -r                the routing table                                             net.route.table
 *      -i                interfaces                                                    net.interfaces
 *      -m                mbufs, and all pools                                          kern.pools
 *      -V                vestiges of connections in TIME-WAIT                          net.inet.tcp.vtw.*
 */
import type { Command } from 'commander';
import { ControlError } from '../control/protocol';
import { type Connection, type Interface, parseConnections, parseCounters, parseInterfaces, parsePools, type PoolUse } from '../control/tables';
import { UsageError } from './errors';
import { columns, type Instance, instanceCommand, type InstanceFlags, print, type SysctlAnswer, withInstance } from './instance';
import { fetchVestiges, vestigesText } from './netstatVtw';
import { counterText } from './netstatWords';
import { fetchRoutes } from './route';
import { routesText } from './routeText';

interface NetstatFlags extends InstanceFlags {
  all?: boolean;
  statistics: number;
  routes?: boolean;
  interfaces?: boolean;
  memory?: boolean;
  vestiges?: boolean;
  protocol?: string;
}

const transports = ['tcp', 'udp'];
const unconnected = /:0$/;

/** "*:80" for what is bound to no address, "*:*" for nobody. */
function endpoint(text: string): string {
  return text.replace(/^0\.0\.0\.0:/, '*:').replace(unconnected, ':*');
}

function connectionsText(connections: readonly Connection[]): string {
  const rows = connections.map((each) => [
    each.proto, each.recvQ, each.sendQ, endpoint(each.local), endpoint(each.foreign), each.state === '-' ? '' : each.state,
    ...(each.cwnd === undefined || each.state === 'LISTEN' ? ['', '', ''] : [each.cwnd, `${(each.srttUs! / 1000).toFixed(1)}`, `${(each.rtoUs! / 1000).toFixed(0)}`]),
    each.backoff || each.drops || '',
  ]);
  return columns([['Proto', 'Recv-Q', 'Send-Q', 'Local Address', 'Foreign Address', 'State', 'Cwnd', 'Srtt ms', 'Rto ms', 'Rexmt/Drops'], ...rows], [1, 2, 6, 7, 8, 9]);
}

async function connections(instance: Instance, flags: NetstatFlags): Promise<void> {
  const wanted = transports.filter((name) => flags.protocol === undefined || flags.protocol === name);
  const tables = await Promise.all(wanted.map((name) => instance.tryPages(`net.inet.${name}.pcblist`)));
  if (tables.every((table) => table === null)) throw new ControlError('ENOENT', `instance ${instance.name} has no connections of its own: its image has no TCP/IP stack, or none of that name`);
  const all = tables.flatMap((table) => parseConnections(table ?? ''));
  const shown = flags.all ? all : all.filter(({ foreign }) => !unconnected.test(foreign));
  print(flags, shown, connectionsText);
}

/** Counters by protocol, in the order in which the image registered them. */
async function statistics(instance: Instance, flags: NetstatFlags): Promise<void> {
  const nodes = await instance.client.request<SysctlAnswer[]>('sysctl.list');
  const protocols = nodes.flatMap(({ name }) => {
    const protocol = /^net\.(?:\w+\.)*(\w+)\.stats$/.exec(name)?.[1];
    return protocol === undefined || (flags.protocol !== undefined && flags.protocol !== protocol) ? [] : [{ name, protocol }];
  });
  if (protocols.length === 0) throw new ControlError('ENOENT', `instance ${instance.name} has no counters of ${flags.protocol ?? 'its network'}`);
  const counters: Record<string, Record<string, number>> = {};
  for (const { name, protocol } of protocols) {
    const all = Object.entries(parseCounters(await instance.table(name, 'counters')));
    counters[protocol] = Object.fromEntries(flags.statistics > 1 ? all.filter(([, value]) => value !== 0) : all);
  }
  print(flags, counters, () => Object.entries(counters).map(([protocol, values]) => (
    [`${protocol}:`, ...Object.entries(values).map(([name, value]) => `\t${counterText(protocol, name, value)}`)].join('\n')
  )).join('\n'));
}

function interfacesText(interfaces: readonly Interface[]): string {
  const rows = interfaces.flatMap(({ name, mtu, ether, inet, counters, up }) => [ether ?? '', ...inet].filter((address, i, all) => address !== '' || all.length === 1).map((address, i) => [
    `${name}${up ? '' : '*'}`, mtu, address, ...(i > 0 ? ['', '', '', '', ''] : [
      counters.ipackets ?? 0, counters.ierrors ?? 0, counters.opackets ?? 0, counters.oerrors ?? 0, (counters.iqdrops ?? 0) + (counters.odrops ?? 0),
    ]),
  ]));
  return columns([['Name', 'Mtu', 'Address', 'Ipkts', 'Ierrs', 'Opkts', 'Oerrs', 'Drops'], ...rows], [1, 3, 4, 5, 6, 7]);
}

function poolsText(pools: readonly PoolUse[]): string {
  const byName = new Map(pools.map((pool) => [pool.name, pool]));
  const lines = [['mbuf', 'mbufs'], ['mbcl', 'clusters of 2 KiB'], ['mbbig', 'clusters of 64 KiB']].flatMap(([name, text]) => {
    const pool = byName.get(name!);
    return pool === undefined ? [] : [`${pool.inUse}/${pool.highWater}/${pool.max} ${text} in use (now/most/limit), ${pool.failures} requests denied`];
  });
  const rows = pools.map((pool) => [pool.name, pool.size, pool.max, pool.inUse, pool.highWater, pool.failures, pool.gets, pool.puts]);
  return [...lines, columns([['Pool', 'Size', 'Max', 'In use', 'Most', 'Fail', 'Gets', 'Puts'], ...rows], [1, 2, 3, 4, 5, 6, 7])].join('\n');
}

async function netstat(flags: NetstatFlags, instance: Instance): Promise<void> {
  if (flags.statistics > 0) await statistics(instance, flags);
  else if (flags.routes) print(flags, await fetchRoutes(instance), routesText);
  else if (flags.interfaces) print(flags, parseInterfaces(await instance.table('net.interfaces', 'interfaces of its own')), interfacesText);
  else if (flags.memory) print(flags, parsePools(await instance.table('kern.pools', 'pools')), poolsText);
  else if (flags.vestiges) print(flags, await fetchVestiges(instance), vestigesText);
  else await connections(instance, flags);
}

export function registerNetstat(program: Command): void {
  instanceCommand(program, 'netstat', 'connections, counters, routes, interfaces or memory of an instance')
    .option('-a, --all', 'also sockets that listen or have no peer')
    .option('-s, --statistics', 'counters of each protocol; twice: only those that are not zero', (_: unknown, n: number) => n + 1, 0)
    .option('-r, --routes', 'the routing table')
    .option('-i, --interfaces', 'interfaces')
    .option('-m, --memory', 'mbufs and pools')
    .option('-V, --vestiges', 'vestiges of connections in TIME-WAIT')
    .option('-p, --protocol <name>', 'only this one (tcp, udp, ip, icmp …)')
    .option('-n, --numeric', 'addresses as numbers (they always are)')
    .action((flags: NetstatFlags) => {
      const chosen = [flags.statistics > 0, flags.routes, flags.interfaces, flags.memory, flags.vestiges].filter(Boolean).length;
      if (chosen > 1) throw new UsageError('netstat: one of -s, -r, -i, -m and -V at a time');
      return withInstance(flags, (instance) => netstat(flags, instance));
    });
}
