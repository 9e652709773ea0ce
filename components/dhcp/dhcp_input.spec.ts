/**
 * What the DHCP client does not believe: messages of other exchanges, spoiled ones, options that lie; then
 * its control, and the end of the image.
 */
import { EINVAL, ENXIO } from "../../kernel/abi/errno";
import { callout_npending } from "../../kernel/kern/callout";
import { kput_str } from "../../kernel/kern/kstring";
import { kern_exited, kern_shutdown } from "../../kernel/kern/shutdown";
import { spec_mbufs_inuse } from "../../kernel/net/net_spec";
import { rtalloc4 } from "rump/route";
import {
  OURS, acknowledge, address, bind, ctl, ctl_text, frame_at, ip4, opt_addr, opt_u32, opt_u8, opt_usual, pass, reply,
  reply_at, request, sent_type, serve, serve_bytes, serve_frame, state, until_sent, wire_boot, wire_clear,
} from "./dhcp_spec";
import { DHS_BOUND, DHS_OFF, DHS_REQUESTING, DHS_SELECTING, dhcpstat } from "./dhcp_var";

wire_boot();

const S: i64 = 1000000;
const OFFER = 2;
const ACK = 5;
const NAK = 6;

let base: i32 = 0;
beforeEach(() => {
  base = spec_mbufs_inuse();
  wire_clear();
});

afterEach(() => {
  ctl("net.dhcp.table", "virt0 stop");
  expect(state()).toBe(DHS_OFF);
  expect(address()).toBe(0);
  expect(changetype<usize>(rtalloc4(ip4(8, 8, 8, 8), 0, 0, 0))).toBe(0);
  pass(20 * S);
  expect(spec_mbufs_inuse()).toBe(base, "no mbuf is lost");
  expect(callout_npending()).toBe(0, "no timer is left");
});

describe("what is not believed", () => {
  it("other exchanges, other clients, requests, other servers, unusable addresses", () => {
    request("inet,dhcp,noprobe");
    const bad = dhcpstat.bad;
    reply(ACK, OURS);
    opt_usual(3600);
    store<u32>(reply_at(), load<u32>(reply_at(), 4) + 1, 4);
    serve();
    reply(ACK, OURS);
    opt_usual(3600);
    store<u8>(reply_at(), 9, 28);
    serve();
    reply(ACK, OURS);
    opt_usual(3600);
    store<u8>(reply_at(), 1);
    serve();
    reply(ACK, OURS);
    opt_usual(3600);
    store<u32>(reply_at(), 0, 236);
    serve();
    reply(ACK, 0xffffffff);
    opt_usual(3600);
    serve();
    reply(ACK, OURS);
    opt_addr(1, ip4(255, 0, 255, 0));
    opt_u32(51, 3600);
    serve();
    reply(ACK, OURS);
    serve();
    expect(dhcpstat.bad - bad).toBe(7);
    const ignored = dhcpstat.ignored;
    reply(ACK, OURS);
    store<u32>(reply_at(), ip4(10, 0, 0, 99), 245);
    opt_usual(3600);
    serve();
    reply(ACK, ip4(10, 0, 0, 8));
    opt_usual(3600);
    serve();
    reply(OFFER, OURS);
    opt_usual(3600);
    serve();
    reply(NAK, 0);
    store<u32>(reply_at(), ip4(10, 0, 0, 99), 245);
    serve();
    expect(dhcpstat.ignored - ignored).toBe(4);
    expect(state()).toBe(DHS_REQUESTING);
  });

  it("cut, spoiled or endless ones; every length is looked at", () => {
    request("inet,dhcp,noprobe");
    reply(ACK, OURS);
    opt_usual(3600);
    const len = 240 + 3 + 6 + 6 + 6 + 6;
    // Up to the lease time, without which it is nothing.
    for (let n = 0; n < len; n++) {
      reply(ACK, OURS);
      opt_usual(3600);
      serve_bytes(n);
    }
    // An option that runs over the end.
    reply(ACK, OURS);
    opt_usual(3600);
    store<u8>(reply_at() + len, 12);
    store<u8>(reply_at() + len + 1, 200);
    serve_bytes(len + 10);
    expect(state()).toBe(DHS_REQUESTING);
    reply(ACK, OURS);
    opt_usual(3600);
    serve_spoiled(len);
    expect(state()).toBe(DHS_REQUESTING);
    acknowledge(3600);
    expect(state()).toBe(DHS_BOUND);
  });

  it("takes options from the fields that overloading names, and texts only if they are printable", () => {
    request("inet,dhcp,noprobe");
    reply(ACK, OURS);
    opt_u8(52, 3);
    opt_usual(3600);
    kput_str(reply_at() + 110, reply_at() + 236, "domain.test");
    store<u8>(reply_at(), 15, 108);
    store<u8>(reply_at(), 11, 109);
    store<u8>(reply_at(), 255, 121);
    store<u8>(reply_at(), 12, 44);
    store<u8>(reply_at(), 4, 45);
    kput_str(reply_at() + 46, reply_at() + 108, "a\nbc");
    store<u8>(reply_at(), 255, 50);
    serve();
    expect(state()).toBe(DHS_BOUND);
    expect(ctl_text("net.dhcp.virt0.domain")).toBe("domain.test");
    expect(ctl_text("net.dhcp.virt0.hostname")).toBe("");
  });
});

/** The message of `len` bytes and its end, with each byte of its IP and UDP headers wrong in turn. */
function serve_spoiled(len: i32): void {
  store<u8>(reply_at() + len, 255);
  // Once as it is but for its exchange, so that the headers stand.
  const xid = load<u32>(reply_at(), 4);
  store<u32>(reply_at(), xid ^ 1, 4);
  serve_bytes(len + 1);
  store<u32>(reply_at(), xid, 4);
  for (let i = 14; i < 42; i++) {
    const p = frame_at() + i;
    store<u8>(p, load<u8>(p) ^ 0x11);
    serve_frame(43 + len);
    store<u8>(p, load<u8>(p) ^ 0x11);
  }
}

describe("control", () => {
  it("refuses what it does not understand", () => {
    expect(ctl("net.dhcp.table", "virt9 renew")).toBe(-ENXIO);
    expect(ctl("net.dhcp.table", "virt0 frob")).toBe(-EINVAL);
    expect(ctl("net.dhcp.table", "virt0")).toBe(-EINVAL);
    expect(ctl("net.dhcp.table", "virt0 renew")).toBe(-EINVAL, "no lease");
    expect(ctl("net.dhcp.table", "virt0 start\n")).toBe(0);
    expect(until_sent(S)).toBeGreaterThan(0);
    expect(state()).toBe(DHS_SELECTING);
    expect(ctl_text("net.dhcp.stats").startsWith("sent ")).toBe(true);
  });
});

describe("the end", () => {
  it("gives leases back before the image stops", () => {
    bind(1000);
    ctl("net.arp.table", "add 10.0.0.1 02:00:00:00:00:09 permanent");
    kern_shutdown();
    expect(kern_exited()).toBe(false);
    pass(S);
    expect(sent_type()).toBe(7);
    expect(kern_exited()).toBe(true);
  });
});
