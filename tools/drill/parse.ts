/**
 * From the text of a script to its settings and events.
 *
 *      --tolerance_usecs=1000              options at the head, packetdrill's and ours
 *      // sysctl net.inet.tcp.delack_us=0  a sysctl to set before the script begins, anywhere in it
 *      0.100 …   +.1 …   * …   0.1~0.2 …   +0...+0.2 …
 */
import { parseCall } from './parseCall';
import { parsePacket } from './parsePacket';
import { Scanner } from './scanner';
import { defaultSettings, type Event, type Script, ScriptError, type Settings, type When } from './script';

const TIME = /(\+?)(\d+(?:\.\d+)?|\.\d+)/y;

/** Seconds as text to µs. */
function microseconds(text: string): number {
  return Math.round(Number(text) * 1e6);
}

function when(s: Scanner): When {
  if (s.accept(/\*/y)) return { kind: 'any', at: 0, until: null, blocks: false };
  const [, sign, start] = s.expect(TIME, 'the time of an event (0.100, +0.1, *)');
  const found: When = { kind: sign === '+' ? 'relative' : 'absolute', at: microseconds(start!), until: null, blocks: false };
  const mark = s.accept(/\.\.\.|~/y);
  if (!mark) return found;
  const [, , end] = s.expect(TIME, 'the end of the range');
  found.until = microseconds(end!);
  found.blocks = mark[0] === '...';
  if (found.until < found.at) s.fail('the range ends before it begins');
  return found;
}

function event(s: Scanner): Event {
  const { line } = s;
  const at = when(s);
  if (s.accept(/</y)) return { line, when: at, what: parsePacket(s, true) };
  if (s.accept(/>/y)) return { line, when: at, what: parsePacket(s, false) };
  if (s.accept(/%\{/y)) return { line, when: at, what: { type: 'code', text: s.until('}%') } };
  if (s.accept(/`/y)) return { line, when: at, what: { type: 'shell', text: s.until('`') } };
  return { line, when: at, what: parseCall(s) };
}

function numberOf(s: Scanner, line: number, name: string, text: string): number {
  const n = Number(text);
  if (text === '' || !Number.isFinite(n) || n < 0) s.fail(`--${name}=${text}: expected a number`, line);
  return n;
}

/** One option `--name=value`. */
function setting(s: Scanner, settings: Settings, line: number, name: string, value: string): void {
  if (name === 'tolerance_usecs') settings.toleranceUs = numberOf(s, line, name, value);
  else if (name === 'mtu') settings.mtu = numberOf(s, line, name, value);
  else if (name === 'remote_isn') settings.remoteIsn = numberOf(s, line, name, value) >>> 0;
  else if (name === 'local_isn') settings.localIsn = numberOf(s, line, name, value) >>> 0;
  else if (name === 'local_ip') settings.localIp = value;
  else if (name === 'remote_ip') settings.remoteIp = value;
  else if (name === 'prefix') settings.prefix = numberOf(s, line, name, value);
  else if (name === 'sysctl') settings.sysctls.push(sysctlOf(s, line, value));
  else if (name === 'lax') settings.lax = true;
  else if (name === 'no_leak_check') settings.noLeakCheck = true;
  else if (name !== 'ip_version' || value !== 'ipv4') s.fail(`--${name}${value && `=${value}`} is not understood here`, line);
}

function sysctlOf(s: Scanner, line: number, text: string): [string, string] {
  const found = /^([\w.]+)=(.*)$/.exec(text);
  if (!found) return s.fail(`sysctl ${text}: expected NAME=VALUE`, line);
  return [found[1]!, found[2]!];
}

/**
 * Parse a script.
 * @param path for messages
 * @throws ScriptError
 */
export function parseScript(path: string, text: string): Script {
  const settings: Settings = { ...defaultSettings, sysctls: [] };
  text.split('\n').forEach((content, i) => {
    const found = /^\s*\/\/\s*sysctl\s+(\S+)\s*$/.exec(content);
    if (!found) return;
    const pair = /^([\w.]+)=(.*)$/.exec(found[1]!);
    if (!pair) throw new ScriptError(path, i + 1, `sysctl ${found[1]}: expected NAME=VALUE`);
    settings.sysctls.push([pair[1]!, pair[2]!]);
  });
  const s = new Scanner(path, text);
  while (s.sees(/--/y)) {
    const { line } = s;
    const [, name, value] = s.expect(/--([\w-]+)(?:=(\S+))?/y, 'an option --name=value');
    setting(s, settings, line, name!.replaceAll('-', '_'), value ?? '');
  }
  const events: Event[] = [];
  while (!s.done) events.push(event(s));
  if (events.length === 0) throw new ScriptError(path, 1, 'the script has no events');
  return { path, text, settings, events };
}
