/**
 * A short chain of the smallest routers: what `npm run bench -- chain` does with 255.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadImage } from '../../host/imageFile';
import { chain } from './chainRig';

test('thirty images in a row answer end to end, every router takes one off TTL, and none is large', async () => {
  const { ttl, touched, rttUs } = await chain(loadImage('HOP').module, 30);
  assert.equal(ttl, 255 - 28);
  assert.ok(touched < 512 * 1024, `${touched} bytes an image`);
  assert.ok(rttUs > 0);
});
