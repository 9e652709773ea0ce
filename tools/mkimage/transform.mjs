/**
 * What asc is taught about this tree, as one of its transforms. (ascTransform.mjs is this, as a file that
 * asc and as-pect can load; here nothing of the compiler is imported, because loading it takes a third
 * of a second, which `rumpwasm run` should not pay when there is nothing to compile.)
 *
 * 1. The import module of a hypercall follows from the file that declares it, so that no declaration
 *    needs a decorator: kernel/kern/hyper → rumpuser, kernel/kern/wasi.hyper → wasi_snapshot_preview1,
 *    components/X/X.hyper → X.
 * 2. `--runtime stub` means kernel/runtime/nogc.ts: allocation is a compile error.
 * 3. With `checkAll` every function and method under the given paths is compiled, reachable or not:
 *    asc alone checks only what an entry reaches.
 */
const STUB = 'rt/index-stub';
/** asc's own text of the stub runtime, from before anything replaced it. */
let stubText = '';
/** Values of asc's enumerations (0.28.14). */
const RUNTIME_STUB = 0;
const SOURCE_USER_ENTRY = 1;
const KIND_FUNCTION = 4;
const KIND_CLASS = 6;
const KIND_PROPERTY = 10;
const FLAG_ABSTRACT = 1 << 7;
const FLAG_AMBIENT = 1 << 15;
const FLAG_GENERIC = 1 << 16;

/**
 * The import module of what `path` (a module, without extension) declares.
 * @param {string} path
 * @returns {string | null} null if it is no file of hypercalls
 */
export function importModule(path) {
  if (path === 'kernel/kern/hyper') return 'rumpuser';
  if (path === 'kernel/kern/wasi.hyper') return 'wasi_snapshot_preview1';
  return /(?:^|\/)([^/]+)\.hyper$/.exec(path)?.[1] ?? null;
}

/**
 * The functions of a class: of its instances and of itself. Constructors are left out (they allocate;
 * objects of the kernel are carved), and so are fields.
 * @param {any} resolver
 * @param {any} prototype of the class
 * @returns {any[]} function prototypes
 */
function methodsOf(resolver, prototype) {
  const instance = resolver.resolveClass(prototype, null);
  const members = [...(instance?.members?.values() ?? []), ...(prototype.members?.values() ?? [])];
  return members.flatMap((member) => {
    if (member.kind === KIND_PROPERTY) return [member.getterPrototype, member.setterPrototype];
    return member.kind === KIND_FUNCTION && member.name !== 'constructor' ? [member] : [];
  }).filter(Boolean);
}

/**
 * Make asc compile everything in `file`: it compiles what an entry exports, so the file becomes an
 * entry and all of its functions become exports. Generic functions have nothing to compile.
 * @param {any} program
 * @param {any} file
 */
function exportEverything(program, file) {
  file.source.sourceKind = SOURCE_USER_ENTRY;
  const all = [...(file.members?.values() ?? [])].flatMap((element) => {
    if (element.kind === KIND_CLASS && !element.is(FLAG_GENERIC)) return methodsOf(program.resolver, element);
    return element.kind === KIND_FUNCTION ? [element] : [];
  });
  const functions = all.filter((f) => !f.is(FLAG_GENERIC) && !f.is(FLAG_ABSTRACT) && !f.is(FLAG_AMBIENT));
  file.exports = new Map(functions.map((f, i) => [`${f.name}#${i}`, f]));
}

/**
 * @typedef {object} Options
 * @property {Record<string, string>} libraryFiles asc's
 * @property {string} runtime text that takes the place of asc's stub runtime
 * @property {boolean} [withHeap] leave that runtime as it is (to find out who allocates)
 * @property {string[]} [checkAll] path prefixes of the sources to compile whole
 */

/**
 * The transform with its options; asc makes the instance and gives it `program`.
 * @param {Options} options
 */
export function rumpTransform(options) {
  const { libraryFiles } = options;
  return class RumpTransform {
    constructor() {
      const { program } = /** @type {any} */ (this);
      if (program.options.runtime !== RUNTIME_STUB) return;
      stubText ||= libraryFiles[STUB];
      libraryFiles[STUB] = options.withHeap ? stubText : options.runtime;
    }

    /** @param {any} parser */
    afterParse(parser) {
      for (const source of parser.sources) {
        const name = importModule(source.internalPath);
        if (name !== null) source.simplePath = name;
      }
    }

    /** @param {any} program */
    afterInitialize(program) {
      const prefixes = options.checkAll ?? [];
      for (const file of program.filesByName.values()) {
        if (prefixes.some((prefix) => file.internalName.startsWith(prefix))) exportEverything(program, file);
      }
    }
  };
}
