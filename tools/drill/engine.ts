/**
 * Running one script on the machine, event by event.
 *
 *      time of the event ─▶ let time pass up to it ─▶ inject | call | look ─▶ let the image settle
 *      expected packet   ─▶ let time pass until one is sent, at most to its time + tolerance ─▶ compare
 *
 * A call that blocks (`a...b`) goes on while later events happen, and is held to its end time. The first
 * thing that differs ends the script. Unless a script is --lax, a packet that no event expects is an
 * error too, and so is memory that is not given back.
 */
import { errnoName } from '../../host/errtrans';
import { RumpPanic } from '../../host/panic';
import { type Attempt, Calls, type Outcome } from './calls';
import { runCode } from './code';
import { datagramText, packetText, timeText } from './describe';
import { Flows } from './flow';
import { buildPacket } from './inject';
import { findLeak, poolUse } from './leaks';
import type { Machine } from './machine';
import { checkUnexpected, matchPacket } from './match';
import type { Call, Event, Packet, Script } from './script';
import { CallError, valueText } from './values';
import { parseDatagram, SYN } from './wire';

/** Why a script failed. */
export interface Failure {
  path: string;
  line: number;
  message: string;
  /** The event as it was written, if it is one. */
  expected: string | null;
  /** Packets and calls up to there, the last ones. */
  trace: string[];
}

/** An expected packet of time `*` is waited for at most so long. */
const PATIENCE_US = 24 * 3600 * 1e6;
const TRACE_LINES = 16;

class Stop extends Error {
  constructor(readonly line: number, message: string, readonly expected: string | null) {
    super(message);
  }
}

/** A call that blocks. */
interface Waiting {
  event: Event;
  call: Call;
  attempt: Attempt;
  startUs: number;
  endUs: number;
}

export class Engine {
  readonly trace: string[] = [];
  /** Sequence number of the image's first SYN, on the wire. */
  localIss: number | null = null;
  private readonly tcp: Flows;
  private readonly udp: Flows;
  private readonly calls: Calls;
  private waiting: Waiting[] = [];
  private failed: Stop | null = null;
  /** Time that relative times count from. */
  private baseUs = 0;

  constructor(private readonly machine: Machine, private readonly script: Script) {
    this.tcp = new Flows(script.settings.remoteIsn);
    this.udp = new Flows(script.settings.remoteIsn);
    this.calls = new Calls(machine.kernel, script.settings, this.tcp, this.udp);
  }

  /** Run the script on a machine that has just been restored. null: everything was as it says. */
  run(): Failure | null {
    const { script, machine } = this;
    let line = script.events[0]!.line;
    try {
      for (const [name, value] of script.settings.sysctls) machine.kernel.sysctl(name, /^-?\d+$/.test(value) ? Number(value) : value);
      machine.waiters = () => this.retry();
      const before = poolUse(machine);
      for (const event of script.events) {
        line = event.line;
        this.event(event);
        this.throwIfFailed();
      }
      this.finish(before);
      return null;
    } catch (error) {
      return this.failure(error, line);
    }
  }

  private failure(error: unknown, line: number): Failure {
    const stop = this.failed ?? (error instanceof Stop ? error : null);
    const panic = error instanceof RumpPanic ? `the kernel stopped: ${error.report()}` : null;
    const message = stop?.message ?? panic ?? (error instanceof CallError || error instanceof RangeError ? error.message : String((error as Error).stack));
    return {
      path: this.script.path, line: stop?.line ?? line, message, expected: stop?.expected ?? null, trace: this.trace.slice(-TRACE_LINES),
    };
  }

  private throwIfFailed(): void {
    if (this.failed !== null) throw this.failed;
  }

  /** When the event happens, script time. */
  private timeOf({ when }: Event): number {
    return when.kind === 'relative' ? this.baseUs + when.at : when.at;
  }

  private event(event: Event): void {
    const { what } = event;
    if (what.type === 'packet' && !what.inbound) {
      this.expect(event, what);
      return;
    }
    const at = event.when.kind === 'any' ? this.machine.nowUs : this.timeOf(event);
    // A packet that came late, within the tolerance, makes what follows late too.
    if (at < this.machine.nowUs - this.script.settings.toleranceUs) throw new Stop(event.line, `the event is at ${timeText(at)}, which has passed (it is ${timeText(this.machine.nowUs)})`, null);
    this.machine.advanceTo(Math.max(at, this.machine.nowUs));
    this.throwIfFailed();
    const base = this.baseUs;
    this.baseUs = at;
    if (what.type === 'packet') this.inject(what);
    else if (what.type === 'call') this.call(event, what, base);
    else if (what.type === 'code') this.code(event, what.text);
    else this.shell(event, what.text);
    this.machine.settle();
  }

  private note(us: number, text: string): void {
    this.trace.push(`${timeText(us)} ${text}`);
  }

  private inject(packet: Packet): void {
    const context = { settings: this.script.settings, tcp: this.tcp, udp: this.udp };
    const bytes = buildPacket(packet, context);
    this.note(this.machine.nowUs, datagramText(parseDatagram(bytes), { tcp: this.tcp, localIp: this.script.settings.localIp }));
    this.machine.device.inject(bytes);
  }

  private code(event: Event, text: string): void {
    const wrong = runCode(text, this.machine.kernel, this.tcp.current, this.calls.lastFd);
    if (wrong !== null) throw new Stop(event.line, wrong, null);
  }

  /** Only `sysctl [-q] [-w] NAME=VALUE …` means anything here. */
  private shell(event: Event, text: string): void {
    for (const line of text.split('\n').map((part) => part.trim()).filter((part) => part !== '')) {
      const found = /^sysctl\s+((?:-\w\s+)*)(.+)$/.exec(line);
      if (!found) throw new Stop(event.line, `\`${line}\` is not a command known here`, null);
      for (const setting of found[2]!.split(/\s+/)) {
        const [name, value] = setting.split('=');
        if (value === undefined) throw new Stop(event.line, `sysctl ${setting}: expected NAME=VALUE`, null);
        this.machine.kernel.sysctl(name!, /^-?\d+$/.test(value) ? Number(value) : value);
      }
    }
  }

  private call(event: Event, call: Call, base: number): void {
    const attempt = this.calls.begin(call);
    const first = attempt();
    const { until, blocks, kind } = event.when;
    if (first !== null) {
      this.judge(event, call, first);
      if (blocks && until !== null && until > event.when.at) throw new Stop(event.line, 'the call was to block and returned at once', this.callText(call));
      return;
    }
    if (!blocks || until === null) throw new Stop(event.line, 'the call blocks', this.callText(call));
    const endUs = kind === 'relative' ? base + until : until;
    this.note(this.machine.nowUs, `${this.callText(call)} …`);
    this.waiting.push({ event, call, attempt, startUs: this.machine.nowUs, endUs });
  }

  /** Try waiting calls again. True if one has ended. */
  private retry(): boolean {
    let ended = false;
    for (const one of [...this.waiting]) {
      const outcome = one.attempt();
      if (outcome === null) continue;
      ended = true;
      this.waiting.splice(this.waiting.indexOf(one), 1);
      try {
        this.judge(one.event, one.call, outcome);
        const now = this.machine.nowUs;
        if (Math.abs(now - one.endUs) > this.script.settings.toleranceUs) {
          throw new Stop(one.event.line, `the call returned at ${timeText(now)} instead of ${timeText(one.endUs)}`, this.callText(one.call));
        }
      } catch (error) {
        if (!(error instanceof Stop)) throw error;
        this.failed ??= error;
      }
    }
    return ended;
  }

  private callText(call: Call): string {
    const result = call.result === null ? '?' : `${call.result}${call.errno === null ? '' : ` ${call.errno}`}`;
    return `${call.name}(${call.items.map(valueText).join(', ')}) = ${result}`;
  }

  private judge(event: Event, call: Call, { result, complaint }: Outcome): void {
    const text = result < 0 ? `-1 ${errnoName(-result)}` : String(result);
    this.note(this.machine.nowUs, `${this.callText({ ...call, result: null })} → ${text}`.replace(' = ?', ''));
    const wanted = call.result;
    const same = wanted === null || (wanted < 0 ? result < 0 && (call.errno === null || errnoName(-result) === call.errno) : result === wanted);
    if (!same) throw new Stop(event.line, `the call answered ${text}`, this.callText(call));
    if (complaint !== undefined) throw new Stop(event.line, complaint, this.callText(call));
  }

  /** Wait for the packet, compare it. */
  private expect(event: Event, packet: Packet): void {
    const { machine, script } = this;
    const { toleranceUs } = script.settings;
    const { when } = event;
    const any = when.kind === 'any';
    const from = any ? 0 : this.timeOf(event);
    const to = any ? machine.nowUs + PATIENCE_US : when.until === null ? from : when.until + (when.kind === 'relative' ? this.baseUs : 0);
    const text = packetText(packet);
    machine.advanceTo(Math.max(machine.nowUs, to + (any ? 0 : toleranceUs)), () => machine.device.length > 0 || this.failed !== null);
    this.throwIfFailed();
    const sent = machine.device.take();
    if (sent === undefined) throw new Stop(event.line, `no packet was sent until ${timeText(machine.nowUs)}`, `${timeText(from)} ${text}`);
    const at = machine.scriptTime(sent.timeUs);
    const datagram = parseDatagram(sent.bytes);
    if (datagram.tcp !== undefined && (datagram.tcp.flags & SYN) !== 0) this.localIss ??= datagram.tcp.seq;
    const wrong = matchPacket(packet, datagram, { settings: script.settings, tcp: this.tcp, udp: this.udp });
    this.note(at, datagramText(datagram, { tcp: this.tcp, localIp: script.settings.localIp }));
    if (wrong !== null) throw new Stop(event.line, wrong, `${any ? '*' : timeText(from)} ${text}`);
    if (!any && (at < from - toleranceUs || at > to + toleranceUs)) {
      const wanted = to === from ? timeText(from) : `${timeText(from)} to ${timeText(to)}`;
      throw new Stop(event.line, `sent at ${timeText(at)} instead of ${wanted}`, text);
    }
    this.baseUs = any || when.until !== null ? at : from;
  }

  /** Calls that still wait, packets that nobody expected, memory. */
  private finish(before: ReadonlyMap<string, number>): void {
    const { machine, script } = this;
    const last = script.events[script.events.length - 1]!.line;
    if (this.baseUs > machine.nowUs) machine.advanceTo(this.baseUs);
    const end = Math.max(...this.waiting.map(({ endUs }) => endUs + script.settings.toleranceUs), 0);
    if (end > machine.nowUs) machine.advanceTo(end);
    this.throwIfFailed();
    const stuck = this.waiting[0];
    if (stuck !== undefined) throw new Stop(stuck.event.line, 'the call never returned', this.callText(stuck.call));
    for (let extra = machine.device.take(); extra !== undefined; extra = machine.device.take()) {
      const datagram = parseDatagram(extra.bytes);
      this.note(machine.scriptTime(extra.timeUs), datagramText(datagram, { tcp: this.tcp, localIp: script.settings.localIp }));
      if (!script.settings.lax) throw new Stop(last, 'a packet was sent that no event expects', null);
      const wrong = checkUnexpected(datagram, this.tcp);
      if (wrong !== null) throw new Stop(last, wrong, null);
    }
    this.calls.closeAll();
    if (script.settings.noLeakCheck) return;
    const leak = findLeak(machine, before);
    if (leak !== null) throw new Stop(last, `after the script, not given back: ${leak}`, null);
  }
}
