/**
 * DHCP messages that a client receives: checked, and read into one structure.
 *
 * Options may lie in three places (RFC 2131 §4.1, option 52): behind the cookie, in `file`, in `sname`,
 * in that order. Every length is checked before it is believed. An option that is too short for what it
 * says is as if it were not there; of one that comes twice the first counts. Texts are taken up to the
 * first NUL, and only if all of it is printable: they end up in tables, logs and file names.
 */
import { DHCP_MAXDNS, DHCP_NAMELEN, Lease, lease_dns } from "./dhcp_var";
import * as mg from "./dhcp_msg";

/** A message, as far as it is of interest. */
@unmanaged
export class DhcpMsg {
  type: i32;
  yiaddr: u32;
  lease: Lease;
  /** 1 = an option that may not be wrong was: a mask with holes. */
  bad: i32;
  /** NUL-padded, DHCP_NAMELEN bytes each; empty if not there. */
  domain: usize;
  hostname: usize;
  /** Options seen, a bit for each of the first 64. */
  seen: u64;
  overload: i32;
}

/** The length of network mask `mask` (as in a packet), -1 if it has holes. */
export function mask_len(mask: u32): i32 {
  const m = bswap<u32>(mask);
  const len = <i32>popcnt<u32>(m);
  return len == 0 || m == <u32>0xffffffff << (32 - len) ? len : -1;
}

/** RFC 791 §3.2: the network that an address without a mask is on. */
function classful(addr: u32): i32 {
  const first = addr & 0xff;
  return first < 128 ? 8 : first < 192 ? 16 : 24;
}

/** Can a host have `a`? */
export function dhcp_hostaddr(a: u32): bool {
  const first = a & 0xff;
  return first != 0 && first != 127 && first < 224;
}

/** Copy text of `len` bytes at `p` to `to`: up to a NUL, and nothing if a byte is not printable. */
function take_text(to: usize, p: usize, len: i32): void {
  const n = min(len, DHCP_NAMELEN - 1);
  memory.fill(to, 0, DHCP_NAMELEN);
  for (let i = 0; i < n; i++) {
    const c = load<u8>(p + i);
    if (c == 0) return;
    if (c <= 32 || c >= 127) {
      memory.fill(to, 0, DHCP_NAMELEN);
      return;
    }
    store<u8>(to + i, c);
  }
}

/** A number of seconds. */
function take_u32(p: usize): u32 {
  return bswap<u32>(load<u32>(p));
}

function take_dns(le: Lease, p: usize, len: i32): void {
  le.le_ndns = min(len >> 2, DHCP_MAXDNS);
  for (let i = 0; i < le.le_ndns; i++) store<u32>(lease_dns(le, i), load<u32>(p + (<usize>i << 2)));
}

/** Option `opt` of `len` bytes at `p`. */
function take_option(msg: DhcpMsg, opt: i32, p: usize, len: i32): void {
  const bit = opt < 64 ? <u64>1 << <u64>opt : 0;
  if (bit == 0 || (msg.seen & bit) != 0) return;
  msg.seen |= bit;
  const le = msg.lease;
  switch (opt) {
    case mg.OPT_TYPE: if (len >= 1) msg.type = load<u8>(p); break;
    case mg.OPT_OVERLOAD: if (len >= 1) msg.overload = load<u8>(p) & 3; break;
    case mg.OPT_MASK:
      if (len >= 4) le.le_prefixlen = mask_len(load<u32>(p));
      if (le.le_prefixlen < 0) msg.bad = 1;
      break;
    case mg.OPT_ROUTER: if (len >= 4) le.le_router = load<u32>(p); break;
    case mg.OPT_SERVER: if (len >= 4) le.le_server = load<u32>(p); break;
    case mg.OPT_LEASE: if (len >= 4) le.le_lease_s = take_u32(p); break;
    case mg.OPT_T1: if (len >= 4) le.le_t1_s = take_u32(p); break;
    case mg.OPT_T2: if (len >= 4) le.le_t2_s = take_u32(p); break;
    case mg.OPT_MTU: if (len >= 2) le.le_mtu = bswap<u16>(load<u16>(p)); break;
    case mg.OPT_DNS: take_dns(le, p, len); break;
    case mg.OPT_DOMAIN: take_text(msg.domain, p, len); break;
    case mg.OPT_HOSTNAME: take_text(msg.hostname, p, len); break;
  }
}

/** The options in the `len` bytes at `p`; false if one runs over the end. */
function take_options(msg: DhcpMsg, p: usize, len: i32): bool {
  let i = 0;
  while (i < len) {
    const opt = <i32>load<u8>(p + i);
    if (opt == mg.OPT_END) return true;
    if (opt == mg.OPT_PAD) {
      i++;
      continue;
    }
    if (i + 1 >= len) return false;
    const olen = <i32>load<u8>(p + i + 1);
    if (i + 2 + olen > len) return false;
    take_option(msg, opt, p + i + 2, olen);
    i += 2 + olen;
  }
  return true;
}

/** Times that the server left out or that make no sense (RFC 2131 §4.4.5): half and seven eighths. */
function default_times(le: Lease): void {
  const lease = <u64>le.le_lease_s;
  if (le.le_t2_s == 0 || le.le_t2_s >= le.le_lease_s) le.le_t2_s = <u32>(lease * 7 / 8);
  if (le.le_t1_s == 0 || le.le_t1_s >= le.le_t2_s) le.le_t1_s = <u32>min<u64>(lease / 2, le.le_t2_s);
}

/**
 * Read the message of `len` bytes at `p` into `msg`; `xid` and the hardware address at `chaddr` are whom
 * it has to be for. True if it is well formed, a server's, for us, and says which server it is from.
 */
export function dhcp_parse(msg: DhcpMsg, p: usize, len: i32, xid: u32, chaddr: usize): bool {
  const le = msg.lease;
  memory.fill(changetype<usize>(le), 0, offsetof<Lease>());
  memory.fill(msg.domain, 0, DHCP_NAMELEN);
  memory.fill(msg.hostname, 0, DHCP_NAMELEN);
  msg.type = 0;
  msg.bad = 0;
  msg.seen = 0;
  msg.overload = 0;
  if (len < <i32>mg.BOOTP_OPTIONS || (load<u32>(p) & 0xffffff) != 0x060102) return false;
  if (load<u32>(p, mg.BOOTP_XID) != xid || load<u32>(p, mg.BOOTP_MAGIC) != mg.DHCP_MAGIC) return false;
  if (memory.compare(p + mg.BOOTP_CHADDR, chaddr, 6) != 0) return false;
  msg.yiaddr = load<u32>(p, mg.BOOTP_YIADDR);
  if (!take_options(msg, p + mg.BOOTP_OPTIONS, len - <i32>mg.BOOTP_OPTIONS)) return false;
  const overload = msg.overload;
  if ((overload & 1) != 0 && !take_options(msg, p + mg.BOOTP_FILE, 128)) return false;
  if ((overload & 2) != 0 && !take_options(msg, p + mg.BOOTP_SNAME, 64)) return false;
  if (msg.bad != 0 || le.le_server == 0) return false;
  if (msg.type == mg.DHCPNAK) return true;
  if ((msg.type != mg.DHCPOFFER && msg.type != mg.DHCPACK) || !dhcp_hostaddr(msg.yiaddr)) return false;
  le.le_addr = msg.yiaddr;
  if (le.le_prefixlen == 0) le.le_prefixlen = classful(msg.yiaddr);
  if (le.le_router != 0 && !dhcp_hostaddr(le.le_router)) le.le_router = 0;
  default_times(le);
  return le.le_lease_s != 0;
}
