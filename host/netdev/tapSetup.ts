/**
 * Getting a TAP device of Linux: /dev/net/tun opened, configured, and every failure in words.
 *
 *      open("/dev/net/tun") ─▶ TUNSETIFF TAP, NO_PI, VNET_HDR ─▶ TUNSETVNETHDRSZ 12 ─▶ TUNSETOFFLOAD
 *
 * Node has no ioctl. koffi makes the call where it is there; otherwise a child of a few lines of perl or
 * python3 makes it on the descriptor, which it inherits (tapHelper.ts). Attaching to a device that root
 * has made for a user (`ip tuntap add tap0 mode tap user U`) needs no privilege; making one needs
 * CAP_NET_ADMIN. linux/if_tun.h, Documentation/networking/tuntap.rst.
 */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { EACCES, EBUSY, EINVAL, EIO, ENODEV, EPERM } from '../../kernel/abi/errno';
import { IFNAMSIZ } from '../../kernel/abi/if';
import { errnoFromLinux, errnoFromNode, errnoText } from '../errtrans';
import { NetdevError } from './netdev';

export const TUN_DEVICE = '/dev/net/tun';
export const TUNSETIFF = 0x400454ca;
export const TUNSETOFFLOAD = 0x400454d0;
export const TUNSETVNETHDRSZ = 0x400454d8;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
/** Linux's numbers of TUN_F_*. */
export const TUN_F_CSUM = 1;
export const TUN_F_TSO4 = 2;
export const TUN_F_TSO6 = 4;
/** sizeof(struct ifreq). */
export const IFREQ_SIZE = 40;

const LINUX_EPERM = 1;
const LINUX_EBUSY = 16;
const LINUX_EINVAL = 22;

/** A name that Linux takes for an interface; '%d' asks for a number. */
export function isInterfaceName(name: string): boolean {
  return name.length > 0 && Buffer.byteLength(name) < IFNAMSIZ && !/[/\s:]/.test(name) && name !== '.' && name !== '..';
}

/** struct ifreq for TUNSETIFF. */
export function ifreq(name: string): Buffer<ArrayBuffer> {
  const request = Buffer.from(new ArrayBuffer(IFREQ_SIZE));
  request.write(name, 0, 'latin1');
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, IFNAMSIZ);
  return request;
}

/** What can be done instead of a TAP device. */
const OTHERWISE = 'or use hub=NAME for a network inside this process, or an image with sockin, which needs no privilege';

/** Open /dev/net/tun, non-blocking. @throws NetdevError */
export function openTun(port: string, name: string): number {
  try {
    return openSync(TUN_DEVICE, constants.O_RDWR | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' || code === 'ENODEV' ? `there is no ${TUN_DEVICE} here (on Linux: modprobe tun)`
      : code === 'EACCES' || code === 'EPERM' ? `this user may not open ${TUN_DEVICE}` : `${TUN_DEVICE}: ${code}`;
    const errno = errnoFromNode(error);
    throw new NetdevError(`${port}: no TAP device ${name}: ${why}; ${OTHERWISE}`, errno === EACCES ? EPERM : errno);
  }
}

/** Linux refused TUNSETIFF with `linuxErrno`. */
export function refused(port: string, name: string, linuxErrno: number): NetdevError {
  if (linuxErrno === LINUX_EPERM) {
    return new NetdevError(`${port}: TAP device ${name} needs CAP_NET_ADMIN: run as root, or have root make it for this user once `
      + `(ip tuntap add ${name} mode tap user $USER); ${OTHERWISE}`, EPERM);
  }
  if (linuxErrno === LINUX_EBUSY) return new NetdevError(`${port}: TAP device ${name} is in use by another program`, EBUSY);
  if (linuxErrno === LINUX_EINVAL) {
    return new NetdevError(`${port}: there is an interface ${name} which is not a TAP device for a single queue`, EINVAL);
  }
  const errno = errnoFromLinux(linuxErrno);
  return new NetdevError(`${port}: no TAP device ${name}: ${errnoText(errno)}`, errno === 0 ? EIO : errno);
}

/** There is no way to make an ioctl. */
export function noIoctl(port: string, name: string, why: string): NetdevError {
  return new NetdevError(`${port}: no TAP device ${name}: it needs koffi (${why}), perl or python3; ${OTHERWISE}`, ENODEV);
}

/** MTU of interface `name` of the host, undefined if it is not to be known. */
export function mtuOf(name: string): number | undefined {
  try {
    const mtu = Number(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8'));
    return Number.isInteger(mtu) && mtu > 0 ? mtu : undefined;
  } catch {
    return undefined;
  }
}

/** Close `fd`, whatever happens. */
export function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch { /* it is closed */ }
}
