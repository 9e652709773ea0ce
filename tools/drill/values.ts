/**
 * Arguments of calls as what the image takes: numbers, bytes of option structures, socket addresses.
 */
import { inetAddress, type InetAddress } from '../../host/api/sockaddr';
import { LINGER_SIZE, TIMEVAL_SIZE } from '../../kernel/abi/socket';
import { constant } from './constants';
import type { Value } from './script';

/** The call cannot be made as it is written. */
export class CallError extends Error {
  override readonly name = 'CallError';
}

/** An argument that is a number: a number, a name, names joined by |, htons(…), or a list of one. */
export function numberOf(value: Value | undefined): number {
  if (value === undefined) throw new CallError('an argument is missing');
  switch (value.kind) {
    case 'number': return value.value;
    case 'or': return value.items.reduce((all, item) => all | numberOf(item), 0);
    case 'name': {
      const found = constant(value.name);
      if (found === undefined) throw new CallError(`${value.name} is not known here`);
      return found;
    }
    case 'list':
      if (value.items.length !== 1) throw new CallError('a list of one number is wanted');
      return numberOf(value.items[0]);
    case 'apply':
      if (['htons', 'htonl', 'ntohs', 'ntohl'].includes(value.name)) return numberOf(value.items[0]);
      throw new CallError(`${value.name}() is not known here`);
    default: throw new CallError(`a number is wanted, not ${value.kind === 'any' ? '...' : `a ${value.kind}`}`);
  }
}

function field(fields: ReadonlyMap<string, Value>, ...names: string[]): number {
  const found = names.map((name) => fields.get(name)).find((value) => value !== undefined);
  if (found === undefined) throw new CallError(`the field ${names[0]} is missing`);
  return numberOf(found);
}

/** An option's value: a number, or the bytes of struct linger or struct timeval. */
export function optionOf(value: Value | undefined): number | Uint8Array {
  if (value?.kind === 'list' && value.items.length === 1 && value.items[0]!.kind === 'record') return optionOf(value.items[0]);
  if (value?.kind === 'string') return Buffer.from(value.text, 'latin1');
  if (value?.kind !== 'record') return numberOf(value);
  const { fields } = value;
  if (fields.has('onoff') || fields.has('l_onoff')) {
    const out = Buffer.alloc(LINGER_SIZE);
    out.writeInt32LE(field(fields, 'onoff', 'l_onoff'), 0);
    out.writeInt32LE(field(fields, 'linger', 'l_linger'), 4);
    return out;
  }
  if (fields.has('tv_sec')) {
    const out = Buffer.alloc(TIMEVAL_SIZE);
    out.writeInt32LE(field(fields, 'tv_sec'), 0);
    out.writeInt32LE(field(fields, 'tv_usec'), 8);
    return out;
  }
  throw new CallError(`a structure with the fields ${[...fields.keys()].join(', ')} is not known here`);
}

/** A socket address: a structure, or `fallback` for `...`. */
export function addressOf(value: Value | undefined, fallback: InetAddress): InetAddress {
  if (value === undefined || value.kind === 'any') return fallback;
  if (value.kind !== 'record') throw new CallError('a socket address is wanted');
  const port = value.fields.get('sin_port');
  const addr = value.fields.get('sin_addr');
  let address = fallback.address;
  if (addr?.kind === 'apply' && addr.name === 'inet_addr' && addr.items[0]?.kind === 'string') address = addr.items[0].text;
  else if (addr?.kind === 'string') address = addr.text;
  else if (addr?.kind === 'name' && addr.name === 'INADDR_ANY') address = '0.0.0.0';
  else if (addr !== undefined && addr.kind !== 'any') throw new CallError('sin_addr: expected inet_addr("a.b.c.d")');
  return inetAddress(address, port === undefined || port.kind === 'any' ? fallback.port : numberOf(port)) as InetAddress;
}

/** A value as a script writes it. */
export function valueText(value: Value): string {
  switch (value.kind) {
    case 'number': return String(value.value);
    case 'name': return value.name;
    case 'string': return JSON.stringify(value.text);
    case 'any': return '...';
    case 'list': return `[${value.items.map(valueText).join(', ')}]`;
    case 'or': return value.items.map(valueText).join('|');
    case 'apply': return `${value.name}(${value.items.map(valueText).join(', ')})`;
    case 'record': return `{${[...value.fields].map(([name, item]) => `${name}=${valueText(item)}`).join(', ')}}`;
  }
}
