/**
 * An image without this package's host: what a browser, a worker or any other JavaScript runtime needs.
 *
 *     const kernel = bootImage(await WebAssembly.compileStreaming(fetch('FS.wasm')), { PARAM: 'value' });
 *
 * Only web APIs are used: WebAssembly, performance, crypto, TextEncoder. The host is the two import
 * modules that an image without host components names: rumpuser, and the part of WASI it uses. Images
 * with a component that has hypercalls (sockin, virtif) need that module as well: pass it as `more`.
 */
const ABI = 1;
const EPROTONOSUPPORT = 43;
const ENOSYS_OF_WASI = 52;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The time as the image is told it, µs. */
const monotonicUs = () => performance.now() * 1000;

/** Linear memory, which is there once the instance is. */
class Memory {
  attach(memory) {
    this.u8 = new Uint8Array(memory.buffer);
    this.dv = new DataView(memory.buffer);
  }
  text(ptr, len) { return decoder.decode(this.u8.subarray(ptr, ptr + len)); }
}

/** @param {Memory} memory */
function makeRumpuser(memory) {
  return {
    hyp_init: (version) => (version === ABI ? 0 : -EPROTONOSUPPORT),
    hyp_panic(ptr, len) { throw new Error(`panic: ${memory.text(ptr, len)}`); },
    hyp_log(level, ptr, len) { console.log(`<${level}> ${memory.text(ptr, len)}`); },
    hyp_exit(status) { console.log(`exit ${status}`); },
    hyp_bio_open: () => -2, // ENOENT: there are no block stores here
    hyp_bio: () => -9,
    hyp_bio_close: () => -9,
  };
}

/** @param {Memory} memory @param {Uint8Array[]} environ */
function makeWasi(memory, environ) {
  return {
    clock_time_get(id, _precision, at) {
      const us = id === 0 ? Date.now() * 1000 : monotonicUs();
      memory.dv.setBigUint64(at, BigInt(Math.floor(us)) * 1000n, true);
      return 0;
    },
    random_get(ptr, len) {
      crypto.getRandomValues(memory.u8.subarray(ptr, ptr + len));
      return 0;
    },
    environ_sizes_get(count, size) {
      memory.dv.setUint32(count, environ.length, true);
      memory.dv.setUint32(size, environ.reduce((sum, bytes) => sum + bytes.length, 0), true);
      return 0;
    },
    environ_get(table, at) {
      for (const bytes of environ) {
        memory.dv.setUint32(table, at, true);
        memory.u8.set(bytes, at);
        table += 4;
        at += bytes.length;
      }
      return 0;
    },
    fd_write(_fd, iovs, count, written) {
      let total = 0;
      for (let i = 0; i < count; i++) {
        const len = memory.dv.getUint32(iovs + 8 * i + 4, true);
        console.log(memory.text(memory.dv.getUint32(iovs + 8 * i, true), len));
        total += len;
      }
      memory.dv.setUint32(written, total, true);
      return 0;
    },
    poll_oneoff: () => ENOSYS_OF_WASI, // only _start waits; here a timer does (run, below)
    proc_exit(status) { throw new Error(`proc_exit(${status})`); },
  };
}

/**
 * @param {WebAssembly.Module} module
 * @param {Record<string, string>} [params] boot parameters
 * @param {Record<string, Record<string, Function>>} [more] import modules of components
 */
export function bootImage(module, params = {}, more = {}) {
  const memory = new Memory();
  const environ = Object.entries(params).map(([name, value]) => encoder.encode(`${name}=${value}\0`));
  const imports = { rumpuser: makeRumpuser(memory), wasi_snapshot_preview1: makeWasi(memory, environ), ...more };
  const image = new WebAssembly.Instance(module, imports).exports;
  memory.attach(image.memory);
  if (image.rump_abi() !== ABI) throw new Error(`the image has ABI ${image.rump_abi()}`);
  const e = image.rump_init();
  if (e < 0) throw new Error(`rump_init: errno ${-e}`);
  const hostbuf = image.rump_hostbuf();

  let timer;
  function run() {
    clearTimeout(timer);
    const now = monotonicUs();
    const next = image.rump_run(now);
    if (next >= 0) timer = setTimeout(run, Math.max(0, (next - now) / 1000));
  }

  return {
    image,
    /** Let the image do what is due, and come again when it asks to. After interrupts; system calls do it themselves. */
    run,
    /** A system call: >= 0 or -errno. Strings and bytes go through the exchange area, as address and length. */
    syscall(nr, ...args) {
      let at = hostbuf;
      const numbers = args.flatMap((arg) => {
        if (typeof arg === 'number') return [arg];
        const bytes = typeof arg === 'string' ? encoder.encode(arg) : arg;
        memory.u8.set(bytes, at);
        at += bytes.length;
        return [at - bytes.length, bytes.length];
      });
      const result = image.rump_syscall(nr, ...numbers, ...Array(6 - numbers.length).fill(0));
      if (image.rump_pending()) run();
      return result;
    },
    /** The second half of the exchange area: room for results. */
    results: hostbuf + 131_072,
    bytes: (ptr, len) => memory.u8.slice(ptr, ptr + len),
    close() { clearTimeout(timer); },
  };
}
