/**
 * The text of a script, read from front to back: blanks and comments are skipped, everything else is
 * taken by pattern. Errors carry the line.
 */
import { ScriptError } from './script';

/** Blanks, // to the end of the line, # likewise, and C comments. */
const blank = /(?:\s+|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/)+/y;

export class Scanner {
  private at = 0;

  constructor(readonly path: string, readonly text: string) {
    this.skip();
  }

  get done(): boolean { return this.at >= this.text.length; }

  /** Line of the next word, from 1. */
  get line(): number {
    let line = 1;
    for (let i = this.text.indexOf('\n'); i >= 0 && i < this.at; i = this.text.indexOf('\n', i + 1)) line++;
    return line;
  }

  /** Take `pattern` (sticky) if it comes next. */
  accept(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null || found[0] === '') return null;
    this.at = pattern.lastIndex;
    this.skip();
    return found;
  }

  /** Does `pattern` come next? */
  sees(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    return pattern.test(this.text);
  }

  /** Take `pattern` or fail with what was wanted. */
  expect(pattern: RegExp, what: string): RegExpExecArray {
    return this.accept(pattern) ?? this.fail(`expected ${what}, found ${this.rest()}`);
  }

  /** Take everything up to `end`, which is taken too. Blanks are kept. */
  until(end: string): string {
    const stop = this.text.indexOf(end, this.at);
    if (stop < 0) return this.fail(`no ${end} to the end of the script`);
    const inner = this.text.slice(this.at, stop);
    this.at = stop + end.length;
    this.skip();
    return inner;
  }

  /** @param line where, if not here */
  fail(message: string, line = this.line): never {
    throw new ScriptError(this.path, line, message);
  }

  private rest(): string {
    const line = this.text.slice(this.at, this.at + 40).split('\n')[0]!;
    return line === '' ? 'the end of the script' : JSON.stringify(line);
  }

  private skip(): void {
    blank.lastIndex = this.at;
    if (blank.test(this.text)) this.at = blank.lastIndex;
  }
}
