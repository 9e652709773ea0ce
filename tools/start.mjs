/**
 * `npm start [-- IMAGE] [options]`: prepare the tree, then `rumpwasm run`.
 *
 *     npm start                          serves examples/site on http://127.0.0.1:8080 by image SOCKIN
 *     npm start -- --port 9000           the same on another port
 *     npm start -- SOCKIN -b ./mydir     another directory
 *     npm start -- NBD                   another image, with its own defaults
 *
 * The CLI runs inside this process, not in a child, and package.json says `exec node`, so that no shell
 * stands between npm and it: a Ctrl-C or a SIGTERM reaches the server itself, which drains and exits
 * with status 0, and there is nothing to be left behind. (A shell would be killed by npm's SIGTERM and
 * leave the server running; and Debian's dash dies of a Ctrl-C whatever its child made of it.)
 */
import './lib/checkNode.mjs';

const DEFAULT_IMAGE = 'SOCKIN';
const DEFAULT_SITE = 'examples/site';

/** How long the echo of a signal may take to arrive. */
const ECHO_MS = 250;

/**
 * A Ctrl-C comes twice, from the terminal and forwarded by npm. The echo may come when the server has
 * drained and its own handlers are gone; it must not kill a process that is ending well. So this one
 * stays, and each signal keeps the process for long enough to take its echo in.
 */
function absorbEchoes() {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { setTimeout(() => undefined, ECHO_MS); });
}

/**
 * @param {string[]} given what stands after `--`; an image comes first, if it is there
 * @param {string} site the directory that is served when none is given
 * @returns {string[]} the arguments of `rumpwasm`
 */
export function startArguments(given, site) {
  const named = given.length > 0 && !given[0].startsWith('-');
  const image = named ? given[0] : DEFAULT_IMAGE;
  const rest = named ? given.slice(1) : given;
  const mounted = rest.some((word) => /^(-b|--block)/.test(word));
  const asks = rest.some((word) => word === '--help' || word === '-h');
  const defaults = image === DEFAULT_IMAGE && !mounted && !asks ? ['-b', `${site},mount=/www`] : [];
  return ['run', image, ...defaults, ...rest];
}

const { isMain, prepare, runMain } = await import('./prepare.mjs');
if (await isMain(import.meta.url)) {
  await runMain(async () => {
    const { join, relative } = await import('node:path');
    const { pathToFileURL } = await import('node:url');
    const root = await prepare();
    const cli = join(root, 'dist', 'cli.mjs');
    const site = relative(process.cwd(), join(root, DEFAULT_SITE)) || '.';
    absorbEchoes();
    process.argv = [process.execPath, cli, ...startArguments(process.argv.slice(2), site)];
    await import(pathToFileURL(cli).href);
  });
}
