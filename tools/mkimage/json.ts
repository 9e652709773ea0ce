/**
 * The JSON files of the tree, read strictly: a misspelt key is an error, not a default.
 *
 * A Shape says for each key what its value must be; readShaped() returns the object with exactly
 * those keys or throws a LinkError that names file, key and what was expected. Four kinds of file use
 * it: component.json, kernel/component.json, kernel/conf/<IMAGE>.json and capabilities.json.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { didYouMean, LinkError } from './errors';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** A check of one value; returns what was expected if it is something else. */
type Check = (value: Json) => string | null;

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const aString: Check = (v) => (typeof v === 'string' && v !== '' ? null : 'a string');
export const aBoolean: Check = (v) => (typeof v === 'boolean' ? null : 'true or false');
export const aCount: Check = (v) => (Number.isInteger(v) && (v as number) >= 0 ? null : 'a whole number');
const anInt32: Check = (v) => (Number.isInteger(v) && ((v as number) | 0) === v ? null : 'a 32-bit integer');

export const listOf = (check: Check): Check => (v) => {
  if (!Array.isArray(v)) return 'a list';
  const bad = v.map(check).find((found) => found !== null);
  return bad == null ? null : `a list, each entry ${bad}`;
};

export const mapOf = (check: Check): Check => (v) => {
  if (!isObject(v)) return 'an object';
  for (const [key, value] of Object.entries(v)) {
    const bad = check(value);
    if (bad !== null) return `an object in which "${key}" is ${bad}`;
  }
  return null;
};

/** One of two forms. */
export const either = (a: Check, b: Check): Check => (v) => {
  const first = a(v);
  if (first === null) return null;
  const second = b(v);
  return second === null ? null : `${first} or ${second}`;
};

export const strings = listOf(aString);
export const stringMap = mapOf(aString);
export const int32Map = mapOf(anInt32);
export const anObject = mapOf(() => null);

export type Shape = Record<string, { check: Check; required?: boolean }>;

/** Line and column of `position` in `text`, both from 1. */
function placeOf(text: string, position: number): string {
  const before = text.slice(0, position).split('\n');
  return `${before.length}:${before.at(-1)!.length + 1}`;
}

/** Parse `file` (relative to `root`); malformed JSON and a missing file are LinkErrors. */
export function readJson(root: string, file: string): JsonObject {
  const path = join(root, file);
  if (!existsSync(path)) throw new LinkError(`${file}: no such file`);
  const text = readFileSync(path, 'utf8');
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    const message = (error as Error).message;
    const at = /at position (\d+)/.exec(message);
    const place = at ? `:${placeOf(text, Number(at[1]))}` : '';
    throw new LinkError(`${file}${place}: not valid JSON: ${message.replace(/ in JSON at position.*/, '')}`);
  }
  if (!isObject(value)) throw new LinkError(`${file}: the file must hold one JSON object`);
  return value;
}

/** Check `value`, found at `where`, against `shape`. */
export function checkShape(where: string, value: JsonObject, shape: Shape): void {
  for (const [key, found] of Object.entries(value)) {
    const rule = shape[key];
    if (!rule) throw new LinkError(`${where}: unknown key "${key}"${didYouMean(key, Object.keys(shape))}`);
    const expected = rule.check(found);
    if (expected !== null) throw new LinkError(`${where}: "${key}" must be ${expected}`);
  }
  for (const [key, rule] of Object.entries(shape)) {
    if (rule.required && !(key in value)) throw new LinkError(`${where}: key "${key}" is missing`);
  }
}

/** readJson() and checkShape() in one; T is the type that `shape` describes. */
export function readShaped<T>(root: string, file: string, shape: Shape): T {
  const value = readJson(root, file);
  checkShape(file, value, shape);
  return value as T;
}
