/**
 * A small image made for tests of the host: it speaks the boundary of docs/rumpuser.md and otherwise
 * does what it is told, good or bad, by system call numbers of its own.
 *
 *      @0 scratch  @1024 results  @4096 bio ring (4 × 8 bytes)  @8192 kqueue word  @65536 hostbuf
 *
 * The kernel proper can neither panic nor trap on request, nor be late; this one can. It is compiled
 * once a process by asc.
 */
import asc from 'assemblyscript/asc';

/** System calls of the fixture. */
export const call = {
  trap: 900, panic: 901, exit: 902, log: 903, console: 904, random: 905, clock: 906, environ: 907, bioOpen: 908,
  bio: 909, bioClose: 910, deadline: 911, busy: 912, runs: 913, interrupts: 914, completions: 915, deepTrap: 916,
  trapInRun: 917, procExit: 918, store: 919, lastNow: 920, hypInit: 921, panicInRun: 922, echo: 923,
} as const;

const source = `
@external("rumpuser", "hyp_init") declare function hyp_init(v: i32): i32;
@external("rumpuser", "hyp_panic") declare function hyp_panic(p: i32, n: i32): void;
@external("rumpuser", "hyp_log") declare function hyp_log(l: i32, p: i32, n: i32): void;
@external("rumpuser", "hyp_exit") declare function hyp_exit(s: i32): void;
@external("rumpuser", "hyp_bio_open") declare function hyp_bio_open(p: i32, n: i32, f: i32, i: i32): i32;
@external("rumpuser", "hyp_bio") declare function hyp_bio(h: i32, op: i32, p: i32, n: i32, off: f64, c: i32): i32;
@external("rumpuser", "hyp_bio_close") declare function hyp_bio_close(h: i32): i32;
@external("wasi_snapshot_preview1", "fd_write") declare function fd_write(fd: i32, v: i32, n: i32, o: i32): i32;
@external("wasi_snapshot_preview1", "random_get") declare function random_get(p: i32, n: i32): i32;
@external("wasi_snapshot_preview1", "clock_time_get") declare function clock_time_get(i: i32, p: i64, o: i32): i32;
@external("wasi_snapshot_preview1", "environ_sizes_get") declare function environ_sizes_get(c: i32, s: i32): i32;
@external("wasi_snapshot_preview1", "environ_get") declare function environ_get(t: i32, b: i32): i32;
@external("wasi_snapshot_preview1", "proc_exit") declare function proc_exit(s: i32): void;

let runs: i32 = 0;
let interrupts: i32 = 0;
let deadline: f64 = -1;
let busy: i32 = 0;
let completions: i32 = 0;
let trapInRun: i32 = 0;
let lastNow: f64 = 0;

export function rump_abi(): i32 { return 1; }
export function rump_init(): i32 {
  store<u32>(4096 + 128, 4);
  store<u32>(4096 + 132, 8);
  return hyp_init(1);
}
export function rump_run(now: f64): f64 {
  runs++;
  lastNow = now;
  if (trapInRun == 1) unreachable();
  if (trapInRun == 2) { store<u8>(0, 111); hyp_panic(0, 1); }
  while (load<u32>(4096) != load<u32>(4096 + 64)) {
    const at = 4096 + 192 + (load<u32>(4096 + 64) & 3) * 8;
    store<u32>(1024 + completions * 8, load<u32>(at));
    store<i32>(1028 + completions * 8, load<i32>(at + 4));
    completions++;
    store<u32>(4096 + 64, load<u32>(4096 + 64) + 1);
  }
  if (busy > 0) { busy--; return now; }
  if (deadline >= 0 && deadline <= now) deadline = -1;
  return deadline;
}
export function rump_intr(source: i32): void { interrupts |= 1 << source; }
export function rump_hostbuf(): i32 { return 65536; }
export function rump_ring(id: i32): i32 { return id == 0 ? 8192 : id == 1 ? 4096 : 0; }
export function rump_shutdown(): void { hyp_exit(0); }
export function _start(): void {}

function dig(depth: i32): i32 {
  if (depth == 0) unreachable();
  return dig(depth - 1) + 1;
}
export function rump_syscall(nr: i32, a0: i32, a1: i32, a2: i32, a3: i32, a4: i32, a5: i32): i32 {
  switch (nr) {
    case 900: unreachable();
    case 901: hyp_panic(a0, a1); return 0;
    case 902: hyp_exit(a0); return 7;
    case 903: hyp_log(a0, a1, a2); return 0;
    case 904: store<u32>(16, a0); store<u32>(20, a1); fd_write(1, 16, 1, 24); return load<i32>(24);
    case 905: return random_get(a0, a1);
    case 906: { const e = clock_time_get(a0, 1000, 32); return e != 0 ? -e : 32; }
    case 907: { environ_sizes_get(40, 44); environ_get(a0, a0 + 256); return load<i32>(40); }
    case 908: return hyp_bio_open(a0, a1, a2, a3);
    case 909: return hyp_bio(a0, a1, a2, a3, <f64>a4, a5);
    case 910: return hyp_bio_close(a0);
    case 911: deadline = lastNow + <f64>a0; return 0;
    case 912: busy = a0; return 0;
    case 913: return runs;
    case 914: return interrupts;
    case 915: return completions;
    case 916: return dig(a0);
    case 917: trapInRun = 1; return 0;
    case 918: proc_exit(a0); return 0;
    case 919: store<i32>(a0, a1); return 0;
    case 920: store<f64>(48, lastNow); return 48;
    case 921: return hyp_init(a0);
    case 922: trapInRun = 2; return 0;
    case 923: return a0;
  }
  return -78;
}
`;

let compiled: Promise<Uint8Array> | undefined;

async function compile(text: string): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  const files: Record<string, string> = { 'components/fixture/main.ts': text };
  const args = ['components/fixture/main.ts', '--outFile', 'fixture.wasm', '--runtime', 'stub', '--use', 'abort=', '--debug',
    '--initialMemory', '16', '--maximumMemory', '16', '--memoryBase', '400000'];
  const { error, stderr } = await asc.main(args, {
    readFile: (name) => files[name] ?? null,
    writeFile: (name, contents) => { if (name.endsWith('.wasm')) bytes = contents as unknown as Uint8Array; },
    listFiles: () => [],
  });
  if (error || !bytes) throw new Error(`the fixture does not compile: ${stderr.toString()}`);
  return bytes;
}

/** The bytes of the fixture image. */
export function fixture(): Promise<Uint8Array> {
  compiled ??= compile(source);
  return compiled;
}

/** The same with one piece of its source replaced. */
export function fixtureWith(from: string, to: string): Promise<Uint8Array> {
  if (!source.includes(from)) throw new Error(`the fixture's source has no ${from}`);
  return compile(source.replace(from, to));
}
