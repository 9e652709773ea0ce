/**
 * DHCP messages that a client sends (RFC 2131 §2, table 5; options RFC 2132).
 *
 *      | 0 op 1 | 1 hardware type 1 | 2 length 6 | 3 hops | 4 xid | 8 secs | 10 flags | 12 ciaddr | 16 yiaddr |
 *      | 20 siaddr | 24 giaddr | 28 chaddr 16 | 44 sname 64 | 108 file 128 | 236 magic cookie | 240 options … |
 *
 * The flag that asks servers to broadcast stays 0: our filter hears what is sent to our hardware address
 * before there is an IP address (§4.1). Which options go into which message is in one function.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { getparam } from "../../kernel/kern/rumpuser";
import { DHS_REBINDING, DHS_RENEWING, Dhcp } from "./dhcp_var";

export const BOOTP_OP: usize = 0;
export const BOOTP_XID: usize = 4;
export const BOOTP_SECS: usize = 8;
export const BOOTP_CIADDR: usize = 12;
export const BOOTP_YIADDR: usize = 16;
export const BOOTP_CHADDR: usize = 28;
export const BOOTP_SNAME: usize = 44;
export const BOOTP_FILE: usize = 108;
export const BOOTP_MAGIC: usize = 236;
export const BOOTP_OPTIONS: usize = 240;
/** Relays may drop shorter messages (RFC 1542 §2.1). */
const BOOTP_MIN: i32 = 300;
/** Room that dhcp_build may use. */
export const DHCP_MSGMAX: i32 = 576;

/** The cookie 63 82 53 63 as one load sees it. */
export const DHCP_MAGIC: u32 = 0x63538263;

export const DHCPDISCOVER: i32 = 1;
export const DHCPOFFER: i32 = 2;
export const DHCPREQUEST: i32 = 3;
export const DHCPDECLINE: i32 = 4;
export const DHCPACK: i32 = 5;
export const DHCPNAK: i32 = 6;
export const DHCPRELEASE: i32 = 7;

export const OPT_PAD: i32 = 0;
export const OPT_MASK: i32 = 1;
export const OPT_ROUTER: i32 = 3;
export const OPT_DNS: i32 = 6;
export const OPT_HOSTNAME: i32 = 12;
export const OPT_DOMAIN: i32 = 15;
export const OPT_MTU: i32 = 26;
export const OPT_REQUESTED: i32 = 50;
export const OPT_LEASE: i32 = 51;
export const OPT_OVERLOAD: i32 = 52;
export const OPT_TYPE: i32 = 53;
export const OPT_SERVER: i32 = 54;
export const OPT_PARAMS: i32 = 55;
export const OPT_MAXSIZE: i32 = 57;
export const OPT_T1: i32 = 58;
export const OPT_T2: i32 = 59;
export const OPT_CLIENTID: i32 = 61;
export const OPT_END: i32 = 255;

function put_u8(at: usize, opt: i32, v: i32): usize {
  store<u8>(at, <u8>opt);
  store<u8>(at, 1, 1);
  store<u8>(at, <u8>v, 2);
  return at + 3;
}

function put_u16(at: usize, opt: i32, v: i32): usize {
  store<u8>(at, <u8>opt);
  store<u8>(at, 2, 1);
  store<u16>(at, bswap<u16>(<u16>v), 2);
  return at + 4;
}

/** An address, as in a packet. */
function put_addr(at: usize, opt: i32, a: u32): usize {
  store<u8>(at, <u8>opt);
  store<u8>(at, 4, 1);
  store<u32>(at, a, 2);
  return at + 6;
}

/** Our hardware address as client identifier (RFC 2132 §9.14). */
function put_clientid(at: usize, d: Dhcp): usize {
  store<u8>(at, <u8>OPT_CLIENTID);
  store<u8>(at, 7, 1);
  store<u8>(at, 1, 2);
  memory.copy(at + 3, d.dh_ifp.if_lladdr, 6);
  return at + 9;
}

/** What we would like to know. */
function put_params(at: usize): usize {
  store<u8>(at, <u8>OPT_PARAMS);
  store<u8>(at, 8, 1);
  store<u8>(at, <u8>OPT_MASK, 2);
  store<u8>(at, <u8>OPT_ROUTER, 3);
  store<u8>(at, <u8>OPT_DNS, 4);
  store<u8>(at, <u8>OPT_HOSTNAME, 5);
  store<u8>(at, <u8>OPT_DOMAIN, 6);
  store<u8>(at, <u8>OPT_MTU, 7);
  store<u8>(at, <u8>OPT_T1, 8);
  store<u8>(at, <u8>OPT_T2, 9);
  return at + 10;
}

/** What we call ourselves: parameter kern.hostname, of at most 63 bytes. */
function put_hostname(at: usize): usize {
  const n = getparam("kern.hostname", at + 2, 63);
  if (n <= 0) return at;
  store<u8>(at, <u8>OPT_HOSTNAME);
  store<u8>(at, <u8>n, 1);
  return at + 2 + n;
}

/** The options of `type` from state of `d` (RFC 2131 table 5, §4.3.2). */
function put_options(at: usize, d: Dhcp, type: i32): usize {
  const holding = d.dh_state == DHS_RENEWING || d.dh_state == DHS_REBINDING;
  at = put_clientid(put_u8(at, OPT_TYPE, type), d);
  const selecting = type == DHCPREQUEST && !holding;
  if (selecting || type == DHCPDECLINE) at = put_addr(at, OPT_REQUESTED, d.dh_lease.le_addr);
  if (selecting || type == DHCPDECLINE || type == DHCPRELEASE) at = put_addr(at, OPT_SERVER, d.dh_lease.le_server);
  if (type == DHCPDISCOVER || type == DHCPREQUEST) {
    at = put_u16(at, OPT_MAXSIZE, d.dh_ifp.if_mtu);
    at = put_hostname(put_params(at));
  }
  store<u8>(at, <u8>OPT_END);
  return at + 1;
}

/** Write message `type` of client `d` to the DHCP_MSGMAX bytes at `p`: its length. */
export function dhcp_build(d: Dhcp, p: usize, type: i32): i32 {
  memory.fill(p, 0, DHCP_MSGMAX);
  store<u8>(p, 1, BOOTP_OP);
  store<u8>(p, 1, 1);
  store<u8>(p, 6, 2);
  store<u32>(p, d.dh_xid, BOOTP_XID);
  const secs = (getmicrouptime() - d.dh_began_us) / 1000000;
  store<u16>(p, bswap<u16>(<u16>min<i64>(secs, 65535)), BOOTP_SECS);
  const holding = d.dh_state == DHS_RENEWING || d.dh_state == DHS_REBINDING;
  if (type == DHCPRELEASE || (type == DHCPREQUEST && holding)) store<u32>(p, d.dh_lease.le_addr, BOOTP_CIADDR);
  memory.copy(p + BOOTP_CHADDR, d.dh_ifp.if_lladdr, 6);
  store<u32>(p, DHCP_MAGIC, BOOTP_MAGIC);
  const end = put_options(p + BOOTP_OPTIONS, d, type);
  assert(end <= p + DHCP_MSGMAX, "dhcp_build: room");
  return max(<i32>(end - p), BOOTP_MIN);
}
