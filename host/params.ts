/**
 * Boot parameters: names and values, as rumprun's -e and the image's defaults give them.
 *
 * They reach the image as its WASI environment ("NAME=VALUE"), so that any WASI host can give them.
 * A name is printable ASCII without '='; a value is any text without NUL. The defaults come from the
 * image's manifest, and what the caller gives replaces them.
 */

/** Total size of all parameters with their NULs, a sanity limit: they are copied into the arena. */
const PARAMS_MAX = 65536;

/**
 * Merge parameter sets, later ones winning; an undefined or null value removes the name.
 * @throws TypeError for a name or value that cannot be passed
 */
export function makeParams(
  ...sets: ReadonlyArray<Readonly<Record<string, string | number | boolean | null | undefined>> | undefined>
): Map<string, string> {
  const params = new Map<string, string>();
  for (const set of sets) {
    for (const [name, value] of Object.entries(set ?? {})) {
      if (!/^[!-<>-~]+$/.test(name)) throw new TypeError(`parameter name ${JSON.stringify(name)} is not printable ASCII without '='`);
      if (value === undefined || value === null) {
        params.delete(name);
        continue;
      }
      const text = typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
      if (text.includes('\0')) throw new TypeError(`the value of parameter ${name} contains a NUL`);
      params.set(name, text);
    }
  }
  const size = environBytes(params).reduce((sum, bytes) => sum + bytes.length, 0);
  if (size > PARAMS_MAX) throw new TypeError(`the parameters have ${size} bytes, the limit is ${PARAMS_MAX}`);
  return params;
}

/** The parameters as NUL-terminated "NAME=VALUE" byte strings, in order. */
export function environBytes(params: ReadonlyMap<string, string>): Uint8Array[] {
  const encoder = new TextEncoder();
  return [...params].map(([name, value]) => encoder.encode(`${name}=${value}\0`));
}

/**
 * "NAME=VALUE" of -e; without '=' the value comes from the environment of this process.
 * @throws Error if the name is not set there
 */
export function parseEnvironArgument(text: string): [name: string, value: string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  const value = process.env[text];
  if (at === 0 || value === undefined) throw new Error(`-e ${text}: expected NAME=VALUE, or the name of an environment variable that is set`);
  return [text, value];
}
