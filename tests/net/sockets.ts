/**
 * The socket suite: what BSD sockets must do, by system calls alone, whoever provides `domain:inet`.
 *
 *      socketSuite('sockin over epoll', makeRig)        socketSuite('netinet on a hub', makeRig)
 *
 * The same tests run over sockin's backends and over netinet, so that the two can be swapped. Parts:
 * streams (socketsStream.ts), datagrams (socketsDgram.ts), events, options and limits
 * (socketsEvent.ts), large transfers and many sockets (socketsBulk.ts).
 */
import { after, before, describe } from 'node:test';
import type { Family, SocketRig } from './socketRig';
import { bulkTests } from './socketsBulk';
import { dgramTests } from './socketsDgram';
import { eventTests } from './socketsEvent';
import { streamTests } from './socketsStream';

export type { SocketRig } from './socketRig';

/**
 * Define the suite.
 * @param makeRig called once, before the first test
 * @param skip reason why it cannot run here, or false
 * @param families those that the rig has addresses of
 */
export function socketSuite(
  name: string, makeRig: () => Promise<SocketRig>, skip: string | false = false, families: readonly Family[] = ['IPv4', 'IPv6'],
): void {
  describe(name, { skip }, () => {
    let rig: SocketRig | undefined;
    before(async () => { rig = await makeRig(); });
    after(async () => { await rig?.close(); });
    const get = (): SocketRig => {
      if (!rig) throw new Error('the rig does not stand');
      return rig;
    };
    streamTests(get, families);
    dgramTests(get, families);
    eventTests(get);
    bulkTests(get);
  });
}
