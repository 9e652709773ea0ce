/**
 * net.inet.tcp.pcblist and net.inet.udp.pcblist: what they say of each socket, and how they are cut
 * into pages.
 *
 * @timeout 60
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { AF_INET, SOCK_DGRAM } from '../../kernel/abi/socket';
import { ERANGE } from '../../kernel/abi/errno';
import { SYS_sysctlbyname } from '../../kernel/abi/syscall';
import { parseConnections } from '../../host/control/tables';
import type { Kernel } from '../../host/kernel';
import type { NetSocket } from '../../host/index';
import { withImage } from '../host/images';
import { waitFor } from '../lib/net';

const tcp = (kernel: Kernel): ReturnType<typeof parseConnections> => parseConnections(String(kernel.sysctl('net.inet.tcp.pcblist')));
const udp = (kernel: Kernel): ReturnType<typeof parseConnections> => parseConnections(String(kernel.sysctl('net.inet.udp.pcblist')));

/** The table as a caller with so little room gets it: text, or -errno. */
function page(kernel: Kernel, room: number, question: string): string | number {
  const { sys } = kernel;
  const name = Buffer.from('net.inet.tcp.pcblist');
  sys.u8.set(name, sys.base);
  sys.u8.set(Buffer.from(question), sys.base + 4096);
  const n = sys.raw(SYS_sysctlbyname, sys.base, name.length, sys.data, room, sys.base + 4096, question.length);
  return n < 0 ? n : sys.takeData(n).toString();
}

async function connected(kernel: Kernel, port: number): Promise<NetSocket> {
  const socket = kernel.net.connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  return socket;
}

describe('pcblist', () => {
  test('both ends of a connection, its queues and its states', async () => {
    await withImage('LOOP', { console: () => undefined }, async (kernel) => {
      assert.deepEqual(tcp(kernel).map(({ local, foreign, state }) => `${local} ${foreign} ${state}`).sort(), [7, 9, 19, 80].map((port) => `0.0.0.0:${port} 0.0.0.0:0 LISTEN`).sort());
      const server = kernel.net.createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(2000);
      await once(server, 'listening');
      const accepted = once(server, 'connection');
      const client = await connected(kernel, 2000);
      const [peer] = await accepted as [NetSocket];
      const local = `127.0.0.1:${client.localPort}`;
      const find = (from: string, to: string): ReturnType<typeof tcp>[number] | undefined => tcp(kernel).find((each) => each.local === from && each.foreign === to);
      const ours = find(local, '127.0.0.1:2000');
      assert.deepEqual([ours?.state, find('127.0.0.1:2000', local)?.state, ours?.sendQ], ['ESTABLISHED', 'ESTABLISHED', 0]);
      assert.ok(ours!.cwnd! > 0 && ours!.rtoUs! >= 200_000 && ours!.backoff === 0);
      client.write(Buffer.alloc(1000));
      await waitFor(() => find('127.0.0.1:2000', local)?.recvQ === 1000, 'bytes wait to be read');
      client.end();
      await waitFor(() => find(local, '127.0.0.1:2000')?.state === 'FIN_WAIT_2', 'half closed');
      assert.equal(find('127.0.0.1:2000', local)?.state, 'CLOSE_WAIT');
      peer.resume().end();
      await waitFor(() => find(local, '127.0.0.1:2000')?.state === 'TIME_WAIT', 'closed');
      server.close();
    });
  });

  test('datagrams: queues and drops', async () => {
    await withImage('LOOP', {}, async (kernel) => {
      const { sys } = kernel;
      const [to, from] = [sys.socket(AF_INET, SOCK_DGRAM), sys.socket(AF_INET, SOCK_DGRAM)];
      sys.bind(to, { family: 'IPv4', address: '127.0.0.1', port: 5000 });
      sys.connect(from, { family: 'IPv4', address: '127.0.0.1', port: 5000 });
      for (let i = 0; i < 100; i++) {
        sys.send(from, Buffer.alloc(1000));
        kernel.pump.flush();
      }
      const [receiver, sender] = [udp(kernel).find(({ local }) => local === '127.0.0.1:5000')!, udp(kernel).find(({ foreign }) => foreign === '127.0.0.1:5000')!];
      assert.equal(receiver.foreign, '0.0.0.0:0');
      assert.equal(receiver.state, '-');
      assert.ok(receiver.recvQ >= 30_000 && receiver.recvQ % 1000 === 0, `${receiver.recvQ}`);
      assert.equal(receiver.drops, 100 - receiver.recvQ / 1000);
      assert.match(sender.local, /^127\.0\.0\.1:\d+$/);
    });
  });

  test('never cut: whole, in pages that fit together, or ERANGE', async () => {
    await withImage('LOOP', { console: () => undefined }, async (kernel) => {
      const sockets = await Promise.all(Array.from({ length: 200 }, () => connected(kernel, 7)));
      const whole = String(kernel.sysctl('net.inet.tcp.pcblist'));
      assert.equal(parseConnections(whole).length, 404);
      assert.equal(page(kernel, whole.length, ''), -ERANGE, 'no room to see that nothing is missing');
      assert.equal(page(kernel, whole.length + 1, ''), whole);
      for (const room of [120, 1000, 4096, 100_000]) {
        let text = '';
        for (let from = 0; ; from = text.split('\n').length - 1) {
          const part = page(kernel, room, String(from));
          assert.ok(typeof part === 'string', `${part}`);
          if (part === '') break;
          assert.ok(part.endsWith('\n') && part.length < room);
          text += part;
        }
        assert.equal(text, whole, `${room} bytes at a time`);
      }
      assert.equal(page(kernel, 20, '0'), -ERANGE, 'not even one line fits');
      for (const bad of ['x', '-1', '1 ', '99999999999999999999']) assert.equal(page(kernel, 4096, bad), -22, bad);
      assert.equal(kernel.sysctlAsk('net.inet.tcp.pcblist', '1000000'), '');
      assert.throws(() => kernel.sysctlSet('net.inet.tcp.pcblist', '0'), { code: 'ERANGE' });
      for (const socket of sockets) socket.destroy();
    });
  });
});
