/**
 * Sizes of images by unit, against their budgets and against the committed baseline.
 *
 * Bytes are those of code by unit and, for the image as a whole, of the file without its custom
 * sections (names are for profiles, and can be stripped). A manifest beside each image has them all.
 */

/** What of a manifest (tools/mkimage/manifest.ts) is read here. */
export interface SizeManifest {
  image: string;
  units: { name: string; bytes: number; sizeBudget: number | null }[];
  sizes: { stripped: number; code: number; data: number; byUnit: Record<string, number> };
}

/** The baseline of one image: bytes by row. */
export type Baseline = Record<string, Record<string, number>>;

export interface SizeRow {
  image: string;
  /** A unit, or one of the sums: "data", "total". */
  unit: string;
  bytes: number;
  budget: number | null;
  /** Bytes in the baseline; null when it is new. */
  before: number | null;
}

/** @returns whether a manifest is one of an image (a component built alone has one too) */
export function isImageManifest(value: unknown): value is SizeManifest {
  const manifest = value as Partial<SizeManifest> | null;
  return typeof manifest?.image === 'string' && Array.isArray(manifest.units) && typeof manifest.sizes?.stripped === 'number';
}

/** Rows of an image, largest unit first, then the sums. */
export function sizeRows(manifest: SizeManifest, baseline: Baseline): SizeRow[] {
  const { image, sizes } = manifest;
  const budgets = new Map(manifest.units.map((unit) => [unit.name, unit.sizeBudget]));
  const row = (unit: string, bytes: number): SizeRow => ({
    image, unit, bytes, budget: budgets.get(unit) ?? null, before: baseline[image]?.[unit] ?? null,
  });
  const units = Object.entries(sizes.byUnit).map(([unit, bytes]) => row(unit, bytes)).sort((a, b) => b.bytes - a.bytes);
  return [...units, row('data', sizes.data), row('total', sizes.stripped)];
}

/** The baseline that these rows make. */
export function baselineOf(rows: SizeRow[]): Baseline {
  const baseline: Baseline = {};
  for (const { image, unit, bytes } of rows) (baseline[image] ??= {})[unit] = bytes;
  return baseline;
}

/** @returns "+120 (+1.5 %)", "" when nothing changed, "new" when there is nothing to compare with */
export function changeText({ bytes, before }: SizeRow): string {
  if (before === null) return 'new';
  if (bytes === before) return '';
  const change = bytes - before;
  const percent = before > 0 ? ` (${change > 0 ? '+' : ''}${((100 * change) / before).toFixed(1)} %)` : '';
  return `${change > 0 ? '+' : ''}${change}${percent}`;
}

/** @returns the rows that are over their budget */
export function overBudget(rows: SizeRow[]): SizeRow[] {
  return rows.filter((row) => row.budget !== null && row.bytes > row.budget);
}
