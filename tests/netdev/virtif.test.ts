/**
 * virtif itself: an image on netdevs made for the purpose. What it sends, what it does with what comes,
 * and what it says of devices that it cannot have.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { BootError } from '../../host/boot';
import { seededEntropy, virtualClock } from '../../host/determinism';
import { Frame, VNET_GSO_TCPV4 } from '../../host/netdev/frame';
import { Hub } from '../../host/netdev/hub';
import { formatMac, type Netdev, NetdevError, type NetdevPort } from '../../host/netdev/netdev';
import type { Kernel } from '../../host/kernel';
import { EAGAIN, EBUSY, EIO } from '../../kernel/abi/errno';
import { IFCAP_LRO } from '../../kernel/abi/if';
import { AF_INET, SOCK_DGRAM } from '../../kernel/abi/socket';
import { bootImage } from '../host/images';
import { ether, MAC_B, pattern, tcpFrame, udpFrame } from './frames';
import { counter } from './counter';

/** A netdev that keeps what is sent and gives what it is told to. */
class Fake implements Netdev {
  readonly label = 'fake';
  caps: number;
  mac?: Uint8Array;
  mtu?: number;
  port!: NetdevPort;
  sent: Frame[] = [];
  answer = 0;
  rooms = 0;
  closed = 0;

  constructor(caps = 0, extra: Partial<Pick<Fake, 'mac' | 'mtu'>> = {}) {
    this.caps = caps;
    Object.assign(this, extra);
  }

  open(port: NetdevPort): void { this.port = port; }
  send(frame: Frame): number {
    if (this.answer === 0) this.sent.push(frame.copy());
    return this.answer;
  }
  room(): void { this.rooms++; }
  close(): void { this.closed++; }
}

/** An image at 10.0.0.2 on `dev` and a virtual clock; nothing happens but by run() and advance(). */
async function rig(t: TestContext, dev: Netdev, seed = 1): Promise<Kernel> {
  const kernel = await bootImage('NET', {
    netdevs: { virt0: dev }, params: { 'net.virt0': 'inet,static,10.0.0.2/24' }, clock: virtualClock(), random: seededEntropy(seed), manual: true,
  });
  t.after(() => kernel.close());
  kernel.run();
  return kernel;
}

const macOf = (kernel: Kernel): Buffer => Buffer.from(/virt0.* ether ([0-9a-f:]+)/.exec(String(kernel.sysctl('net.interfaces')))![1]!.replaceAll(':', ''), 'hex');

/** An ARP request for 10.0.0.2 from 10.0.0.1. */
const arp = ether(Buffer.alloc(6, 0xff), MAC_B, Buffer.concat([Buffer.from('0001080006040001', 'hex'), MAC_B, Buffer.from([10, 0, 0, 1]), Buffer.alloc(6), Buffer.from([10, 0, 0, 2])]), 0x0806);

describe('virtif', () => {
  it('sends what the stack has, and hears the answer', async (t) => {
    const dev = new Fake();
    const kernel = await rig(t, dev);
    kernel.advance(10_000_000);
    dev.sent = [];
    assert.ok(dev.port.receive(Frame.of(arp)));
    kernel.run();
    assert.equal(dev.sent.length, 1);
    const reply = Buffer.from(dev.sent[0]!.u8);
    assert.deepEqual(reply.subarray(0, 12), Buffer.concat([MAC_B, macOf(kernel)]));
    assert.equal(reply.toString('hex', 12, 22), '08060001080006040002');
    assert.equal(counter(kernel, 'net.virtif.stats', 'rxcopied'), 1);
  });

  it('has the address, MTU and capabilities of its device', async (t) => {
    const mac = Uint8Array.of(2, 4, 6, 8, 10, 12);
    const kernel = await rig(t, new Fake(0x3f, { mac, mtu: 9000 }));
    assert.match(String(kernel.sysctl('net.interfaces')), /virt0 up running mtu 9000 ether 02:04:06:08:0a:0c /);
  });

  it('makes up an address from the entropy that it is given', async (t) => {
    const macs = await Promise.all([1, 1, 2].map(async (seed) => formatMac(macOf(await rig(t, new Fake(), seed)))));
    assert.equal(macs[0], macs[1]);
    assert.notEqual(macs[0], macs[2]);
    assert.match(macs[0]!, /^b2:0a:/);
  });

  it('waits while the device is full, and goes on when it is told', async (t) => {
    const dev = new Fake();
    const kernel = await rig(t, dev);
    kernel.advance(10_000_000);
    dev.port.receive(Frame.of(arp));
    kernel.run();
    const fd = kernel.sys.socket(AF_INET, SOCK_DGRAM);
    dev.sent = [];
    dev.answer = -EAGAIN;
    for (let i = 0; i < 5; i++) kernel.sys.sendto(fd, Buffer.from(`datagram ${i}`), { family: 'IPv4', address: '10.0.0.1', port: 9 });
    kernel.run();
    assert.equal(counter(kernel, 'net.virtif.stats', 'txbusy'), 1);
    dev.answer = 0;
    kernel.advance(1_000_000);
    assert.equal(dev.sent.length, 0, 'nothing polls');
    dev.port.writable();
    kernel.run();
    const datagrams = dev.sent.map((f) => Buffer.from(f.u8)).filter((b) => b.readUInt16BE(12) === 0x0800);
    assert.deepEqual(datagrams.map((b) => b.toString('latin1', 42)), [0, 1, 2, 3, 4].map((i) => `datagram ${i}`));
    dev.answer = -EIO;
    kernel.sys.sendto(fd, Buffer.from('lost'), { family: 'IPv4', address: '10.0.0.1', port: 9 });
    assert.equal(counter(kernel, 'net.virtif.stats', 'txdropped'), 1);
  });

  it('takes frames until its buffers are used up, and again after a run', async (t) => {
    const dev = new Fake();
    const kernel = await rig(t, dev);
    const stray = Frame.of(ether(MAC_B, MAC_B, pattern(200)));
    let n = 0;
    while (dev.port.receive(stray)) n++;
    assert.equal(n, 256);
    assert.equal(dev.rooms, 0);
    kernel.run();
    assert.equal(dev.rooms, 1, 'told that there is room');
    assert.equal(counter(kernel, 'net.virtif.stats', 'rxsingle'), 256);
    assert.ok(dev.port.receive(stray));
    kernel.run();
    assert.equal(dev.rooms, 1, 'only if it was refused');
  });

  it('receives 64 KiB at once as a chain', async (t) => {
    const dev = new Fake(IFCAP_LRO);
    const kernel = await rig(t, dev);
    const big = tcpFrame({ payload: pattern(65_000) }, VNET_GSO_TCPV4, 1448);
    let n = 0;
    while (dev.port.receive(big)) n++;
    assert.equal(n, Math.floor(512 / 32));
    kernel.run();
    assert.equal(counter(kernel, 'net.virtif.stats', 'rxchain'), 16);
    assert.equal(kernel.sysctl('kern.ipc.mbclusters_inuse'), 512, 'all are free again, but those of the ring');
  });

  it('drops frames whose header is nonsense', async (t) => {
    const dev = new Fake();
    const kernel = await rig(t, dev);
    const bytes = udpFrame({ payload: pattern(300) }).bytes();
    const wrong: [number, number, number][] = [
      [1, 400 << 16, 2], [1, 0xffff << 16, 0xffff], [1, 34 << 16, 400], [0x0101, 34 << 16, 6], [0x0301, (34 << 16) | 100, 6],
      [0x0501, (34 << 16) | 100, 6], [0x0100, 0, 0], [0x8501, (34 << 16) | 100, 6],
    ];
    for (const [h0, h1, h2] of wrong) assert.ok(dev.port.receive(Frame.of(bytes, h0, h1, h2)));
    kernel.run();
    assert.equal(counter(kernel, 'net.virtif.stats', 'rxbadhdr'), wrong.length);
    assert.equal(counter(kernel, 'net.interfaces', 'ierrors 0[^]*virt0[^]*? ierrors'), wrong.length);
  });

  it('follows the link', async (t) => {
    const dev = new Fake();
    const kernel = await rig(t, dev);
    dev.port.link(false);
    kernel.run();
    dev.port.link(true);
    kernel.run();
    assert.ok(dev.port.receive(Frame.of(arp)));
  });

  it('comes back with a snapshot', async (t) => {
    const dev = new Fake();
    const kernel = await rig(t, dev);
    kernel.advance(10_000_000);
    const saved = kernel.snapshot();
    for (let i = 0; i < 100; i++) dev.port.receive(Frame.of(arp));
    kernel.run();
    dev.sent = [];
    kernel.restore(saved);
    for (let i = 0; i < 3; i++) dev.port.receive(Frame.of(arp));
    kernel.run();
    assert.equal(dev.sent.length, 3);
    assert.equal(counter(kernel, 'net.virtif.stats', 'rxcopied'), 3);
  });

  it('closes its devices with the kernel', async () => {
    const dev = new Fake();
    const kernel = await bootImage('NET', { netdevs: { virt0: dev } });
    await kernel.close();
    await kernel.close();
    assert.equal(dev.closed, 1);
  });
});

describe('devices that are not to be had', () => {
  it('end the boot with one line', async () => {
    const said: string[] = [];
    const dev: Netdev = { label: 'x', caps: 0, open() { throw new NetdevError('virt0: it is broken', EBUSY); }, send: () => 0, close() {} };
    await assert.rejects(bootImage('NET', { netdevs: { virt0: dev }, log: (_, text) => said.push(text) }),
      (error: Error) => error instanceof BootError && error.code === 'EBUSY' && error.message.includes('virt0: it is broken'));
    assert.ok(said.includes('virt0: it is broken'));
  });

  it('are found in the words before anything is opened', async () => {
    await assert.rejects(bootImage('NET', { params: { 'if.virt0': 'virtif,hub=x,loss=9' } }), /-I virt0,virtif,hub=x,loss=9: loss=9: expected a probability/);
  });

  it('are mentioned when the image has fewer interfaces', async () => {
    const said: string[] = [];
    const kernel = await bootImage('NET', { netdevs: { virt8: new Hub().port() }, logLevel: 'warning', log: (_, text) => said.push(text) });
    kernel.run();
    await kernel.close();
    assert.deepEqual(said, ['this image has no interface virt8 (tunable VIRTIF_MAXIF)']);
  });
});
