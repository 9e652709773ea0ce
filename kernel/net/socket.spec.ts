/**
 * The socket layer under a protocol that a test drives by hand: the connection queue, lingering
 * closes, lives that end on either side first, mbuf chains in and out, the protocol switch.
 */
import { EAFNOSUPPORT, EAGAIN, ECONNABORTED, ECONNRESET, EINPROGRESS, EALREADY, EINVAL, EPIPE, EPROTONOSUPPORT, EPROTOTYPE,
  ETIMEDOUT } from "../abi/errno";
import { MSG_PEEK, SHUT_RDWR, SO_LINGER, SOCK_RAW, SOCK_STREAM, SOCK_DGRAM, SO_SNDBUF, SOL_SOCKET } from "../abi/socket";
import { callout_run } from "../kern/callout";
import { clock_set } from "../kern/clock";
import { kmem_alloc, kobj } from "../kern/kmem";
import { domain_register, pffindproto, pffindtype } from "./domain";
import { MNULL, M_COPYALL, Mbuf, m_freem } from "./mbuf";
import { m_copydata, m_copym, m_length } from "./mbuf2";
import { m_devget, m_sanity } from "./mbuf3";
import { Msg, msg_init } from "./msg";
import { spec_buf, spec_check, spec_fill, spec_mbufs_inuse, spec_net_boot } from "./net_spec";
import { PR_CONNREQUIRED, PR_LISTEN, PR_WANTRCVD, PR_WILDCARD, Protosw } from "./protosw";
import { SO_Q0MIN, SS_ISCONNECTED, SS_NOFDREF, Socket, sofree, soisconnected, soisconnecting, soisdisconnected,
  soisdisconnecting, sonewconn, sost } from "./socket";
import { sbappendstream, sbcheck, sbdrop } from "./sockbuf";
import { soclose } from "./uipc_close";
import { soreceive_chain, soreceive_why } from "./uipc_recv";
import { sosend_chain } from "./uipc_send";
import { soaccept, soaccept_name, soacceptable, soconnect, socreate, solisten, soshutdown } from "./uipc_socket";
import { sosetopt } from "./uipc_sockopt";

const AF_TEST: i32 = 39;
let ndetach: i32 = 0;
let nabort: i32 = 0;
let nrcvd: i32 = 0;

/** Keeps what is sent in so_snd; keeps sockets after detach while there is data in it. */
class TestProto extends Protosw {
  pr_attach(so: Socket, proto: i32): i32 {
    so.so_pcb = 1;
    return 0;
  }
  pr_detach(so: Socket): void {
    ndetach++;
    if (so.so_snd.sb_cc == 0) so.so_pcb = 0;
  }
  pr_abort(so: Socket): void {
    nabort++;
    so.so_pcb = 0;
    sofree(so);
  }
  pr_listen(so: Socket, backlog: i32): i32 {
    return 0;
  }
  pr_connect(so: Socket, sa: usize, len: i32): i32 {
    soisconnecting(so);
    return 0;
  }
  pr_accept(so: Socket, sabuf: usize): i32 {
    return 0;
  }
  pr_disconnect(so: Socket): i32 {
    soisdisconnecting(so);
    return 0;
  }
  pr_shutdown(so: Socket, how: i32): i32 {
    return 0;
  }
  pr_rcvd(so: Socket, flags: i32): void {
    nrcvd++;
  }
  pr_send(so: Socket, m: Mbuf, nam: usize, namlen: i32, flags: i32, control: Mbuf): i32 {
    sbappendstream(so.so_snd, m);
    m_freem(control);
    return 0;
  }
}

/** A raw protocol that takes any number. */
class TestRaw extends TestProto {}

spec_net_boot();

function proto(p: Protosw, type: i32, number: i32, flags: i32): void {
  p.pr_type = type;
  p.pr_protocol = number;
  p.pr_flags = flags;
  p.pr_sndspace = 16384;
  p.pr_rcvspace = 16384;
  domain_register(AF_TEST, p);
}
proto(kobj<TestProto>("spec"), SOCK_STREAM, 6, PR_CONNREQUIRED | PR_LISTEN | PR_WANTRCVD);
proto(kobj<TestRaw>("spec"), SOCK_RAW, 0, PR_WILDCARD);

const msg = changetype<Msg>(kmem_alloc(offsetof<Msg>(), 8, "spec"));
const optval = kmem_alloc(16, 8, "spec");
let now: i64 = 1000000;

function stream(): Socket {
  const p = socreate(AF_TEST, SOCK_STREAM, 0);
  assert(p > 0, "spec: socreate");
  return changetype<Socket>(p);
}

function connected(): Socket {
  const so = stream();
  soisconnected(so);
  return so;
}

function send(so: Socket, n: i32, from: i32): i32 {
  spec_fill(spec_buf, n, from);
  msg_init(msg, spec_buf, n);
  return so.so_proto.pr_sosend(so, msg, 0);
}

function linger(so: Socket, secs: i32): void {
  store<i32>(optval, 1);
  store<i32>(optval + 4, secs);
  sosetopt(so, SOL_SOCKET, SO_LINGER, optval, 8);
}

function pass(secs: i32): void {
  now += <i64>secs * 1000000;
  clock_set(now);
  callout_run();
}

function sockets(): i32 {
  return sost.so_pool.pr_nout;
}

describe("the protocol switch", () => {
  it("finds by type, by number, and raw by wildcard", () => {
    expect(pffindtype(AF_TEST, SOCK_STREAM).pr_protocol).toBe(6);
    expect(changetype<usize>(pffindtype(AF_TEST, SOCK_DGRAM))).toBe(0);
    expect(pffindproto(AF_TEST, SOCK_STREAM, 6).pr_type).toBe(SOCK_STREAM);
    expect(pffindproto(AF_TEST, SOCK_RAW, 6).pr_type).toBe(SOCK_RAW);
    expect(pffindproto(AF_TEST, SOCK_RAW, 89).pr_type).toBe(SOCK_RAW);
  });
  it("says what is wrong", () => {
    expect(socreate(17, SOCK_STREAM, 0)).toBe(-EAFNOSUPPORT);
    expect(socreate(17, SOCK_STREAM, 6)).toBe(-EAFNOSUPPORT);
    expect(socreate(AF_TEST, SOCK_DGRAM, 0)).toBe(-EPROTOTYPE);
    expect(socreate(AF_TEST, SOCK_DGRAM, 6)).toBe(-EPROTOTYPE);
    expect(socreate(AF_TEST, SOCK_STREAM, 17)).toBe(-EPROTONOSUPPORT);
    const p = socreate(AF_TEST, SOCK_RAW, 89);
    expect(changetype<Socket>(p).so_protocol).toBe(89);
    soclose(changetype<Socket>(p));
  });
  throws("when a protocol is registered twice", () => {
    proto(kobj<TestProto>("spec"), SOCK_STREAM, 6, 0);
  });
});

describe("connecting", () => {
  it("is in progress, then done", () => {
    const so = stream();
    store<u8>(optval + 1, <u8>AF_TEST);
    expect(soconnect(so, optval, 16)).toBe(-EINPROGRESS);
    expect(soconnect(so, optval, 16)).toBe(-EALREADY);
    expect(send(so, 10, 0)).toBe(-EAGAIN);
    expect(soreceive_why(so, false)).toBe(-EAGAIN);
    soisconnected(so);
    expect(send(so, 10, 0)).toBe(10);
    sbdrop(so.so_snd, 10);
    soclose(so);
  });
  it("is in progress, then failed: the error once, then the end", () => {
    const so = stream();
    soconnect(so, optval, 16);
    so.so_error = ETIMEDOUT;
    soisdisconnected(so);
    so.so_pcb = 0;
    sofree(so);
    expect(so.so_error).toBe(ETIMEDOUT, "a socket with a descriptor stays");
    expect(send(so, 1, 0)).toBe(-ETIMEDOUT);
    expect(send(so, 1, 0)).toBe(-EPIPE);
    expect(soreceive_why(so, false)).toBe(0);
    expect(soconnect(so, optval, 16)).toBe(-EINVAL);
    expect(soshutdown(so, SHUT_RDWR) < 0).toBe(true);
    soclose(so);
  });
});

describe("the queues of a listener", () => {
  it("hold no more than the backlog, and incomplete ones apart", () => {
    const base = sockets();
    const head = stream();
    expect(solisten(head, 2)).toBe(0);
    const a = sonewconn(head, 0);
    const b = sonewconn(head, 0);
    const c = sonewconn(head, 0);
    expect(head.so_q0len).toBe(3);
    expect(soacceptable(head)).toBe(-EAGAIN);
    expect(soisconnected(b)).toBe(0);
    expect(soisconnected(a)).toBe(0);
    expect(soisconnected(c)).toBe(-ECONNABORTED, "no room: ask again");
    expect(head.so_q0len).toBe(1);
    expect(head.so_overflow).toBe(1);
    expect(changetype<usize>(sonewconn(head, SS_ISCONNECTED))).toBe(0);
    expect(soacceptable(head)).toBe(0);
    const got = soaccept(head);
    expect(got == b).toBe(true, "in the order of completion");
    expect(soisconnected(c)).toBe(0);
    soclose(got);
    nabort = 0;
    soclose(head);
    expect(nabort).toBe(2);
    expect(sockets()).toBe(base);
  });

  it("have a limit for incomplete connections", () => {
    const base = sockets();
    const head = stream();
    solisten(head, 1);
    for (let i: u32 = 0; i < SO_Q0MIN; i++) sonewconn(head, 0);
    expect(head.so_q0len).toBe(SO_Q0MIN);
    expect(changetype<usize>(sonewconn(head, 0))).toBe(0);
    soclose(head);
    expect(sockets()).toBe(base);
  });

  it("clamp the backlog", () => {
    const head = stream();
    solisten(head, 0);
    expect(head.so_qlimit).toBe(1);
    solisten(head, -1);
    expect(head.so_qlimit).toBe(<u32>sost.so_somaxconn);
    solisten(head, 1000000);
    expect(head.so_qlimit).toBe(<u32>sost.so_somaxconn);
    soclose(head);
  });

  it("forget an embryo that dies, keep a finished one for accept", () => {
    const base = sockets();
    const head = stream();
    solisten(head, 5);
    const a = sonewconn(head, 0);
    const b = sonewconn(head, SS_ISCONNECTED);
    a.so_pcb = 0;
    sofree(a);
    expect(head.so_q0len).toBe(0);
    b.so_error = ECONNRESET;
    soisdisconnected(b);
    b.so_pcb = 0;
    sofree(b);
    expect(head.so_qlen).toBe(1);
    const got = soaccept(head);
    expect(soaccept_name(got, optval)).toBe(-ECONNABORTED);
    soclose(got);
    soclose(head);
    expect(sockets()).toBe(base);
  });

  it("hand the listener's options on", () => {
    const head = stream();
    store<i32>(optval, 5000);
    sosetopt(head, SOL_SOCKET, SO_SNDBUF, optval, 4);
    linger(head, 3);
    solisten(head, 5);
    const a = sonewconn(head, SS_ISCONNECTED);
    expect(a.so_snd.sb_hiwat).toBe(5000);
    expect(a.so_linger).toBe(3);
    expect(a.so_options & SO_LINGER).toBe(SO_LINGER);
    soclose(head);
  });
});

describe("closing", () => {
  it("waits for nobody: the protocol keeps the socket until it is done", () => {
    const base = sockets();
    const so = connected();
    send(so, 100, 0);
    ndetach = 0;
    expect(soclose(so)).toBe(0);
    expect(ndetach).toBe(1);
    expect(sockets()).toBe(base + 1);
    expect(so.so_state & SS_NOFDREF).toBe(SS_NOFDREF);
    sbdrop(so.so_snd, 100);
    so.so_pcb = 0;
    sofree(so);
    expect(sockets()).toBe(base);
  });

  it("with SO_LINGER aborts what is not delivered in time", () => {
    const base = sockets();
    const a = connected();
    const b = connected();
    const c = connected();
    linger(a, 2);
    linger(b, 5);
    linger(c, 2);
    send(a, 100, 0);
    send(b, 100, 0);
    send(c, 100, 0);
    nabort = 0;
    soclose(a);
    soclose(b);
    soclose(c);
    expect(sockets()).toBe(base + 3);
    pass(1);
    expect(nabort).toBe(0);
    sbdrop(c.so_snd, 100);
    c.so_pcb = 0;
    sofree(c);
    expect(sockets()).toBe(base + 2, "delivered in time");
    pass(2);
    expect(nabort).toBe(1);
    expect(sockets()).toBe(base + 1);
    pass(1);
    expect(nabort).toBe(1);
    pass(3);
    expect(nabort).toBe(2);
    expect(sockets()).toBe(base);
    expect(changetype<usize>(sost.so_lingering)).toBe(0);
  });
});

describe("chains", () => {
  it("go in without copying", () => {
    const base = spec_mbufs_inuse();
    const so = connected();
    spec_fill(spec_buf, 9000, 0);
    const m = m_devget(spec_buf, 9000, false);
    const shared = m_copym(m, 0, M_COPYALL);
    expect(sosend_chain(so, shared, 0)).toBe(9000);
    expect(so.so_snd.sb_mb.m_extbuf).toBe(m.m_extbuf);
    const more = m_copym(m, 0, M_COPYALL);
    expect(sosend_chain(so, more, 0)).toBe(-EAGAIN, "all or nothing");
    expect(m_length(more)).toBe(9000);
    m_freem(more);
    m_freem(m);
    sbdrop(so.so_snd, 9000);
    soclose(so);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("come out without copying, cut anywhere", () => {
    const base = spec_mbufs_inuse();
    const so = connected();
    let bad = 0;
    nrcvd = 0;
    for (let cut: u32 = 1; cut < 9000; cut += 371) {
      spec_fill(spec_buf, 9000, 0);
      sbappendstream(so.so_rcv, m_devget(spec_buf, 4000, false));
      sbappendstream(so.so_rcv, m_devget(spec_buf + 4000, 5000, false));
      const m = soreceive_chain(so, cut);
      if (<u32>m_length(m) != cut || !m_sanity(m) || !sbcheck(so.so_rcv)) bad++;
      m_copydata(m, 0, cut, spec_buf + 20000);
      const r = soreceive_chain(so, 100000);
      m_copydata(r, 0, 9000 - cut, spec_buf + 20000 + cut);
      if (!spec_check(spec_buf + 20000, 9000, 0) || so.so_rcv.sb_cc != 0) bad++;
      m_freem(m);
      m_freem(r);
    }
    expect(bad).toBe(0);
    expect(nrcvd).toBe(50);
    expect(changetype<usize>(soreceive_chain(so, 10))).toBe(0);
    soclose(so);
    expect(spec_mbufs_inuse()).toBe(base);
  });

  it("peeking does not tell the protocol", () => {
    const so = connected();
    sbappendstream(so.so_rcv, m_devget(spec_buf, 100, false));
    nrcvd = 0;
    msg_init(msg, spec_buf, 50);
    expect(so.so_proto.pr_soreceive(so, msg, MSG_PEEK)).toBe(50);
    expect(nrcvd).toBe(0);
    msg_init(msg, spec_buf, 50);
    expect(so.so_proto.pr_soreceive(so, msg, 0)).toBe(50);
    expect(nrcvd).toBe(1);
    soclose(so);
  });
});
