/**
 * `node tools/run.mjs NAME [arguments]`: prepare the tree, bundle tools/NAME/main.ts, run its main.
 *
 * The tools are TypeScript with `main(arguments, context): Promise<exit status>`. What they need from
 * this side, which is plain JavaScript because it has to run before anything is installed, they are
 * handed as the context (tools/lib/context.ts); they import nothing of it.
 */
import './lib/checkNode.mjs';

/** Tools that read sources only: they work even while the host does not compile. */
const SOURCE_TOOLS = new Set(['tidy', 'test']);

/**
 * @param {string} name of a folder of tools/
 * @param {string[]} args
 * @returns {Promise<number>} exit status
 */
export async function runTool(name, args) {
  const { prepare } = await import('./prepare.mjs');
  const root = await prepare({ host: !SOURCE_TOOLS.has(name) });
  const { pathToFileURL } = await import('node:url');
  const { bundleTests, bundleTool } = await import('./lib/bundle.mjs');
  const tool = await import(pathToFileURL(await bundleTool(root, name)).href);
  return tool.main(args, {
    root,
    prepareHost: () => prepare(),
    bundleTool: (/** @type {string} */ other) => bundleTool(root, other),
    bundleTests: (/** @type {string} */ stamp, /** @type {string[]} */ sources) => bundleTests(root, stamp, sources),
  });
}

const { isMain, runMain } = await import('./prepare.mjs');
if (await isMain(import.meta.url)) {
  await runMain(async () => { process.exitCode = await runTool(process.argv[2], process.argv.slice(3)); });
}
