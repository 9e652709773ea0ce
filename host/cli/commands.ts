/**
 * All commands against a running instance, by their registration; and the small ones: ps, status, trace.
 */
import type { Command } from 'commander';
import { type InstanceStatus, listInstances } from '../control/instances';
import { registerArp } from './arp';
import { UsageError } from './errors';
import { registerIfconfig } from './ifconfig';
import { columns, instanceCommand, type InstanceFlags, print, withInstance } from './instance';
import { registerNetstat } from './netstat';
import { registerPing } from './ping';
import { registerRoute } from './route';
import { registerSysctl } from './sysctl';

/** Add every command that talks to a running instance. */
export function registerInstanceCommands(program: Command): void {
  registerPs(program);
  registerStatus(program);
  registerSysctl(program);
  registerIfconfig(program);
  registerNetstat(program);
  registerRoute(program);
  registerArp(program);
  registerPing(program);
  registerTrace(program);
}

function duration(us: number): string {
  const s = us / 1e6;
  if (s < 60) return `${s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  return s < 86_400 ? `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min` : `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

const mebi = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function registerPs(program: Command): void {
  program.command('ps')
    .description('list running instances')
    .option('-j, --json', 'print JSON')
    .action(async (flags: InstanceFlags) => {
      const { running, silent } = await listInstances();
      for (const name of silent) process.stderr.write(`rumpwasm: instance ${name} does not answer\n`);
      print(flags, running, () => (running.length === 0 ? '' : columns([
        ['NAME', 'IMAGE', 'PID', 'UPTIME', 'MEMORY', 'COMPONENTS'],
        ...running.map((each) => [each.name, each.image, each.pid, duration(each.uptimeUs), mebi(each.memory.linear), each.components.join(',')]),
      ], [2])));
    });
}

function statusText(status: InstanceStatus): string {
  const { memory } = status;
  return columns([
    ['name', status.name], ['image', `${status.image} (${Math.round(status.imageSize / 1000)} KB)`], ['pid', status.pid],
    ['components', status.components.join(' ')], ['uptime', duration(status.uptimeUs)], ['runs', status.runs],
    ['memory', `${mebi(memory.linear)} linear, ${mebi(memory.carved)} of ${mebi(memory.arena)} carved`],
    ['files', status.files], ['timers', status.callouts], ['tracing', status.trace ? 'on' : 'off'],
    ...Object.entries(status.params).map(([name, value], i) => [i === 0 ? 'parameters' : '', `${name}=${value}`]),
  ]);
}

function registerStatus(program: Command): void {
  instanceCommand(program, 'status', 'what an instance is, and how it is')
    .action((flags: InstanceFlags) => withInstance(flags, async (instance) => print(flags, await instance.status(), statusText)));
}

function registerTrace(program: Command): void {
  instanceCommand(program, 'trace', 'log every system call of an instance, on its own stderr')
    .argument('<on|off>')
    .action((word: string, flags: InstanceFlags) => {
      if (word !== 'on' && word !== 'off') throw new UsageError(`trace ${word}: expected on or off`);
      return withInstance(flags, async (instance) => print(flags, await instance.client.request('trace', { on: word === 'on' }), () => ''));
    });
}
