/**
 * `npm run size [-- IMAGE …] [-- --update] [-- --json]`: where the bytes of the images are.
 *
 * Builds what is out of date, reads the manifests, prints a table for each image: code by unit, its
 * budget (component.json, sizeBudget), and the change against tools/size/baseline.json, which is
 * committed so that a change of size is seen in review. `--update` accepts today's sizes. Exit status
 * 1 when a unit is over its budget.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from '../lib/child';
import type { ToolContext } from '../lib/context';
import { bar, bold, green, red, table, yellow } from '../lib/term.mjs';
import { baselineOf, changeText, isImageManifest, overBudget, sizeRows, type Baseline, type SizeManifest, type SizeRow } from './table';

const BASELINE = join('tools', 'size', 'baseline.json');
const BAR_COLUMNS = 16;
const BUILD_TIMEOUT_MS = 600_000;

function readManifests(root: string, names: string[]): SizeManifest[] {
  const dir = join(root, 'build');
  const found = readdirSync(dir).filter((file) => file.endsWith('.json') && !file.startsWith('component-'))
    .map((file) => JSON.parse(readFileSync(join(dir, file), 'utf8')) as unknown)
    .filter(isImageManifest);
  return found.filter((manifest) => names.length === 0 || names.includes(manifest.image)).sort((a, b) => (a.image < b.image ? -1 : 1));
}

function showImage(rows: SizeRow[]): void {
  const total = rows.find((row) => row.unit === 'total')?.bytes ?? 0;
  const cells = rows.map((row) => {
    const change = changeText(row);
    const over = row.budget !== null && row.bytes > row.budget;
    return [
      row.unit === 'total' ? bold(row.unit) : row.unit,
      `${row.bytes}`,
      row.budget === null ? '' : over ? red(`${row.budget}`) : `${row.budget}`,
      change.startsWith('+') ? yellow(change) : change.startsWith('-') ? green(change) : change,
      row.unit === 'total' ? '' : bar(row.bytes, total, BAR_COLUMNS),
    ];
  });
  console.log(`${table([rows[0]?.image ?? '', 'bytes', 'budget', 'change', ''], cells, '<>>><')}\n`);
}

export async function main(args: string[], context: ToolContext): Promise<number> {
  const names = args.filter((word) => !word.startsWith('-'));
  const built = await runChild(process.execPath, ['dist/cli.mjs', 'build', ...names], {
    cwd: context.root, timeoutMs: BUILD_TIMEOUT_MS, onLine: (line) => process.stderr.write(`${line}\n`),
  });
  if (built.code !== 0) return 1;
  const file = join(context.root, BASELINE);
  const baseline = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) as Baseline : {};
  const rows = readManifests(context.root, names).flatMap((manifest) => sizeRows(manifest, baseline));
  const images = [...new Set(rows.map((row) => row.image))];
  if (args.includes('--json')) console.log(JSON.stringify(rows, null, 1));
  else for (const image of images) showImage(rows.filter((row) => row.image === image));
  if (args.includes('--update')) {
    writeFileSync(file, `${JSON.stringify({ ...(names.length > 0 ? baseline : {}), ...baselineOf(rows) }, null, 2)}\n`);
    console.error(`${BASELINE} written`);
  }
  const over = overBudget(rows);
  for (const row of over) console.error(red(`${row.image}: ${row.unit} has ${row.bytes} bytes, its budget is ${row.budget}`));
  return over.length > 0 ? 1 : 0;
}
