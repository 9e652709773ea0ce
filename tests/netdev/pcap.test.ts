/** Captures: writing, reading, what stands in them, and replay (host/netdev/pcap.ts, pcapFile.ts). */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Frame, VNET_GSO_TCPV4 } from '../../host/netdev/frame';
import { Hub } from '../../host/netdev/hub';
import { NetdevError } from '../../host/netdev/netdev';
import { pcap, replay } from '../../host/netdev/pcap';
import { PcapError, PcapWriter, readPcap } from '../../host/netdev/pcapFile';
import { virtualClock } from '../../host/determinism';
import { need } from '../lib/need';
import { run } from '../lib/spawn';
import { tempDir } from '../lib/tree';
import { dissect, ether, MAC_A, MAC_B, pattern, tcpFrame, udpFrame } from './frames';
import { TestPort } from './port';

const start = Date.UTC(2026, 10, 20, 12) * 1000;

describe('pcap file', () => {
  it('gives back what was written, to the microsecond', (t) => {
    const path = join(tempDir(t), 'a.pcap');
    const writer = new PcapWriter(path);
    const frames = [60, 1514, 65_549, 14, 70_000].map((n, i) => ({ timeUs: start + i * 1_234_567, bytes: new Uint8Array(pattern(n, i)) }));
    for (const frame of frames) writer.write(frame.bytes, frame.timeUs);
    assert.equal(writer.frames, 5);
    writer.close();
    writer.write(pattern(60), 0);
    writer.close();
    assert.deepEqual(readPcap(path), frames);
  });

  it('reads either byte order, nanoseconds, and a file that was cut off', (t) => {
    const path = join(tempDir(t), 'b.pcap');
    const writer = new PcapWriter(path);
    writer.write(pattern(60), start + 7);
    writer.write(pattern(61), start + 8);
    writer.close();
    const file = readFileSync(path);
    const swapped = Buffer.from(file);
    for (const at of [0, 8, 12, 16, 20, 24, 28, 32, 36, 100, 104, 108, 112]) swapped.writeUInt32BE(file.readUInt32LE(at), at);
    for (const at of [4, 6]) swapped.writeUInt16BE(file.readUInt16LE(at), at);
    writeFileSync(path, swapped);
    assert.deepEqual(readPcap(path).map((f) => [f.timeUs, f.bytes.length]), [[start + 7, 60], [start + 8, 61]]);
    file.writeUInt32LE(0xa1b23c4d, 0);
    file.writeUInt32LE(7500, 28);
    writeFileSync(path, file.subarray(0, file.length - 1));
    assert.deepEqual(readPcap(path).map((f) => [f.timeUs, f.bytes.length]), [[start + 7.5, 60]]);
  });

  it('says what is wrong with a file', (t) => {
    const dir = tempDir(t);
    const path = join(dir, 'c.pcap');
    for (const [bytes, what] of [[pattern(60), /neither pcap nor pcapng/], [pattern(5), /too short/]] as const) {
      writeFileSync(path, bytes);
      assert.throws(() => readPcap(path), (error: Error) => error instanceof PcapError && what.test(error.message) && error.message.includes(path));
    }
    new PcapWriter(path).close();
    const file = readFileSync(path);
    file.writeUInt32LE(101, 20);
    writeFileSync(path, file);
    assert.throws(() => readPcap(path), /link type 101, not Ethernet/);
  });

  it('reads pcapng as others write it', { skip: need('editcap') }, async (t) => {
    const dir = tempDir(t);
    const writer = new PcapWriter(join(dir, 'a.pcap'));
    for (let i = 0; i < 20; i++) writer.write(pattern(60 + i, i), start + i * 1000.5);
    writer.close();
    for (const format of ['pcapng', 'nsecpcap']) {
      assert.equal((await run('editcap', ['-F', format, join(dir, 'a.pcap'), join(dir, 'b.cap')])).code, 0);
      assert.deepEqual(readPcap(join(dir, 'b.cap')), readPcap(join(dir, 'a.pcap')), format);
    }
  });
});

describe('capture', () => {
  it('has frames in both directions as a wire would, at the times of the kernel', (t) => {
    const path = join(tempDir(t), 'd.pcap');
    const hub = new Hub();
    const port = new TestPort(virtualClock(start));
    const dev = port.plug(pcap(hub.port(), path));
    const other = new TestPort().plug(hub.port());
    const payload = pattern(4000);
    dev.send(tcpFrame({ payload }, VNET_GSO_TCPV4, 1460));
    port.clock.advance(1500);
    other.send(udpFrame({ payload: pattern(9) }));
    port.free = 0;
    other.send(udpFrame({ payload: pattern(10) }));
    assert.equal(port.got.length, 1, 'passed on as it is');
    assert.ok(port.got[0]!.isUnfinished);
    dev.close();
    const frames = readPcap(path);
    assert.deepEqual(frames.map((f) => f.timeUs - start), [0, 0, 0, 1500]);
    assert.deepEqual(Buffer.concat(frames.slice(0, 3).map((f) => dissect(f.bytes).payload)), payload);
    assert.deepEqual(dissect(frames[3]!.bytes).payload, pattern(9));
  });

  it('is free of complaints in tshark', { skip: need('tshark') }, async (t) => {
    const path = join(tempDir(t), 'e.pcap');
    const dev = new TestPort(virtualClock(start)).plug(pcap(new Hub().port(), path));
    for (const six of [false, true]) {
      dev.send(tcpFrame({ six, payload: pattern(10_000), tag: 3 }, six ? 4 : 1, 1440));
      dev.send(tcpFrame({ six, payload: pattern(10_001) }, six ? 4 : 1, 1440));
      dev.send(udpFrame({ six, payload: pattern(99) }));
    }
    dev.close();
    const checks = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'].flatMap((name) => ['-o', `${name}:TRUE`]);
    const args = ['-r', path, ...checks, '-T', 'fields', '-e', 'frame.time_epoch', '-e', 'ip.checksum.status', '-e', 'tcp.checksum.status', '-e', 'udp.checksum.status', '-e', '_ws.malformed'];
    const { stdout, code } = await run('tshark', args);
    assert.equal(code, 0);
    const rows = stdout.trim().split('\n').map((line) => line.split('\t'));
    assert.equal(rows.length, 30);
    for (const [time, ip, tcp, udp, malformed] of rows) {
      assert.ok(Number(time) * 1e6 === start);
      assert.ok(ip === '1' || ip === '');
      assert.equal(`${tcp}${udp}`, '1', 'one transport checksum, and it is good');
      assert.equal(malformed ?? '', '');
    }
  });

  it('is on the disk soon, not only at the end', async (t) => {
    const path = join(tempDir(t), 'f.pcap');
    const dev = new TestPort().plug(pcap(new Hub().port(), path));
    dev.send(Frame.of(ether(MAC_B, MAC_A, pattern(50))));
    for (let i = 0; i < 100 && readPcap(path).length === 0; i++) await new Promise((done) => { setTimeout(done, 20); });
    assert.equal(readPcap(path).length, 1);
    dev.close();
  });

  it('that cannot be written is one line', () => {
    assert.throws(() => new TestPort().plug(pcap(new Hub().port(), '/nonexistent/x.pcap')),
      (error: Error) => error instanceof NetdevError && /^virt0: cannot write the capture \/nonexistent\/x\.pcap: ENOENT/.test(error.message));
  });
});

describe('replay', () => {
  const write = (path: string): void => {
    const writer = new PcapWriter(path);
    for (const at of [0, 1000, 1000, 50_000]) writer.write(pattern(60, at), start + at);
    writer.close();
  };

  it('delivers at the distances of the file, on the clock of the kernel', (t) => {
    const path = join(tempDir(t), 'g.pcap');
    write(path);
    const port = new TestPort();
    const dev = port.plug(replay(path));
    const seen: number[] = [];
    for (const us of [0, 999, 1, 48_999, 1]) {
      port.clock.advance(us);
      seen.push(dev.delivered);
    }
    assert.deepEqual(seen, [1, 1, 3, 3, 4]);
    assert.ok(dev.isDone);
    assert.deepEqual(port.take()[3], new Uint8Array(pattern(60, 50_000)));
    dev.send();
    assert.equal(dev.sent, 1);
  });

  it('goes as fast as the image takes them', (t) => {
    const path = join(tempDir(t), 'h.pcap');
    write(path);
    const port = new TestPort();
    port.free = 2;
    const dev = port.plug(replay(path, { pace: 'fast' }));
    port.clock.advance(0);
    assert.equal(dev.delivered, 2);
    port.free = 2;
    dev.room();
    assert.ok(dev.isDone);
  });

  it('stops when it is closed, and says when there is nothing to replay', (t) => {
    const path = join(tempDir(t), 'i.pcap');
    write(path);
    const port = new TestPort();
    const dev = port.plug(replay(path));
    port.clock.advance(0);
    dev.close();
    port.clock.advance(100_000);
    assert.equal(port.got.length, 1);
    assert.throws(() => port.plug(replay(`${path}.none`)), /^NetdevError: virt0: cannot replay: ENOENT/);
  });
});
