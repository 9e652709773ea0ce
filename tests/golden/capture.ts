/**
 * Captures made on a virtual clock: of a packet script, of worlds of images, of a DHCP client. The same
 * build gives the same bytes each time.
 *
 *      script  ─▶ machine (image DRILL) ─┐
 *      world   ─▶ images on a hub       ─┼─▶ frames with their moments ─▶ pcap
 *      server of ours ◀─ hub ─▶ TAP     ─┘
 *
 * Packets of scripts are bare IP; they are given an Ethernet header, so that all captures are alike.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { PcapWriter } from '../../host/netdev/pcapFile';
import { World, type WorldOptions } from '../../host/sim/world';
import { Engine } from '../../tools/drill/engine';
import { Machine } from '../../tools/drill/machine';
import { parseScript } from '../../tools/drill/parse';
import { failureText } from '../../tools/drill/runner';

export interface Captured {
  /** µs since the beginning. */
  timeUs: number;
  bytes: Uint8Array;
}

/** Where all captures begin. */
const EPOCH_US = Date.UTC(2026, 0, 1) * 1000;
const IMAGE_MAC = [0xb2, 0x0a, 0, 0, 0, 1];
const PEER_MAC = [0x02, 0, 0, 0, 0, 2];
export const ETHERTYPE_IP = [8, 0];

/** An IP packet as a frame. */
export function framed(packet: Uint8Array, to: readonly number[], from: readonly number[]): Uint8Array {
  return Uint8Array.from([...to, ...from, ...ETHERTYPE_IP, ...packet]);
}

/** Write frames to `path`. @param snaplen bytes of each that are kept */
export function writeCapture(path: string, frames: readonly Captured[], snaplen = 65_536): void {
  const file = new PcapWriter(path);
  for (const { timeUs, bytes } of frames) file.write(bytes.subarray(0, snaplen), EPOCH_US + timeUs, bytes.length);
  file.close();
}

/** What passes during the packet script at `path`. @throws Error if the script fails */
export async function ofScript(root: string, path: string): Promise<Captured[]> {
  const parsed = parseScript(relative(root, path), readFileSync(path, 'utf8'));
  // What comes after the last event, hours of closing, is no part of the session.
  const script = { ...parsed, settings: { ...parsed.settings, noLeakCheck: true } };
  const machine = await Machine.create(script.settings);
  try {
    machine.restore();
    const frames: Captured[] = [];
    const { device } = machine;
    const [send, inject] = [device.send.bind(device), device.inject.bind(device)];
    device.send = (packet, timeUs) => {
      frames.push({ timeUs: machine.scriptTime(timeUs), bytes: framed(packet, PEER_MAC, IMAGE_MAC) });
      send(packet, timeUs);
    };
    device.inject = (packet) => {
      frames.push({ timeUs: machine.nowUs, bytes: framed(packet, IMAGE_MAC, PEER_MAC) });
      inject(packet);
    };
    const failure = new Engine(machine, script).run();
    if (failure !== null) throw new Error(failureText(failure));
    return frames;
  } finally {
    await machine.close();
  }
}

/** What passes at the interface of the first of some images on a hub while `body` has its way with them. */
export async function ofWorld(options: WorldOptions, body: (world: World) => void): Promise<Captured[]> {
  const frames: Captured[] = [];
  const world = await World.create({
    ...options,
    onFrame: (index, _outgoing, frame, timeUs) => { if (index === 0) frames.push({ timeUs, bytes: frame.bytes() }); },
  });
  try {
    world.settle();
    body(world);
    return frames;
  } finally {
    await world.close();
  }
}
