/**
 * The internet family: protocol numbers and the options of IP, IPv6, TCP and UDP sockets, in NetBSD's
 * numbering, shared by the image and the host. Both providers of `domain:inet` answer to them.
 *
 * Compiled by asc and by tsc alike: constants only. Addresses are in host order where they are numbers.
 */
export const IPPROTO_IP: i32 = 0;
export const IPPROTO_ICMP: i32 = 1;
export const IPPROTO_IGMP: i32 = 2;
export const IPPROTO_TCP: i32 = 6;
export const IPPROTO_UDP: i32 = 17;
export const IPPROTO_IPV6: i32 = 41;
export const IPPROTO_ICMPV6: i32 = 58;
export const IPPROTO_NONE: i32 = 59;
export const IPPROTO_RAW: i32 = 255;
export const IPPROTO_MAX: i32 = 256;

export const INADDR_ANY: u32 = 0;
export const INADDR_LOOPBACK: u32 = 0x7f000001;
export const INADDR_BROADCAST: u32 = 0xffffffff;
export const INADDR_ALLHOSTS_GROUP: u32 = 0xe0000001;

/** Ports below are reserved; ephemeral ports are chosen between FIRST and LAST (RFC 6335 §6). */
export const IPPORT_RESERVED: i32 = 1024;
export const IPPORT_ANONMIN: i32 = 49152;
export const IPPORT_ANONMAX: i32 = 65535;

/** Level IPPROTO_IP. */
export const IP_OPTIONS: i32 = 1;
export const IP_HDRINCL: i32 = 2;
export const IP_TOS: i32 = 3;
export const IP_TTL: i32 = 4;
export const IP_RECVDSTADDR: i32 = 7;
export const IP_MULTICAST_IF: i32 = 9;
export const IP_MULTICAST_TTL: i32 = 10;
export const IP_MULTICAST_LOOP: i32 = 11;
/** | group 4 bytes | interface 4 bytes | */
export const IP_ADD_MEMBERSHIP: i32 = 12;
export const IP_DROP_MEMBERSHIP: i32 = 13;
export const IP_PORTALGO: i32 = 18;
export const IP_PORTRANGE: i32 = 19;
export const IP_RECVIF: i32 = 20;
export const IP_RECVTTL: i32 = 23;
export const IP_MINTTL: i32 = 24;
export const IP_PKTINFO: i32 = 25;

/** Level IPPROTO_IPV6. */
export const IPV6_UNICAST_HOPS: i32 = 4;
export const IPV6_MULTICAST_IF: i32 = 9;
export const IPV6_MULTICAST_HOPS: i32 = 10;
export const IPV6_MULTICAST_LOOP: i32 = 11;
export const IPV6_JOIN_GROUP: i32 = 12;
export const IPV6_LEAVE_GROUP: i32 = 13;
export const IPV6_V6ONLY: i32 = 27;
export const IPV6_TCLASS: i32 = 61;

/** Level IPPROTO_TCP. */
export const TCP_NODELAY: i32 = 1;
export const TCP_MAXSEG: i32 = 2;
export const TCP_KEEPIDLE: i32 = 3;
/** Hold back short segments until it is cleared, 200 ms at most; Linux calls it TCP_CORK. */
export const TCP_NOPUSH: i32 = 4;
export const TCP_CORK: i32 = 4;
export const TCP_KEEPINTVL: i32 = 5;
export const TCP_KEEPCNT: i32 = 6;
export const TCP_KEEPINIT: i32 = 7;
/** struct of kernel/abi/tcp_info.ts. */
export const TCP_INFO: i32 = 9;
export const TCP_CONGCTL: i32 = 0x20;
/** The same by the name that others have for it. */
export const TCP_CONGESTION: i32 = 0x20;
/** Ours: milliseconds that unacknowledged data may wait (RFC 5482). */
export const TCP_USER_TIMEOUT: i32 = 0x41;
/** Linux's: seconds that a listener waits for data before a connection can be accepted (its 9 is TCP_INFO here). */
export const TCP_DEFER_ACCEPT: i32 = 0x42;
/** Ours: acknowledge every segment at once until it is cleared. */
export const TCP_QUICKACK: i32 = 0x43;

/** Level IPPROTO_UDP: 1 = send without a checksum, receive without one (IPv4 only). */
export const UDP_NOCKSUM: i32 = 1;
