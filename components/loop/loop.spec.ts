/**
 * lo0: what is sent comes back, later, marked as checked, with nothing left to be done to it.
 */
import { EAFNOSUPPORT, ENETDOWN, ENOBUFS } from "../../kernel/abi/errno";
import { IFCAP_TSO4, IFF_LOOPBACK, IFF_RUNNING, IFF_UP } from "../../kernel/abi/if";
import { AF_INET, AF_INET6 } from "../../kernel/abi/socket";
import { SA_FAMILY } from "../../kernel/abi/sockaddr";
import { kstr_eq } from "../../kernel/kern/kstring";
import { softint_run } from "../../kernel/kern/softint";
import { if_byindex, if_flags_change } from "../../kernel/net/ifnet";
import {
  CSUM_DATA_OK, CSUM_IP_CHECKED, M_LOOP, Mbuf, VNET_F_NEEDS_CSUM, VNET_GSO_TCPV4, m_freem, m_gethdr,
} from "../../kernel/net/mbuf";
import { NETISR_IP, netisr_register } from "../../kernel/net/netisr";
import { NET_IFQLEN } from "rump/tunables";
import { spec_buf, spec_mbufs_inuse, spec_net_boot } from "../../kernel/net/net_spec";
import { Rtentry } from "../../kernel/net/route";
import { loop_attach } from "./loop";

spec_net_boot();
loop_attach();

let got: i32 = 0;
let bytes: i32 = 0;
let bad: i32 = 0;

netisr_register(NETISR_IP, (m: Mbuf): void => {
  got++;
  bytes += m.ph_len;
  if ((m.m_flags & M_LOOP) == 0 || m.ph_rcvif != 1 || m.ph_csum != (CSUM_DATA_OK | CSUM_IP_CHECKED)) bad++;
  if (m.vh_flags != 0 || m.vh_gso_type != 0 || m.vh_gso_size != 0 || m.vh_hdr_len != 0) bad++;
  m_freem(m);
});

function send(len: i32, family: i32): i32 {
  const m = m_gethdr();
  m.m_len = len;
  m.ph_len = len;
  m.vh_flags = VNET_F_NEEDS_CSUM;
  m.vh_gso_type = VNET_GSO_TCPV4;
  m.vh_gso_size = 100;
  m.vh_hdr_len = 40;
  store<u8>(spec_buf, <u8>family, SA_FAMILY);
  return if_byindex(1).if_output(m, spec_buf, changetype<Rtentry>(0));
}

describe("lo0", () => {
  it("is there, and not up before somebody says so", () => {
    const ifp = if_byindex(1);
    expect(kstr_eq(ifp.if_xname, ifp.if_namelen, "lo0")).toBe(true);
    expect(ifp.if_flags).toBe(IFF_LOOPBACK | IFF_RUNNING);
    expect(ifp.if_capenable & IFCAP_TSO4).toBe(IFCAP_TSO4);
    expect(send(40, AF_INET)).toBe(-ENETDOWN);
  });

  it("gives back what it is given, but not at once", () => {
    const ifp = if_byindex(1);
    const base = spec_mbufs_inuse();
    if_flags_change(ifp, IFF_UP, 0);
    expect(send(40, AF_INET)).toBe(0);
    expect(send(60, AF_INET)).toBe(0);
    expect(got).toBe(0);
    softint_run(10);
    expect(got).toBe(2);
    expect(bytes).toBe(100);
    expect(bad).toBe(0);
    expect(ifp.ifi_opackets).toBe(2);
    expect(ifp.ifi_ibytes).toBe(100);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("drops what the queue cannot hold and families that it does not know", () => {
    const ifp = if_byindex(1);
    const base = spec_mbufs_inuse();
    expect(send(40, 99)).toBe(-EAFNOSUPPORT);
    for (let i = 0; i < NET_IFQLEN; i++) expect(send(20, AF_INET)).toBe(0);
    expect(send(20, AF_INET)).toBe(-ENOBUFS);
    expect(ifp.ifi_iqdrops).toBe(1);
    softint_run(100);
    expect(got).toBe(NET_IFQLEN + 2);
    expect(send(20, AF_INET6)).toBe(-ENOBUFS, "nobody speaks IPv6 here");
    expect(spec_mbufs_inuse()).toBe(base);
  });
});
