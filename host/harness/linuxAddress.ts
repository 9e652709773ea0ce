/**
 * Socket addresses as Linux lays them out, which differ from the image's in their first two bytes.
 *
 *      sockaddr_in    | family u16 | port BE | address 4 | zero 8 |                           16 bytes
 *      sockaddr_in6   | family u16 | port BE | flowinfo BE | address 16 | scope u32 |         28 bytes
 */
import { getSockaddr, putSockaddr, type SockAddress } from '../api/sockaddr';
import { linuxFamily, nativeFamily } from './linuxConstants';

/** The address in `bytes`; null if it is none that is known here. */
export function fromLinuxAddress(bytes: Uint8Array): SockAddress | null {
  if (bytes.length < 8) return null;
  // Not slice(): a Buffer's shares its bytes.
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  const family = nativeFamily(view.getUint16(0, true));
  view.setUint8(0, copy.length);
  view.setUint8(1, family);
  return getSockaddr(view, 0, copy.length);
}

/** `address` as Linux has it; no bytes for none. */
export function toLinuxAddress(address: SockAddress | null): Uint8Array {
  if (address === null) return new Uint8Array(0);
  const out = new Uint8Array(128);
  const view = new DataView(out.buffer);
  const length = putSockaddr(view, 0, address);
  view.setUint16(0, linuxFamily(view.getUint8(1)), true);
  return out.subarray(0, length);
}
