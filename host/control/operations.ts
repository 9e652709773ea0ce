/**
 * What can be asked of a running instance: one function for each operation of docs/control.md.
 *
 * Each looks at its fields itself, because they come from outside, and either answers or throws: a
 * ControlError, a SystemError of the image, a RangeError or TypeError for a bad value. Those that last
 * emit events and end when the signal is aborted, by a "cancel" or because the asker is gone.
 */
import { LOG_DEBUG } from '../../kernel/abi/rump';
import type { SysctlValue } from '../api/sysctl';
import { archiveOperation, restoreOperation } from '../disk/operations';
import type { Kernel } from '../kernel';
import { pingOperation } from './pingOperation';
import { routeMonitorOperation } from './routeOperation';
import { controlProtocol, ControlError, type ControlRequest } from './protocol';

/** A request under way. */
export interface Call {
  request: ControlRequest;
  /** Name of the instance. */
  instance: string;
  signal: AbortSignal;
  /** Send an event; it is dropped if the asker does not read. */
  emit(event: Record<string, unknown>): void;
}

export type Operation = (kernel: Kernel, call: Call) => unknown;

function text(request: ControlRequest, field: string): string {
  const value = request[field];
  if (typeof value !== 'string') throw new ControlError('EINVAL', `${request.op} wants ${field}, a string`);
  return value;
}

/** A value as JSON can carry it: numbers beyond 2^53 in decimal, bytes that are not text in base64. */
function plain(value: SysctlValue): unknown {
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'object' ? { base64: value.toString('base64') } : value;
}

function node(kernel: Kernel, name: string): { name: string; type: string; writable: boolean } {
  const found = kernel.sysctlList().find((each) => each.name === name);
  if (found === undefined) throw new ControlError('ENOENT', `there is no ${name}`);
  return found;
}

function sysctlGet(kernel: Kernel, { request }: Call): unknown {
  const found = node(kernel, text(request, 'name'));
  const value = request.ask === undefined ? kernel.sysctl(found.name) : kernel.sysctlAsk(found.name, text(request, 'ask'));
  return { ...found, value: plain(value) };
}

function sysctlSet(kernel: Kernel, { request }: Call): unknown {
  const found = node(kernel, text(request, 'name'));
  const { value } = request;
  if (typeof value !== 'string' && typeof value !== 'number') throw new ControlError('EINVAL', 'sysctl.set wants value, a string or a number');
  const isNumber = found.type === 'int' || found.type === 'quad';
  if (isNumber && !/^-?\d{1,20}$/.test(String(value))) throw new ControlError('EINVAL', `${found.name} is a whole number, not ${JSON.stringify(value)}`);
  const old = found.type === 'func' ? null : plain(kernel.sysctl(found.name));
  kernel.sysctlSet(found.name, isNumber ? BigInt(value) : String(value));
  return { ...found, old, value: found.type === 'func' ? null : plain(kernel.sysctl(found.name)) };
}

function sysctlAll(kernel: Kernel): unknown {
  return Object.fromEntries(Object.entries(kernel.sysctlAll()).map(([name, value]) => [name, plain(value)]));
}

/** The "name value" lines of kern.stat. */
function kernStat(kernel: Kernel): Record<string, number> {
  const lines = String(kernel.sysctl('kern.stat')).trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(' ')).map(([name, value]) => [name!, Number(value)]));
}

function status(kernel: Kernel, { instance }: Call): unknown {
  const stat = kernStat(kernel);
  return {
    protocol: controlProtocol, name: instance, image: kernel.name, pid: process.pid, components: kernel.components,
    uptimeUs: Math.round(kernel.pump.uptimeUs), runs: kernel.pump.runs, deadlineUs: kernel.pump.deadlineUs < 0 ? null : kernel.pump.deadlineUs,
    memory: { linear: kernel.memory.buffer.byteLength, arena: stat.kmem_total, carved: stat.kmem_used },
    files: stat.files, callouts: stat.callouts, imageSize: kernel.imageSize, params: Object.fromEntries(kernel.params),
    trace: Number(kernel.sysctl('kern.trace')) !== 0, logLevel: kernel.console.level,
  };
}

/** Levels of the log as they were before tracing, by kernel. */
const untraced = new WeakMap<Kernel, { host: number; image: number }>();

/** Every system call becomes a record of the log, which is let through for as long. */
function trace(kernel: Kernel, { request }: Call): unknown {
  const { on } = request;
  if (typeof on !== 'boolean') throw new ControlError('EINVAL', 'trace wants on, true or false');
  const before = untraced.get(kernel);
  if (on && before === undefined) {
    untraced.set(kernel, { host: kernel.console.level, image: Number(kernel.sysctl('kern.loglevel')) });
    kernel.console.level = LOG_DEBUG;
    kernel.sysctlSet('kern.loglevel', LOG_DEBUG);
  } else if (!on && before !== undefined) {
    untraced.delete(kernel);
    kernel.console.level = before.host;
    kernel.sysctlSet('kern.loglevel', before.image);
  }
  kernel.sysctlSet('kern.trace', on ? 1 : 0);
  return { trace: on };
}

/** By name. "cancel" is the connection's own. */
export const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['status', status],
  ['sysctl.get', sysctlGet],
  ['sysctl.set', sysctlSet],
  ['sysctl.list', (kernel) => kernel.sysctlList()],
  ['sysctl.all', sysctlAll],
  ['trace', trace],
  ['ping', pingOperation],
  ['route.monitor', routeMonitorOperation],
  ['disk.archive', archiveOperation],
  ['disk.restore', restoreOperation],
]);
