/**
 * Vestigial TIME-WAIT: when a connection waits out 2 MSL and its descriptor is gone, socket and control
 * block go too, and a vestige of 32 bytes answers for it.
 *
 *      close(2) in TIME-WAIT ────────┐
 *      FIN, or ACK of ours, arrives ─┴▶ tcp_vtw_enter ─▶ vtw_insert; block and socket back to their pools
 *      segment: no connection has its 4-tuple ─▶ tcp_vtw_input ─▶ vestige? judge (tcp_twjudge.ts)
 *                                                            └▶ none: the listener
 *      connect(2), bind(2), ephemeral ports ask the table as they ask the blocks
 *      one callout for all: at the expiry of the next
 *
 * Only what is needed to judge segments is kept: sequence numbers, window, last timestamp. Orphans in
 * FIN-WAIT-2 become vestiges too: they have nothing to send and accept no data, only the FIN is wanting.
 * RFC 9293 §3.10.7.4 (TIME-WAIT), RFC 6191 (reuse), RFC 7323 (PAWS); facts.md §2 for the original.
 *
 * sysctl net.inet.tcp.vtw.*: enable 0/1; entries (parameter VTW_ENTRIES at boot); bytes of all tables;
 * the rest are counters: killed is those whose time was cut short because all entries were in use.
 */
import { IPPROTO_TCP } from "../../kernel/abi/inet";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { SO_REUSEPORT } from "../../kernel/abi/socket";
import { Callout, CALLOUT_SIZE, callout_init, callout_pending, callout_schedule } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { getparam_int } from "../../kernel/kern/rumpuser";
import { sysctl_int, sysctl_quad } from "../../kernel/kern/sysctl";
import { MAX_LINKHDR, m_gethdr } from "../../kernel/net/mbuf";
import { NETINET_VTW_ENTRIES } from "rump/tunables";
import { Inpcb, in_pcblookup_wild } from "./in_pcb";
import { IP_HDRLEN } from "./ip";
import { ip_output } from "./ip_output";
import * as th from "./tcp";
import { Tclimit, tcp_answer_allowed, tcp_challenge_allowed, tcp_limit_pair } from "./tcp_challenge";
import { tcp_listen_input } from "./tcp_listen";
import { tcp_2msl_us } from "./tcp_mslt";
import { tcp_tsoption, tcpopt } from "./tcp_options";
import { tcpstat } from "./tcp_stat";
import { tcp_close, tcp_dropwithreset, tcp_header, tcp_isshash, tcp_setcsum, tcp_tsoffset } from "./tcp_subr";
import { tcp_tw_left_us } from "./tcp_timewait";
import {
  TWJ_ACK, TWJ_CHALLENGE, TWJ_DELETE, TWJ_FIN, TWJ_RESET, TWJ_RESTART, tcp_tw_newer, tcp_twjudge, tcp_twjudge_boot, tcpw,
} from "./tcp_twjudge";
import * as v from "./tcp_var";
import { TcpState, Tcpcb, tcps } from "./tcp_var";
import {
  VTW_FINWAIT2, VtwCtl, vtw, vtw_at, vtw_class, vtw_faddr, vtw_fport, vtw_has_ts, vtw_is_finwait2, vtw_laddr,
  vtw_lport, vtw_rcv_nxt, vtw_scale, vtw_set_rcv_nxt, vtw_set_ts_recent, vtw_set_ttl, vtw_snd_nxt,
  vtw_ts_recent, vtw_window,
} from "./vtw_entry";
import { vtw_expire, vtw_insert, vtw_lookup, vtw_remove, vtw_restart, vtw_table_boot } from "./vtw_table";

/** Slots for the limits of those vestiges that strangers write to: each {index u32, -, Tclimit}. */
const LIMIT_SLOTS: u32 = 128;
const LIMIT_SIZE: usize = 32;
/** Vestiges that one turn of the callout discards; the rest in the next, so that packets have their turn. */
const EXPIRE_BATCH: i32 = 512;

let expiry: Callout = changetype<Callout>(0);
let limits: usize = 0;

/** NET phase. */
export function tcp_vtw_boot(): void {
  const wanted = getparam_int("VTW_ENTRIES", NETINET_VTW_ENTRIES);
  assert(wanted >= 0, "VTW_ENTRIES is not a number");
  vtw_table_boot(wanted);
  limits = kmem_alloc(<usize>LIMIT_SLOTS * LIMIT_SIZE, 64, "vtw.limits");
  vtw.bytes += LIMIT_SLOTS * <u32>LIMIT_SIZE;
  tcp_twjudge_boot();
  expiry = changetype<Callout>(kmem_alloc(CALLOUT_SIZE, 8, "vtw"));
  callout_init(expiry, tcp_vtw_tick, 0);
  tcps.vtw_enable = 1;
  const at = changetype<usize>(vtw);
  sysctl_int("net.inet.tcp.vtw.enable", changetype<usize>(tcps) + offsetof<TcpState>("vtw_enable"), CTLFLAG_RW, 0, 1);
  sysctl_int("net.inet.tcp.vtw.entries", at + offsetof<VtwCtl>("limit"), 0);
  sysctl_int("net.inet.tcp.vtw.bytes", at + offsetof<VtwCtl>("bytes"), 0);
  sysctl_int("net.inet.tcp.vtw.live", at + offsetof<VtwCtl>("live"), 0);
  sysctl_int("net.inet.tcp.vtw.hiwat", at + offsetof<VtwCtl>("hiwat"), 0);
  sysctl_quad("net.inet.tcp.vtw.inserted", at + offsetof<VtwCtl>("inserted"), 0);
  sysctl_quad("net.inet.tcp.vtw.expired", at + offsetof<VtwCtl>("expired"), 0);
  sysctl_quad("net.inet.tcp.vtw.killed", at + offsetof<VtwCtl>("killed"), 0);
  sysctl_quad("net.inet.tcp.vtw.reused", at + offsetof<VtwCtl>("reused"), 0);
  sysctl_quad("net.inet.tcp.vtw.noaddr", at + offsetof<VtwCtl>("noaddr"), 0);
  sysctl_quad("net.inet.tcp.vtw.lookups", at + offsetof<VtwCtl>("lookups"), 0);
  sysctl_quad("net.inet.tcp.vtw.hits", at + offsetof<VtwCtl>("hits"), 0);
  sysctl_quad("net.inet.tcp.vtw.misses", at + offsetof<VtwCtl>("misses"), 0);
  sysctl_quad("net.inet.tcp.vtw.probes", at + offsetof<VtwCtl>("probes"), 0);
  sysctl_quad("net.inet.tcp.vtw.losing", at + offsetof<VtwCtl>("losing"), 0);
  sysctl_int("net.inet.tcp.vtw.longest", at + offsetof<VtwCtl>("longest"), 0);
}

function tcp_vtw_tick(arg: usize): void {
  const us = vtw_expire(EXPIRE_BATCH);
  if (us >= 0) callout_schedule(expiry, us);
}

/** One more will expire in `ms`: perhaps before all others. */
function tcp_vtw_wake(ms: u32): void {
  const us = <i64>ms * 1000 + (1000 - getmicrouptime() % 1000) % 1000;
  if (!callout_pending(expiry) || expiry.c_time > getmicrouptime() + us) callout_schedule(expiry, us);
}

function to_ms(us: i64): u32 {
  return us <= 0 ? 0 : <u32>((us + 999) / 1000);
}

/**
 * Make a vestige of `tp`, that nobody holds any more, in TIME-WAIT or FIN-WAIT-2: block and socket are
 * gone then. False, and nothing has changed, when vestiges are off or there is no room for one.
 */
export function tcp_vtw_enter(tp: Tcpcb): bool {
  if (tcps.vtw_enable == 0) return false;
  const inp = tp.t_inpcb;
  const fw2 = tp.t_state == v.TCPS_FIN_WAIT_2;
  const scale = <u32>tp.rcv_scale;
  const promised = th.SEQ_GT(tp.rcv_adv, tp.rcv_nxt) ? tp.rcv_adv - tp.rcv_nxt : 0;
  const list = fw2 ? VTW_FINWAIT2 : tp.t_mslclass;
  const left_ms = to_ms(tcp_tw_left_us(tp));
  vtw_set_ttl(list, to_ms(fw2 ? <i64>tcps.finwait2_us : tcp_2msl_us(tp.t_mslclass)));
  const i = vtw_insert(inp.inp_laddr, inp.inp_lport, inp.inp_faddr, inp.inp_fport, tp.snd_max, tp.rcv_nxt,
    (tp.t_flags & v.TF_RCVD_TSTMP) != 0, tp.ts_recent, min(promised >> scale, th.TCP_MAXWIN), scale, tp.t_mslclass,
    (inp.inp_so.so_options & SO_REUSEPORT) != 0, fw2, left_ms);
  if (i == 0) return false;
  store<u32>(limit_slot(i), 0);
  tcp_vtw_wake(left_ms);
  tcp_close(tp);
  return true;
}

/** The segment under way is done with: what it has left without an owner becomes a vestige. */
export function tcp_vtw_collect(): void {
  const tp = tcps.tw_ready;
  tcps.tw_ready = changetype<Tcpcb>(0);
  if (tp && (tp.t_state == v.TCPS_TIME_WAIT || tp.t_state == v.TCPS_FIN_WAIT_2)) tcp_vtw_enter(tp);
}

function limit_slot(i: u32): usize {
  return limits + <usize>(i & (LIMIT_SLOTS - 1)) * LIMIT_SIZE;
}

/** The limits of vestige `i`: fresh, if its slot has been another's. */
function limits_of(i: u32): Tclimit {
  const slot = limit_slot(i);
  if (load<u32>(slot) != i) {
    memory.fill(slot, 0, LIMIT_SIZE);
    store<u32>(slot, i);
  }
  return changetype<Tclimit>(slot + 8);
}

/** <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, with the window and the timestamp that the connection would send. */
function tcp_vtw_respond(e: usize): void {
  const m = m_gethdr(MAX_LINKHDR + IP_HDRLEN);
  if (!m) {
    tcpstat.sndnobufs++;
    return;
  }
  const laddr = vtw_laddr(e);
  const faddr = vtw_faddr(e);
  const ts = vtw_has_ts(e);
  const p = tcp_header(m, vtw_lport(e), vtw_fport(e), vtw_snd_nxt(e), vtw_rcv_nxt(e), th.TH_ACKF, vtw_window(e), ts ? th.TCPOLEN_TSTAMP_APPA : 0);
  if (ts) {
    const now = <u32>(getmicrouptime() / 1000) + tcp_tsoffset(tcp_isshash(laddr, vtw_lport(e), faddr, vtw_fport(e)));
    tcp_tsoption(p + th.TCP_HDRLEN, now, vtw_ts_recent(e));
  }
  tcp_setcsum(m, laddr, faddr, m.ph_len);
  tcpstat.sndtotal++;
  tcpstat.sndctrl++;
  ip_output(m, changetype<Inpcb>(0), laddr, faddr, IPPROTO_TCP, 64, 0, true);
}

/**
 * The segment under way begins a new connection in place of one in TIME-WAIT: hand it to the listener,
 * its initial sequence number above `floor`. False if nobody listens (the caller's state is untouched).
 */
export function tcp_tw_listener(): Tcpcb {
  const seg = tcps.seg;
  const inp = in_pcblookup_wild(tcps.info, seg.dst, seg.dport, seg.src ^ (seg.sport << 16));
  if (!inp) return changetype<Tcpcb>(0);
  const lp = changetype<Tcpcb>(inp.inp_ppcb);
  return lp.t_state == v.TCPS_LISTEN ? lp : changetype<Tcpcb>(0);
}

/** Hand the SYN under way to listener `lp`: RFC 9293 §3.6.1 MAY-2, beyond all that the old connection sent. */
export function tcp_tw_reopen(lp: Tcpcb, floor: u32): void {
  tcps.iss_floor = floor;
  tcps.iss_floored = true;
  tcp_listen_input(lp);
  tcps.iss_floored = false;
}

/** Is the segment under way, for which there is no connection, for a vestige? Then it is dealt with here. */
export function tcp_vtw_input(): bool {
  const seg = tcps.seg;
  const i = vtw_lookup(seg.dst, seg.dport, seg.src, seg.sport);
  if (i == 0) return false;
  const e = vtw_at(i);
  tcpw.rcv_nxt = vtw_rcv_nxt(e);
  tcpw.snd_nxt = vtw_snd_nxt(e);
  tcpw.wnd = vtw_window(e) << vtw_scale(e);
  tcpw.ts = vtw_has_ts(e);
  tcpw.ts_recent = vtw_ts_recent(e);
  tcpw.finwait2 = vtw_is_finwait2(e);
  if (tcp_tw_newer()) {
    const lp = tcp_tw_listener();
    if (lp) {
      vtw.reused++;
      const floor = vtw_snd_nxt(e);
      vtw_remove(i);
      tcp_tw_reopen(lp, floor);
      return true;
    }
  }
  tcp_vtw_obey(i, e, tcp_twjudge());
  return true;
}

/** Do what the judge says of vestige `i`. */
function tcp_vtw_obey(i: u32, e: usize, verdict: i32): void {
  const seg = tcps.seg;
  switch (verdict) {
    case TWJ_ACK: {
      const len = seg.ti_len + ((seg.ti_flags & th.TH_FIN) != 0 ? 1 : 0);
      if (tcp_answer_allowed(limits_of(i), len)) tcp_vtw_respond(e);
      break;
    }
    case TWJ_CHALLENGE:
      if (tcp_challenge_allowed(limits_of(i), tcp_limit_pair(vtw_faddr(e), vtw_fport(e), vtw_lport(e)))) tcp_vtw_respond(e);
      break;
    case TWJ_FIN:
      vtw_set_rcv_nxt(e, vtw_rcv_nxt(e) + 1);
      tcp_vtw_again(i, e);
      break;
    case TWJ_RESTART:
      tcp_vtw_again(i, e);
      break;
    case TWJ_RESET:
      vtw_remove(i);
      tcpstat.drops++;
      tcp_dropwithreset();
      break;
    case TWJ_DELETE:
      vtw_remove(i);
      tcpstat.drops++;
      break;
    default:
      break;
  }
}

/** The FIN, once more or at last: acknowledge it, 2 MSL from now. */
function tcp_vtw_again(i: u32, e: usize): void {
  if (tcpw.ts && th.SEQ_GEQ(tcpopt.to_tsval, tcpw.ts_recent)) vtw_set_ts_recent(e, tcpopt.to_tsval);
  const cls = vtw_class(e);
  const ms = to_ms(tcp_2msl_us(cls));
  vtw_set_ttl(cls, ms);
  vtw_restart(i, ms);
  tcp_vtw_wake(ms);
  tcp_vtw_respond(e);
}
