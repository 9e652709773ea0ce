/**
 * Writers refused for want of mbufs: not writeable until there are some, told then, and never left on the
 * list by a socket that is gone.
 */
import { ENOBUFS } from "../abi/errno";
import { SOCK_STREAM } from "../abi/socket";
import { kmem_alloc, kobj } from "../kern/kmem";
import { softint_run } from "../kern/softint";
import { domain_register } from "./domain";
import { MNULL, Mbuf, m_freem, m_getcl, m_scarce, m_short, mbst } from "./mbuf";
import { mws } from "./mbwait";
import { Msg, msg_init } from "./msg";
import { spec_buf, spec_net_boot } from "./net_spec";
import { PR_CONNREQUIRED, Protosw } from "./protosw";
import { SS_MBWAIT, Socket, sofree, soisconnected, SS_NOFDREF } from "./socket";
import { sbappendstream } from "./sockbuf";
import { socreate } from "./uipc_socket";

const AF_TEST: i32 = 39;

class KeepProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    so.so_pcb = 1;
    return 0;
  }
  pr_detach(so: Socket): void {
    so.so_pcb = 0;
    sofree(so);
  }
  pr_abort(so: Socket): void {
    this.pr_detach(so);
  }
  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    sbappendstream(so.so_snd, m);
    return 0;
  }
}

spec_net_boot();
const proto = kobj<KeepProto>("spec");
proto.pr_type = SOCK_STREAM;
proto.pr_protocol = 6;
proto.pr_flags = PR_CONNREQUIRED;
proto.pr_sndspace = 16384;
proto.pr_rcvspace = 16384;
domain_register(AF_TEST, proto);

const msg = changetype<Msg>(kmem_alloc(offsetof<Msg>(), 8, "spec"));
let woken = 0;
let hoard = MNULL;

function wake(so: Socket, arg: usize, what: i32): void {
  if (what == 1) woken++;
}

function connected(): Socket {
  const so = changetype<Socket>(socreate(AF_TEST, SOCK_STREAM, 0));
  soisconnected(so);
  const fn: (so: Socket, arg: usize, what: i32) => void = wake;
  so.so_upcall = fn.index;
  return so;
}

function send(so: Socket, n: i32): i32 {
  msg_init(msg, spec_buf, n);
  return so.so_proto.pr_sosend(so, msg, 0);
}

/** Take clusters until fewer than `sixteenths` are left. */
function take(sixteenths: u32): void {
  while (!m_short(sixteenths)) {
    const m = m_getcl();
    m.m_nextpkt = hoard;
    hoard = m;
  }
}

/** Give all back. */
function give(): void {
  while (hoard) {
    const m = hoard;
    hoard = m.m_nextpkt;
    m_freem(m);
  }
}

function gone(so: Socket): void {
  so.so_state |= SS_NOFDREF;
  so.so_proto.pr_detach(so);
}

describe("a write without mbufs", () => {
  it("is refused, and the stream is not writeable until there are some", () => {
    const so = connected();
    expect(so.so_proto.pr_sowriteable(so)).toBe(true);
    take(2);
    expect(m_scarce()).toBe(true);
    expect(send(so, 100)).toBe(-ENOBUFS);
    expect(send(so, 100)).toBe(-ENOBUFS);
    expect(so.so_proto.pr_sowriteable(so)).toBe(false);
    woken = 0;
    softint_run(64);
    expect(woken).toBe(0);
    give();
    expect(woken).toBe(0, "not within m_free");
    softint_run(64);
    expect(woken).toBe(1);
    expect(so.so_proto.pr_sowriteable(so)).toBe(true);
    expect(send(so, 100)).toBe(100);
    gone(so);
  });
  it("waits for more than the first mbuf: not between an eighth and three sixteenths", () => {
    const so = connected();
    take(2);
    send(so, 100);
    const m = hoard;
    hoard = m.m_nextpkt;
    m_freem(m);
    softint_run(64);
    expect(so.so_proto.pr_sowriteable(so)).toBe(false);
    give();
    softint_run(64);
    expect(so.so_proto.pr_sowriteable(so)).toBe(true);
    gone(so);
  });
  it("leaves nothing behind when the socket goes first", () => {
    const first = connected();
    const second = connected();
    const third = connected();
    take(2);
    send(first, 1);
    send(second, 1);
    send(third, 1);
    gone(second);
    gone(first);
    expect(mws.mw_first == third && mws.mw_last == third).toBe(true);
    give();
    woken = 0;
    softint_run(64);
    expect(woken).toBe(1);
    expect(third.so_state & SS_MBWAIT).toBe(0);
    gone(third);
    expect(changetype<usize>(mws.mw_first)).toBe(0);
    expect(mbst.mb_waiting).toBe(false);
  });
});
