/**
 * Stamps: has anything changed since a result was made?
 *
 * A stamp is a JSON file: a key (options, versions) and the SHA-256 of every input file by name. The
 * times of files are not looked at: git and tar set them as they please. Hashing some hundred source
 * files takes a few milliseconds, which is what every `npm start` pays when there is nothing to do.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @param {string | Uint8Array} data
 * @returns {string} hexadecimal SHA-256
 */
export function sha256(data) {
  return createHash('sha256').update(data).digest('hex');
}

/**
 * Write a file so that a reader sees the old one or the new one, never half of one; and leave it
 * untouched when it would not change, so that what watches it is not woken.
 * @param {string} file
 * @param {string | Uint8Array} data
 * @param {number} [mode]
 * @returns {boolean} whether it was written
 */
export function writeAtomic(file, data, mode = 0o644) {
  if (existsSync(file) && readFileSync(file).equals(Buffer.from(data))) return false;
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, data, { mode });
  renameSync(temporary, file);
  return true;
}

/**
 * @param {string} root
 * @param {string[]} inputs paths relative to root
 * @returns {Record<string, string>}
 */
function hashAll(root, inputs) {
  return Object.fromEntries(inputs.map((name) => {
    const file = join(root, name);
    return [name, existsSync(file) ? sha256(readFileSync(file)) : 'absent'];
  }));
}

/**
 * @param {string} root
 * @param {string} file the stamp
 * @param {string} key
 * @returns {boolean} whether the result it speaks of is still good
 */
export function isFresh(root, file, key) {
  if (!existsSync(file)) return false;
  try {
    const stamp = JSON.parse(readFileSync(file, 'utf8'));
    if (stamp.key !== key) return false;
    if (!stamp.outputs.every((/** @type {string} */ name) => existsSync(join(root, name)))) return false;
    const now = hashAll(root, Object.keys(stamp.inputs));
    return Object.entries(now).every(([name, hash]) => stamp.inputs[name] === hash);
  } catch {
    return false;
  }
}

/**
 * Record what a result was made of. An input that was edited while the result was being made leaves
 * no stamp, because nobody can say which of its two texts went in.
 * @param {string} root
 * @param {string} file the stamp
 * @param {{key: string, inputs: string[], outputs: string[], began: number}} made paths relative to
 *   root; `began` is the time, in ms, at which the making began
 */
export function writeStamp(root, file, made) {
  const edited = made.inputs.some((name) => {
    const path = join(root, name);
    return existsSync(path) && statSync(path).mtimeMs >= made.began;
  });
  if (edited) rmSync(file, { force: true });
  else writeAtomic(file, JSON.stringify({ key: made.key, outputs: made.outputs, inputs: hashAll(root, made.inputs) }, null, 1));
}
