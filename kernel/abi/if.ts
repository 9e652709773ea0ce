/**
 * Network interfaces: flags, types, capabilities and the ioctl requests, NetBSD's numbers where it has
 * them, shared by the image and the host. Constants only.
 */
export const IFNAMSIZ: i32 = 16;

export const IFF_UP: i32 = 0x0001;
export const IFF_BROADCAST: i32 = 0x0002;
export const IFF_LOOPBACK: i32 = 0x0008;
export const IFF_POINTOPOINT: i32 = 0x0010;
export const IFF_RUNNING: i32 = 0x0040;
export const IFF_NOARP: i32 = 0x0080;
export const IFF_PROMISC: i32 = 0x0100;
export const IFF_ALLMULTI: i32 = 0x0200;
/** The device's queue is full; it calls if_start again. */
export const IFF_OACTIVE: i32 = 0x0400;
/** Does not hear its own transmissions. */
export const IFF_SIMPLEX: i32 = 0x0800;
export const IFF_MULTICAST: i32 = 0x8000;

/** What is sent to a device: Ethernet, a loopback, bare IP (tun, the harness). */
export const IFT_OTHER: i32 = 1;
export const IFT_ETHER: i32 = 6;
export const IFT_LOOP: i32 = 24;
export const IFT_TUNNEL: i32 = 131;

/** if_capabilities: what the device can do; if_capenable: what is in use (kernel/net/ifnet.ts). */
export const IFCAP_CSUM_TX: i32 = 0x0001;
export const IFCAP_CSUM_RX: i32 = 0x0002;
export const IFCAP_TSO4: i32 = 0x0004;
export const IFCAP_TSO6: i32 = 0x0008;
/** May deliver TCP segments merged beyond the MTU (vh_gso_type set). */
export const IFCAP_LRO: i32 = 0x0010;
/** Takes chains of any number of mbufs. */
export const IFCAP_SG: i32 = 0x0020;

export const LINK_STATE_UNKNOWN: i32 = 0;
export const LINK_STATE_DOWN: i32 = 1;
export const LINK_STATE_UP: i32 = 2;

/** Requests of if_ioctl; data = address of an i32 unless said otherwise. */
export const SIOCSIFFLAGS: i32 = -0x7ffb96f0;
export const SIOCSIFMTU: i32 = -0x7ffb9681;
/** data = a sockaddr of the group to hear from now on, or no more. */
export const SIOCADDMULTI: i32 = -0x7fe396cf;
export const SIOCDELMULTI: i32 = -0x7fe396ce;
/** The interface got its first address of a family; data = Ifaddr. */
export const SIOCINITIFADDR: i32 = -0x7ffb967c;
