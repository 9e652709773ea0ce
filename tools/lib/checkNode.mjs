/**
 * The first thing that every command imports: is this Node new enough?
 *
 * Static imports are linked before any line runs, so a command imports this file alone and takes the
 * rest by `await import(…)`. Then an old Node says one clear sentence instead of a SyntaxError from
 * the middle of a file that it cannot parse. Nothing newer than ES2015 may be written here.
 */
export const MIN_NODE = 20;

/**
 * @param {string} version what `process.versions.node` says, e.g. "18.19.0"
 * @returns {string} "" when it will do, else the sentence to print
 */
export function checkNode(version) {
  const major = parseInt(version, 10);
  if (major >= MIN_NODE) return '';
  return 'rumpwasm needs Node ' + MIN_NODE + ' or newer; this is Node ' + version +
    '. Install a current release from https://nodejs.org/ and run the command again.';
}

const complaint = checkNode(process.versions.node);
if (complaint !== '') {
  console.error(complaint);
  process.exit(1);
}
