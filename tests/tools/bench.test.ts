/**
 * The benchmarks' arithmetic: medians, interleaving, ratios, aims, figures, and wrk's report. A wrong
 * figure is worse than none.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { figure, isMet, type Row } from '../../tools/bench/bench';
import { cellsOf, errorsText, parseHttperf } from '../bench/httperfRun';
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

describe('the report of httperf', () => {
  const report = `Maximum connect burst length: 32

Total: connections 29930 requests 29930 replies 29925 test-duration 10.019 s

Connection rate: 2987.2 conn/s (0.3 ms/conn, <=1021 concurrent connections)
Connection time [ms]: min 0.1 avg 21.4 max 470.7 median 0.5 stddev 71.2
Connection time [ms]: connect 8.1
Connection length [replies/conn]: 1.000

Request rate: 2987.2 req/s (0.3 ms/req)
Request size [B]: 62.0

Reply rate [replies/s]: min 2985.4 avg 2991.2 max 2997.0 stddev 8.2 (2 samples)
Reply time [ms]: response 9.9 transfer 3.4
Reply size [B]: header 198.0 content 3931.0 footer 0.0 (total 4129.0)
Reply status: 1xx=0 2xx=0 3xx=0 4xx=29925 5xx=0

CPU time [s]: user 2.11 system 7.83 (user 21.1% system 78.1% total 99.2%)
Net I/O: 12228.9 KB/s (100.2*10^6 bps)

Errors: total 78 client-timo 3 socket-timo 0 connrefused 1 connreset 2
Errors: fd-unavail 70 addrunavail 0 ftab-full 0 other 2
`;

  it('is read whole, and its errors by kind', () => {
    const result = parseHttperf(report);
    assert.deepEqual(result, {
      conns: 29930, requests: 29930, replies: 29925, connRate: 2987.2, concurrent: 1021, requestRate: 2987.2, replyMin: 2985.4,
      replyAvg: 2991.2, replyMax: 2997, timeAvgMs: 21.4, timeMedianMs: 0.5, header: 198, content: 3931, status4xx: 29925,
      errors: 78, timo: 3, reset: 2, fdUnavail: 70, other: 3,
    });
    assert.equal(errorsText(result), '78: 3 timo, 2 reset, 70 fd-unavail, 3 other');
    assert.equal(errorsText({ ...result, errors: 0 }), '0');
    assert.equal(cellsOf('D', 'x', result)[6], '2985/2991/2997');
    assert.equal(cellsOf('D', 'x', { ...result, replyMin: 0, replyAvg: 0, replyMax: 0 })[6], '-', 'no sample of 5 s');
  });

  it('is refused when something is missing', () => {
    assert.throws(() => parseHttperf(report.replace(/^Errors: total.*$/m, '')), /did not print/);
  });
});
