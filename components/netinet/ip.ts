/**
 * The IPv4 header on the wire (RFC 791 §3.1): offsets and numbers.
 *
 *      0      1     2       4      6         8     9       10     12    16    20
 *      | v hl | tos | len   | id   | fl off  | ttl | proto | sum  | src | dst | options … |
 */
export const IP_VHL: usize = 0;
export const IP_TOS: usize = 1;
export const IP_LEN: usize = 2;
export const IP_ID: usize = 4;
export const IP_OFF: usize = 6;
export const IP_TTL: usize = 8;
export const IP_P: usize = 9;
export const IP_SUM: usize = 10;
export const IP_SRC: usize = 12;
export const IP_DST: usize = 16;
export const IP_HDRLEN: i32 = 20;
export const IP_MAXPACKET: i32 = 65535;

/** Flags and fragment offset, host order. */
export const IP_DF: i32 = 0x4000;
export const IP_MF: i32 = 0x2000;
export const IP_OFFMASK: i32 = 0x1fff;

/** Default time to live (RFC 1700: 64). */
export const IPDEFTTL: i32 = 64;

export function ip_len(ip: usize): i32 {
  return <i32>bswap<u16>(load<u16>(ip, IP_LEN));
}

export function ip_hl(ip: usize): i32 {
  return (<i32>load<u8>(ip) & 15) << 2;
}

export function ip_off(ip: usize): i32 {
  return <i32>bswap<u16>(load<u16>(ip, IP_OFF));
}
