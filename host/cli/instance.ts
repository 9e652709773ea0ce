/**
 * What the commands against a running instance have in common: which one, tables, JSON or text.
 *
 *      rumpwasm COMMAND [--instance NAME] [-j] …
 */
import type { Command } from 'commander';
import type { ControlClient, Started } from '../control/client';
import { type InstanceStatus, openInstance } from '../control/instances';
import { ControlError } from '../control/protocol';

export interface InstanceFlags {
  instance?: string;
  json?: boolean;
}

/** A node of sysctl as the control socket tells it. */
export interface SysctlAnswer {
  name: string;
  /** 'int', 'quad', 'string' or 'func'. */
  type: string;
  writable: boolean;
  value: unknown;
}

/** What the errors of a table's commands mean to whoever gave them. */
const tableWords: Readonly<Record<string, string>> = {
  EINVAL: 'it is not understood', EEXIST: 'it is there already', ESRCH: 'there is no such entry', ENXIO: 'there is no such interface',
  EPERM: 'it belongs to an address of an interface', ENOBUFS: 'the table is full', EADDRNOTAVAIL: 'that is no address of this instance',
  ENETUNREACH: 'there is no way to it', ERANGE: 'it is too long',
};

/** Why a table did not take a command, in words. */
export function tableError(error: ControlError): string {
  return tableWords[error.code] ?? error.message.replace(/^[A-Z0-9]+: |, sysctl '.*'$/g, '');
}

/** Add a command that talks to an instance. */
export function instanceCommand(program: Command, name: string, description: string): Command {
  return program.command(name).description(description)
    .option('--instance <name>', 'which instance, if several are running')
    .option('-j, --json', 'print JSON');
}

/** A running instance, for the time of one command. */
export class Instance {
  readonly name: string;
  readonly client: ControlClient;

  constructor(name: string, client: ControlClient) {
    this.name = name;
    this.client = client;
  }

  status(): Promise<InstanceStatus> {
    return this.client.request<InstanceStatus>('status');
  }

  sysctl(name: string): Promise<SysctlAnswer> {
    return this.client.request<SysctlAnswer>('sysctl.get', { name });
  }

  /** Text of a table; null if the image does not have it. */
  async tryTable(name: string): Promise<string | null> {
    try {
      return String((await this.sysctl(name)).value);
    } catch (error) {
      if (error instanceof ControlError && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  /** Text of a table. @param what it is, in words, for an image that does not have it */
  async table(name: string, what: string): Promise<string> {
    return (await this.tryTable(name)) ?? this.without(what);
  }

  /** A table of any length, fetched in pages; null if the image does not have it. */
  async tryPages(name: string): Promise<string | null> {
    let whole = '';
    for (let from = 0; ; from = whole.split('\n').length - 1) {
      let page: unknown;
      try {
        page = (await this.client.request<SysctlAnswer>('sysctl.get', { name, ask: String(from) })).value;
      } catch (error) {
        if (from === 0 && error instanceof ControlError && error.code === 'ENOENT') return null;
        throw error;
      }
      if (page === '') return whole;
      whole += String(page);
    }
  }

  /** Hand a command to sysctl function `name`. @param what the table is, for an image that does not have it */
  async command(name: string, command: string, what: string): Promise<void> {
    try {
      await this.client.request('sysctl.set', { name, value: command });
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      if (error.code === 'ENOENT') this.without(what);
      throw new ControlError(error.code, `${command}: ${tableError(error)}`);
    }
  }

  start<T>(op: string, fields: Record<string, unknown>, onEvent: (event: Record<string, unknown>) => void): Started<T> {
    return this.client.start<T>(op, fields, onEvent);
  }

  private without(what: string): never {
    throw new ControlError('ENOENT', `instance ${this.name} has no ${what}: its image was linked without it`);
  }
}

/** Connect, use, hang up. @throws ControlError */
export async function withInstance<T>(flags: InstanceFlags, use: (instance: Instance) => Promise<T>): Promise<T> {
  const { name, client } = await openInstance(flags.instance);
  try {
    return await use(new Instance(name, client));
  } finally {
    client.close();
  }
}

/** Print `value` as JSON if that was asked for, else what `text` makes of it. */
export function print<T>(flags: InstanceFlags, value: T, text: (value: T) => string): void {
  const out = flags.json ? JSON.stringify(value, null, 1) : text(value);
  if (out !== '') process.stdout.write(`${out.replace(/\n$/, '')}\n`);
}

/**
 * Lines in columns, those named in `right` (by index) flush right.
 * @param rows the first is the heading
 */
export function columns(rows: readonly (readonly (string | number)[])[], right: readonly number[] = []): string {
  const cells = rows.map((row) => row.map(String));
  const widths = (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  return cells.map((row) => row.map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join('  ').trimEnd()).join('\n');
}
