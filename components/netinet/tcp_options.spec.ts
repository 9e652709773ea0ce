/**
 * TCP options: what is understood, what is skipped, and that no byte sequence leads outside (RFC 9293
 * §3.1 MUST-4 to 7).
 */
import { spec_buf } from "../../kernel/net/net_spec";
import { spec_netinet_boot } from "./netinet_spec";
import {
  TOF_MSS, TOF_SACK, TOF_SACKPERM, TOF_SCALE, TOF_TS, tcp_dooptions, tcp_synoptions, tcp_tsoption, tcpopt,
} from "./tcp_options";

spec_netinet_boot();

/** Put the bytes of `hex` at spec_buf; how many. */
function bytes(hex: string): i32 {
  for (let i = 0; i < hex.length; i += 2) store<u8>(spec_buf + (i >> 1), <u8>parseInt(hex.slice(i, i + 2), 16));
  return hex.length >> 1;
}

function parse(hex: string, syn: bool): i32 {
  tcp_dooptions(spec_buf, bytes(hex), syn);
  return tcpopt.to_flags;
}

describe("TCP options", () => {
  it("of a SYN are all understood, in any order and without alignment", () => {
    expect(parse("020405b4" + "0402" + "080a00000001ffffffff" + "01" + "030307", true)).toBe(TOF_MSS | TOF_SACKPERM | TOF_TS | TOF_SCALE);
    expect(tcpopt.to_mss).toBe(1460);
    expect(tcpopt.to_wscale).toBe(7);
    expect(tcpopt.to_tsval).toBe(1);
    expect(tcpopt.to_tsecr).toBe(0xffffffff);
    expect(parse("030307" + "080a0000000200000003" + "0402" + "02040218", true)).toBe(TOF_MSS | TOF_SACKPERM | TOF_TS | TOF_SCALE);
    expect(tcpopt.to_mss).toBe(536);
  });
  it("that only a SYN may carry are ignored elsewhere", () => {
    expect(parse("020405b40402030307", false)).toBe(0);
  });
  it("take a shift above 14 for 14", () => {
    parse("0303ff", true);
    expect(tcpopt.to_wscale).toBe(14);
  });
  it("that are not known are skipped by their length", () => {
    expect(parse("fd06aabbccdd" + "020405b4", true)).toBe(TOF_MSS);
  });
  it("of illegal length end the parsing and nothing else", () => {
    expect(parse("020405b4" + "0800" + "0402", true)).toBe(TOF_MSS);
    expect(parse("020405b4" + "0801" + "0402", true)).toBe(TOF_MSS);
    expect(parse("020405b4" + "080a0000", true)).toBe(TOF_MSS);
    expect(parse("020405b4" + "08", true)).toBe(TOF_MSS);
    expect(parse("0203ff" + "0402", true)).toBe(TOF_SACKPERM, "an MSS of the wrong length");
    expect(parse("00" + "020405b4", true)).toBe(0, "after the end");
  });
  it("SACK blocks are found where they are", () => {
    expect(parse("0101" + "0512" + "00000001000000020000000300000004", false)).toBe(TOF_SACK);
    expect(tcpopt.to_nsacks).toBe(2);
    expect(bswap<u32>(load<u32>(tcpopt.to_sacks, 12))).toBe(4);
    expect(parse("0509" + "00000001000000", false)).toBe(0);
  });
  it("that we write are what we read", () => {
    for (let i = 0; i < 8; i++) {
      const n = tcp_synoptions(spec_buf, 1460, (i & 1) != 0 ? 3 : -1, (i & 2) != 0, (i & 4) != 0, 11, 22);
      expect(n & 3).toBe(0);
      tcp_dooptions(spec_buf, n, true);
      expect(tcpopt.to_flags).toBe(TOF_MSS | ((i & 1) != 0 ? TOF_SCALE : 0) | ((i & 2) != 0 ? TOF_SACKPERM : 0) | ((i & 4) != 0 ? TOF_TS : 0));
    }
    tcp_dooptions(spec_buf, tcp_tsoption(spec_buf, 5, 6), false);
    expect(tcpopt.to_tsval).toBe(5);
    expect(tcpopt.to_tsecr).toBe(6);
  });
  it("of any bytes at all leave what follows untouched", () => {
    let seed: u32 = 1;
    for (let round = 0; round < 20000; round++) {
      const len = <i32>(seed % 41);
      for (let i = 0; i < 48; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        store<u8>(spec_buf + i, <u8>(seed >> 8) % ((round & 1) != 0 ? 12 : 255));
      }
      tcp_dooptions(spec_buf, len, (round & 2) != 0);
      if ((tcpopt.to_flags & TOF_SACK) == 0) continue;
      const end = tcpopt.to_sacks + <usize>(tcpopt.to_nsacks << 3);
      expect(tcpopt.to_sacks >= spec_buf && end <= spec_buf + <usize>len).toBe(true);
    }
  });
});
