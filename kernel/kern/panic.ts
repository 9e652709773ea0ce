/**
 * The end of the road: a broken invariant stops the image, loudly.
 *
 * `assert` of AssemblyScript calls kpanic (asc --use abort=kernel/kern/panic/kpanic); the message
 * and the source line go to the host, which throws an error with the symbolised WASM stack
 * (host/panic.ts). Nothing that arrives from outside may ever lead here: bad input is an errno.
 */
import { hyp_panic } from "./hyper";

/** Longest message that is passed on; the rest is cut. */
const PANICSTR_MAX: i32 = 240;

/** Where the message is put together: fixed, because the arena may be what is broken. */
const panicstr = memory.data(256);

function panic_puts(s: string | null, at: i32): i32 {
  if (s === null) return at;
  const n = s.length;
  for (let i = 0; i < n && at < PANICSTR_MAX; i++) store<u8>(panicstr + at++, <u8>s.charCodeAt(i));
  return at;
}

function panic_putu(v: u32, at: i32): i32 {
  let div: u32 = 1;
  while (v / div >= 10) div *= 10;
  for (; div > 0 && at < PANICSTR_MAX; div /= 10) store<u8>(panicstr + at++, <u8>(48 + ((v / div) % 10)));
  return at;
}

/** Abort target of the compiler: `message` at `file`:`line`:`col`. Does not return. */
export function kpanic(message: string | null, file: string | null, line: u32, col: u32): void {
  let at = panic_puts(message, 0);
  at = panic_puts(" at ", at);
  at = panic_puts(file, at);
  at = panic_puts(":", at);
  at = panic_putu(line, at);
  at = panic_puts(":", at);
  at = panic_putu(col, at);
  hyp_panic(panicstr, at);
  unreachable();
}

/** Stop with `message`. For code that has found its own state broken. Does not return. */
export function panic(message: string): void {
  hyp_panic(panicstr, panic_puts(message, 0));
  unreachable();
}
