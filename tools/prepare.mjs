/**
 * Everything that has to be there before anything else can run, on a clone with nothing but Node.
 *
 *     node_modules           npm ci from the lock file, when missing or stale       (tools/lib/install.mjs)
 *     gen/host/users.ts      the host halves of the components that exist           (tools/lib/users.mjs)
 *     dist/{index,cli}.mjs   the host and the command line, bundled by esbuild      (tools/lib/bundle.mjs)
 *
 * Images are not made here: `dist/cli.mjs run` and `build` make them when they are wanted. Each step
 * is skipped when nothing that goes into it has changed, so that with nothing to do this takes about
 * a tenth of a second. A lock lets two commands that start at the same moment take turns.
 *
 * Plain JavaScript, and no import beyond Node's own until node_modules is known to be good.
 */
import './lib/checkNode.mjs';

const HOST_ENTRIES = { 'dist/index': 'host/index.ts', 'dist/cli': 'host/cli.ts' };

/**
 * @param {{host: boolean}} [want] host: false leaves out the bundling of the host, for commands that
 *   look at sources only and must work while the host does not compile
 * @returns {Promise<string>} the root of the repository, ready for use
 */
export async function prepare(want = { host: true }) {
  const { join } = await import('node:path');
  const { findRoot } = await import('./lib/root.mjs');
  const { withLock } = await import('./lib/lock.mjs');
  const root = findRoot();
  await withLock(join(root, 'build', 'prepare.lock'), () => prepareLocked(root, want.host), (pid) => {
    process.stderr.write(`waiting for process ${pid}, which is preparing the same tree …\n`);
  });
  return root;
}

/**
 * @param {string} root
 * @param {boolean} wantHost
 */
async function prepareLocked(root, wantHost) {
  const { step } = await import('./lib/term.mjs');
  const { ensureInstalled } = await import('./lib/install.mjs');
  const { generateUsers } = await import('./lib/users.mjs');
  await ensureInstalled(root);
  generateUsers(root);
  if (!wantHost) return;
  const { bundle, isBundled } = await import('./lib/bundle.mjs');
  const host = { name: 'host', entries: HOST_ENTRIES, executable: ['dist/cli'] };
  if (!await isBundled(root, host)) await step('bundling the host into dist/', () => bundle(root, host));
}

/**
 * Run a command's main function; an error becomes its message and exit status 1.
 * @param {() => Promise<void>} main
 */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    const { message, stack } = /** @type {Error} */ (error);
    console.error(process.env.DEBUG ? stack : message);
    process.exit(1);
  }
}

/**
 * @param {string} url a module's import.meta.url
 * @returns {Promise<boolean>} whether that module is the command that was started
 */
export async function isMain(url) {
  const { realpathSync } = await import('node:fs');
  const { fileURLToPath } = await import('node:url');
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === realpathSync(fileURLToPath(url));
}

if (await isMain(import.meta.url)) await runMain(async () => { await prepare(); });
