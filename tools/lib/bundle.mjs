/**
 * TypeScript to runnable modules, with esbuild: host and CLI into dist/, tools, tests and benchmarks
 * into build/. Packages stay outside (they are in node_modules), our own sources go in.
 *
 * The tsconfig files of the tree are not consulted: one of them describes AssemblyScript to editors,
 * and its options must not leak into what runs. Results are written whole or not at all, because
 * another process may be starting from them at this moment.
 */
import { join, relative } from 'node:path';
import { isFresh, writeAtomic, writeStamp } from './stamp.mjs';

const SHEBANG = '#!/usr/bin/env node\n';

/**
 * @typedef {object} BundleSpec
 * @property {string} name of the stamp
 * @property {Record<string, string>} entries output path without extension → source path, both relative to root
 * @property {string[]} [executable] outputs that get a shebang and the executable bit
 */

/**
 * @param {string} root
 * @param {BundleSpec} spec
 * @returns {import('esbuild').BuildOptions & {metafile: true, write: false}}
 */
function options(root, spec) {
  return {
    absWorkingDir: root,
    entryPoints: Object.entries(spec.entries).map(([out, source]) => ({ in: `./${source}`, out })),
    outdir: root,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'linked',
    sourcesContent: false,
    charset: 'utf8',
    legalComments: 'none',
    tsconfigRaw: '{}',
    logLevel: 'silent',
    metafile: true,
    write: false,
  };
}

/**
 * @param {unknown} error
 * @returns {Promise<Error>} esbuild's findings as `file:line:column message`, one a line
 */
async function explain(error) {
  const found = /** @type {{errors?: import('esbuild').Message[]}} */ (error).errors;
  if (!found) return /** @type {Error} */ (error);
  const lines = found.map((m) => `${m.location ? `${m.location.file}:${m.location.line}:${m.location.column} ` : ''}${m.text}`);
  return new Error(`esbuild found ${found.length} error(s):\n${lines.join('\n')}`);
}

/**
 * @param {string} text a source map
 * @returns {string} the same for an output that got one more line at its head
 */
function shiftMap(text) {
  const map = JSON.parse(text);
  return JSON.stringify({ ...map, mappings: `;${map.mappings}` });
}

/**
 * @param {string} root
 * @param {BundleSpec} spec
 */
async function stampOf(root, spec) {
  const { version } = await import('esbuild');
  return {
    stampFile: join(root, 'build', 'stamps', `${spec.name}.json`),
    key: JSON.stringify([version, options('', spec), spec.executable]),
  };
}

/**
 * @param {string} root
 * @param {BundleSpec} spec
 * @returns {Promise<boolean>} whether the outputs exist and none of their inputs has changed
 */
export async function isBundled(root, spec) {
  const { stampFile, key } = await stampOf(root, spec);
  return isFresh(root, stampFile, key);
}

/**
 * Bundle, unless nothing that went in has changed.
 * @param {string} root
 * @param {BundleSpec} spec
 * @returns {Promise<boolean>} whether anything had to be made
 */
export async function bundle(root, spec) {
  if (await isBundled(root, spec)) return false;
  const esbuild = await import('esbuild');
  const { stampFile, key } = await stampOf(root, spec);
  const began = Date.now();
  const result = await esbuild.build(options(root, spec)).catch(async (error) => { throw await explain(error); });
  const executable = new Set(spec.executable ?? []);
  for (const file of result.outputFiles) {
    const name = relative(root, file.path);
    if (executable.has(name.replace(/\.mjs$/, ''))) writeAtomic(file.path, SHEBANG + file.text, 0o755);
    else if (executable.has(name.replace(/\.mjs\.map$/, ''))) writeAtomic(file.path, shiftMap(file.text));
    else writeAtomic(file.path, file.contents);
  }
  const inputs = Object.keys(result.metafile.inputs);
  const outputs = result.outputFiles.map((file) => relative(root, file.path));
  writeStamp(root, stampFile, { key, inputs, outputs, began });
  return true;
}

/**
 * The bundle of one tool, build/tools/NAME.mjs from tools/NAME/main.ts.
 * @param {string} root
 * @param {string} name
 * @returns {Promise<string>} absolute path of the module
 */
export async function bundleTool(root, name) {
  const out = join('build', 'tools', name);
  await bundle(root, { name: `tool-${name}`, entries: { [out]: join('tools', name, 'main.ts') } });
  return join(root, `${out}.mjs`);
}

/**
 * Bundles of test or benchmark files, each on its own.
 * @param {string} root
 * @param {string} name of the stamp
 * @param {string[]} sources paths relative to root, such as tests/e2e/http.test.ts
 * @returns {Promise<Map<string, string>>} source → absolute path of the module
 */
export async function bundleTests(root, name, sources) {
  const outOf = (/** @type {string} */ source) => join('build', source.replace(/\.ts$/, ''));
  if (sources.length > 0) await bundle(root, { name, entries: Object.fromEntries(sources.map((s) => [outOf(s), s])) });
  return new Map(sources.map((s) => [s, join(root, `${outOf(s)}.mjs`)]));
}
