/** The socket suite: large transfers with their contents checked, back-pressure, many sockets at once. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { EAGAIN } from '../../kernel/abi/errno';
import { EVFILT_READ } from '../../kernel/abi/event';
import * as abi from '../../kernel/abi/socket';
import { Sock, closeAll, must, told, type SocketRig } from './socketRig';

/** Endless known bytes: what is at offset n is pattern[n mod 1 MiB]. */
const PERIOD = 1 << 20;
const pattern = Buffer.concat([randomBytes(PERIOD), Buffer.alloc(0)]);
const doubled = Buffer.concat([pattern, pattern]);
const PIECE = 128 << 10;

/** Sends the pattern as fast as it is taken. */
class Sender {
  sent = 0;
  constructor(readonly s: Sock, readonly total: number) {}

  /** Send until it is done or not taken; true when done. */
  step(): boolean {
    while (this.sent < this.total) {
      const at = this.sent % PERIOD;
      const r = this.s.send(doubled.subarray(at, at + Math.min(PIECE, this.total - this.sent)));
      if (r === -EAGAIN) return false;
      this.sent += must(r, 'send');
    }
    return true;
  }
}

/** Receives and compares. */
class Receiver {
  got = 0;
  ended = false;
  constructor(readonly s: Sock) {}

  /** Receive until there is nothing; true at the end of the stream. */
  step(): boolean {
    while (!this.ended) {
      const n = this.s.recvRaw(PIECE);
      if (n === -EAGAIN) return false;
      must(n, 'recv');
      const at = this.got % PERIOD;
      assert.ok(doubled.subarray(at, at + n).equals(this.s.view(n)), `bytes at ${this.got} are not what was sent`);
      this.got += n;
      this.ended = n === 0;
    }
    return true;
  }
}

export function bulkTests(get: () => SocketRig): void {
  describe('bulk', () => {
    test('a transfer each way at once, every byte compared', async () => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      const senders = [new Sender(c, rig.sizes.transfer), new Sender(s, rig.sizes.transfer)];
      const receivers = [new Receiver(c), new Receiver(s)];
      const shut = new Set<Sender>();
      await rig.until(() => {
        for (const sender of senders) {
          if (!sender.step() || shut.has(sender)) continue;
          shut.add(sender);
          must(sender.s.shutdown(abi.SHUT_WR));
        }
        return receivers.map((r) => r.step()).every(Boolean);
      }, 'both transfers');
      for (const r of receivers) assert.equal(r.got, rig.sizes.transfer);
      closeAll(c, s, l);
    });

    test('a reader that pauses stops the sender, and nothing grows', async (t) => {
      const rig = get();
      const [c, s, l] = await Sock.pair(rig);
      const sender = new Sender(c, rig.sizes.paused);
      const receiver = new Receiver(s);
      const resident = process.memoryUsage().rss;
      const touched = rig.b.touchedMemory().bytes;
      let most = 0;
      const began = performance.now();
      for (let pauses = 0; pauses < 4; pauses++) {
        // Send into the pause until nothing more is taken.
        for (let idle = 0; idle < 5; idle++) {
          const before = sender.sent;
          sender.step();
          if (sender.sent !== before) idle = 0;
          await rig.pause(10);
        }
        assert.ok(sender.sent - receiver.got < rig.buffered, `${sender.sent - receiver.got} bytes went to a paused reader`);
        const goal = Math.floor((rig.sizes.paused / 4) * (pauses + 1));
        await rig.until(() => {
          sender.step();
          receiver.step();
          most = Math.max(most, process.memoryUsage.rss());
          return receiver.got >= goal || (pauses === 3 && sender.sent === rig.sizes.paused);
        }, `${goal} bytes`);
      }
      must(c.shutdown(abi.SHUT_WR));
      await rig.until(() => receiver.step(), 'the end');
      assert.equal(receiver.got, rig.sizes.paused);
      t.diagnostic(`${rig.sizes.paused >> 20} MiB in ${((performance.now() - began) / 1000).toFixed(1)} s, pauses included`);
      assert.ok(most - resident < 192 << 20, `resident memory grew by ${(most - resident) >> 20} MiB`);
      assert.ok(rig.b.touchedMemory().bytes - touched < 4 << 20, 'the image grew');
      closeAll(c, s, l);
    });

    test('many connections at once, each with its own echo', async () => {
      const rig = get();
      const n = rig.sizes.connections;
      const l = Sock.listener(rig, rig.b, 1024);
      const servers: Sock[] = [];
      const drainQueue = (): void => {
        for (let s = l.accept(); typeof s !== 'number'; s = l.accept()) servers.push(s);
      };
      const clients: Sock[] = [];
      for (let i = 0; i < n; i++) {
        const c = Sock.stream(rig, rig.a);
        const r = c.connect(l.name());
        assert.ok(r === 0 || told(r) === 'EINPROGRESS', told(r));
        clients.push(c);
        if (i % 100 === 99) await rig.until(() => { drainQueue(); return servers.length === clients.length; }, 'accepting');
      }
      await rig.until(() => { drainQueue(); return servers.length === n; }, `${n} connections`);
      for (const [i, c] of clients.entries()) {
        const text = `client ${i}`;
        await rig.until(() => c.send(text) === text.length, 'sent');
      }
      for (const s of servers) {
        const text = await s.read();
        assert.equal(s.send(`${text} served`), text.length + 7);
      }
      for (const [i, c] of clients.entries()) assert.equal(await c.read(), `client ${i} served`);
      closeAll(...clients);
      for (const s of servers) assert.equal(await s.read(), '');
      closeAll(...servers, l);
    });

    test('connections one after the other', async () => {
      const rig = get();
      const l = Sock.listener(rig, rig.b);
      const hash = createHash('sha1');
      for (let i = 0; i < 300; i++) {
        const c = await Sock.stream(rig, rig.a).connected(l.name());
        const s = await l.accepted();
        c.send(`${i}`);
        const text = await s.read();
        hash.update(text);
        closeAll(s);
        assert.equal(await c.readAll(), '');
        closeAll(c);
      }
      const want = createHash('sha1');
      for (let i = 0; i < 300; i++) want.update(`${i}`);
      assert.equal(hash.digest('hex'), want.digest('hex'));
      assert.equal(l.ready(EVFILT_READ), undefined);
      closeAll(l);
    });
  });
}
