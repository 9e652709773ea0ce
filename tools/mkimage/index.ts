/**
 * mkimage, the linker: from components and a configuration to an image.
 *
 *     tree.ts ─► link.ts ─► generate.ts ─► compile.ts ─► audit.ts ─► manifest.ts      build.ts runs them in order
 *                                          transform.mjs  wasm.ts, code.ts
 *     inspect.ts, print.ts   what there is, and what is in an image
 *     spec.ts, check.ts      the same sources without an image: for specs, tsc, and a check of everything
 *
 * docs/linker.md has the formats of component.json and kernel/conf/<IMAGE>.json.
 */
export { buildComponent, buildImage, type BuildOptions, type BuildResult, buildVariant } from './build';
export { checkSources, type CheckResult } from './check';
export { progress, registerBuildCommands } from './commands';
export { CompileError, LinkError } from './errors';
export { inspectImage, type Inspection, listComponents, type ListedComponent, type ListedImage, type Listing, listImages } from './inspect';
export type { Identity, Manifest } from './manifest';
export { buildText, bytesText, inspectionText, listingText } from './print';
export { specSources, writeSpecSources } from './spec';
export { loadTree, type Tree } from './tree';
