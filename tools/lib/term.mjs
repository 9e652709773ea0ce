/**
 * What the commands print: steps with their times, tables, bars. Colour and a moving clock only on a
 * terminal; in a log every step is one line, and a step that takes long says so every few seconds.
 */
const TICK_MS = 120;
const LOG_TICK_MS = 10_000;
const SPIN = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** @returns {boolean} whether the screen can be drawn on */
export function isTerminal() {
  return process.stderr.isTTY === true && process.env.TERM !== 'dumb' && !process.env.CI;
}

/**
 * @param {string} code SGR parameters
 * @returns {(text: string) => string}
 */
function sgr(code) {
  return (text) => (process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text);
}

export const bold = sgr('1');
export const dim = sgr('2');
export const red = sgr('31');
export const green = sgr('32');
export const yellow = sgr('33');

/**
 * @param {number} ms
 * @returns {string} "840 ms", "3.2 s", "2 min 05 s"
 */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/**
 * Run one step of a command and show it: its name, a clock while it runs, its time when done.
 * Progress goes to standard error, so that a command's output can be piped.
 * @template T
 * @param {string} label
 * @param {(note: (text: string) => void) => Promise<T>} work `note` adds a word to the running line
 * @returns {Promise<T>}
 */
export async function step(label, work) {
  const began = Date.now();
  const tty = isTerminal();
  let note = '';
  let turn = 0;
  const draw = () => {
    const time = duration(Date.now() - began);
    if (tty) {
      const line = `${SPIN[turn++ % SPIN.length]} ${label} ${note} ${time}`;
      process.stderr.write(`\r\x1b[K${line.slice(0, Math.max(20, (process.stderr.columns ?? 80) - 1))}`);
    }
    else process.stderr.write(`  … ${label} ${note} ${time}\n`);
  };
  const timer = setInterval(draw, tty ? TICK_MS : LOG_TICK_MS);
  let mark = '✗';
  try {
    const result = await work((text) => { note = text; });
    mark = '✓';
    return result;
  } finally {
    clearInterval(timer);
    process.stderr.write(`${tty ? '\r\x1b[K' : ''}${mark} ${label} ${note}${note ? ' ' : ''}(${duration(Date.now() - began)})\n`);
  }
}

/** @param {string} text @returns {number} columns it takes, colour codes not counted */
function width(text) {
  return [...text.replace(/\x1b\[[0-9;]*m/g, '')].length;
}

/**
 * A table as text: the first column to the left, the others as `align` says ('<' or '>', one letter a column).
 * @param {string[]} head
 * @param {string[][]} rows
 * @param {string} [align]
 * @returns {string}
 */
export function table(head, rows, align = '') {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => width(row[i] ?? ''))));
  const line = (/** @type {string[]} */ row) => widths.map((w, i) => {
    const cell = row[i] ?? '';
    const pad = ' '.repeat(w - width(cell));
    return (align[i] ?? (i === 0 ? '<' : '>')) === '<' ? cell + pad : pad + cell;
  }).join('  ').trimEnd();
  return [bold(line(head)), dim(widths.map((w) => '─'.repeat(w)).join('  ').trimEnd()), ...rows.map(line)].join('\n');
}

/**
 * A bar of eighth blocks.
 * @param {number} value
 * @param {number} full the value that fills it
 * @param {number} columns
 * @returns {string}
 */
export function bar(value, full, columns) {
  const eighths = full > 0 ? Math.round(Math.min(1, Math.max(0, value / full)) * columns * 8) : 0;
  const rest = eighths % 8;
  return '█'.repeat(Math.floor(eighths / 8)) + (rest > 0 ? ' ▏▎▍▌▋▊▉'[rest] : '');
}
