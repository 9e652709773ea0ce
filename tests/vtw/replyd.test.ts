/**
 * replyd in image HTTPERF: replies of exactly the size that was asked for, the server closing first, and
 * what that leaves: a vestige in the server, nothing in the client.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { boot, type Kernel } from '../../host/index';
import { Hub, hub } from '../../host/netdev/hub';
import { waitFor } from '../lib/net';
import { imagePath } from '../lib/tree';
import { User } from '../lib/user';
import { value } from './churn';

const SERVER = '10.0.0.2';

interface Two { client: Kernel; server: Kernel }

async function two(t: TestContext, params: Record<string, string | number> = {}): Promise<Two> {
  const lan = new Hub('replyd');
  const make = async (image: string, n: number, more: Record<string, string | number>): Promise<Kernel> => {
    const kernel = await boot(imagePath(image), {
      netdevs: { virt0: hub(lan) }, params: { 'net.virt0': `inet,static,10.0.0.${n}/24`, ...more }, logLevel: 'emerg',
    });
    t.after(() => kernel.close());
    return kernel;
  };
  return { client: await make('NET', 1, {}), server: await make('HTTPERF', 2, params) };
}

/** Send `pieces`, one after the other; what came back until the other side's end, ours still open. */
function ask(client: Kernel, port: number, pieces: readonly string[]): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const got: Buffer[] = [];
    const socket = client.net.connect({ port, host: SERVER, allowHalfOpen: true });
    socket.on('error', reject);
    socket.on('data', (data: Buffer) => { got.push(data); });
    socket.on('end', () => {
      assert.equal(socket.writableEnded, false, 'the client has not closed');
      socket.end();
      resolve(Buffer.concat(got));
    });
    void (async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((done) => { setTimeout(done, 20); });
      }
    })();
  });
}

const REQUEST = ['GET / HTTP/1.1\r\nHost: x\r\n\r\n'];

/** Octets of head and body, and the status. */
function measure(reply: Buffer): [head: number, body: number, status: number] {
  const head = reply.indexOf('\r\n\r\n') + 4;
  return [head, reply.length - head, Number(/^HTTP\/1\.1 (\d{3}) /.exec(reply.toString('latin1'))?.[1])];
}

test('198 octets of head and 3,931 of body with 403, and the server closes first: its vestige, not ours', async (t) => {
  const { client, server } = await two(t);
  for (let i = 1; i <= 3; i++) {
    assert.deepEqual(measure(await ask(client, 80, REQUEST)), [198, 3931, 403]);
    await waitFor(() => value(server, 'vtw.live') === i, `${i} vestiges`);
  }
  assert.equal(value(server, 'timewait'), 0);
  assert.equal(value(client, 'vtw.live') + value(client, 'timewait'), 0, 'the passive side does not wait');
  assert.deepEqual(['conns', 'accepted', 'replies', 'aborted'].map((name) => Number(server.sysctl(`replyd.${name}`))), [0, 3, 3, 0]);
});

test('a request in pieces has one reply; one that ends early has none', async (t) => {
  const { client, server } = await two(t);
  assert.deepEqual(measure(await ask(client, 80, ['GET / HT', 'TP/1.1\r\n', 'Host: x\r\n\r', '\n'])), [198, 3931, 403]);
  const early = client.net.connect({ port: 80, host: SERVER });
  const closed = new Promise((done) => { early.on('close', done); });
  early.resume().end('GET / HTTP/1.1\r\n');
  await closed;
  assert.equal(Number(server.sysctl('replyd.aborted')), 1);
  assert.equal(Number(server.sysctl('replyd.conns')), 0);
});

test('other sizes, port and status; a reply larger than a send buffer', async (t) => {
  const { client } = await two(t, { REPLYD_PORT: 8080, REPLYD_STATUS: 200, REPLYD_HEADER: 4000, REPLYD_BODY: 900_000 });
  assert.deepEqual(measure(await ask(client, 8080, REQUEST)), [4000, 900_000, 200]);
});

test('a head that cannot be is refused at boot', async () => {
  await assert.rejects(boot(imagePath('HTTPERF'), { params: { REPLYD_HEADER: 50 }, logLevel: 'emerg' }));
});

test('netstat -V is of vestiges, not the version', async (t) => {
  const user = new User(t);
  await user.run('HTTPERF', '-e', 'REPLYD_PORT=8080');
  assert.match(await user.ok('netstat', '-V'), /vestig/i);
});
