/**
 * `rumpwasm ping [-c COUNT] [-i SECONDS] [-s BYTES] [-W SECONDS] [-t TTL] [-f] [-q] ADDRESS`: echo
 * requests sent by an instance, through a raw socket inside its image.
 *
 *      PING 10.0.0.1 (10.0.0.1): 56 data bytes
 *      64 bytes from 10.0.0.1: icmp_seq=0 ttl=64 time=0.184 ms
 *      …
 *      ----10.0.0.1 PING Statistics----
 *      3 packets transmitted, 3 packets received, 0.0% packet loss
 *      round-trip min/avg/max/stddev = 0.171/0.180/0.184/0.006 ms
 *
 * Exit status 0 if there was an answer, 1 if not or if it went wrong. SIGINT ends it with its summary,
 * a second one without.
 */
import { type Command, InvalidArgumentError } from 'commander';
import { isIPv4 } from 'node:net';
import type { PingReply, PingSummary, PingTrouble } from '../api/ping';
import { UsageError } from './errors';
import { type Instance, instanceCommand, type InstanceFlags, withInstance } from './instance';

interface PingFlags extends InstanceFlags {
  count?: number;
  interval?: number;
  size?: number;
  wait?: number;
  ttl?: number;
  flood?: boolean;
  quiet?: boolean;
}

const interruptedStatus = 130;
/** Replies kept for --json. */
const repliesMax = 100_000;

function number(least: number, most: number, isWhole: boolean): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d*\.?\d+$/.test(text) || value < least || value > most || (isWhole && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`it is ${isWhole ? 'a whole number' : 'a number'} from ${least} to ${most}.`);
    }
    return value;
  };
}

const ms = (us: number): string => (us / 1000).toFixed(3);

function replyText({ bytes, address, sequence, ttl, rttUs, duplicate, wrongAt }: PingReply): string {
  const wrong = wrongAt < 0 ? '' : ` (wrong data byte #${wrongAt})`;
  return `${bytes} bytes from ${address}: icmp_seq=${sequence} ttl=${ttl} time=${ms(rttUs)} ms${duplicate ? ' (DUP!)' : ''}${wrong}\n`;
}

function troubleText({ sequence, address, text }: PingTrouble): string {
  return address === null ? `ping: icmp_seq=${sequence}: ${text}\n` : `From ${address}: icmp_seq=${sequence} ${text}\n`;
}

/** The end of what ping(8) prints. */
export function summaryText({ address, transmitted, received, duplicates, troubles, rttUs }: PingSummary): string {
  const lost = transmitted === 0 ? '' : `, ${(Math.max(0, transmitted - received) / transmitted * 100).toFixed(1)}% packet loss`;
  const more = `${duplicates > 0 ? `, +${duplicates} duplicates` : ''}${troubles > 0 ? `, +${troubles} errors` : ''}`;
  const times = rttUs === null ? '' : `round-trip min/avg/max/stddev = ${[rttUs.min, rttUs.avg, rttUs.max, rttUs.stddev].map(ms).join('/')} ms\n`;
  return `\n----${address} PING Statistics----\n${transmitted} packets transmitted, ${received} packets received${more}${lost}\n${times}`;
}

/** As ping -f: a dot for a request, taken back for its answer; what stays was lost or is under way. */
class FloodDots {
  private dots = 0;

  show({ transmitted, received }: PingSummary): void {
    const wanted = Math.max(0, Math.min(transmitted - received, 1000));
    process.stdout.write(wanted > this.dots ? '.'.repeat(wanted - this.dots) : '\b \b'.repeat(this.dots - wanted));
    this.dots = wanted;
  }
}

async function ping(instance: Instance, address: string, flags: PingFlags): Promise<number> {
  const replies: PingReply[] = [];
  const dots = new FloodDots();
  const say = (text: string): void => { if (!flags.json) process.stdout.write(text); };
  say(`PING ${address} (${address}): ${flags.size ?? 56} data bytes\n`);
  const started = instance.start<PingSummary>('ping', {
    address, count: flags.count, size: flags.size, ttl: flags.ttl, flood: flags.flood ?? false,
    ...(flags.interval === undefined ? {} : { intervalMs: flags.interval * 1000 }),
    ...(flags.wait === undefined ? {} : { timeoutMs: flags.wait * 1000 }),
  }, (event) => {
    const { reply, trouble, progress } = event as { reply?: PingReply; trouble?: PingTrouble; progress?: PingSummary };
    if (reply !== undefined && flags.json && replies.length < repliesMax) replies.push(reply);
    if (reply !== undefined && !flags.quiet) say(replyText(reply));
    if (trouble !== undefined && !flags.quiet) say(troubleText(trouble));
    if (progress !== undefined && process.stdout.isTTY && !flags.json && !flags.quiet) dots.show(progress);
  });
  let interrupts = 0;
  const interrupt = (): void => {
    if (interrupts++ > 0) process.exit(interruptedStatus);
    started.cancel();
  };
  process.on('SIGINT', interrupt);
  try {
    const summary = await started.done;
    if (flags.json) process.stdout.write(`${JSON.stringify({ ...summary, replies }, null, 1)}\n`);
    else say(summaryText(summary));
    return summary.received > 0 ? 0 : 1;
  } finally {
    process.removeListener('SIGINT', interrupt);
  }
}

export function registerPing(program: Command): void {
  instanceCommand(program, 'ping', 'send echo requests from within an instance')
    .argument('<address>')
    .option('-c, --count <n>', 'stop after so many; without, go on until interrupted', number(1, Number.MAX_SAFE_INTEGER, true))
    .option('-i, --interval <seconds>', 'between requests (default 1)', number(0.001, 3600, false))
    .option('-s, --size <bytes>', 'of payload (default 56)', number(0, 65_507, true))
    .option('-W, --wait <seconds>', 'for the last answer (default 2)', number(0.001, 3600, false))
    .option('-t, --ttl <hops>', 'time to live', number(1, 255, true))
    .option('-f, --flood', 'send as fast as answers come, and at least 100 a second')
    .option('-q, --quiet', 'only the summary')
    .action((address: string, flags: PingFlags) => {
      const target = address === 'localhost' ? '127.0.0.1' : address;
      if (!isIPv4(target)) throw new UsageError(`ping: ${address} is not an IPv4 address`);
      return withInstance(flags, async (instance) => { process.exitCode = await ping(instance, target, flags); });
    });
}
