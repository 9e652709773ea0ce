/**
 * The host half of ipif: the hypercalls of ipif.hyper.ts, between an image and its IpDevices.
 *
 *      ip<unit> ── boot({ host: { ipdevs: { ip0: device } } }); an image asks for every unit that it could have
 *
 * What has been received waits here until the image fetches it, in order, so that it never has to say
 * how much it can take at once.
 */
import type { ComponentHost, HyperHost } from '../../host/hyperHost';
import type { IpDevice, IpPort } from '../../host/harness/ipDevice';
import { EFAULT, EINVAL, EMSGSIZE, ENXIO } from '../../kernel/abi/errno';
import { IPIF_INTR, IPIF_MAXPACKET } from './ipif.abi';

/** RFC 791 §3.2: every internet module must be able to forward a datagram of 68 bytes. */
const MTU_MIN = 68;

class Unit implements IpPort {
  private queue: Uint8Array[] = [];
  private first = 0;

  constructor(private readonly host: HyperHost, private readonly source: number, readonly device: IpDevice) {}

  get waiting(): number { return this.queue.length - this.first; }

  receive(datagram: Uint8Array): void {
    const { length } = datagram;
    if (length === 0 || length > IPIF_MAXPACKET) throw new RangeError(`a datagram of ${length} bytes`);
    // Not slice(): a Buffer's shares its bytes.
    this.queue.push(new Uint8Array(datagram));
    this.host.intr(this.source);
  }

  clear(): void {
    this.queue = [];
    this.first = 0;
  }

  /** Bytes of the next, 0 for none. */
  next(): number {
    return this.queue[this.first]?.length ?? 0;
  }

  /** Put the next at `buf`. */
  fetch(buf: number, room: number): number {
    const datagram = this.queue[this.first];
    if (datagram === undefined) return -EINVAL;
    if (++this.first === this.queue.length) this.clear();
    if (room < datagram.length) return -EMSGSIZE;
    if (buf <= 0 || buf + datagram.length > this.host.u8.length) return -EFAULT;
    this.host.u8.set(datagram, buf);
    return datagram.length;
  }
}

/** Is this what boot() was given for an interface of ours? */
function isIpDevice(value: unknown): value is IpDevice {
  const device = value as Partial<IpDevice> | null | undefined;
  return typeof device?.send === 'function' && typeof device.open === 'function' && typeof device.mtu === 'number';
}

export function hypercalls(host: HyperHost): ComponentHost {
  const devices = (host.options.ipdevs ?? {}) as Readonly<Record<string, unknown>>;
  const units = new Map<number, Unit>();

  function create(number: number): number {
    const device = devices[`ip${number}`];
    if (device === undefined) return -ENXIO;
    if (!isIpDevice(device) || device.mtu < MTU_MIN || device.mtu > IPIF_MAXPACKET || units.has(number)) return -EINVAL;
    const unit = new Unit(host, IPIF_INTR + number, device);
    units.set(number, unit);
    device.open(unit);
    return device.mtu;
  }

  function send(unit: Unit | undefined, buf: number, len: number): number {
    if (unit === undefined) return -ENXIO;
    if (buf <= 0 || len <= 0 || buf + len > host.u8.length) return -EFAULT;
    unit.device.send(host.u8.subarray(buf, buf + len), host.clock.monotonic());
    return 0;
  }

  return {
    imports: {
      ipif_create: (number) => create(number!),
      ipif_next: (number) => units.get(number!)?.next() ?? 0,
      ipif_recv: (number, buf, room) => units.get(number!)?.fetch(buf!, room!) ?? -ENXIO,
      ipif_send: (number, buf, len) => send(units.get(number!), buf!, len!),
    },
    close(): void {
      for (const unit of units.values()) unit.clear();
    },
  };
}
