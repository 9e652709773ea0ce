/**
 * `rumpwasm arp [-a | ADDRESS | -d ADDRESS | -s ADDRESS ETHER [temp] [pub]]`: the neighbours that an
 * instance knows, as sysctl net.arp.table has them.
 *
 *      10.0.0.1 at 02:00:00:00:00:02 on virt0, reachable, 27 s
 */
import type { Command } from 'commander';
import { isIPv4 } from 'node:net';
import { type Neighbour, parseNeighbours } from '../control/tables';
import { UsageError } from './errors';
import { instanceCommand, type InstanceFlags, print, withInstance } from './instance';

interface ArpFlags extends InstanceFlags {
  all?: boolean;
  delete?: string;
  set?: boolean;
  flush?: boolean;
}

const table = 'net.arp.table';
const what = 'ARP';

function neighbourText({ address, ether, interface: name, state, expire, published }: Neighbour): string {
  const parts = [`${address} at ${ether ?? '(incomplete)'} on ${name}`, state];
  if (expire !== null) parts.push(`${expire} s`);
  if (published) parts.push('published');
  return parts.join(', ');
}

function mustBeAddress(text: string | undefined): string {
  if (text === undefined || !isIPv4(text)) throw new UsageError(`arp: ${text ?? 'nothing'} is not an IPv4 address`);
  return text;
}

/** The command to net.arp.table; null for none. @throws UsageError */
export function arpCommand(words: readonly string[], flags: ArpFlags): string | null {
  const [address, ether = '', ...how] = words;
  if (flags.delete !== undefined) return `del ${mustBeAddress(flags.delete)}`;
  if (flags.flush) return 'flush';
  if (!flags.set) return null;
  if (!/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(ether)) throw new UsageError(`arp -s: ${ether || 'nothing'} is not an Ethernet address`);
  if (how.some((word) => !['permanent', 'temp', 'pub'].includes(word))) throw new UsageError('arp -s ADDRESS ETHER [permanent | temp] [pub]');
  // As arp(8) has it: what an operator sets stays, unless it is said to be temporary.
  return `add ${mustBeAddress(address)} ${ether}${how.includes('temp') ? '' : ' permanent'}${how.includes('pub') ? ' pub' : ''}`;
}

export function registerArp(program: Command): void {
  instanceCommand(program, 'arp', 'neighbours that an instance knows')
    .argument('[address]', 'one of them')
    .argument('[words...]')
    .option('-a, --all', 'all of them (the default)')
    .option('-d, --delete <address>', 'forget one')
    .option('-F, --flush', 'forget all but those that were set to stay')
    .option('-s, --set', 'ADDRESS ETHER [temp] [pub]: set one; it stays, unless temp is said; pub: answer who asks for it')
    .action((address: string | undefined, words: string[], flags: ArpFlags) => withInstance(flags, async (instance) => {
      const command = arpCommand(address === undefined ? [] : [address, ...words], flags);
      if (command !== null) {
        await instance.command(table, command, what);
        return;
      }
      const wanted = address === undefined ? null : mustBeAddress(address);
      const neighbours = parseNeighbours(await instance.table(table, what)).filter((each) => wanted === null || each.address === wanted);
      if (wanted !== null && neighbours.length === 0) throw new UsageError(`${wanted}: no entry`);
      print(flags, neighbours, () => neighbours.map(neighbourText).join('\n'));
    }));
}
