/** Interfaces in words: what is understood, and what is said about the rest (host/netdev/spec.ts). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addCaptures } from '../../host/cli/runArguments';
import { FaultyNetdev } from '../../host/netdev/fault';
import { HubPort } from '../../host/netdev/hub';
import { formatMac, parseMac } from '../../host/netdev/netdev';
import { PcapTap, Replay } from '../../host/netdev/pcap';
import { QemuNetdev } from '../../host/netdev/qemu';
import { createBus } from '../../host/netdev/shmBus';
import { registerBus, ShmNetdev } from '../../host/netdev/shmif';
import { interfacesOf, parseDevice, parseInterface } from '../../host/netdev/spec';
import { TapNetdev } from '../../host/netdev/tap';

const make = (text: string): unknown => parseDevice(text)!();

describe('devices in words', () => {
  it('are made of the right kind', () => {
    registerBus('b', createBus());
    for (const [text, kind] of [
      ['tap=tap0', TapNetdev], ['tap', TapNetdev], ['hub=lan', HubPort], ['hub', HubPort], ['shm=b', ShmNetdev],
      ['qemu=/run/p.sock', QemuNetdev], ['qemu=127.0.0.1:99', QemuNetdev], ['replay=a.pcap,pace=fast', Replay],
      ['hub=lan,loss=5%', FaultyNetdev], ['tap=x,pcap=o.pcap', PcapTap], ['hub,loss=1%,pcap=o.pcap', PcapTap],
      ['tap=t,mac=b2:0a:00:00:00:01,mtu=9000,offload=off,spin=50us,io=helper', TapNetdev],
      ['hub=lan,loss=0.05,dup=2%,reorder=5%,corrupt=1%,delay=10ms,jitter=1ms,hold=2ms,rate=10Mbit,seed=x', FaultyNetdev],
    ] as const) assert.ok(make(text) instanceof kind, text);
    assert.equal(parseDevice(''), undefined);
  });

  it('hand their options on', () => {
    const port = make('hub=lan,mac=B2:0a:00:00:00:01,mtu=9000,offload=off') as HubPort;
    assert.deepEqual([formatMac(port.mac!), port.mtu, port.caps & 0x1f, port.hub.name], ['b2:0a:00:00:00:01', 9000, 0, 'lan']);
    assert.equal((make('tap=abc') as TapNetdev).name, 'abc');
  });

  it('are refused in one line that quotes the word', () => {
    for (const [text, what] of [
      ['tapp=tap0', /"tapp=tap0": expected one of tap, hub/], ['loss=5%', /a device beside it: tap=…, hub=…/],
      ['tap=a,hub=b', /tap and hub: an interface has one device/], ['hub=a,hub=b', /hub is given twice/],
      ['hub=a,spin=5us', /spin: hub has no such option, only tap/], ['qemu=x,offload=off', /offload: qemu has no such option/],
      ['hub,loss=120%', /loss=120%: expected a probability/], ['hub,loss=x', /loss=x/], ['hub,delay=10', /delay=10: expected a number and a unit/],
      ['hub,rate=fast', /rate=fast/], ['hub,seed=4', /seed: expected a fault beside it/], ['hub,mtu=9', /mtu=9: expected 68 to 65535/],
      ['hub,mac=01:00:5e:00:00:01', /MAC address of a group/], ['hub,mac=12', /"12" is not a MAC/], ['hub,offload=maybe', /offload=maybe: expected on or off/],
      ['tap=averyverylongname', /is not the name of an interface/], ['tap=a/b', /is not the name/], ['qemu=', /qemu: expected qemu=VALUE/],
      ['replay=', /replay/], ['hub,pcap=', /pcap: expected pcap=VALUE/],
    ] as const) {
      assert.throws(() => parseDevice(text), (error: Error) => error instanceof RangeError && what.test(error.message) && !error.message.includes('\n'), text);
    }
    assert.throws(() => parseDevice('shm=nowhere')!(), /no bus of that name in this thread/);
  });
});

describe('interfaces', () => {
  it('are named virt0 to virt9', () => {
    assert.deepEqual({ ...parseInterface('virt0', 'virtif,hub=x'), make: 0 }, { name: 'virt0', driver: 'virtif', make: 0 });
    assert.equal(parseInterface('s0', 'other,whatever').driver, 'other');
    assert.throws(() => parseInterface('eth0', 'virtif,hub=x'), /-I eth0,virtif,hub=x: "eth0": expected virt0 to virt9/);
    assert.throws(() => parseInterface('virt0', 'virtif,bad'), /^RangeError: -I virt0,virtif,bad: "bad": expected one of/);
  });

  it('come from parameters and from boot()', () => {
    const params = new Map([['if.virt0', 'virtif,hub=x'], ['if.virt1', 'virtif'], ['net.virt0', 'inet,dhcp'], ['if.x0', 'y']]);
    const found = interfacesOf({ virt1: new HubPort({ name: 'h' } as never, {}), virt2: 'hub=z', virt3: () => make('hub') }, params);
    assert.deepEqual([...found.keys()].sort(), ['virt0', 'virt1', 'virt2', 'virt3']);
    for (const makeOne of found.values()) assert.ok(makeOne() instanceof HubPort);
  });

  it('must have one device, no more and no less', () => {
    assert.throws(() => interfacesOf({}, new Map([['if.virt0', 'virtif']])), /-I virt0,virtif: which device\? tap=…/);
    assert.throws(() => interfacesOf({ virt0: 'hub' }, new Map([['if.virt0', 'virtif,tap=x']])), /virt0 has a device already/);
    assert.throws(() => interfacesOf({ virt0: 7 }, new Map()), /netdevs\.virt0: expected a network device/);
    assert.throws(() => interfacesOf({ virt0: '' }, new Map()), /netdevs\.virt0/);
  });
});

describe('--pcap', () => {
  it('adds a capture to the interface that it names, or to the only one', () => {
    const [one, two] = ['virt0,virtif,tap=a', 'virt1,virtif,hub=b'];
    assert.deepEqual(addCaptures([one], ['o.pcap']), [`${one},pcap=o.pcap`]);
    assert.deepEqual(addCaptures([one, two], ['virt1=/x=y.pcap', 'virt0=z']), [`${one},pcap=z`, `${two},pcap=/x=y.pcap`]);
    assert.deepEqual(addCaptures([one], []), [one]);
  });

  it('must know which', () => {
    assert.throws(() => addCaptures([], ['o.pcap']), /--pcap o\.pcap: expected an interface \(-I\) beside it/);
    assert.throws(() => addCaptures(['virt0,virtif,hub', 'virt1,virtif,hub'], ['o.pcap']), /expected virt0=FILE or virt1=FILE/);
    assert.throws(() => addCaptures(['virt0,virtif,hub'], ['virt3=o.pcap']), /expected virt0=FILE/);
    assert.throws(() => addCaptures(['virt0,virtif,hub'], ['a,b.pcap']), /expected virt0=FILE/);
  });
});

describe('MAC addresses', () => {
  it('are read and written', () => {
    assert.equal(formatMac(parseMac('B2:0A:ff:00:01:10')), 'b2:0a:ff:00:01:10');
    for (const text of ['', 'b2:0a:00:00:00', 'b2-0a-00-00-00-01', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff']) assert.throws(() => parseMac(text), RangeError);
  });
});
