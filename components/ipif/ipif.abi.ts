/**
 * The boundary between ipif's two halves, read by asc and by tsc alike: constants only.
 *
 * Interface n signals by interrupt IPIF_INTR + n, behind those that Ethernet interfaces use.
 */
import { INTR_NETIF } from '../../kernel/abi/rump';

export const IPIF_INTR: i32 = INTR_NETIF + 16;
/** Longest datagram: what an IPv4 header's length field can say. */
export const IPIF_MAXPACKET: i32 = 65535;
