/**
 * `npm test [-- FILTER …]`: everything the project can check about itself, on a clone with nothing
 * but Node. The work is in tools/test/; see tools/test/main.ts for the stages and what is counted.
 */
import './lib/checkNode.mjs';

const { runTool } = await import('./run.mjs');
const { runMain } = await import('./prepare.mjs');
await runMain(async () => { process.exitCode = await runTool('test', process.argv.slice(2)); });
