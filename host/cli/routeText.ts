/**
 * How routes, rules and answers read: the table of netstat -r, ip-rule's lines, and why a route was chosen.
 */
import type { Route, RouteAnswer, RoutePath, RouteRule } from '../control/tables';
import { columns } from './instance';

/** "10.0.0.2", "10.0.0.2 (3) 10.9.0.2 (1)" for paths with their weights, or "link". */
function wayText({ gateway, paths }: Route): string {
  if (paths === undefined) return gateway ?? 'link';
  return paths.map((path: RoutePath) => `${path.gateway ?? path.interface} (${path.weight})`).join(' ');
}

const destinationText = (destination: string): string => (destination === '0.0.0.0/0' ? 'default' : destination.replace(/\/32$/, ''));

/** The table as netstat -r has it. */
export function routesText(routes: readonly Route[]): string {
  const tables = routes.some(({ table = 'main' }) => table !== 'main' && table !== 'local');
  const rows = routes.map((route) => [
    destinationText(route.destination), wayText(route), route.flags, route.use, route.mtu, route.interface, route.expire === null ? '' : route.expire,
    ...(tables ? [route.table ?? ''] : []),
  ]);
  return columns([['Destination', 'Gateway', 'Flags', 'Use', 'Mtu', 'Interface', 'Expire', ...(tables ? ['Table'] : [])], ...rows], [3, 4]);
}

/** As ip-rule prints them. */
export function rulesText(rules: readonly RouteRule[]): string {
  return rules.map(({ priority, rule }) => `${priority}:\t${rule}`).join('\n');
}

function metricsText(metrics: Readonly<Record<string, string>>): string {
  return Object.entries(metrics).map(([name, value]) => `${name} ${value.replace(/^(.*)!$/, 'lock $1')}`).join(' ');
}

/** Which way, and why. */
export function answerText(address: string, answer: RouteAnswer): string {
  const { route, rule, way: { gateway, interface: name, source, mtu, expire, metrics } } = answer;
  return columns([
    ['   route to:', address], ['destination:', route === null ? '-' : route.destination], ['    gateway:', gateway ?? (route === null ? 'refused' : 'link')],
    ['  interface:', name], ['     source:', source ?? '-'], ['      flags:', route?.flags ?? '-'], ['        mtu:', mtu],
    ['       rule:', rule], ['      table:', route?.table ?? '-'],
    ...(Object.keys(metrics).length > 0 ? [['    metrics:', metricsText(metrics)]] : []),
    ...(expire === null ? [] : [['    learned:', `expires in ${expire} s`]]),
  ]);
}
