/**
 * F-RTO: was the timeout spurious? RFC 5682 §3, enhanced by SACK; the answer is tcp_undo.
 *
 *      1   timeout: the first segment goes again, nothing else
 *      2   an ACK that advances: two new segments, not what is "lost" (TSF_FRTONEW); without new data: give up
 *      3   then: data acknowledged that was sent once, before the timeout → spurious
 *                a duplicate, or only new data SACKed → the loss was real
 *
 * With timestamps Eifel usually has the answer in step 2 (tcp_undo.ts).
 */
import { SEQ_LT } from "./tcp";
import { tcpstat } from "./tcp_stat";
import * as v from "./tcp_var";
import { Tcpcb, tcps } from "./tcp_var";

/** The timer ran out; `fresh`: nothing was being recovered. */
export function tcp_frto_begin(tp: Tcpcb, fresh: bool): void {
  tp.t_sackflags &= ~(v.TSF_FRTO | v.TSF_FRTONEW);
  if (!fresh) return;
  tp.t_sackflags |= v.TSF_FRTO;
  tcpstat.frto_start++;
}

/** New data that the peer's window lets go. */
function frto_newdata(tp: Tcpcb): bool {
  const off = tp.snd_max - tp.snd_una;
  return tp.t_inpcb.inp_so.so_snd.sb_cc > off && tp.snd_wnd > off;
}

/** An ACK after the timeout, `acked` bytes of it cumulative. True: the timeout was spurious. */
export function tcp_frto_ack(tp: Tcpcb, acked: u32): bool {
  if ((tp.t_sackflags & v.TSF_FRTO) == 0) return false;
  if ((tp.t_sackflags & v.TSF_FRTONEW) != 0) {
    if (tcps.del.orig) {
      tcpstat.frto_spurious++;
      return true;
    }
    // 3.a: the loss was real.
    tp.t_sackflags &= ~(v.TSF_FRTO | v.TSF_FRTONEW);
    return false;
  }
  if (acked == 0) return false;
  if (SEQ_LT(tp.snd_una, tp.recover) && frto_newdata(tp)) tp.t_sackflags |= v.TSF_FRTONEW;
  else tp.t_sackflags &= ~v.TSF_FRTO;
  return false;
}
