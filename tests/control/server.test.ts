/**
 * The control server against askers of all kinds: polite, garbled, endless, deaf, gone.
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { ControlClient } from '../../host/control/client';
import { requestMax } from '../../host/control/protocol';
import { cleanSockets, ControlServer } from '../../host/control/server';
import { bootImage } from '../host/images';
import { waitFor } from '../lib/net';
import { tempDir } from '../lib/tree';
import { controlled, RawClient } from './rig';

test('its socket and directory are closed to others, and go with it', async (t) => {
  const { server, kernel } = await controlled(t, 'FS');
  assert.equal(server.name, 'FS');
  assert.ok(server.path.endsWith('/FS.sock'));
  assert.ok(statSync(server.path).isSocket());
  assert.equal(statSync(server.path).mode & 0o777, 0o600);
  await server.close();
  assert.ok(!existsSync(server.path));
  await server.close();
  assert.ok(kernel.isAlive);
});

test('status, and sysctl by name', async (t) => {
  const { server, kernel } = await controlled(t, 'FS');
  const client = await ControlClient.open(server.path);
  t.after(() => client.close());
  const status = await client.request<any>('status');
  assert.deepEqual({ protocol: status.protocol, name: status.name, image: status.image, pid: status.pid, trace: status.trace }, {
    protocol: 1, name: 'FS', image: 'FS', pid: process.pid, trace: false,
  });
  assert.ok(status.uptimeUs > 0 && status.memory.carved <= status.memory.arena);
  const list = await client.request<any[]>('sysctl.list');
  assert.deepEqual(list, kernel.sysctlList());
  assert.deepEqual(await client.request('sysctl.get', { name: 'kern.loglevel' }), { name: 'kern.loglevel', type: 'int', writable: true, value: 6 });
  assert.deepEqual(await client.request('sysctl.set', { name: 'kern.loglevel', value: '5' }), { name: 'kern.loglevel', type: 'int', writable: true, old: 6, value: 5 });
  assert.equal(kernel.sysctl('kern.loglevel'), 5);
  const all = await client.request<Record<string, unknown>>('sysctl.all');
  assert.ok(Object.keys(all).length > 5 && /^uptime_us \d+$/m.test(String(all['kern.stat'])));
  for (const [op, fields, code] of [
    ['sysctl.get', {}, 'EINVAL'], ['sysctl.get', { name: 'no.such' }, 'ENOENT'], ['sysctl.get', { name: 7 }, 'EINVAL'],
    ['sysctl.set', { name: 'kern.stat', value: 'x' }, 'EPERM'], ['sysctl.set', { name: 'kern.loglevel', value: 99 }, 'ERANGE'],
    ['sysctl.set', { name: 'kern.loglevel', value: '1x' }, 'EINVAL'], ['sysctl.set', { name: 'kern.loglevel', value: 2 ** 40 }, 'EINVAL'],
    ['sysctl.set', { name: 'kern.loglevel', value: 1.5 }, 'EINVAL'], ['sysctl.set', { name: 'kern.loglevel', value: null }, 'EINVAL'],
    ['sysctl.set', { name: 'kern.loglevel' }, 'EINVAL'], ['nothing', {}, 'ENOSYS'], ['constructor', {}, 'ENOSYS'],
    ['sysctl.get', { name: 'kern.stat', ask: 1 }, 'EINVAL'], ['trace', {}, 'EINVAL'], ['ping', {}, 'EINVAL'],
    ['ping', { address: '10.0.0.1' }, 'EPROTONOSUPPORT'],
  ] as const) await assert.rejects(client.request(op, fields), { name: 'ControlError', code }, `${op} ${JSON.stringify(fields)}`);
});

test('requests are answered in order, however many come at once and however they are cut', async (t) => {
  const { server } = await controlled(t, 'FS');
  const raw = new RawClient(server.path);
  const text = Array.from({ length: 500 }, (_, id) => `{"id":${id},"op":"sysctl.get","name":"kern.loglevel"}\n`).join('\n');
  for (let at = 0; at < text.length; at += 1000) await raw.say(text.slice(at, at + 1000));
  const answers = await raw.lines(500);
  assert.deepEqual(answers.map(({ id }) => id), Array.from({ length: 500 }, (_, id) => id));
  assert.ok(answers.every(({ ok, result }) => ok && result.value === 6));
  raw.socket.destroy();
});

test('garbage is answered and survived', async (t) => {
  const { server, kernel } = await controlled(t, 'FS');
  const raw = new RawClient(server.path);
  const garbage = ['hello', '{', '[1,2]', '{"op":3}', '\u0000\u0001', '{"id":[],"op":"status"}'];
  await raw.say(`${garbage.join('\n')}\n\n\r\n`);
  await raw.say(Uint8Array.of(0xff, 0xfe, 0x80, 10));
  await raw.say('{"id":"last","op":"status"}\n');
  const answers = await raw.lines(garbage.length + 2);
  assert.ok(answers.slice(0, -1).every(({ ok, error }) => !ok && error.code === 'EBADMSG'), JSON.stringify(answers));
  assert.equal(answers.at(-1).id, 'last');
  assert.equal(answers.at(-1).result.image, kernel.name);
  raw.socket.destroy();
});

test('a line without end is cut off, and costs no memory', async (t) => {
  const { server } = await controlled(t, 'FS');
  const raw = new RawClient(server.path);
  await raw.say('{"op":"status"}\n');
  await raw.lines(1);
  for (let i = 0; i < 100 && !raw.closed; i++) {
    await raw.say('x'.repeat(requestMax / 8));
    await sleep(1);
  }
  await waitFor(() => raw.closed, 'it hangs up');
  assert.equal(raw.messages.at(-1).error.code, 'EMSGSIZE');
  const client = await ControlClient.open(server.path);
  assert.ok(await client.request('status'), 'others are served as before');
  client.close();
});

test('who has said its last is still answered', async (t) => {
  const { server } = await controlled(t, 'FS');
  const raw = new RawClient(server.path);
  await raw.say('{"op":"status"}\n'.repeat(40));
  raw.socket.end();
  await waitFor(() => raw.closed, 'it hangs up');
  assert.equal(raw.messages.length, 40);
});

test('who does not read is not read from, and holds up nobody', async (t) => {
  const { server, kernel } = await controlled(t, 'FS');
  const deaf = new RawClient(server.path);
  deaf.socket.pause();
  await deaf.say('{"op":"sysctl.all"}\n'.repeat(3000));
  await sleep(200);
  const client = await ControlClient.open(server.path);
  const began = performance.now();
  for (let i = 0; i < 20; i++) await client.request('status');
  assert.ok(performance.now() - began < 2000);
  assert.ok(kernel.isAlive);
  client.close();
  deaf.socket.resume();
  await deaf.lines(3000);
  deaf.socket.destroy();
});

test('connections that go away in the middle, and too many of them', async (t) => {
  const { server } = await controlled(t, 'FS');
  for (let i = 0; i < 50; i++) {
    const raw = new RawClient(server.path);
    await raw.say('{"op":"sysctl.all"}\n{"op":"sta');
    raw.socket.destroy();
  }
  const client = await ControlClient.open(server.path);
  assert.ok(await client.request('status'));
  client.close();
  const many = Array.from({ length: 70 }, () => new RawClient(server.path));
  await waitFor(() => many.some(({ received }) => received.includes('EMFILE')), 'one is refused');
  await waitFor(() => many.every(({ closed, received }) => !received.includes('EMFILE') || closed), 'and hung up on');
  for (const { socket } of many) socket.destroy();
  await waitFor(async () => {
    const again = await ControlClient.open(server.path);
    return again.request('status').finally(() => again.close());
  }, 'there is room again');
});

test('names: the second gets another one, a chosen one must be free, stale sockets are taken over', async (t) => {
  const { server, kernel, directory } = await controlled(t, 'FS');
  const other = await bootImage('FS');
  t.after(() => other.close());
  const second = await ControlServer.open(other, { directory });
  assert.equal(second.name, `FS-${process.pid}`);
  const third = await ControlServer.open(other, { directory });
  assert.equal(third.name, `FS-${process.pid}-2`);
  await assert.rejects(ControlServer.open(kernel, { directory, name: 'FS' }), { code: 'EADDRINUSE' });
  await assert.rejects(ControlServer.open(kernel, { directory, name: '../FS' }), { code: 'EINVAL' });
  await Promise.all([second.close(), third.close()]);
  writeFileSync(`${directory}/old.sock`, '');
  const taken = await ControlServer.open(other, { directory, name: 'old' });
  assert.ok(statSync(taken.path).isSocket());
  writeFileSync(`${directory}/older.sock`, '');
  await cleanSockets(directory);
  assert.ok(!existsSync(`${directory}/older.sock`) && existsSync(taken.path) && existsSync(server.path));
  await taken.close();
});

test('several that start at the same moment get different names', async (t) => {
  const directory = tempDir(t);
  const kernel = await bootImage('FS');
  const servers = await Promise.all(Array.from({ length: 5 }, () => ControlServer.open(kernel, { directory })));
  assert.equal(new Set(servers.map(({ name }) => name)).size, 5);
  for (const { path } of servers) assert.ok(statSync(path).isSocket());
  await Promise.all(servers.map((server) => server.close()));
  await kernel.close();
});

test('an instance that ends: what is asked then, and what was under way', async (t) => {
  const { server, kernel } = await controlled(t, 'LOOP');
  const client = await ControlClient.open(server.path);
  const ping = client.start('ping', { address: '127.0.0.1', intervalMs: 5 }, () => undefined);
  await client.request('status');
  await kernel.close();
  await assert.rejects(ping.done, { name: 'ControlError', code: 'ESHUTDOWN' });
  await assert.rejects(client.request('status'), { code: 'ESHUTDOWN' });
  await server.close();
  await assert.rejects(client.request('status'), { code: 'ECONNRESET' });
  await assert.rejects(ControlClient.open(server.path), { code: 'ENOENT' });
});

test('a client refuses what is not a control socket, and an instance that does not answer', async (t) => {
  const path = `${dirname(tempDir(t))}/rumpwasm-not-${process.pid}.sock`;
  const other = createServer((socket) => { socket.write('220 mail.example.org\n'); }).listen(path);
  t.after(() => other.close());
  await once(other, 'listening');
  const client = await ControlClient.open(path);
  await assert.rejects(client.request('status'), { code: 'EBADMSG' });
  const silent = createServer(() => undefined).listen(`${path}2`);
  t.after(() => silent.close());
  await once(silent, 'listening');
  const waiting = await ControlClient.open(`${path}2`);
  await assert.rejects(waiting.request('status', {}, 100), { code: 'ETIMEDOUT' });
  waiting.close();
});
