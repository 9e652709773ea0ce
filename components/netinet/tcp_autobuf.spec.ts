/**
 * What a receiver promises and keeps while mbufs are short (tcp_autobuf.ts).
 */
import { AF_INET, SOCK_STREAM } from "../../kernel/abi/socket";
import { MNULL, m_freem, m_getcl, m_scarce, m_short } from "../../kernel/net/mbuf";
import { Socket } from "../../kernel/net/socket";
import { sbappendstream, sbdrop } from "../../kernel/net/sockbuf";
import { socreate } from "../../kernel/net/uipc_socket";
import { spec_netinet_boot, spec_pass } from "./netinet_spec";
import { tcp_pressed, tcp_pressed_window, tcp_rcvbuf_tune, tcp_sndbuf_tune } from "./tcp_autobuf";
import { sototcpcb } from "./tcp_var";

spec_netinet_boot();

let hoard = MNULL;

function take(sixteenths: u32): void {
  while (!m_short(sixteenths)) {
    const m = m_getcl();
    m.m_nextpkt = hoard;
    hoard = m;
  }
}

function give(): void {
  while (hoard) {
    const m = hoard;
    hoard = m.m_nextpkt;
    m_freem(m);
  }
}

/** Put `n` clusters of 2000 bytes into the receive buffer. */
function fill(so: Socket, n: i32): void {
  for (let i = 0; i < n; i++) {
    const m = m_getcl();
    m.m_len = 2000;
    sbappendstream(so.so_rcv, m);
  }
}

function socket(): Socket {
  return changetype<Socket>(socreate(AF_INET, SOCK_STREAM, 0));
}

describe("with few mbufs left", () => {
  it("a window promises 16 KiB to a reader who keeps up, nothing to one who does not", () => {
    const so = socket();
    expect(tcp_pressed_window(so, 60000)).toBe(60000);
    fill(so, 4);
    take(4);
    expect(tcp_pressed_window(so, 60000)).toBe(16384 - 8000);
    fill(so, 5);
    expect(tcp_pressed_window(so, 60000)).toBe(0);
    sbdrop(so.so_rcv, so.so_rcv.sb_cc);
    take(4);
    expect(tcp_pressed_window(so, 60000)).toBe(16384);
    expect(tcp_pressed_window(so, 1000)).toBe(1000);
    give();
    expect(tcp_pressed_window(so, 60000)).toBe(60000);
  });
  it("what nobody reads is dropped before the reserve is touched, a little of each connection is kept", () => {
    const so = socket();
    fill(so, 20);
    take(4);
    expect(tcp_pressed(so)).toBe(false);
    take(3);
    expect(tcp_pressed(so)).toBe(true);
    expect(m_scarce()).toBe(false);
    sbdrop(so.so_rcv, so.so_rcv.sb_cc - 4000);
    expect(tcp_pressed(so)).toBe(false);
    take(2);
    expect(tcp_pressed(so)).toBe(true);
    // Nothing unread: the reader gets what there is, or it would never give anything back.
    sbdrop(so.so_rcv, so.so_rcv.sb_cc);
    expect(tcp_pressed(so)).toBe(false);
    give();
  });
  it("no buffer grows", () => {
    const so = socket();
    const tp = sototcpcb(so);
    tp.t_srtt_us = 10000;
    tp.t_maxseg = 1000;
    tp.rb_since_us = 1;
    tp.rb_seq = 0;
    tp.rcv_nxt = 60000;
    tp.snd_cwnd = 100000;
    tp.max_sndwnd = 1000000;
    spec_pass(1000000);
    take(4);
    tcp_rcvbuf_tune(tp, so);
    tcp_sndbuf_tune(tp, so, 65536);
    expect(so.so_rcv.sb_hiwat).toBe(65536);
    expect(so.so_snd.sb_hiwat).toBe(65536);
    give();
    tp.rcv_nxt = 120000;
    spec_pass(1000000);
    tcp_rcvbuf_tune(tp, so);
    tcp_sndbuf_tune(tp, so, 65536);
    expect(so.so_rcv.sb_hiwat).toBe(147456);
    expect(so.so_snd.sb_hiwat).toBe(204800);
  });
});
