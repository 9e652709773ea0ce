/**
 * node_modules, from the lock file, when it is missing or stale.
 *
 * Three answers, cheapest first: our stamp in node_modules names the lock file's hash; or npm's own
 * record (node_modules/.package-lock.json) agrees with the lock file in every package, which is so
 * after somebody ran `npm ci` by hand; or `npm ci` has to run.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { step } from './term.mjs';
import { sha256 } from './stamp.mjs';

const STAMP = '.rumpwasm-lock';

/**
 * @param {string} root
 * @returns {boolean} whether npm's record of what it installed agrees with the lock file
 */
function installedMatches(root) {
  const record = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(record, 'utf8')).packages;
  return Object.entries(wanted).every(([name, entry]) => {
    if (name === '' || (entry.optional && !present[name])) return true;
    return present[name]?.version === entry.version;
  });
}

/**
 * How to start npm. Under `npm start` the tree's own node_modules/.bin is first in PATH, and there a
 * dependency of a dependency has left an npm of many years ago; that one is never used.
 * @param {string} root
 * @returns {{command: string, args: string[], shell: boolean}}
 */
export function findNpm(root) {
  const inTree = join(root, 'node_modules');
  const cli = [
    process.env.npm_execpath ?? '',
    join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js'),
  ].find((file) => /\.c?js$/.test(file) && !file.startsWith(inTree) && existsSync(file));
  if (cli) return { command: process.execPath, args: [cli], shell: false };
  const names = process.platform === 'win32' ? ['npm.cmd'] : ['npm'];
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    if (dir === '' || dir.startsWith(inTree)) continue;
    for (const name of names) {
      if (existsSync(join(dir, name))) return { command: join(dir, name), args: [], shell: process.platform === 'win32' };
    }
  }
  throw new Error('npm was not found next to node or in PATH; install it and run the command again');
}

/**
 * @param {string} root
 * @returns {Promise<void>}
 */
function npmCi(root) {
  const npm = findNpm(root);
  const args = [...npm.args, 'ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund'];
  const label = 'installing dependencies from package-lock.json';
  return step(label, (note) => new Promise((resolve, reject) => {
    const child = spawn(npm.command, args, { cwd: root, shell: npm.shell, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (/** @type {Buffer} */ chunk) => {
      output += chunk;
      const added = /added (\d+) packages/.exec(output);
      if (added) note(`${added[1]} packages`);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ci failed (exit ${code}):\n${output.trim()}`));
    });
  }));
}

/**
 * @param {string} root
 * @returns {Promise<boolean>} whether anything had to be installed
 */
export async function ensureInstalled(root) {
  const hash = sha256(readFileSync(join(root, 'package-lock.json')));
  const stamp = join(root, 'node_modules', STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return false;
  const present = installedMatches(root);
  if (!present) await npmCi(root);
  writeFileSync(stamp, hash);
  return !present;
}
