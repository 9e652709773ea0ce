/**
 * Interfaces in words: what -I says (parameters if.virt0=virtif,tap=tap0 …) becomes a netdev.
 *
 *      virt0,virtif,tap=tap0                    a TAP device of Linux, attached or made
 *      virt0,virtif,hub=lan                     a port of a switch inside this process
 *      virt0,virtif,shm=bus                     a bus in shared memory, registered by that name
 *      virt0,virtif,qemu=/run/passt.sock        a stream socket: path, or HOST:PORT
 *      virt0,virtif,replay=in.pcap[,pace=fast]  frames of a file
 *      … ,mac=b2:0a:00:00:00:01 ,mtu=9000 ,offload=off ,spin=50us ,io=helper         of the device
 *      … ,loss=5% ,dup=2% ,reorder=5% ,corrupt=1% ,ce=1% ,delay=10ms ,jitter=1ms ,rate=10Mbit ,seed=7
 *      … ,pcap=out.pcap                         what passes, as the image sees it
 *
 * Everything is checked before anything is opened, and every error is one line that quotes the word.
 */
import { fault, type Faults } from './fault';
import { hub } from './hub';
import { type Netdev, parseMac } from './netdev';
import { pcap, replay } from './pcap';
import { qemu } from './qemu';
import { shmif } from './shmif';
import { tap, tapIoKinds } from './tap';

/** An interface that was asked for. */
export interface InterfaceSpec {
  /** "virt0" */
  name: string;
  /** "virtif" */
  driver: string;
  /** Makes its device (nothing is opened yet); undefined if no device was named. */
  make: (() => Netdev) | undefined;
}

/** The words of a specification by key. */
type Words = Map<string, string>;

const BACKENDS = ['tap', 'hub', 'shm', 'qemu', 'replay'] as const;
const FAULTS = ['loss', 'dup', 'reorder', 'corrupt', 'ce', 'delay', 'jitter', 'hold', 'rate', 'seed'] as const;
const OPTIONS = ['mac', 'mtu', 'offload', 'spin', 'io', 'pace', 'pcap'] as const;
const KEYS: readonly string[] = [...BACKENDS, ...FAULTS, ...OPTIONS];
/** Options that not every device has. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  offload: ['tap', 'hub', 'shm'], spin: ['tap'], io: ['tap'], pace: ['replay'],
};
const MTU_MIN = 68;
const MTU_MAX = 65535;

const TIME_UNITS: Readonly<Record<string, number>> = { us: 1, µs: 1, ms: 1e3, s: 1e6 };
/** Bytes a second. */
const RATE_UNITS: Readonly<Record<string, number>> = {
  bit: 1 / 8, kbit: 1e3 / 8, Mbit: 1e6 / 8, Gbit: 1e9 / 8, B: 1, kB: 1e3, MB: 1e6, GB: 1e9,
};

function bad(word: string, expected: string): RangeError {
  return new RangeError(`${word}: expected ${expected}`);
}

function quantity(key: string, text: string, units: Readonly<Record<string, number>>, example: string): number {
  const m = /^(\d+(?:\.\d+)?)([a-zA-Zµ]*)$/.exec(text);
  const unit = units[m?.[2] ?? ''];
  if (!m || unit === undefined) throw bad(`${key}=${text}`, `a number and a unit (${Object.keys(units).join(', ')}), such as ${example}`);
  return Number(m[1]) * unit;
}

function probability(key: string, text: string): number {
  const m = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const value = m ? Number(m[1]) / (m[2] === '%' ? 100 : 1) : NaN;
  if (!(value >= 0 && value <= 1)) throw bad(`${key}=${text}`, 'a probability, such as 5% or 0.05');
  return value;
}

function choice<T extends string>(key: string, text: string, values: readonly T[]): T {
  const found = values.find((value) => value === text);
  if (found === undefined) throw bad(`${key}=${text}`, values.join(' or '));
  return found;
}

/** The faults asked for, or null. */
function faultsOf(words: Words): Faults | null {
  if (!FAULTS.some((key) => key !== 'seed' && words.has(key))) {
    if (words.has('seed')) throw bad('seed', 'a fault beside it (loss, dup, reorder, corrupt, ce, delay …)');
    return null;
  }
  const faults: Faults = {};
  const names = { loss: 'loss', dup: 'duplicate', reorder: 'reorder', corrupt: 'corrupt', ce: 'ce' } as const;
  for (const [key, name] of Object.entries(names)) if (words.has(key)) faults[name] = probability(key, words.get(key)!);
  const times = { delay: 'delayUs', jitter: 'jitterUs', hold: 'holdUs' } as const;
  for (const [key, name] of Object.entries(times)) if (words.has(key)) faults[name] = quantity(key, words.get(key)!, TIME_UNITS, '10ms');
  if (words.has('rate')) faults.rate = quantity('rate', words.get('rate')!, RATE_UNITS, '10Mbit');
  if (words.has('seed')) faults.seed = words.get('seed')!;
  return faults;
}

interface DeviceOptions {
  mac: Uint8Array | undefined;
  mtu: number | undefined;
  offload: boolean;
}

function deviceOptions(words: Words): DeviceOptions {
  const mtu = words.get('mtu');
  if (mtu !== undefined && !(/^\d+$/.test(mtu) && Number(mtu) >= MTU_MIN && Number(mtu) <= MTU_MAX)) {
    throw bad(`mtu=${mtu}`, `${MTU_MIN} to ${MTU_MAX}`);
  }
  return {
    mac: words.has('mac') ? parseMac(words.get('mac')!) : undefined,
    mtu: mtu === undefined ? undefined : Number(mtu),
    offload: choice('offload', words.get('offload') ?? 'on', ['on', 'off']) === 'on',
  };
}

/** The device of `backend`, not yet opened. */
function device(backend: (typeof BACKENDS)[number], words: Words): () => Netdev {
  const options = deviceOptions(words);
  const value = words.get(backend)!;
  switch (backend) {
    case 'tap': {
      const spinUs = words.has('spin') ? quantity('spin', words.get('spin')!, TIME_UNITS, '50us') : 0;
      const io = words.has('io') ? { io: choice('io', words.get('io')!, tapIoKinds) } : {};
      const made = tap({ ...options, ...io, spinUs, ...(value === '' ? {} : { name: value }) });
      return () => made;
    }
    case 'hub': return () => hub(value === '' ? 'hub' : value, options);
    case 'shm': return () => shmif(value, options);
    case 'qemu': {
      const made = qemu({ ...options, address: value });
      return () => made;
    }
    default: {
      if (value === '') throw bad('replay', 'replay=FILE');
      const pace = choice('pace', words.get('pace') ?? 'recorded', ['recorded', 'fast']);
      return () => replay(value, { ...options, pace });
    }
  }
}

function wordsOf(fields: readonly string[]): Words {
  const words: Words = new Map();
  for (const field of fields) {
    const [, key = '', value = ''] = /^([^=]*)(?:=(.*))?$/s.exec(field)!;
    if (!KEYS.includes(key)) throw bad(JSON.stringify(field), `one of ${KEYS.join(', ')}`);
    if (words.has(key)) throw new RangeError(`${key} is given twice`);
    if (value === '' && key !== 'tap' && key !== 'hub') throw bad(key, `${key}=VALUE`);
    words.set(key, value);
  }
  return words;
}

/**
 * What words such as "loss=1%,delay=5ms" do to a link; nothing for ''.
 * @throws RangeError
 */
export function parseFaults(text: string): Faults {
  const words = wordsOf(text === '' ? [] : text.split(','));
  const other = [...words.keys()].find((key) => !FAULTS.some((fault) => fault === key));
  if (other !== undefined) throw bad(other, `a fault: ${FAULTS.join(', ')}`);
  return faultsOf(words) ?? {};
}

/**
 * The device that words such as "tap=tap0,mtu=9000,loss=1%" describe.
 * @returns undefined if they name none
 * @throws RangeError
 */
export function parseDevice(text: string): (() => Netdev) | undefined {
  const words = wordsOf(text === '' ? [] : text.split(','));
  const named = BACKENDS.filter((key) => words.has(key));
  if (named.length > 1) throw new RangeError(`${named.join(' and ')}: an interface has one device`);
  const backend = named[0];
  if (backend === undefined) {
    if (words.size > 0) throw bad(JSON.stringify(text), `a device beside it: ${BACKENDS.map((key) => `${key}=…`).join(', ')}`);
    return undefined;
  }
  for (const [key, able] of Object.entries(ONLY)) {
    if (words.has(key) && !able.includes(backend)) throw new RangeError(`${key}: ${backend} has no such option, only ${able.join(', ')}`);
  }
  const faults = faultsOf(words);
  const inner = device(backend, words);
  const file = words.get('pcap');
  return () => {
    const bare = inner();
    const line = faults === null ? bare : fault(bare, faults);
    return file === undefined ? line : pcap(line, file);
  };
}

/**
 * What one -I says of interface `name`.
 * @param text "virtif,tap=tap0"
 * @throws RangeError quoting both
 */
export function parseInterface(name: string, text: string): InterfaceSpec {
  const [driver = '', ...fields] = text.split(',');
  try {
    if (driver !== 'virtif') return { name, driver, make: undefined };
    if (!/^virt\d$/.test(name)) throw bad(JSON.stringify(name), 'virt0 to virt9 for an interface of virtif');
    return { name, driver, make: parseDevice(fields.join(',')) };
  } catch (error) {
    throw new RangeError(`-I ${name},${text}: ${(error as Error).message}`);
  }
}

function isNetdev(value: unknown): value is Netdev {
  return typeof value === 'object' && value !== null && ['open', 'send', 'close'].every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}

/** What boot({ netdevs }) may hold for an interface: a netdev, a function that makes one, or its words. */
export type NetdevOption = Netdev | (() => Netdev) | string;

/**
 * All interfaces of driver virtif that an image is to have.
 * @param netdevs of boot()
 * @param params of boot(): if.virt0, if.virt1, …
 * @returns name → makes its device
 * @throws RangeError
 */
export function interfacesOf(netdevs: Readonly<Record<string, unknown>> | undefined, params: ReadonlyMap<string, string>): Map<string, () => Netdev> {
  const found = new Map<string, () => Netdev>();
  for (const [name, value] of Object.entries(netdevs ?? {})) {
    const make = typeof value === 'string' ? parseInterface(name, `virtif,${value}`).make
      : typeof value === 'function' ? value as () => Netdev : isNetdev(value) ? () => value : undefined;
    if (make === undefined) throw new RangeError(`netdevs.${name}: expected a network device, such as tap() or hub()`);
    found.set(name, make);
  }
  for (const [param, text] of params) {
    if (!param.startsWith('if.')) continue;
    const { name, driver, make } = parseInterface(param.slice(3), text);
    if (driver !== 'virtif') continue;
    if (make === undefined && !found.has(name)) {
      throw new RangeError(`-I ${name},${text}: which device? ${BACKENDS.map((key) => `${key}=…`).join(', ')}`);
    }
    if (make !== undefined && found.has(name)) throw new RangeError(`-I ${name},${text}: ${name} has a device already`);
    if (make !== undefined) found.set(name, make);
  }
  return found;
}
