/**
 * CUBIC (RFC 9438) and HyStart++ (RFC 9406) on a control block of their own, with time passed by hand:
 * the numbers of the formulas, where a packet script could only show their sum.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { spec_buf } from "../../kernel/net/net_spec";
import { spec_netinet_boot, spec_pass } from "./netinet_spec";
import { tcp_cc_save, tcp_cc_undo } from "./tcp_cc";
import { cubic_ack, cubic_k, cubic_quiet, cubic_rise, cubic_root, cubic_ssthresh, cubic_timeout } from "./tcp_cubic";
import { hystart_ack, hystart_init } from "./tcp_hystart";
import { Tcpcb } from "./tcp_var";

spec_netinet_boot();

/** A control block with a window of `cwnd` segments of 1000 bytes and a round trip of `rtt_ms`. */
function block(cwnd: u32, rtt_ms: i32): Tcpcb {
  memory.fill(spec_buf, 0, offsetof<Tcpcb>());
  const tp = changetype<Tcpcb>(spec_buf);
  tp.t_maxseg = 1000;
  tp.snd_cwnd = cwnd * 1000;
  tp.t_srtt_us = rtt_ms * 1000;
  return tp;
}

/** One loss with a whole window in flight, recovered: cwnd = ssthresh. */
function loss(tp: Tcpcb): void {
  const ssthresh = cubic_ssthresh(tp, tp.snd_cwnd);
  tp.snd_ssthresh = ssthresh;
  tp.snd_cwnd = ssthresh;
}

/** `rounds` round trips: a window of ACKs for two segments each at the end of each of them. */
function rounds(tp: Tcpcb, n: i32): void {
  for (let i = 0; i < n; i++) {
    spec_pass(tp.t_srtt_us);
    const acks = tp.snd_cwnd / 2000;
    for (let k: u32 = 0; k < acks; k++) cubic_ack(tp, 2000);
  }
}

describe("the cube root", () => {
  it("is exact and rounds down", () => {
    expect(cubic_root(0)).toBe(0);
    expect(cubic_root(7)).toBe(1);
    for (let r: u64 = 1; r < 2600000; r = r * 3 / 2 + 1) {
      const cube = r * r * r;
      expect(<u64>cubic_root(cube)).toBe(r);
      expect(<u64>cubic_root(cube - 1)).toBe(r - 1);
      expect(<u64>cubic_root(cube + 1)).toBe(r);
    }
    expect(cubic_root(u64.MAX_VALUE)).toBe(2642245);
  });
});

describe("CUBIC", () => {
  it("takes K = cbrt((W_max - cwnd_epoch) / C) to come back (RFC 9438 §4.2)", () => {
    // 40 segments below: cbrt(40 / 0.4) = 4.6416 s.
    expect(cubic_k(40000, 1000)).toBe(4641);
    expect(cubic_rise(0, 1000)).toBe(0);
    // C · 10³ = 400 segments after ten seconds, and as many below before.
    expect(cubic_rise(10000, 1000)).toBe(400000);
    expect(cubic_rise(-10000, 1000)).toBe(-400000);
    // No product leaves 64 bits.
    expect(cubic_rise(i64.MAX_VALUE, 65495) > 0).toBe(true);
  });
  it("reduces by β = 0.7 and remembers W_max (§4.6)", () => {
    const tp = block(100, 100);
    loss(tp);
    expect(tp.snd_ssthresh).toBe(70000);
    expect(tp.cub_wmax).toBe(100000);
  });
  it("gives way to newcomers: a second loss below W_max lowers it to 0.85 cwnd (§4.7)", () => {
    const tp = block(100, 100);
    loss(tp);
    loss(tp);
    expect(tp.cub_wmax).toBe(59500);
    expect(tp.snd_ssthresh).toBe(49000);
  });
  it("is concave up to W_max at K, then convex (§4.4, §4.5)", () => {
    const tp = block(1000, 100);
    loss(tp);
    // K = cbrt(300 / 0.4) = 9.08 s: 91 round trips.
    rounds(tp, 30);
    const early = tp.snd_cwnd - 700000;
    rounds(tp, 30);
    const middle = tp.snd_cwnd - 700000 - early;
    rounds(tp, 31);
    expect(early > 2 * middle && early < 4 * middle).toBe(true);
    expect(tp.snd_cwnd > 985000 && tp.snd_cwnd < 1005000).toBe(true);
    rounds(tp, 50);
    const slow = tp.snd_cwnd;
    rounds(tp, 50);
    expect(slow > 1020000 && slow < 1080000).toBe(true);
    expect(tp.snd_cwnd - slow > 5 * (slow - 1000000)).toBe(true);
  });
  it("never grows by more than half in a round trip (§4.2)", () => {
    const tp = block(10, 100);
    cubic_ack(tp, 1000);
    spec_pass(60000000);
    const was = tp.snd_cwnd;
    for (let i = 0; i < 10; i++) cubic_ack(tp, 1000);
    expect(tp.snd_cwnd <= was + (was >> 1) + 2000 && tp.snd_cwnd > was + (was >> 2)).toBe(true);
  });
  it("is never slower than Reno with the same β (§4.3)", () => {
    const tp = block(20, 5);
    loss(tp);
    // 9/17 of a segment a round trip: ten segments in 19, when the cubic has hardly moved.
    rounds(tp, 10);
    expect(tp.snd_cwnd > 14000 + 4500 && tp.snd_cwnd < 14000 + 6500).toBe(true);
    expect(tp.cub_k_ms).toBe(2466);
  });
  it("once it is beyond the window of the last loss counts as Reno does: a segment a round trip (§4.3)", () => {
    const tp = block(20, 1);
    loss(tp);
    rounds(tp, 14);
    const was = tp.snd_cwnd;
    expect(was >= 20000).toBe(true);
    rounds(tp, 10);
    expect(tp.snd_cwnd >= was + 9000 && tp.snd_cwnd <= was + 11000).toBe(true);
  });
  it("after a timeout takes the window it finds for the plateau (§4.8)", () => {
    const tp = block(100, 100);
    loss(tp);
    cubic_timeout(tp);
    tp.snd_cwnd = 50000;
    cubic_ack(tp, 1000);
    expect(tp.cub_k_ms).toBe(0);
    expect(tp.cub_origin).toBe(50000);
  });
  it("does not count time in which it was not the limit (§5.8)", () => {
    const tp = block(100, 100);
    loss(tp);
    cubic_ack(tp, 1000);
    const epoch = tp.cub_epoch_us;
    spec_pass(30000000);
    cubic_quiet(tp, 30000000);
    expect(tp.cub_epoch_us - epoch).toBe(30000000);
    const was = tp.snd_cwnd;
    cubic_ack(tp, 1000);
    expect(tp.snd_cwnd - was < 1000).toBe(true);
  });
  it("comes back whole when the loss was none (§4.9)", () => {
    const tp = block(100, 100);
    loss(tp);
    rounds(tp, 5);
    const cwnd = tp.snd_cwnd;
    const epoch = tp.cub_epoch_us;
    const west = tp.cub_west;
    tcp_cc_save(tp);
    loss(tp);
    cubic_timeout(tp);
    tp.snd_cwnd = 1000;
    expect(tcp_cc_undo(tp)).toBe(true);
    expect(tp.snd_cwnd).toBe(cwnd);
    expect(tp.cub_epoch_us).toBe(epoch);
    expect(tp.cub_west).toBe(west);
    expect(tp.cub_wmax).toBe(100000);
    expect(tcp_cc_undo(tp)).toBe(false);
  });
});

/** One round of slow start: `n` ACKs of a segment, each with a sample of `rtt_us`; the bytes it opened by. */
function round(tp: Tcpcb, n: i32, rtt_us: u32): u32 {
  let grown: u32 = 0;
  tp.snd_max += n * 1000;
  tp.hs_end = tp.snd_max;
  for (let i = 0; i < n; i++) {
    tp.snd_una += 1000;
    const take = hystart_ack(tp, 1000, rtt_us);
    tp.snd_cwnd += take;
    grown += take;
  }
  return grown;
}

describe("HyStart++", () => {
  it("grows without a brake while the round trip stays (RFC 9406 §4.2)", () => {
    const tp = block(10, 40);
    tp.snd_ssthresh = 0x3fffffff;
    hystart_init(tp);
    for (let i = 0; i < 4; i++) expect(round(tp, 10, 40000)).toBe(10000);
    // 39 ms more are not an eighth.
    expect(round(tp, 10, 44900)).toBe(10000);
    expect(tp.hs_base_us).toBe(0);
  });
  it("grows by a quarter once it rises by an eighth, from the eighth sample on, and ends after five rounds", () => {
    const tp = block(10, 40);
    tp.snd_ssthresh = 0x3fffffff;
    hystart_init(tp);
    round(tp, 10, 40000);
    // Seven whole, three quartered.
    expect(round(tp, 10, 45000)).toBe(7750);
    expect(tp.hs_base_us).toBe(45000);
    for (let i = 0; i < 4; i++) round(tp, 12, 45000);
    expect(tp.snd_ssthresh).toBe(tp.snd_cwnd);
  });
  it("goes on when the rise was jitter", () => {
    const tp = block(10, 40);
    tp.snd_ssthresh = 0x3fffffff;
    hystart_init(tp);
    round(tp, 10, 40000);
    round(tp, 10, 60000);
    expect(tp.hs_base_us).toBe(60000);
    round(tp, 10, 40000);
    expect(tp.hs_base_us).toBe(0);
    expect(tp.snd_ssthresh).toBe(0x3fffffff);
  });
  it("looks at rises of 4 to 16 ms whatever the round trip (§4.3)", () => {
    const near = block(10, 1);
    near.snd_ssthresh = 0x3fffffff;
    hystart_init(near);
    round(near, 10, 1000);
    round(near, 10, 4900);
    expect(near.hs_base_us).toBe(0);
    round(near, 10, 8900);
    expect(near.hs_base_us).toBe(8900);
    const far = block(10, 400);
    far.snd_ssthresh = 0x3fffffff;
    hystart_init(far);
    round(far, 10, 400000);
    round(far, 10, 416000);
    expect(far.hs_base_us).toBe(416000);
  });
  it("makes nothing of fewer than eight samples", () => {
    const tp = block(10, 40);
    tp.snd_ssthresh = 0x3fffffff;
    hystart_init(tp);
    round(tp, 10, 40000);
    round(tp, 7, 90000);
    expect(tp.hs_base_us).toBe(0);
    expect(getmicrouptime() >= 0).toBe(true);
  });
});
