/**
 * The net part of the kernel: its boot, and its sysctls.
 *
 * First call of the NET phase, before any component's, whether or not an image has protocols. Order:
 * mbufs, sockets, protocol switch, system calls, interfaces.
 */
import { CTLFLAG_RW } from "../abi/rump";
import { SOMAXCONN } from "../abi/socket";
import { NET_MAXSOCKETS, NET_NMBBIG, NET_NMBCLUSTERS, NET_NMBUFS, NET_SBMAX } from "rump/tunables";
import { kmem_alloc } from "../kern/kmem";
import { Pool } from "../kern/pool";
import { sysctl_int } from "../kern/sysctl";
import { domaininit } from "./domain";
import { if_boot } from "./ifnet";
import { MbState, mbinit, mbst } from "./mbuf";
import { mbwait_boot } from "./mbwait";
import { netisr_boot } from "./netisr";
import { SoState, socket_boot, sost } from "./socket";
import { sysso_boot } from "./sys_socket";
import { linger_boot } from "./uipc_close";
import { uipc_syscalls_boot } from "./uipc_syscalls";

/** The sizes of the image, for sysctl. */
@unmanaged
class NetLimits {
  maxsockets: i32;
  nmbufs: i32;
  nmbclusters: i32;
  nmbbig: i32;
}

function boot_sysctl(): void {
  const lim = changetype<NetLimits>(kmem_alloc(offsetof<NetLimits>(), 8, "net.limits"));
  lim.maxsockets = NET_MAXSOCKETS;
  lim.nmbufs = NET_NMBUFS;
  lim.nmbclusters = NET_NMBCLUSTERS;
  lim.nmbbig = NET_NMBBIG;
  const l = changetype<usize>(lim);
  sysctl_int("kern.ipc.maxsockets", l + offsetof<NetLimits>("maxsockets"), 0);
  sysctl_int("kern.ipc.nmbufs", l + offsetof<NetLimits>("nmbufs"), 0);
  sysctl_int("kern.ipc.nmbclusters", l + offsetof<NetLimits>("nmbclusters"), 0);
  sysctl_int("kern.ipc.nmbbig", l + offsetof<NetLimits>("nmbbig"), 0);
  const s = changetype<usize>(sost);
  sysctl_int("kern.ipc.somaxconn", s + offsetof<SoState>("so_somaxconn"), CTLFLAG_RW, 1, 65535);
  sysctl_int("kern.somaxconn", s + offsetof<SoState>("so_somaxconn"), CTLFLAG_RW, 1, 65535);
  sysctl_int("kern.ipc.maxsockbuf", s + offsetof<SoState>("so_sbmax"), CTLFLAG_RW, 4096);
  sysctl_int("kern.ipc.listen_overflows", s + offsetof<SoState>("so_noverflow"), 0);
  sysctl_int("kern.ipc.linger_aborts", s + offsetof<SoState>("so_nlingerabort"), 0);
  sysctl_int("kern.ipc.mbuf_failures", changetype<usize>(mbst) + offsetof<MbState>("mb_drops"), 0);
  const inuse = offsetof<Pool>("pr_nout");
  sysctl_int("kern.ipc.numopensockets", changetype<usize>(sost.so_pool) + inuse, 0);
  sysctl_int("kern.ipc.mbufs_inuse", changetype<usize>(mbst.mb_pool) + inuse, 0);
  sysctl_int("kern.ipc.mbclusters_inuse", changetype<usize>(mbst.mb_clpool) + inuse, 0);
  sysctl_int("kern.ipc.mbbig_inuse", changetype<usize>(mbst.mb_bigpool) + inuse, 0);
}

/** Boot the part. 0. */
export function net_init(): i32 {
  // socreate answers addresses as i32 beside -errno.
  assert(memory.size() <= 32768, "net: more than 2 GiB of memory");
  mbinit();
  socket_boot();
  mbwait_boot();
  sost.so_somaxconn = SOMAXCONN;
  sost.so_sbmax = NET_SBMAX;
  domaininit();
  linger_boot();
  sysso_boot();
  uipc_syscalls_boot();
  netisr_boot();
  if_boot();
  boot_sysctl();
  return 0;
}
