/**
 * A spec to a test binary, by asc with the options of as-pect.asconfig.json; kept until a source changes.
 *
 * build/specs/<path>.wasm has beside it a JSON file with the hash of every source that went in.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import * as asc from 'assemblyscript/asc';
import { sha256, writeAtomic } from '../lib/stamp.mjs';

const CONFIG = 'as-pect.asconfig.json';
/** Not read by asc as sources, but of the same effect. */
const TOOLS = [CONFIG, 'tools/mkimage/transform.mjs', 'tools/mkimage/ascTransform.mjs'];

interface Stamp {
  asc: string;
  inputs: Record<string, string>;
}

const hashOf = (root: string, file: string): string =>
  (existsSync(join(root, file)) ? sha256(readFileSync(join(root, file))) : 'absent');

/** The kept binary of `spec`, if nothing that it was made of has changed. */
function kept(root: string, wasmFile: string, stampFile: string): Uint8Array | null {
  if (!existsSync(wasmFile) || !existsSync(stampFile)) return null;
  try {
    const stamp = JSON.parse(readFileSync(stampFile, 'utf8')) as Stamp;
    if (stamp.asc !== asc.version) return null;
    const same = Object.entries(stamp.inputs).every(([file, hash]) => hashOf(root, file) === hash);
    return same ? readFileSync(wasmFile) : null;
  } catch {
    return null;
  }
}

/** What `spec` says in place of gen/rump/: its line "@role NAME COMPONENT" chooses another provider of a role. */
function otherRoles(root: string, spec: string): Map<string, string> {
  const said = readFileSync(join(root, spec), 'utf8').matchAll(/^ \* @role (\w+) (\w+)$/gm);
  return new Map([...said].map(([, role, component]) => [`gen/rump/${role}.ts`, `export * from "../../components/${component}/${component}";\n`]));
}

/** Compile `spec` (relative to the root), or take what is kept; rejects with the compiler's words. */
export async function compileSpec(root: string, spec: string): Promise<Uint8Array> {
  const base = join(root, 'build/specs', spec.replace(/\.ts$/, ''));
  const old = kept(root, `${base}.wasm`, `${base}.json`);
  if (old) return old;
  const inputs = Object.fromEntries(TOOLS.map((file) => [file, hashOf(root, file)]));
  const roles = otherRoles(root, spec);
  const out = new Map<string, Uint8Array | string>();
  const stderr = asc.createMemoryStream();
  const { error } = await asc.main([spec, '--baseDir', root, '--config', join(root, CONFIG)], {
    readFile(name, from) {
      const path = resolve(from, name);
      if (!existsSync(path)) return null;
      const file = relative(root, path).split(sep).join('/');
      const chosen = roles.get(file);
      if (chosen !== undefined) return chosen;
      const text = readFileSync(path, 'utf8');
      if (!file.startsWith('node_modules/')) inputs[file] = sha256(text);
      return text;
    },
    writeFile: (name, contents) => { out.set(name.split(/[\\/]/).at(-1) ?? name, contents); },
    stdout: asc.createMemoryStream(),
    stderr,
  });
  if (error) throw new Error(stderr.toString().trim());
  const wasm = out.get('output.wasm') as Uint8Array;
  writeAtomic(`${base}.wasm`, wasm);
  writeAtomic(`${base}.json`, JSON.stringify({ asc: asc.version, inputs } satisfies Stamp, null, 1));
  return wasm;
}
