/**
 * The options of a kernel.dgram socket: broadcast, TTL, multicast, buffer sizes.
 *
 * Each is one setsockopt in the numbering of kernel/abi/inet.ts; errors are thrown as SystemError.
 */
import {
  IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IP_TTL, IPPROTO_IP, IPPROTO_IPV6,
  IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_UNICAST_HOPS,
} from '../../kernel/abi/inet';
import { SO_BROADCAST, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from '../../kernel/abi/socket';
import { SIN6_ADDR, SIN_ADDR } from '../../kernel/abi/sockaddr';
import { inetAddress, putSockaddr } from './sockaddr';
import type { Sys } from './sysSockets';

export class DgramOptions {
  private readonly sys: Sys;
  private readonly fd: number;
  private readonly isV6: boolean;

  constructor(sys: Sys, fd: number, isV6: boolean) {
    this.sys = sys;
    this.fd = fd;
    this.isV6 = isV6;
  }

  setBroadcast(on: boolean): void {
    this.sys.setsockopt(this.fd, SOL_SOCKET, SO_BROADCAST, on);
  }

  setTtl(ttl: number): number {
    return this.set(IP_TTL, IPV6_UNICAST_HOPS, ttl);
  }

  setMulticastTtl(ttl: number): number {
    return this.set(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl);
  }

  setMulticastLoopback(on: boolean): boolean {
    this.set(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, on ? 1 : 0);
    return on;
  }

  /** Join or leave a multicast group. @param iface address (IPv4) or index (IPv6) of the interface */
  membership(join: boolean, group: string, iface?: string): void {
    if (this.isV6) {
      const request = new Uint8Array(20);
      request.set(addressBytes(group), 0);
      new DataView(request.buffer).setUint32(16, Number(iface ?? 0), true);
      this.sys.setsockopt(this.fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, request);
    } else {
      const request = new Uint8Array(8);
      request.set(addressBytes(group), 0);
      request.set(addressBytes(iface ?? '0.0.0.0'), 4);
      this.sys.setsockopt(this.fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, request);
    }
  }

  get recvBufferSize(): number { return this.sys.getsockoptInt(this.fd, SOL_SOCKET, SO_RCVBUF); }
  set recvBufferSize(size: number) { this.sys.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, size); }

  get sendBufferSize(): number { return this.sys.getsockoptInt(this.fd, SOL_SOCKET, SO_SNDBUF); }
  set sendBufferSize(size: number) { this.sys.setsockopt(this.fd, SOL_SOCKET, SO_SNDBUF, size); }

  private set(v4: number, v6: number, value: number): number {
    this.sys.setsockopt(this.fd, this.isV6 ? IPPROTO_IPV6 : IPPROTO_IP, this.isV6 ? v6 : v4, value);
    return value;
  }
}

/** The 4 or 16 bytes of a numeric address. */
function addressBytes(address: string): Uint8Array {
  const dv = new DataView(new ArrayBuffer(128));
  const addr = inetAddress(address, 0);
  putSockaddr(dv, 0, addr);
  return new Uint8Array(dv.buffer, addr.family === 'IPv4' ? SIN_ADDR : SIN6_ADDR, addr.family === 'IPv4' ? 4 : 16);
}
