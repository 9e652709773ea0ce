/**
 * The host that a spec sees: every hypercall is there, none has an effect outside.
 *
 * Time stands still at one second after boot and noon of 2020-01-01 UTC unless a spec moves it,
 * entropy is a fixed sequence, there are no parameters, the console and the log are kept for the
 * report of a failure, a panic throws. A hypercall that is not known here (a component's own) answers
 * -ENOSYS, so that a spec of a component's pure parts links. A spec that exports `mock_NAME` is asked
 * instead of the host when NAME is called.
 */
const WALL_US = 1_577_880_000_000_000n;
const MONOTONIC_US = 1_000_000n;
const CLOCK_MONOTONIC = 1;
const ENOSYS = 78;

/**
 * @typedef {object} SpecHost
 * @property {WebAssembly.Memory | null} memory set once the module is there
 * @property {Record<string, unknown>} exports the module's, once it is there
 * @property {string[]} log what the image wrote
 */

/** @returns {SpecHost} */
export function specHost() {
  return { memory: null, exports: {}, log: [] };
}

/**
 * @param {SpecHost} host
 * @param {number} ptr
 * @param {number} len
 * @returns {Uint8Array}
 */
function bytes(host, ptr, len) {
  if (!host.memory) throw new Error('a hypercall before the module was there');
  return new Uint8Array(host.memory.buffer, ptr >>> 0, len);
}

/** @param {SpecHost} host @param {number} ptr @param {number} len @returns {string} */
const text = (host, ptr, len) => new TextDecoder().decode(bytes(host, ptr, len));

/** @param {SpecHost} host @param {number} ptr @returns {DataView} from `ptr` to the end */
function view(host, ptr) {
  if (!host.memory) throw new Error('a hypercall before the module was there');
  return new DataView(host.memory.buffer, ptr >>> 0);
}

/** @param {SpecHost} host */
function rumpuser(host) {
  return {
    hyp_init: () => 0,
    hyp_exit: () => undefined,
    hyp_panic: (/** @type {number} */ ptr, /** @type {number} */ len) => { throw new Error(`panic: ${text(host, ptr, len)}`); },
    hyp_log: (/** @type {number} */ level, /** @type {number} */ ptr, /** @type {number} */ len) => {
      host.log.push(`<${level}> ${text(host, ptr, len)}`);
    },
  };
}

/** @param {SpecHost} host */
function wasi(host) {
  let seed = 1;
  return {
    clock_time_get: (/** @type {number} */ id, /** @type {bigint} */ _precision, /** @type {number} */ out) => {
      view(host, out).setBigUint64(0, (id === CLOCK_MONOTONIC ? MONOTONIC_US : WALL_US) * 1000n, true);
      return 0;
    },
    random_get: (/** @type {number} */ ptr, /** @type {number} */ len) => {
      const to = bytes(host, ptr, len);
      for (let i = 0; i < len; i++) {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        to[i] = seed >>> 16;
      }
      return 0;
    },
    environ_sizes_get: (/** @type {number} */ count, /** @type {number} */ size) => {
      view(host, count).setUint32(0, 0, true);
      view(host, size).setUint32(0, 0, true);
      return 0;
    },
    environ_get: () => 0,
    fd_write: (/** @type {number} */ _fd, /** @type {number} */ iovs, /** @type {number} */ n, /** @type {number} */ out) => {
      let written = 0;
      for (let i = 0; i < n; i++) {
        const length = view(host, iovs + 8 * i).getUint32(4, true);
        host.log.push(text(host, view(host, iovs + 8 * i).getUint32(0, true), length));
        written += length;
      }
      view(host, out).setUint32(0, written, true);
      return 0;
    },
  };
}

/**
 * Imports for `module`, but for what as-pect itself brings.
 * @param {SpecHost} host
 * @param {WebAssembly.Module} module
 * @returns {Record<string, Record<string, Function>>}
 */
export function mockImports(host, module) {
  /** @type {Record<string, Record<string, Function>>} */
  const known = { rumpuser: rumpuser(host), wasi_snapshot_preview1: wasi(host) };
  /** @type {Record<string, Record<string, Function>>} */
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind !== 'function' || from === 'env' || from === 'rtrace' || from === '__aspect') continue;
    imports[from] ??= {};
    const host_ = known[from]?.[name] ?? (() => -ENOSYS);
    imports[from][name] = (/** @type {unknown[]} */ ...args) => {
      const own = host.exports[`mock_${name}`];
      return typeof own === 'function' ? own(...args) : host_(...args);
    };
  }
  return imports;
}
