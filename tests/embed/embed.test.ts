/**
 * The examples of docs/embedding.md, as they are printed there: a component and a whole image in a C
 * program by wasm2c, and an image in JavaScript with web APIs alone.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, test, type TestContext } from 'node:test';
import { O_CREAT, O_RDWR } from '../../kernel/abi/fcntl';
import { SYS_kevent, SYS_kqueue, SYS_open, SYS_pread, SYS_pwrite } from '../../kernel/abi/syscall';
import { EV_ADD, EV_ONESHOT, EVFILT_TIMER, KE_DATA, KE_FILTER, KE_FLAGS, KE_IDENT, KEVENT_SIZE } from '../../kernel/abi/event';
import { need } from '../lib/need';
import { run } from '../lib/spawn';
import { root, tempDir } from '../lib/tree';
import { buildComponent, buildImage } from '../../tools/mkimage/index';

const runtime = '/usr/share/wabt/wasm2c';

/** Build and start `examples/embed/NAME.c` with `wasm` translated to C; what it prints. */
async function runInC(t: TestContext, name: string, wasm: string, input: string): Promise<string> {
  const dir = tempDir(t);
  copyFileSync(wasm, join(dir, 'in.wasm'));
  const tool = async (command: string, args: string[]): Promise<void> => {
    const { code, stderr } = await run(command, args, { cwd: dir });
    assert.equal(code, 0, `${command}: ${stderr}`);
  };
  await tool('wasm2c', ['-n', name, 'in.wasm', '-o', `${name}.wasm.c`]);
  await tool('gcc', ['-O1', '-I.', `-I${runtime}`, join(root, 'examples/embed', `${name}.c`), `${name}.wasm.c`,
    join(runtime, 'wasm-rt-impl.c'), '-lm', '-o', name]);
  const { code, stdout, stderr } = await run(join(dir, name), [], { cwd: dir, input });
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('in C, by wasm2c', { skip: need('wasm2c', 'gcc') }, () => {
  test('a component: lzo', async (t) => {
    const { wasmFile } = await buildComponent('lzo');
    const text = readFileSync(join(root, 'docs/linker.md'), 'utf8');
    const out = await runInC(t, 'lzo', wasmFile, text);
    assert.match(out, new RegExp(`^${Buffer.byteLength(text)} bytes, \\d+ compressed, the same again; adler32 [0-9a-f]{8}\\n$`));
  });

  test('an image: FS', async (t) => {
    const { wasmFile } = await buildImage('FS');
    const out = await runInC(t, 'fs', wasmFile, '');
    assert.match(out, /fd 0, wrote 19, read 19: hello from a kernel\n/);
    assert.match(out, /open of nothing: -2\nnext deadline: -1\nexit 0\n$/);
  });
});

/** What examples/embed/image.mjs exports, as far as it is used here. */
interface Embedded {
  image: { memory: WebAssembly.Memory };
  run(): void;
  syscall(nr: number, ...args: (number | string | Uint8Array)[]): number;
  results: number;
  bytes(ptr: number, len: number): Uint8Array;
  close(): void;
}

describe('in JavaScript without this package', () => {
  test('an image: FS', async () => {
    const { wasmFile } = await buildImage('FS');
    const { bootImage } = await import(pathToFileURL(join(root, 'examples/embed/image.mjs')).href) as {
      bootImage: (module: WebAssembly.Module, params?: Record<string, string>) => Embedded;
    };
    const kernel = bootImage(new WebAssembly.Module(readFileSync(wasmFile)), { HOSTNAME: 'web' });
    const fd = kernel.syscall(SYS_open, '/greeting', O_RDWR | O_CREAT, 0o644);
    assert.equal(kernel.syscall(SYS_pwrite, fd, 'hello from a kernel', 0, 0), 19);
    assert.equal(kernel.syscall(SYS_pread, fd, kernel.results, 100, 0, 0), 19);
    assert.equal(Buffer.from(kernel.bytes(kernel.results, 19)).toString(), 'hello from a kernel');

    // A timer of the image, by the host's one.
    const kq = kernel.syscall(SYS_kqueue);
    const change = new DataView(new ArrayBuffer(KEVENT_SIZE));
    change.setUint32(KE_IDENT, 1, true);
    change.setInt16(KE_FILTER, EVFILT_TIMER, true);
    change.setUint16(KE_FLAGS, EV_ADD | EV_ONESHOT, true);
    change.setUint32(KE_DATA, 20, true);
    new Uint8Array(kernel.image.memory.buffer).set(new Uint8Array(change.buffer), kernel.results);
    assert.equal(kernel.syscall(SYS_kevent, kq, kernel.results, 1, 0, 0), 0);
    kernel.run();
    assert.equal(kernel.syscall(SYS_kevent, kq, 0, 0, kernel.results, 1), 0, 'not yet');
    await new Promise((resolve) => { setTimeout(resolve, 60); });
    assert.equal(kernel.syscall(SYS_kevent, kq, 0, 0, kernel.results, 1), 1);
    kernel.close();
  });
});
