/**
 * The tables of an image as objects. In the image they are text, one line an object, made by sysctl
 * functions; the file named beside each parser says which fields a line has.
 *
 * Fields that a newer image adds at the end of a line are passed over, so that an old tool reads a new
 * image.
 */

const fieldsOf = (table: string): string[][] => table.split('\n').filter((line) => line !== '').map((line) => line.trim().split(' '));

export interface Connection {
  proto: string;
  recvQ: number;
  sendQ: number;
  local: string;
  foreign: string;
  /** "-" for datagrams. */
  state: string;
  /** TCP: congestion window in bytes, smoothed round trip and timeout in µs, retransmissions in a row. */
  cwnd?: number;
  srttUs?: number;
  rtoUs?: number;
  backoff?: number;
  /** UDP: datagrams that the receive buffer had no room for. */
  drops?: number;
}

/** net.inet.*.pcblist (components/netinet, in_pcblist.ts). */
export function parseConnections(table: string): Connection[] {
  return fieldsOf(table).map(([proto = '', recvQ, sendQ, local = '', foreign = '', state = '-', ...rest]) => {
    const [first = 0, srttUs = 0, rtoUs = 0, backoff = 0] = rest.map(Number);
    const common = { proto, recvQ: Number(recvQ), sendQ: Number(sendQ), local, foreign, state };
    return proto.startsWith('tcp') ? { ...common, cwnd: first, srttUs, rtoUs, backoff } : { ...common, drops: first };
  });
}

export interface Interface {
  name: string;
  up: boolean;
  running: boolean;
  mtu: number;
  /** Ethernet address; null for none. */
  ether: string | null;
  /** "10.0.0.2/24" */
  inet: string[];
  counters: Record<string, number>;
}

/** net.interfaces: a line for an interface, "name value" pairs behind its state, and one for each address. */
export function parseInterfaces(table: string): Interface[] {
  const interfaces: Interface[] = [];
  for (const line of table.split('\n')) {
    const words = line.trim().split(' ');
    if (line.startsWith(' ')) {
      if (words[0] === 'inet' && words[1] !== undefined) interfaces.at(-1)?.inet.push(words[1]);
      continue;
    }
    const [name = '', up, running, ...pairs] = words;
    if (name === '') continue;
    const values = new Map<string, string>();
    for (let i = 0; i + 1 < pairs.length; i += 2) values.set(pairs[i]!, pairs[i + 1]!);
    const ether = values.get('ether') ?? '-';
    const counters = [...values].filter(([key]) => key !== 'mtu' && key !== 'ether').map(([key, value]) => [key, Number(value)] as const);
    interfaces.push({
      name, up: up === 'up', running: running === 'running', mtu: Number(values.get('mtu') ?? 0), ether: ether === '-' ? null : ether,
      inet: [], counters: Object.fromEntries(counters),
    });
  }
  return interfaces;
}

export interface Route {
  /** "10.0.0.0/8" */
  destination: string;
  /** null: on the link itself. */
  gateway: string | null;
  flags: string;
  interface: string;
  use: number;
  mtu: number;
  /** Seconds; null for ever. */
  expire: number | null;
  metric: number;
  /** Address to send from; null if it depends. */
  source: string | null;
  /** "main", "local", "default" or a number. */
  table?: string;
  /** Of a multipath route. */
  paths?: RoutePath[];
  /** Those that are set, in the units that their names say; "!" behind a locked one. */
  metrics?: Record<string, string>;
}

export interface RoutePath {
  gateway: string | null;
  interface: string;
  weight: number;
}

const dash = (field: string | undefined): string | null => (field === undefined || field === '-' ? null : field);

function parsePath(text: string): RoutePath {
  const [gateway, name = '', weight] = text.split(',');
  return { gateway: dash(gateway), interface: name, weight: Number(weight) };
}

/** "name=value" joined by commas. */
export function parseMetrics(text: string): Record<string, string> {
  return Object.fromEntries(text.split(',').map((pair) => pair.split('=') as [string, string]));
}

/** net.route.table (components/route, route_show.ts). */
export function parseRoutes(table: string): Route[] {
  return fieldsOf(table).map(([destination = '', gateway, flags = '', name = '', use, mtu, expire, metric, source, tableName, paths, metrics]) => ({
    destination, gateway: dash(gateway), flags, interface: name, use: Number(use), mtu: Number(mtu),
    expire: dash(expire) === null ? null : Number(expire), metric: Number(metric ?? 0), source: dash(source),
    ...(tableName === undefined ? {} : { table: tableName }),
    ...(dash(paths) === null ? {} : { paths: paths!.split(';').map(parsePath) }),
    ...(dash(metrics) === null ? {} : { metrics: parseMetrics(metrics!) }),
  }));
}

export interface RouteAnswer {
  /** The route that answered; null if a rule refuses. */
  route: Route | null;
  /** "32766: from all lookup main" */
  rule: string;
  /** What a packet really takes: one path, and what was learned of the destination. */
  way: RouteWay;
}

export interface RouteWay {
  gateway: string | null;
  interface: string;
  source: string | null;
  mtu: number;
  /** Seconds until what was learned is forgotten; null: nothing was. */
  expire: number | null;
  metrics: Record<string, string>;
}

/** What net.route.table answers to "get" (components/route, route_get.ts). */
export function parseRouteAnswer(text: string): RouteAnswer {
  const [first = '-', rule = '', way = ''] = text.split('\n');
  const [gateway, name = '', source, mtu, expire, metrics] = way.split(' ');
  return {
    route: first === '-' ? null : parseRoutes(first)[0]!, rule,
    way: {
      gateway: dash(gateway), interface: name, source: dash(source), mtu: Number(mtu),
      expire: dash(expire) === null ? null : Number(expire), metrics: dash(metrics) === null ? {} : parseMetrics(metrics!),
    },
  };
}

export interface RouteRule {
  priority: number;
  /** What it takes and does, as ip-rule prints it: "from all lookup main". */
  rule: string;
}

/** net.route.rules (components/route, route_rule_text.ts). */
export function parseRules(text: string): RouteRule[] {
  return text.split('\n').filter((line) => line !== '').map((line) => {
    const colon = line.indexOf(': ');
    return { priority: Number(line.slice(0, colon)), rule: line.slice(colon + 2) };
  });
}

export interface PoolUse {
  name: string;
  /** Bytes of an object. */
  size: number;
  max: number;
  inUse: number;
  highWater: number;
  failures: number;
  gets: number;
  puts: number;
}

/** kern.pools (kernel/kern/kstat.ts). */
export function parsePools(table: string): PoolUse[] {
  return fieldsOf(table).map(([name = '', ...numbers]) => {
    const [size = 0, max = 0, inUse = 0, highWater = 0, failures = 0, gets = 0, puts = 0] = numbers.map(Number);
    return { name, size, max, inUse, highWater, failures, gets, puts };
  });
}

/** net.*.stats: "name value" lines (kernel/kern/kstat.ts, kstat_table). */
export function parseCounters(table: string): Record<string, number> {
  return Object.fromEntries(fieldsOf(table).map(([name = '', value]) => [name, Number(value)]));
}

export interface Neighbour {
  address: string;
  /** null: not known (yet). */
  ether: string | null;
  interface: string;
  /** incomplete, failed, stale, probe, reachable, permanent */
  state: string;
  /** Seconds; null for ever. */
  expire: number | null;
  /** Packets that wait for the answer. */
  held: number;
  /** Others who ask for it are answered. */
  published: boolean;
}

/** net.arp.table (components/ether). */
export function parseNeighbours(table: string): Neighbour[] {
  return fieldsOf(table).map(([address = '', ether, name = '', state = '', expire, held, pub]) => ({
    address, ether: dash(ether), interface: name, state, expire: dash(expire) === null ? null : Number(expire), held: Number(held ?? 0),
    published: pub === 'pub',
  }));
}
