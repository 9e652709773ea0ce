/**
 * TAP without native calls: a child of perl or python3 does what Node cannot.
 *
 *      once:     child makes the ioctls on the descriptor that it inherits, and ends
 *      always:   child waits: descriptor readable ─"."─▶ we read with fs.readvSync ─"."─▶ child waits again
 *
 * Data never goes through the child: it is read straight into the image's buffers and written from
 * linear memory, as with native calls; what this way costs is the wake-up (two pipes, 30 to 100 µs) and
 * an exception for each EAGAIN. The child ends when its standard input does, so it cannot be left over.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readvSync, writevSync } from 'node:fs';
import { EAGAIN, EIO, ENETDOWN } from '../../kernel/abi/errno';
import { errnoFromNode } from '../errtrans';
import { ETHER_HDR_LEN, type Frame, VNET_HDR_SIZE } from './frame';
import type { ReceiveRing } from './netdev';
import type { TapIo } from './tapIo';
import { closeQuietly, IFREQ_SIZE, ifreq, TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ } from './tapSetup';

/** The descriptor's number in the child. */
const CHILD_FD = 3;
const RETRY_WRITE_MS = 1;

/** Arguments: ifreq in hexadecimal, offload flags. Answers "ok HEX" or "errno N". */
const PERL_SETUP = `
open(my $f, "+<&=${CHILD_FD}") or die; my $r = pack("H*", $ARGV[0]); my $s = pack("l", ${VNET_HDR_SIZE});
sub bad { print "errno ", $!+0; exit }
ioctl($f, ${TUNSETIFF}, $r) or bad; ioctl($f, ${TUNSETVNETHDRSZ}, $s) or bad; ioctl($f, ${TUNSETOFFLOAD}, $ARGV[1]+0) or bad;
print "ok ", unpack("H*", $r);`;
const PYTHON_SETUP = `
import fcntl,struct,sys
try:
  r=fcntl.ioctl(${CHILD_FD},${TUNSETIFF},bytes.fromhex(sys.argv[1]))
  fcntl.ioctl(${CHILD_FD},${TUNSETVNETHDRSZ},struct.pack("i",${VNET_HDR_SIZE}))
  fcntl.ioctl(${CHILD_FD},${TUNSETOFFLOAD},int(sys.argv[2]))
  print("ok "+r.hex())
except OSError as e: print("errno %d"%e.errno)`;
/** Byte in: wait until readable; byte out: it is. Ends with its standard input. */
const PERL_WATCH = `
my $c; while (sysread(STDIN, $c, 1)) { my $r = ""; vec($r, ${CHILD_FD}, 1) = 1; vec($r, 0, 1) = 1;
select($r, undef, undef, undef); exit if vec($r, 0, 1); syswrite(STDOUT, ".") or exit }`;
const PYTHON_WATCH = `
import os,select
while os.read(0,1):
  if 0 in select.select([${CHILD_FD},0],[],[])[0]: break
  os.write(1,b".")`;

export interface Interpreter {
  command: string;
  /** Option that takes a program. */
  option: string;
  setup: string;
  watch: string;
}

const interpreters: readonly Interpreter[] = [
  { command: 'perl', option: '-e', setup: PERL_SETUP, watch: PERL_WATCH },
  { command: 'python3', option: '-c', setup: PYTHON_SETUP, watch: PYTHON_WATCH },
];

/** The first of them that is here, or the one called `wanted`; null if there is none. */
export function findInterpreter(wanted?: string): Interpreter | null {
  const able = interpreters.filter(({ command }) => wanted === undefined || command === wanted);
  return able.find(({ command, option }) => spawnSync(command, [option, ''], { stdio: 'ignore' }).status === 0) ?? null;
}

/** As configureNative (tapNative.ts). @returns the device's name, or Linux's errno, negated */
export function configureHelper({ command, option, setup }: Interpreter, fd: number, name: string, offload: number): string | number {
  const done = spawnSync(command, [option, setup, ifreq(name).toString('hex'), `${offload}`], {
    encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore', fd],
  });
  const [word = '', value = ''] = done.stdout.trim().split(' ');
  if (word === 'errno') return -Number(value);
  // perl hands ioctl 256 bytes, and gives as many back.
  const reply = Buffer.from(value, 'hex').subarray(0, IFREQ_SIZE);
  return word === 'ok' && reply.length === IFREQ_SIZE ? reply.toString('latin1', 0, reply.indexOf(0)) : -EIO;
}

export class HelperTap implements TapIo {
  truncated = 0;
  gone: string | null = null;
  private child: ChildProcess | null = null;
  private readonly header = new Uint8Array(new ArrayBuffer(VNET_HDR_SIZE));
  private readonly headerWords = new Int32Array(this.header.buffer);
  private paused = false;
  /** The child is waiting for the descriptor. */
  private armed = false;
  private closed = false;
  private retry: NodeJS.Timeout | null = null;
  private onReadable = (): void => {};
  private onWritable = (): void => {};

  constructor(private readonly interpreter: Interpreter, private readonly fd: number) {}

  read(rx: ReceiveRing, most: number, frameMax: number): number {
    for (let frames = 0; frames < most;) {
      const views: Uint8Array[] = [rx.u8.subarray(rx.headerAddress(), rx.headerAddress() + VNET_HDR_SIZE)];
      let capacity = 0;
      for (let i = 0; capacity < frameMax; i++) {
        const address = i < rx.room() ? rx.addressOf(i) : 0;
        if (address === 0) return -1 - frames;
        views.push(rx.u8.subarray(address, address + rx.sizeOf(i)));
        capacity += rx.sizeOf(i);
      }
      const length = this.readv(views) - VNET_HDR_SIZE;
      if (length < 0) return frames;
      if (length > capacity || length < ETHER_HDR_LEN) this.truncated++;
      else {
        rx.commit(length);
        frames++;
      }
    }
    return most;
  }

  write(frame: Frame): number {
    const { headerWords: words } = this;
    words[0] = frame.h0;
    words[1] = frame.h1;
    words[2] = frame.h2 & 0xffff;
    const views: Uint8Array[] = [this.header];
    for (let i = frame.at, end = i + 2 * frame.n; i < end; i += 2) {
      const from = frame.words[i]! >>> 0;
      views.push(frame.u8.subarray(from, from + frame.words[i + 1]!));
    }
    try {
      writevSync(this.fd, views);
      return 0;
    } catch (error) {
      return this.refused(errnoFromNode(error));
    }
  }

  watch(onReadable: () => void, onWritable: () => void): void {
    this.onReadable = onReadable;
    this.onWritable = onWritable;
    const { command, option, watch } = this.interpreter;
    const child = spawn(command, [option, watch], { stdio: ['pipe', 'pipe', 'ignore', this.fd] });
    this.child = child;
    child.once('error', (error) => this.died(error.message));
    child.once('exit', (code, signal) => this.died(`${command} ended (${signal ?? code})`));
    child.stdin!.on('error', () => undefined);
    child.stdout!.on('data', () => this.ready());
    this.arm();
  }

  pause(): void { this.paused = true; }

  resume(): void {
    this.paused = false;
    this.arm();
  }

  ref(): void { this.setRef('ref'); }

  unref(): void { this.setRef('unref'); }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.retry !== null) clearTimeout(this.retry);
    this.child?.stdin?.end();
    this.child?.stdout?.destroy();
    closeQuietly(this.fd);
  }

  private ready(): void {
    this.armed = false;
    if (this.closed) return;
    if (!this.paused) this.onReadable();
    this.arm();
  }

  private arm(): void {
    if (this.armed || this.paused || this.closed || this.child === null) return;
    this.armed = true;
    this.child.stdin!.write('.');
  }

  private died(why: string): void {
    if (this.closed) return;
    this.gone = why;
    this.onReadable();
  }

  private setRef(what: 'ref' | 'unref'): void {
    const { child } = this;
    if (child === null) return;
    child[what]();
    for (const pipe of [child.stdin, child.stdout]) (pipe as unknown as { ref(): void; unref(): void } | null)?.[what]();
  }

  /** Bytes read; -1 when there are none. */
  private readv(views: Uint8Array[]): number {
    try {
      return readvSync(this.fd, views);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN' && code !== 'EINTR') this.gone = (error as Error).message;
      return -1;
    }
  }

  private refused(errno: number): number {
    if (errno !== EAGAIN) return errno === EIO ? -ENETDOWN : -errno;
    this.retry ??= setTimeout(() => {
      this.retry = null;
      this.onWritable();
    }, RETRY_WRITE_MS);
    return -EAGAIN;
  }
}
