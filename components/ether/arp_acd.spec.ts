/**
 * Conflict detection, RFC 5227: probing and its timing, conflicts while probing, announcements, defence,
 * and static addresses.
 */
import { EADDRINUSE, EEXIST } from "../../kernel/abi/errno";
import { callout_npending } from "../../kernel/kern/callout";
import { getmicrouptime } from "../../kernel/kern/clock";
import { Ifnet } from "../../kernel/net/ifnet";
import { arp_conflict_hook, arp_probe, arp_probe_stop } from "./ether";
import {
  addr_add, addr_del, arp_in, ctl_int, ifp0, ip4, mac, pass, sent_op, sent_spa, sent_to, sent_tpa, wire_at, wire_boot,
  wire_clear, wire_count,
} from "./ether_spec";
import { arpstat } from "./ether_stat";

wire_boot();
const US = ip4(10, 0, 0, 2);
const REQUEST = 1;
const REPLY = 2;
const S: i64 = 1000000;

let result: i32 = 1;
let done_us: i64 = 0;
let lost: i32 = 0;

function done(arg: usize, e: i32): void {
  result = e;
  done_us = getmicrouptime();
  if (arg != 0 && e == 0) addr_add(US, 24);
}

arp_conflict_hook((ifp: Ifnet, addr: u32): void => {
  lost = <i32>addr;
});

beforeEach(() => {
  wire_clear();
  result = 1;
  lost = 0;
});

afterEach(() => {
  while (ifp0().if_addrlist) addr_del(ifp0().if_addrlist);
  ctl_int("net.arp.probestatic", 0);
  pass(20 * S);
  expect(callout_npending()).toBe(0, "no timer is left");
});

describe("probing", () => {
  it("sends three probes with the gaps of the RFC, and finds the address free", () => {
    const t0 = getmicrouptime();
    expect(arp_probe(ifp0(), US, done, 0)).toBe(0);
    expect(arp_probe(ifp0(), US, done, 0)).toBe(-EEXIST);
    let last: i64 = 0;
    let seen = 0;
    while (result == 1) {
      pass(50000);
      if (wire_count() == seen) continue;
      const now = getmicrouptime();
      if (seen == 0) expect(now - t0 <= S + 50000).toBe(true);
      else expect(now - last >= S - 50000 && now - last <= 2 * S + 50000).toBe(true);
      last = now;
      expect(sent_op(seen)).toBe(REQUEST);
      expect(sent_to(seen, -1)).toBe(true);
      expect(sent_spa(seen)).toBe(0);
      expect(sent_tpa(seen)).toBe(US);
      expect(load<u32>(wire_at(seen), 32)).toBe(0);
      seen++;
    }
    expect(seen).toBe(3);
    expect(result).toBe(0);
    expect(done_us - last >= 2 * S - 50000 && done_us - last <= 2 * S + 50000).toBe(true);
    expect(wire_count()).toBe(3, "nothing is announced that was not added");
  });

  it("is followed by two announcements when the address is added", () => {
    arp_probe(ifp0(), US, done, 1);
    pass(7 * S);
    expect(result).toBe(0);
    pass(3 * S);
    expect(wire_count()).toBe(5);
    for (let i = 3; i < 5; i++) {
      expect(sent_op(i)).toBe(REQUEST);
      expect(sent_spa(i)).toBe(US);
      expect(sent_tpa(i)).toBe(US);
    }
  });

  it("finds out who has it, from a reply, a request, or another's probe", () => {
    for (let how = 0; how < 3; how++) {
      result = 1;
      expect(arp_probe(ifp0(), US, done, 1)).toBe(0);
      pass(S + 50000);
      if (how == 0) arp_in(REPLY, 9, US, 0, 255);
      else if (how == 1) arp_in(REQUEST, 9, US, ip4(10, 0, 0, 77), -1);
      else arp_in(REQUEST, 9, 0, US, -1);
      expect(result).toBe(-EADDRINUSE);
    }
    expect(changetype<usize>(ifp0().if_addrlist)).toBe(0);
  });

  it("does not mind our own probes coming back, nor answers for what is not ours yet", () => {
    arp_probe(ifp0(), US, done, 0);
    pass(S + 50000);
    arp_in(REQUEST, 255, 0, US, -1);
    expect(result).toBe(1);
    const n = wire_count();
    arp_in(REQUEST, 9, ip4(10, 0, 0, 9), US, -1);
    expect(wire_count()).toBe(n);
    arp_probe_stop(ifp0(), US);
    pass(10 * S);
    expect(result).toBe(1);
    expect(wire_count()).toBe(n);
  });
});

describe("an address of ours", () => {
  it("is announced twice and defended once in ten seconds; then it is lost", () => {
    addr_add(US, 24);
    expect(wire_count()).toBe(1);
    pass(5 * S);
    expect(wire_count()).toBe(2);
    const defended = arpstat.defended;
    arp_in(REQUEST, 9, US, US, -1);
    expect(wire_count()).toBe(3);
    expect(sent_spa(2)).toBe(US);
    expect(sent_tpa(2)).toBe(US);
    expect(arpstat.defended - defended).toBe(1);
    expect(lost).toBe(0);
    pass(11 * S);
    arp_in(REPLY, 9, US, ip4(10, 0, 0, 9), 255);
    expect(wire_count()).toBe(4, "peace for ten seconds: defended again");
    expect(lost).toBe(0);
    pass(3 * S);
    arp_in(REQUEST, 9, US, ip4(10, 0, 0, 9), -1);
    expect(lost).toBe(<i32>US);
    expect(wire_count()).toBe(4);
    const n = arpstat.lost;
    for (let i = 0; i < 100; i++) arp_in(REQUEST, 9, US, ip4(10, 0, 0, 9), -1);
    expect(wire_count()).toBe(4, "a flood of claims is not answered");
    expect(arpstat.lost).toBe(n);
    arp_in(REQUEST, 8, 0, US, -1);
    expect(wire_count()).toBe(5, "who probes for it is told");
    expect(sent_op(4)).toBe(REPLY);
    expect(sent_to(4, 8)).toBe(true);
    expect(memory.compare(wire_at(4) + 22, mac(255), 6)).toBe(0);
  });

  it("that is static is probed only when asked for, and stays when it is taken", () => {
    ctl_int("net.arp.probestatic", 1);
    const ifa = addr_add(US, 24);
    pass(S + 50000);
    expect(sent_spa(0)).toBe(0);
    arp_in(REQUEST, 9, ip4(10, 0, 0, 9), US, -1);
    expect(wire_count()).toBe(1, "not answered for yet");
    pass(9 * S);
    expect(wire_count()).toBe(5, "three probes, two announcements");
    addr_del(ifa);
    wire_clear();
    addr_add(US, 24);
    pass(S + 50000);
    arp_in(REPLY, 9, US, 0, 255);
    expect(lost).toBe(<i32>US);
    expect(changetype<usize>(ifp0().if_addrlist) != 0).toBe(true);
    wire_clear();
    pass(10 * S);
    expect(wire_count()).toBe(0, "not announced");
  });
});
