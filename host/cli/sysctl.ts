/**
 * `rumpwasm sysctl [-a] [-n] [NAME[=VALUE] …]`: read and set what a running kernel exposes.
 *
 *      net.inet.tcp.delack_us = 40000
 *      net.inet.tcp.delack_us: 40000 -> 10000                     set
 *      kern.pools:                                                a table: its lines, set in
 *        mbuf 256 8192 …
 */
import type { Command } from 'commander';
import { ControlError } from '../control/protocol';
import { UsageError } from './errors';
import { type Instance, instanceCommand, type InstanceFlags, print, type SysctlAnswer, withInstance } from './instance';

interface SysctlFlags extends InstanceFlags {
  all?: boolean;
  names?: boolean;
  value?: boolean;
}

type Change = SysctlAnswer & { old: unknown };

function valueText(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

function lineOf(name: string, value: unknown, onlyValue: boolean): string {
  const text = valueText(value).replace(/\n$/, '');
  if (onlyValue) return text;
  if (!text.includes('\n')) return `${name} = ${text}`;
  return `${name}:\n${text.replace(/^/gm, '  ')}`;
}

async function set(instance: Instance, name: string, value: string): Promise<Change> {
  try {
    return await instance.client.request<Change>('sysctl.set', { name, value });
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.code === 'EPERM') throw new ControlError('EPERM', `${name} cannot be set`);
    if (error.code === 'ERANGE') throw new ControlError('ERANGE', `${name}: ${value} is out of range`);
    throw error;
  }
}

/** One word of the command line: a name, a beginning of names, or a setting. */
async function one(instance: Instance, word: string): Promise<(SysctlAnswer | Change)[]> {
  const at = word.indexOf('=');
  if (at >= 0) {
    const [name, value] = [word.slice(0, at), word.slice(at + 1)];
    return [await set(instance, name, value)];
  }
  const nodes = await instance.client.request<SysctlAnswer[]>('sysctl.list');
  const chosen = nodes.filter(({ name }) => name === word || name.startsWith(`${word.replace(/\.$/, '')}.`));
  if (chosen.length === 0) throw new UsageError(`there is no sysctl ${word} in instance ${instance.name}`);
  const answers: SysctlAnswer[] = [];
  for (const { name } of chosen) answers.push(await instance.sysctl(name));
  return answers;
}

async function sysctl(words: readonly string[], flags: SysctlFlags, instance: Instance): Promise<void> {
  if (flags.names) {
    const nodes = await instance.client.request<SysctlAnswer[]>('sysctl.list');
    print(flags, nodes, () => nodes.map(({ name }) => name).join('\n'));
    return;
  }
  if (flags.all) {
    const all = await instance.client.request<Record<string, unknown>>('sysctl.all');
    print(flags, all, () => Object.entries(all).map(([name, value]) => lineOf(name, value, false)).join('\n'));
    return;
  }
  const answers: (SysctlAnswer | Change)[] = [];
  for (const word of words) answers.push(...await one(instance, word));
  print(flags, Object.fromEntries(answers.map(({ name, value }) => [name, value])), () => answers.flatMap((answer) => {
    if (!('old' in answer)) return [lineOf(answer.name, answer.value, flags.value ?? false)];
    // A function that was given a command has no value before and after.
    return answer.type === 'func' ? [] : [`${answer.name}: ${valueText(answer.old)} -> ${valueText(answer.value)}`];
  }).join('\n'));
}

export function registerSysctl(program: Command): void {
  instanceCommand(program, 'sysctl', 'read or set what the kernel of an instance exposes')
    .argument('[name[=value]...]', 'a name, the beginning of several, or a setting')
    .option('-a, --all', 'everything that can be read')
    .option('-N, --names', 'only the names of everything')
    .option('-n, --value', 'values without their names')
    .action((words: string[], flags: SysctlFlags) => {
      if (words.length === 0 && !flags.all && !flags.names) throw new UsageError('sysctl: name something, or say -a for everything');
      return withInstance(flags, (instance) => sysctl(words, flags, instance));
    });
}
