/**
 * `node tools/aspect.mjs [FILTER …] [--name REGEX] [--verbose]`: the specs, kernel and components.
 *
 * A filter is part of a spec's path. The last line is "N passed, N failed". Needs nothing but
 * node_modules: it works while the host or an image does not compile. See tools/aspect/main.ts.
 */
import './lib/checkNode.mjs';

const { prepare, runMain } = await import('./prepare.mjs');
await runMain(async () => {
  const { pathToFileURL } = await import('node:url');
  const root = await prepare({ host: false });
  const { bundleTool } = await import('./lib/bundle.mjs');
  const tool = await import(pathToFileURL(await bundleTool(root, 'aspect')).href);
  process.exitCode = await tool.main(process.argv.slice(2), root);
});
