/** `npm run size`: rows, changes and budgets from a manifest. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { baselineOf, changeText, isImageManifest, overBudget, sizeRows, type SizeManifest } from '../../tools/size/table';

const MANIFEST: SizeManifest = {
  image: 'X',
  units: [{ name: 'httpd', bytes: 900, sizeBudget: 1000 }, { name: 'tmpfs', bytes: 2000, sizeBudget: 1500 }, { name: 'kern', bytes: 5, sizeBudget: null }],
  sizes: { stripped: 3200, code: 2905, data: 100, byUnit: { httpd: 900, tmpfs: 2000, kern: 5 } },
};

test('rows are by size, the sums last', () => {
  assert.deepEqual(sizeRows(MANIFEST, {}).map((row) => row.unit), ['tmpfs', 'httpd', 'kern', 'data', 'total']);
});

test('changes are against the baseline', () => {
  const rows = sizeRows(MANIFEST, { X: { tmpfs: 1000, httpd: 1000, kern: 5 } });
  assert.deepEqual(rows.map(changeText), ['+1000 (+100.0 %)', '-100 (-10.0 %)', '', 'new', 'new']);
  assert.deepEqual(sizeRows(MANIFEST, baselineOf(rows)).map(changeText), ['', '', '', '', '']);
});

test('a unit over its budget is found; one without is not', () => {
  assert.deepEqual(overBudget(sizeRows(MANIFEST, {})).map((row) => row.unit), ['tmpfs']);
});

test('other JSON files are no manifests', () => {
  assert.equal(isImageManifest(MANIFEST), true);
  for (const other of [null, {}, { image: 'X' }, { inputs: {} }]) assert.equal(isImageManifest(other), false);
});
