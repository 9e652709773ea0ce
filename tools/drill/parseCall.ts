/**
 * System calls of a script:   name(arguments) = result [ERRNO] [(remark)]
 *
 *      3   0x10   SO_REUSEADDR   O_RDWR|O_NONBLOCK   "text"   ...   [1]   [{fd=4, events=POLLIN}]
 *      {onoff=1, linger=0}   {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("192.0.2.1")}
 */
import type { Scanner } from './scanner';
import type { Call, Value } from './script';

const NAME = /[A-Za-z_]\w*/y;
const NUMBER = /-?(?:0x[0-9a-fA-F]+|\d+)/y;

function number(text: string): number {
  return text.startsWith('-') ? -Number(text.slice(1)) : Number(text);
}

function escape(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|.)/g, (_, code: string) => {
    if (code.startsWith('x')) return String.fromCharCode(parseInt(code.slice(1), 16));
    return ({ n: '\n', r: '\r', t: '\t', 0: '\0' } as Record<string, string>)[code] ?? code;
  });
}

function items(s: Scanner, close: RegExp, what: string): Value[] {
  const found: Value[] = [];
  if (s.accept(close)) return found;
  do found.push(value(s)); while (s.accept(/,/y));
  s.expect(close, what);
  return found;
}

function record(s: Scanner): Value {
  const fields = new Map<string, Value>();
  if (s.accept(/\}/y)) return { kind: 'record', fields };
  do {
    const [name] = s.expect(/\.?[A-Za-z_]\w*/y, 'the name of a field');
    s.expect(/=/y, '=');
    fields.set(name.replace(/^\./, ''), value(s));
  } while (s.accept(/,/y));
  s.expect(/\}/y, '}');
  return { kind: 'record', fields };
}

function primary(s: Scanner): Value {
  if (s.accept(/\.\.\./y)) return { kind: 'any' };
  if (s.accept(/\[/y)) return { kind: 'list', items: items(s, /\]/y, ']') };
  if (s.accept(/\{/y)) return record(s);
  const text = s.accept(/"((?:[^"\\]|\\.)*)"/y);
  if (text) return { kind: 'string', text: escape(text[1]!) };
  const digits = s.accept(NUMBER);
  if (digits) return { kind: 'number', value: number(digits[0]) };
  const [name] = s.expect(NAME, 'an argument');
  return s.accept(/\(/y) ? { kind: 'apply', name, items: items(s, /\)/y, ')') } : { kind: 'name', name };
}

function value(s: Scanner): Value {
  const first = primary(s);
  if (!s.sees(/\|/y)) return first;
  const all = [first];
  while (s.accept(/\|/y)) all.push(primary(s));
  return { kind: 'or', items: all };
}

/** A call, from its name to the end of its result. */
export function parseCall(s: Scanner): Call {
  const [name] = s.expect(NAME, 'an event');
  s.expect(/\(/y, '(');
  const args = items(s, /\)/y, ')');
  s.expect(/=/y, '= and the result of the call');
  const any = s.accept(/\?/y);
  const result = any ? null : number(s.expect(NUMBER, 'the result of the call')[0]);
  const errno = s.accept(/E[A-Z0-9]+/y)?.[0] ?? null;
  s.accept(/\([^)]*\)/y);
  return { type: 'call', name, items: args, result, errno };
}
