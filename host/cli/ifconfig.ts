/**
 * `rumpwasm ifconfig [-a | IF [up | down | add ADDRESS/LENGTH | del ADDRESS]]`: the interfaces of an
 * instance, as sysctl net.interfaces has them.
 *
 *      virt0: flags=<UP,RUNNING> mtu 1500
 *              ether 02:00:00:00:00:01
 *              inet 10.0.0.2/24
 *              input: 12 packets, 1020 bytes, 0 errors, 0 drops
 *              output: 9 packets, 812 bytes, 0 errors, 0 drops
 */
import type { Command } from 'commander';
import { isIPv4 } from 'node:net';
import { type Interface, parseInterfaces } from '../control/tables';
import { UsageError } from './errors';
import { instanceCommand, type InstanceFlags, print, withInstance } from './instance';

interface IfconfigFlags extends InstanceFlags {
  all?: boolean;
}

const table = 'net.interfaces';
const what = 'interfaces of its own';

function interfaceText({ name, up, running, mtu, ether, inet, counters }: Interface): string {
  const flags = [up ? 'UP' : '', running ? 'RUNNING' : ''].filter((flag) => flag !== '').join(',');
  const { ipackets = 0, ibytes = 0, ierrors = 0, iqdrops = 0, opackets = 0, obytes = 0, oerrors = 0, odrops = 0 } = counters;
  return [
    `${name}: flags=<${flags}> mtu ${mtu}`,
    ...(ether === null ? [] : [`\tether ${ether}`]),
    ...inet.map((address) => `\tinet ${address}`),
    `\tinput: ${ipackets} packets, ${ibytes} bytes, ${ierrors} errors, ${iqdrops} drops`,
    `\toutput: ${opackets} packets, ${obytes} bytes, ${oerrors} errors, ${odrops} drops`,
  ].join('\n');
}

/** An address, with or without its length. */
function isAddress(text: string | undefined, withLength: boolean): boolean {
  const [address = '', length, ...rest] = (text ?? '').split('/');
  if (!isIPv4(address) || rest.length > 0 || (withLength && length === undefined)) return false;
  return length === undefined || (/^\d{1,2}$/.test(length) && Number(length) >= 1 && Number(length) <= 32);
}

/** What the words behind the interface ask for, in the words of net.interfaces. @throws UsageError */
export function ifconfigCommand(words: readonly string[]): string {
  const [verb = '', address, ...rest] = words.filter((word) => word !== 'inet' && word !== 'alias');
  if ((verb === 'up' || verb === 'down') && address === undefined) return verb;
  // "IF ADDRESS/LENGTH" is how BSD's says it.
  if (isAddress(verb, true) && address === undefined) return `add ${verb}`;
  if (verb === 'add' && isAddress(address, true) && rest.length === 0) return `add ${address}`;
  if ((verb === 'del' || verb === 'delete') && isAddress(address, false) && rest.length === 0) return `del ${address!.replace(/\/.*/, '')}`;
  throw new UsageError(`ifconfig: ${words.join(' ')}: expected up, down, add ADDRESS/LENGTH or del ADDRESS`);
}

export function registerIfconfig(program: Command): void {
  instanceCommand(program, 'ifconfig', 'network interfaces of an instance')
    .argument('[interface]', 'one of them')
    .argument('[command...]', 'up, down, add ADDRESS/LENGTH, del ADDRESS')
    .option('-a, --all', 'all of them (the default)')
    .action((name: string | undefined, words: string[], flags: IfconfigFlags) => withInstance(flags, async (instance) => {
      if (words.length > 0) {
        const command = ifconfigCommand(words);
        await instance.command(table, `${name} ${command}`, what);
        return;
      }
      const interfaces = parseInterfaces(await instance.table(table, what)).filter((each) => name === undefined || each.name === name);
      if (name !== undefined && interfaces.length === 0) throw new UsageError(`ifconfig: there is no interface ${name} in instance ${instance.name}`);
      print(flags, interfaces, () => interfaces.map(interfaceText).join('\n'));
    }));
}
