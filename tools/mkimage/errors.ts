/**
 * What can go wrong while an image is made, as errors that a command prints and nothing more.
 *
 * A LinkError is one line that names both sides ("httpd needs domain:inet, which sockin provides but
 * the image does not include"). A CompileError carries what asc printed, source lines and all. Both
 * are the user's to mend, so neither shows a stack.
 */

/** An image that cannot be put together. One line. */
export class LinkError extends Error {
  override name = 'LinkError';
}

/** Sources that do not compile: the compiler's own words follow the first line. */
export class CompileError extends LinkError {
  override name = 'CompileError';

  constructor(what: string, readonly diagnostics: string) {
    super(`${what}\n\n${diagnostics.trim()}`);
  }
}

/**
 * The word of `known` that `given` was probably meant to be, as ` (did you mean "x"?)`; else ''.
 * Probably: at most two letters inserted, deleted or changed; one in a word of less than four.
 */
export function didYouMean(given: string, known: Iterable<string>): string {
  let best = '';
  let least = given.length < 4 ? 2 : 3;
  for (const word of known) {
    const distance = editDistance(given.toLowerCase(), word.toLowerCase());
    if (distance < least) {
      least = distance;
      best = word;
    }
  }
  return best === '' ? '' : ` (did you mean "${best}"?)`;
}

/** Levenshtein's distance, one row of the table at a time. O(|a|·|b|). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
