/**
 * A DHCP server of few words on a hub (RFC 2131): it offers one address, leases it, renews it.
 */
import { boot } from '../../host/boot';
import { seededEntropy, virtualClock } from '../../host/determinism';
import { Hub } from '../../host/netdev/hub';
import { buildImage } from '../../tools/mkimage/index';
import { buildUdp, ipNumber, PROTO_UDP } from '../../tools/drill/wire';
import { type Captured, framed } from './capture';

const SERVER = '10.80.0.1';
const CLIENT = '10.80.0.50';
const SERVER_MAC = [0x02, 0, 0, 0, 0, 1];
const CLIENT_MAC = [0xb2, 0x0a, 0, 0, 0, 2];
const LEASE_S = 60;
const [DISCOVER, OFFER, REQUEST, ACK] = [1, 2, 3, 5];
const OPTIONS_AT = 240;

const bytesOf = (address: string): number[] => address.split('.').map(Number);

function optionOf(message: Uint8Array, wanted: number): number | undefined {
  for (let at = OPTIONS_AT; at < message.length && message[at] !== 255; at += message[at] === 0 ? 1 : 2 + message[at + 1]!) {
    if (message[at] === wanted) return message[at + 2];
  }
  return undefined;
}

/** The answer to a client's message, or null. */
function answer(message: Uint8Array): Uint8Array | null {
  const asked = optionOf(message, 53);
  if (asked !== DISCOVER && asked !== REQUEST) return null;
  const reply = new Uint8Array(300);
  reply.set(message.subarray(0, OPTIONS_AT));
  reply[0] = 2;
  reply.set(bytesOf(CLIENT), 16);
  reply.set(bytesOf(SERVER), 20);
  reply.set([
    53, 1, asked === DISCOVER ? OFFER : ACK, 54, 4, ...bytesOf(SERVER), 51, 4, 0, 0, 0, LEASE_S, 1, 4, 255, 255, 255, 0, 3, 4, ...bytesOf(SERVER), 255,
  ], OPTIONS_AT);
  return reply;
}

/** Image TAP gets an address, uses it, renews it: what passes on the hub. */
export async function dhcpSession(): Promise<Captured[]> {
  const { wasmFile } = await buildImage('TAP');
  const clock = virtualClock();
  const lan = new Hub('dhcp');
  const frames: Captured[] = [];
  const say = (bytes: Uint8Array): void => {
    frames.push({ timeUs: clock.monotonic(), bytes });
    server.send(bytes);
  };
  const server = lan.endpoint((frame) => {
    const bytes = frame.bytes();
    frames.push({ timeUs: clock.monotonic(), bytes });
    if (bytes[12] === 8 && bytes[13] === 6 && bytes[21] === 1 && ipNumber(bytes.subarray(38, 42).join('.')) === ipNumber(SERVER)) {
      const arp = Uint8Array.from([...bytes.subarray(6, 12), ...SERVER_MAC, ...bytes.subarray(12, 20), 0, 2, ...SERVER_MAC, ...bytesOf(SERVER), ...bytes.subarray(22, 32)]);
      clock.after(200, () => say(arp));
    }
    if (bytes[12] !== 8 || bytes[13] !== 0 || bytes[23] !== PROTO_UDP || bytes[37] !== 67) return;
    const message = bytes.subarray(42);
    const reply = answer(message);
    if (reply === null) return;
    const renewing = message.subarray(12, 16).some((byte) => byte !== 0);
    const ip = { src: ipNumber(SERVER), dst: ipNumber(renewing ? CLIENT : '255.255.255.255'), ttl: 64, tos: 0, df: false };
    clock.after(1000, () => say(framed(buildUdp(ip, 67, 68, reply), renewing ? CLIENT_MAC : Array<number>(6).fill(255), SERVER_MAC)));
  });
  const kernel = await boot(wasmFile, {
    manual: true, clock, random: seededEntropy('golden dhcp'), logLevel: 'err',
    netdevs: { virt0: lan.port({ offload: false, mac: Uint8Array.from(CLIENT_MAC) }) }, params: { 'net.virt0': 'inet,dhcp' },
  });
  try {
    kernel.run();
    for (let s = 0; s < 75; s++) kernel.advance(1_000_000);
    return frames;
  } finally {
    await kernel.close();
    server.close();
  }
}

