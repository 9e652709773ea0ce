/**
 * What a test needs of the machine: `test('…', { skip: need('wrk') }, …)`. The work is done by
 * tools/lib/need.ts, which `npm test` also asks in advance; tests import it from here.
 */
export { need, which } from '../../tools/lib/need';
