/**
 * ECN end to end (RFC 3168): marks on the way instead of losses, between two images and with the Linux kernel.
 *
 *      a ── fault ce=10% ── hub ── b          on the virtual clock
 *      Linux ── tap0 ── fault ce=5% ── image  in a namespace
 *
 * @timeout 120
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { boot, type Kernel } from '../../host/index';
import { fault } from '../../host/netdev/fault';
import { tap } from '../../host/netdev/tap';
import { EAGAIN } from '../../kernel/abi/errno';
import { need } from '../lib/need';
import { Lab, stat } from './lab';
import { labRig } from './labTools';
import { insideNetns, ip } from './namespace';
import { must, Sock, told } from './socketRig';
import { Receiver, Sender } from './transfer';

const HOUR_US = 3_600_000_000;
const ENABLE = 'net.inet.tcp.ecn.enable';
const tcp = (kernel: Kernel, name: string): number => stat(kernel, 'net.inet.tcp.stats', name);

const skip = need('netns', 'tun');
insideNetns(skip);

test('two images: marks slow the sender down, nothing is lost or sent twice', async (t) => {
  const lab = await Lab.make({ faults: { ce: 0.1, delayUs: 5000, seed: 3 }, offload: false });
  const [a, b] = lab.kernels as [Kernel, Kernel];
  for (const kernel of [a, b]) kernel.sysctl(ENABLE, 1);
  const rig = labRig(lab);
  const l = Sock.listener(rig, b);
  const c = Sock.stream(rig, a);
  assert.equal(told(c.connect(l.name())), 'EINPROGRESS');
  let s: Sock | number = -EAGAIN;
  lab.until(() => { s = l.accept(); return typeof s !== 'number'; }, 'the connection', HOUR_US);
  const sender = new Sender(a, c.fd, 4 << 20);
  const receiver = new Receiver(b, (s as unknown as Sock).fd);
  const began = lab.nowUs;
  lab.until(() => { sender.step(); return receiver.step(); }, 'the end', HOUR_US);
  assert.equal(receiver.got, 4 << 20);
  t.diagnostic(`${((lab.nowUs - began) / 1e6).toFixed(1)} s of virtual time, ${lab.line!.counters.outgoing.marked} marks, ${tcp(a, 'ecn_reduced')} reductions`);
  assert.ok(lab.line!.counters.outgoing.marked > 100);
  assert.equal(tcp(b, 'ecn_ce'), lab.line!.counters.outgoing.marked);
  assert.ok(tcp(a, 'ecn_reduced') > 20 && tcp(a, 'ecn_cwr') > 20);
  assert.equal(tcp(a, 'sndrexmitpack'), 0);
  for (const each of [c, s as unknown as Sock, l]) must(each.close());
  await lab.close();
});

test('the Linux kernel: each end marks and reduces for the other', { skip }, async () => {
  writeFileSync('/proc/sys/net/ipv4/tcp_ecn', '1');
  const line = fault(tap({ name: 'tap0' }), { ce: 0.05, delayUs: 2000, seed: 4 });
  const kernel = await boot('NET', { netdevs: { virt0: line }, params: { 'net.virt0': 'inet,static,10.0.0.2/24' }, logLevel: 'err' });
  ip('addr', 'add', '10.0.0.1/24', 'dev', 'tap0');
  ip('link', 'set', 'tap0', 'up');
  const total = 4 << 20;
  const server = await kernel.net.createServer((socket) => { socket.pipe(socket); });
  await new Promise<void>((done) => { server.listen(7, done); });
  const socket = connect({ host: '10.0.0.2', port: 7 });
  let got = 0;
  socket.on('data', (piece) => { got += piece.length; });
  socket.end(Buffer.alloc(total, 0x5a));
  await new Promise<void>((done, fail) => { socket.on('close', () => { done(); }).on('error', fail); });
  assert.equal(got, total);
  assert.equal(tcp(kernel, 'ecn_shs'), 1);
  // Linux marked what it sent as capable, and it was marked; it said CWR, or every ACK of ours would be slow.
  assert.ok(line.counters.incoming.marked > 20 && tcp(kernel, 'ecn_ce') > 20, 'Linux to us');
  assert.ok(line.counters.outgoing.marked > 20 && tcp(kernel, 'ecn_reduced') > 5, 'us to Linux');
  server.close();
  await kernel.close();
});
