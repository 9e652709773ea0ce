/**
 * `rumpwasm route`: routing tables and policy rules of an instance. What follows add, change, del and flush goes
 * to sysctl net.route.table as it is, what follows rule to net.route.rules (components/route):
 *
 *      show [table T | all | cache [stats]]      get ADDRESS [from S] [iif IF] [oif IF] [tos N] [mark N]
 *      add DESTINATION[/LENGTH] WAY [OPTION…]    DESTINATION: an address or "default"
 *      del DESTINATION[/LENGTH] [GATEWAY]        WAY: a gateway, "dev IF", "reject", "blackhole", "prohibit",
 *      flush [table T]                                "nexthop via GATEWAY [weight N]" and more of these
 *      rule [show | add … | del … | flush]       -b FILE: commands from a file
 *      monitor                                   changes, as they happen
 */
import type { Command } from 'commander';
import { isIPv4 } from 'node:net';
import { ControlError } from '../control/protocol';
import { parseRouteAnswer, parseRoutes, parseRules, type Route, type RouteAnswer } from '../control/tables';
import { UsageError } from './errors';
import { type Instance, instanceCommand, type InstanceFlags, print, type SysctlAnswer, withInstance } from './instance';
import { readBatch, runBatch } from './routeBatch';
import { showCache } from './routeCache';
import { monitorRoutes } from './routeMonitor';
import { answerText, routesText, rulesText } from './routeText';

interface RouteFlags extends InstanceFlags {
  batch?: string;
}

const table = 'net.route.table';
const rules = 'net.route.rules';
const what = 'routing table of its own';

/** The default first, then by destination. */
export async function fetchRoutes(instance: Instance): Promise<Route[]> {
  const key = ({ destination }: Route): number => destination.split(/[./]/).reduce((sum, part) => sum * 256 + Number(part), 0);
  const text = await instance.tryPages(table) ?? await instance.table(table, what);
  return parseRoutes(text).map((route) => ({ route, at: key(route) })).sort((a, b) => a.at - b.at).map(({ route }) => route);
}

/** Those of table `name`; "all" are all, without a name those that a host looks at by itself. */
function ofTable(routes: readonly Route[], [word, name]: readonly string[]): Route[] {
  if (word === 'all') return [...routes];
  if (word === undefined) return routes.filter(({ table: its = 'main' }) => ['main', 'local', 'default'].includes(its));
  if (word !== 'table' || name === undefined) throw new UsageError(`route show ${word}: expected table NAME, cache or all`);
  return routes.filter(({ table: its }) => its === name);
}

async function get(instance: Instance, [address = '', ...words]: readonly string[]): Promise<RouteAnswer> {
  if (!isIPv4(address)) throw new UsageError(`route get: ${address} is not an IPv4 address`);
  const ask = ['get', address, ...words].join(' ');
  try {
    return parseRouteAnswer(String((await instance.client.request<SysctlAnswer>('sysctl.get', { name: table, ask })).value));
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.code === 'ESRCH') throw new ControlError('ESRCH', `route: there is no route to ${address}`);
    if (error.code === 'ENOENT') throw new ControlError('ENOENT', `instance ${instance.name} has no ${what}: its image was linked without it`);
    if (error.code === 'EINVAL' || error.code === 'ENXIO') throw new ControlError(error.code, `route ${ask}: ${error.code === 'ENXIO' ? 'there is no such interface' : 'it is not understood'}`);
    throw error;
  }
}

async function rule([verb = 'show', ...words]: readonly string[], flags: RouteFlags, instance: Instance): Promise<void> {
  const known = verb === 'delete' ? 'del' : verb;
  if (!['show', 'add', 'del', 'flush'].includes(known)) throw new UsageError(`route rule ${verb}: expected show, add, del or flush`);
  if (known === 'show') print(flags, parseRules(await instance.table(rules, what)), rulesText);
  else await instance.command(rules, [known, ...words].join(' '), what);
}

async function route(verb: string, words: readonly string[], flags: RouteFlags, instance: Instance): Promise<void> {
  if (flags.batch !== undefined || verb === 'batch') {
    const file = flags.batch ?? words[0];
    if (file === undefined) throw new UsageError('route batch: expected a file');
    const count = await runBatch(instance, table, file, readBatch(file));
    if (flags.json) print(flags, { commands: count }, () => '');
  } else if (verb === 'show' && words[0] === 'cache') await showCache(words.slice(1), flags, instance);
  else if (verb === 'show') print(flags, ofTable(await fetchRoutes(instance), words), routesText);
  else if (verb === 'get') {
    const found = await get(instance, words);
    print(flags, { ...found.route, rule: found.rule, way: found.way }, () => answerText(words[0]!, found));
  }
  else if (verb === 'monitor') await monitorRoutes(flags, instance);
  else if (verb === 'rule') await rule(words, flags, instance);
  else await instance.command(table, [verb, ...words].join(' '), what);
}

const verbs = ['show', 'get', 'add', 'change', 'del', 'flush', 'rule', 'monitor', 'batch'];

export function registerRoute(program: Command): void {
  instanceCommand(program, 'route', 'routing tables and policy rules of an instance')
    .argument('[verb]', 'show [table T | all | cache [stats]], get ADDRESS [from S] [iif IF] [oif IF] [tos N] [mark N], add, change, del, flush [table T], rule [show | add | del | flush], monitor, batch FILE', 'show')
    .argument('[words...]', 'DESTINATION[/LENGTH] GATEWAY|dev IF|reject|blackhole|prohibit|nexthop via GATEWAY [weight N]… [metric N] [mtu [lock] N] [src ADDRESS] [table T]; of a rule: [priority N] [not] [from P] [to P] [tos N] [fwmark N[/M]] [iif IF] [oif IF] lookup T|blackhole|unreachable|prohibit')
    .option('-b, --batch <file>', 'commands from a file, a line each; "-" is standard input')
    .action((verb: string, words: string[], flags: RouteFlags) => {
      const known = verb === 'delete' ? 'del' : verb;
      if (!verbs.includes(known)) throw new UsageError(`route ${verb}: expected ${verbs.slice(0, -1).join(', ')} or ${verbs.at(-1)}`);
      return withInstance(flags, (instance) => route(known, words, flags, instance));
    });
}
