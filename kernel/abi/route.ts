/**
 * Routing sockets (AF_ROUTE, SOCK_RAW): types and layouts of messages, shared by the image and the host.
 * NetBSD's numbers and structures, those of a 32-bit machine with a 64-bit time_t.
 *
 *     rt_msghdr    | msglen u16 | version u8 | type u8 | index u16 | | flags i32 | addrs i32 | pid | seq | errno |
 *                  | use | inits | locks u64 | mtu u64 | hopcount u64 | recvpipe u64 | sendpipe u64 | ssthresh u64 |
 *                  | rtt u64 | rttvar u64 | expire i64 | pksent i64 |                                   120 bytes
 *     if_msghdr    | msglen | version | type | addrs i32 | flags i32 | index u16 | | if_data: type u8, addrlen u8,
 *                  | hdrlen u8 | link_state i32 | mtu u64 | metric u64 | baudrate u64 | counters …        152 bytes
 *     ifa_msghdr   | msglen | version | type | index u16 | | flags i32 | addrs i32 | pid | addrflags | metric | 32 bytes
 *
 * Behind the header stand the sockaddrs that bits of addrs (RTA_*) name, lowest first, each padded to 8 bytes.
 * Compiled by asc and by tsc alike: constants only.
 */
export const RTM_VERSION: i32 = 4;

export const RTM_ADD: i32 = 0x1;
export const RTM_DELETE: i32 = 0x2;
export const RTM_CHANGE: i32 = 0x3;
/** A redirect was believed. */
export const RTM_REDIRECT: i32 = 0x6;
/** There was no route to an address. */
export const RTM_MISS: i32 = 0x7;
export const RTM_IFINFO: i32 = 0x14;
export const RTM_NEWADDR: i32 = 0x16;
export const RTM_DELADDR: i32 = 0x17;

export const RTA_DST: i32 = 0x1;
export const RTA_GATEWAY: i32 = 0x2;
export const RTA_NETMASK: i32 = 0x4;
export const RTA_IFA: i32 = 0x20;
/** Who sent the redirect. */
export const RTA_AUTHOR: i32 = 0x40;
export const RTA_BRD: i32 = 0x80;

export const RTM_MSGLEN: i32 = 0;
export const RTM_VERSIONOFF: i32 = 2;
export const RTM_TYPE: i32 = 3;

export const RTM_HDRLEN: i32 = 120;
export const RTM_INDEX: i32 = 4;
export const RTM_FLAGS: i32 = 8;
export const RTM_ADDRS: i32 = 12;
export const RTM_USE: i32 = 28;
export const RTM_INITS: i32 = 32;
export const RTM_LOCKS: i32 = 40;
export const RTM_MTU: i32 = 48;
export const RTM_SSTHRESH: i32 = 80;
export const RTM_RTT: i32 = 88;
export const RTM_RTTVAR: i32 = 96;

export const IFM_HDRLEN: i32 = 152;
export const IFM_ADDRS: i32 = 4;
export const IFM_FLAGS: i32 = 8;
export const IFM_INDEX: i32 = 12;
export const IFM_DATA_TYPE: i32 = 16;
export const IFM_DATA_ADDRLEN: i32 = 17;
export const IFM_DATA_HDRLEN: i32 = 18;
export const IFM_DATA_LINKSTATE: i32 = 20;
export const IFM_DATA_MTU: i32 = 24;
export const IFM_DATA_IPACKETS: i32 = 48;
export const IFM_DATA_OPACKETS: i32 = 64;
export const IFM_DATA_IBYTES: i32 = 88;
export const IFM_DATA_OBYTES: i32 = 96;

export const IFAM_HDRLEN: i32 = 32;
export const IFAM_INDEX: i32 = 4;
export const IFAM_FLAGS: i32 = 8;
export const IFAM_ADDRS: i32 = 12;
