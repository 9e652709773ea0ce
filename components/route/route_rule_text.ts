/**
 * sysctl net.route.rules: policy rules as text, and their control (`rumpwasm route rule`).
 *
 *      read:   PRIORITY: [not] from P [to P] [tos N] [fwmark N[/M]] [iif IF] [oif IF] ACTION      one line each
 *      write:  add [priority N] SELECTOR… ACTION        ACTION: lookup TABLE, blackhole, unreachable, prohibit
 *              del [priority N] [SELECTOR…] [ACTION]    the first that agrees with what is said
 *              flush                                    all but those of priority 0
 */
import { EINVAL, ENXIO, ERANGE } from "../../kernel/abi/errno";
import { CTLFLAG_RW } from "../../kernel/abi/rump";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_bytes, kput_char, kput_hex, kput_str, kput_u32 } from "../../kernel/kern/kstring";
import { sysctl_fn } from "../../kernel/kern/sysctl";
import { if_byindex } from "../../kernel/net/ifnet";
import { rt_mask } from "./fib_mask";
import {
  FR_ACT_BLACKHOLE, FR_ACT_PROHIBIT, FR_ACT_TO_TBL, FR_ACT_UNREACHABLE, Fibrule, rule_add, rule_delete, rule_first, rule_flush,
} from "./route_rule";
import {
  kput_prefix, kput_table, text_addr, text_begin, text_done, text_mask, text_prefixlen, word_interface, word_is, word_masked,
  word_number, word_prefix, word_table, word_take,
} from "./route_text";

/** The rule that a command describes; its priority, -1: none given. */
@unmanaged
class RuleText {
  prio: i64;
  want: Fibrule;
}

let rut: RuleText = changetype<RuleText>(0);

export function rule_text_boot(): void {
  rut = changetype<RuleText>(kmem_alloc(offsetof<RuleText>(), 8, "route"));
  rut.want = changetype<Fibrule>(kmem_alloc(offsetof<Fibrule>(), 8, "route"));
  sysctl_fn("net.route.rules", rule_control, CTLFLAG_RW);
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────

/** The length of the mask `mask`, as in a packet. */
function mask_len(mask: u32): i32 {
  return <i32>popcnt<u32>(mask);
}

function put_selector(at: usize, end: usize, what: string, addr: u32, mask: u32): usize {
  at = kput_str(at, end, what);
  return mask == 0 ? kput_str(at, end, "all") : kput_prefix(at, end, addr, mask_len(mask));
}

/** In hexadecimal, no wider than need be. */
function put_hex(at: usize, end: usize, what: string, v: u32): usize {
  return kput_hex(kput_str(at, end, what), end, v, v == 0 ? 1 : (35 - <i32>clz<u32>(v)) >> 2);
}

function put_ifname(at: usize, end: usize, what: string, index: i32): usize {
  if (index == 0) return at;
  const ifp = if_byindex(index);
  return kput_bytes(kput_str(at, end, what), end, ifp.if_xname, ifp.if_namelen);
}

/** `ru` as ip-rule prints it, without a line end. */
export function kput_rule(at: usize, end: usize, ru: Fibrule): usize {
  at = kput_str(kput_u32(at, end, ru.ru_prio), end, ru.ru_not != 0 ? ": not" : ":");
  at = put_selector(at, end, " from ", ru.ru_from, ru.ru_frommask);
  if (ru.ru_tomask != 0) at = put_selector(at, end, " to ", ru.ru_to, ru.ru_tomask);
  if (ru.ru_tos != 0) at = put_hex(at, end, " tos 0x", ru.ru_tos);
  if (ru.ru_markmask != 0) at = put_hex(at, end, " fwmark 0x", ru.ru_mark);
  if (ru.ru_markmask != 0 && ru.ru_markmask != 0xffffffff) at = put_hex(at, end, "/0x", ru.ru_markmask);
  at = put_ifname(put_ifname(at, end, " iif ", ru.ru_iif), end, " oif ", ru.ru_oif);
  if (ru.ru_action == FR_ACT_TO_TBL) return kput_table(kput_str(at, end, " lookup "), end, ru.ru_tableid);
  if (ru.ru_action == FR_ACT_BLACKHOLE) return kput_str(at, end, " blackhole");
  return kput_str(at, end, ru.ru_action == FR_ACT_PROHIBIT ? " prohibit" : " unreachable");
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

function parse_number(least: i64, most: i64): i64 {
  const v = word_take() ? word_number() : -1;
  return v >= least && v <= most ? v : -1;
}

/** An interface's index, or -ENXIO. */
function parse_interface(): i32 {
  const index = word_take() ? word_interface() : 0;
  return index != 0 ? index : -ENXIO;
}

/** The selector of one word that was just taken, and what follows it. 0 or -errno. */
function parse_selector(ru: Fibrule): i32 {
  if (word_is("from") || word_is("to")) {
    const from = word_is("from");
    if (!word_take() || !word_prefix()) return -EINVAL;
    const mask = rt_mask(text_prefixlen());
    if (from) ru.ru_frommask = mask;
    else ru.ru_tomask = mask;
    if (from) ru.ru_from = text_addr() & mask;
    else ru.ru_to = text_addr() & mask;
    return 0;
  }
  if (word_is("tos") || word_is("dsfield")) {
    ru.ru_tos = <i32>parse_number(1, 255);
    return ru.ru_tos > 0 ? 0 : -EINVAL;
  }
  if (word_is("fwmark")) {
    const mark = word_take() ? word_masked() : -1;
    ru.ru_mark = <u32>mark & text_mask();
    ru.ru_markmask = text_mask();
    return mark >= 0 && text_mask() != 0 ? 0 : -EINVAL;
  }
  if (word_is("iif")) {
    ru.ru_iif = parse_interface();
    return min(ru.ru_iif, 0);
  }
  if (word_is("oif")) {
    ru.ru_oif = parse_interface();
    return min(ru.ru_oif, 0);
  }
  if (!word_is("not")) return -EINVAL;
  ru.ru_not = 1;
  return 0;
}

/** What is left of the command: a rule. 0 or -errno. */
function parse_rule(): i32 {
  const ru = rut.want;
  rut.prio = -1;
  while (word_take()) {
    let e = 0;
    if (word_is("priority") || word_is("pref")) {
      rut.prio = parse_number(0, 0xffffffff);
      e = rut.prio < 0 ? -EINVAL : 0;
    } else if (word_is("lookup") || word_is("table")) {
      ru.ru_tableid = word_take() ? word_table() : 0;
      ru.ru_action = FR_ACT_TO_TBL;
      e = ru.ru_tableid == 0 ? -EINVAL : 0;
    } else if (word_is("blackhole")) ru.ru_action = FR_ACT_BLACKHOLE;
    else if (word_is("unreachable")) ru.ru_action = FR_ACT_UNREACHABLE;
    else if (word_is("prohibit")) ru.ru_action = FR_ACT_PROHIBIT;
    else e = parse_selector(ru);
    if (e < 0) return e;
  }
  return 0;
}

/** Obey the `n` bytes at `p`. 0 or -errno. */
export function rule_command(p: usize, n: i32): i32 {
  memory.fill(changetype<usize>(rut.want), 0, offsetof<Fibrule>());
  text_begin(p, n);
  if (!word_take()) return -EINVAL;
  if (word_is("flush")) {
    if (!text_done()) return -EINVAL;
    rule_flush();
    return 0;
  }
  const add = word_is("add");
  if ((!add && !word_is("del")) || text_done()) return -EINVAL;
  const e = parse_rule();
  if (e < 0) return e;
  return add ? rule_add(rut.want, rut.prio) : rule_delete(rut.want, rut.prio);
}

function rule_control(buf: usize, len: i32, newp: usize, newlen: i32): i32 {
  if (newlen > 0) return rule_command(newp, newlen);
  const end = buf + <usize>len;
  let at = buf;
  for (let ru = rule_first(); ru; ru = changetype<Fibrule>(ru.ru_next)) at = kput_char(kput_rule(at, end, ru), end, 10);
  return at == end ? -ERANGE : <i32>(at - buf);
}
