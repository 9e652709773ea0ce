/**
 * The stages of `npm test` that are programs of their own: bundling, types, tidy, images, specs,
 * compile check. Each becomes a StageResult; none throws, because the later ones still have
 * something to say when an earlier one fails.
 *
 * A program that prints "N passed, N failed" last is counted by that; any other is one check.
 */
import { runChild, type ChildResult } from '../lib/child';
import type { ToolContext } from '../lib/context';
import { readVerdict, type StageResult } from './outcome';
import { tail } from './nodeTest';

const STAGE_TIMEOUT_MS = 300_000;
const TAIL_LINES = 80;

export interface Stage {
  name: string;
  about: string;
  /** Whether dist/cli.mjs has to be there. */
  needsHost?: boolean;
  run(context: ToolContext, filters: string[], note: (text: string) => void): Promise<StageResult>;
}

/** Count a program that ended: by its own last line if it has one, else as one check. */
export function resultOf(name: string, child: ChildResult): StageResult {
  const own = readVerdict(child.output);
  const bad = child.output.split('\n').filter((line) => !/^\s*✓/.test(line)).join('\n');
  const detail = child.timedOut ? `stopped after ${child.ms} ms\n${tail(bad, TAIL_LINES)}` : tail(bad, TAIL_LINES);
  const ended = child.code === 0 && !child.timedOut;
  if (own === null) return { name, passed: ended ? 1 : 0, failures: ended ? [] : [{ name, detail }], skips: [], ms: child.ms };
  const failed = Math.max(own.failed, ended ? 0 : 1);
  return {
    name,
    passed: own.passed,
    failures: failed > 0 ? [{ name, detail }] : [],
    moreFailed: Math.max(0, failed - 1),
    skips: Array.from({ length: own.skipped }, () => ({ name, reason: 'see its output' })),
    ms: child.ms,
  };
}

/** Run a script of ours with Node, its last line of output as the note. */
async function script(name: string, context: ToolContext, args: string[], note: (text: string) => void): Promise<StageResult> {
  const child = await runChild(process.execPath, args, {
    cwd: context.root, timeoutMs: STAGE_TIMEOUT_MS, onLine: (line) => note(line.trim().slice(0, 60)),
  });
  return resultOf(name, child);
}

/** Images that can be built: what `rumpwasm ls` lists, without fragments, which others include. */
async function listImages(context: ToolContext): Promise<string[]> {
  const child = await runChild(process.execPath, ['dist/cli.mjs', 'ls', '--json'], { cwd: context.root, timeoutMs: STAGE_TIMEOUT_MS });
  if (child.code !== 0) throw new Error(tail(child.output));
  const { images } = JSON.parse(child.output) as { images: { name: string; fragment: boolean }[] };
  return images.filter((image) => !image.fragment).map((image) => image.name);
}

/** Link every image; each is a check of its own. */
async function buildImages(context: ToolContext, note: (text: string) => void): Promise<StageResult> {
  const began = Date.now();
  const total: StageResult = { name: 'images', passed: 0, failures: [], skips: [], ms: 0 };
  try {
    const images = await listImages(context);
    if (images.length === 0) total.failures.push({ name: 'images', detail: 'kernel/conf names no image' });
    for (const image of images) {
      note(image);
      const child = await runChild(process.execPath, ['dist/cli.mjs', 'build', image], { cwd: context.root, timeoutMs: STAGE_TIMEOUT_MS });
      const one = resultOf(`image ${image}`, child);
      total.passed += one.failures.length === 0 ? 1 : 0;
      total.failures.push(...one.failures);
    }
  } catch (error) {
    total.failures.push({ name: 'images', detail: (error as Error).message });
  }
  return { ...total, ms: Date.now() - began };
}

export const STAGES: Stage[] = [
  {
    name: 'tidy',
    about: 'the rules of the house',
    run: (context, _filters, note) => script('tidy', context, ['tools/run.mjs', 'tidy'], note),
  },
  { name: 'images', about: 'every image links', needsHost: true, run: (context, _filters, note) => buildImages(context, note) },
  {
    name: 'types',                       // after the images: linking writes gen/rump/, which tsc reads
    about: 'tsc over both worlds',
    run: (context, _filters, note) => script('types', context, ['node_modules/typescript/bin/tsc', '-b', '--pretty', 'false'], note),
  },
  {
    name: 'specs',
    about: 'unit tests in the image\'s language',
    needsHost: true,
    run: (context, filters, note) => script('specs', context, ['tools/aspect.mjs', ...filters], note),
  },
  {
    name: 'compile',
    about: 'every function, reached or not',
    needsHost: true,
    run: (context, _filters, note) => script('compile', context, ['dist/cli.mjs', 'check'], note),
  },
];
