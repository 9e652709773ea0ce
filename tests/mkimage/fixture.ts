/**
 * A tree of a few small files that links: a kernel of one screen, a network part, three components.
 *
 *     app ──needs──► greeter ──provides by── hello        (or bonjour, which provides it too)
 *      └──needs──► kern:net
 *     alone: no kernel below it, one export
 *
 * Each test writes it to a temporary directory, changes what it wants to break, and links.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Relative path → text, an object to be written as JSON, or null for a file that must not be there. */
export type Files = Record<string, string | object | null>;

const KERNEL: Files = {
  'kernel/component.json': {
    name: 'kernel',
    description: 'a small kernel',
    parts: {
      kern: { description: 'core', provides: ['kern'], hyper: ['kern/hyper.ts', 'kern/wasi.hyper.ts'], tunables: { MAXFILES: 16 } },
      net: { description: 'network', provides: ['kern:net'], init: { NET: 'net/net.ts:net_init' }, tunables: { NMBUFS: 32 } },
    },
  },
  'kernel/conf/capabilities.json': {
    'kern': { max: 1 }, 'kern:net': { max: 1 }, 'greeter': { max: 1 }, 'app': {}, 'domain:inet': { max: 1 },
  },
  'kernel/abi/rump.ts': 'export const RUMP_ABI: i32 = 7;\n',
  'kernel/kern/hyper.ts': `
export declare function hyp_panic(msg: usize, len: i32): void;
export declare function hyp_log(level: i32, ptr: usize, len: i32): void;
export declare function hyp_exit(status: i32): void;
`,
  'kernel/kern/wasi.hyper.ts': 'export declare function proc_exit(status: i32): void;\n',
  'kernel/kern/panic.ts': `
import { hyp_panic } from "./hyper";
export function kpanic(message: string | null, file: string | null, line: u32, col: u32): void {
  hyp_panic(changetype<usize>(message), <i32>line);
  unreachable();
}
`,
  'kernel/kern/init.ts': `
import { hyp_log } from "./hyper";
let brk: usize = 0;
export function kern_boot(): i32 { brk = __heap_base; return 0; }
export function kern_alloc(size: usize): usize { const p = brk; brk += size; return p; }
export function kern_boot_failed(what: string, e: i32): i32 { hyp_log(e, changetype<usize>(what), what.length); return e; }
export function kern_boot_done(): i32 { return 0; }
`,
  'kernel/kern/exports.ts': `
import { RUMP_ABI } from "../abi/rump";
export function rump_abi(): i32 { return RUMP_ABI; }
export function not_for_the_host(): i32 { return 1; }
`,
  'kernel/kern/start.ts': `
import { proc_exit } from "./wasi.hyper";
export function start_main(e: i32): void { proc_exit(e); }
`,
  'kernel/net/net.ts': `
import { NET_NMBUFS } from "rump/tunables";
import { kern_alloc } from "../kern/init";
let pool: usize = 0;
export function net_init(): void { pool = kern_alloc(<usize>NET_NMBUFS * 64); }
export function net_pool(): usize { return pool; }
`,
};

const COMPONENTS: Files = {
  'components/hello/component.json': {
    name: 'hello', description: 'says hello', provides: ['greeter'], needs: [], hyper: 'hello.hyper.ts', entry: 'hello.ts',
    init: { KERN: 'hello_init' }, tunables: { TIMES: 2 }, sizeBudget: 4096,
  },
  'components/hello/hello.hyper.ts': 'export declare function hello_say(n: i32, at: f64): i32;\nexport declare function hello_never(n: i32): i32;\n',
  'components/hello/hello.ts': `
import { HELLO_TIMES } from "rump/tunables";
import { kern_alloc } from "../../kernel/kern/init";
import { hello_say } from "./hello.hyper";
@unmanaged class HelloState { said: i32; }
let st: HelloState = changetype<HelloState>(0);
export function hello_init(): i32 { st = changetype<HelloState>(kern_alloc(offsetof<HelloState>())); return 0; }
export function greet(n: i32): i32 { st.said += HELLO_TIMES; return hello_say(n * HELLO_TIMES, 0.5); }
`,
  'components/bonjour/component.json': {
    name: 'bonjour', description: 'says bonjour', provides: ['greeter'], entry: 'bonjour.ts',
  },
  'components/bonjour/bonjour.ts': 'export function greet(n: i32): i32 { return n + 1; }\n',
  'components/app/component.json': {
    name: 'app', description: 'greets', provides: ['app'], needs: ['greeter', 'kern:net'], entry: 'app.ts',
    init: { POSTINIT: 'app_init' }, exports: 'app_exports.ts',
  },
  'components/app/app.ts': `
import { greet } from "rump/greeter";
import { net_pool } from "../../kernel/net/net";
export function app_init(): i32 { return greet(3) < 0 ? -5 : 0; }
export function app_pool(): usize { return net_pool(); }
`,
  'components/app/app_exports.ts': 'export { app_pool } from "./app";\n',
  'components/alone/component.json': {
    name: 'alone', description: 'needs nobody', entry: 'alone.ts', exports: 'alone.ts', pages: 2,
  },
  'components/alone/alone.ts': `
export function alone_twice(n: i32): i32 { assert(n >= 0, "alone_twice: n"); return n * 2; }
`,
};

const CONFS: Files = {
  'kernel/conf/BASE.json': { description: 'what all have', fragment: true, components: ['hello'], tunables: { HELLO_TIMES: 5 } },
  'kernel/conf/DEMO.json': {
    description: 'a demonstration', include: ['BASE'], components: ['app'], tunables: { NET_NMBUFS: 8 }, pages: 4, params: { PORT: '80' },
  },
  'kernel/conf/OTHER.json': { description: 'the other greeter', components: ['bonjour', 'app'], exports: ['app'], pages: 4 },
};

export const FIXTURE: Files = { ...KERNEL, ...COMPONENTS, ...CONFS };

/** Write `files` below `root`. */
export function writeFiles(root: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, name);
    if (content === null) {
      rmSync(path, { force: true, recursive: true });
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 1));
  }
}

/** The fixture with `changes` in a directory that is gone after the test. */
export function makeTree(t: TestContext, changes: Files = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'mkimage-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  writeFiles(root, { ...FIXTURE, ...changes });
  return root;
}

/** A description of the fixture with some keys changed. */
export function changed(file: keyof typeof FIXTURE, keys: object): object {
  return { ...(FIXTURE[file] as object), ...keys };
}
