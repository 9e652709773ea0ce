/**
 * WebAssembly's JavaScript interface (https://webassembly.github.io/spec/js-api/), for tsc.
 *
 * TypeScript has it in its "dom" library, together with a browser's several hundred global names; a
 * slip such as a forgotten declaration of `name` or `status` would then pass the type check.
 */
declare namespace WebAssembly {
  type ImportExportKind = 'function' | 'global' | 'memory' | 'table';
  type ValueType = 'anyfunc' | 'externref' | 'f32' | 'f64' | 'i32' | 'i64' | 'v128';
  type ExportValue = Function | Global | Memory | Table;
  type Exports = Record<string, ExportValue>;
  type ImportValue = ExportValue | number | bigint;
  type ModuleImports = Record<string, ImportValue>;
  type Imports = Record<string, ModuleImports>;

  interface ModuleExportDescriptor {
    name: string;
    kind: ImportExportKind;
  }
  interface ModuleImportDescriptor extends ModuleExportDescriptor {
    module: string;
  }
  interface Module {}
  const Module: {
    new (bytes: ArrayBuffer | ArrayBufferView): Module;
    customSections(module: Module, name: string): ArrayBuffer[];
    exports(module: Module): ModuleExportDescriptor[];
    imports(module: Module): ModuleImportDescriptor[];
  };

  interface Instance {
    readonly exports: Exports;
  }
  const Instance: { new (module: Module, imports?: Imports): Instance };

  interface Memory {
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  const Memory: { new (descriptor: { initial: number; maximum?: number; shared?: boolean }): Memory };

  interface Table {
    readonly length: number;
    get(index: number): unknown;
    grow(delta: number, value?: unknown): number;
    set(index: number, value?: unknown): void;
  }
  const Table: { new (descriptor: { element: 'anyfunc' | 'externref'; initial: number; maximum?: number }, value?: unknown): Table };

  interface Global<T = number | bigint> {
    value: T;
    valueOf(): T;
  }
  const Global: { new <T = number>(descriptor: { value: ValueType; mutable?: boolean }, value?: T): Global<T> };

  interface CompileError extends Error {}
  const CompileError: { new (message?: string): CompileError };
  interface LinkError extends Error {}
  const LinkError: { new (message?: string): LinkError };
  interface RuntimeError extends Error {}
  const RuntimeError: { new (message?: string): RuntimeError };

  interface WebAssemblyInstantiatedSource {
    instance: Instance;
    module: Module;
  }
  function compile(bytes: ArrayBuffer | ArrayBufferView): Promise<Module>;
  function instantiate(bytes: ArrayBuffer | ArrayBufferView, imports?: Imports): Promise<WebAssemblyInstantiatedSource>;
  function instantiate(module: Module, imports?: Imports): Promise<Instance>;
  function validate(bytes: ArrayBuffer | ArrayBufferView): boolean;
}
