/**
 * The benchmarks' arithmetic: medians, interleaving, ratios, aims, figures, and wrk's report. A wrong
 * figure is worse than none.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { figure, isMet, type Row } from '../../tools/bench/bench';
import { interleave, median, parseWrk } from '../bench/lib';

const row = (more: Partial<Row>): Row => ({ metric: 'm', value: 5, unit: 'ms', ...more });

describe('interleaved rounds', () => {
  it('take turns, each round in the opposite order', async () => {
    const order: string[] = [];
    const measure = (name: string) => (): number => order.push(name);
    await interleave(3, { ours: measure('ours'), peer: measure('peer') });
    assert.deepEqual(order, ['ours', 'peer', 'peer', 'ours', 'ours', 'peer']);
  });

  it('give medians, and the median of the rounds\' ratios', async () => {
    const ours = [10, 20, 300];
    const peer = [5, 20, 100];
    const result = await interleave(3, { ours: () => ours.shift() ?? 0, peer: () => peer.shift() ?? 0 });
    assert.deepEqual(result.medians, { ours: 20, peer: 20 });
    assert.equal(result.ratio('ours', 'peer'), 2);
    assert.deepEqual([median([3, 1, 2]), median([4, 1, 2, 3]), median([])], [2, 2.5, NaN]);
  });
});

describe('an aim', () => {
  it('is one of the value, or of the ratio when it is in ×', () => {
    assert.equal(isMet(row({ aim: '< 10' })), true);
    assert.equal(isMet(row({ aim: '< 5' })), false);
    assert.equal(isMet(row({ aim: '≤ 5' })), true);
    assert.equal(isMet(row({ aim: '≥ 1.0×', ratio: 1.2 })), true);
    assert.equal(isMet(row({ aim: '≥ 1.0×', ratio: 0.99 })), false);
    assert.equal(isMet(row({ aim: '≥ 1.0×' })), false, 'a ratio that was not measured');
    assert.equal(isMet(row({})), null);
  });

  it('is shown beside three significant digits', () => {
    assert.deepEqual([45612, 3.2149, 0.015432, 0, 999.6, 12.345].map(figure), ['45,600', '3.21', '0.0154', '0', '1,000', '12.3']);
  });
});

describe('the report of wrk', () => {
  const report = `Running 3s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.43ms  289.11us   7.52ms   92.33%
    Req/Sec    45.01k     1.60k   46.57k    90.00%
  Latency Distribution
     50%    1.38ms
     75%    1.45ms
     90%    1.60ms
     99%    2.71ms
  134400 requests in 3.00s, 331.20MB read
Requests/sec:  44780.21
Transfer/sec:    110.35MB
`;

  it('is read', () => {
    assert.deepEqual(parseWrk(report), {
      requestsPerSecond: 44780.21, bytesPerSecond: 110.35 * 1024 ** 2, p50us: 1380, p99us: 2710, socketErrors: 0, badAnswers: 0,
    });
  });

  it('is read with its errors', () => {
    const bad = `${report}  Socket errors: connect 1, read 20, write 0, timeout 3\n  Non-2xx or 3xx responses: 7\n`;
    assert.equal(parseWrk(bad).socketErrors, 24);
    assert.equal(parseWrk(bad).badAnswers, 7);
  });
});
