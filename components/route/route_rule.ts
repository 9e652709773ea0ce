/**
 * Policy rules: which tables a packet is looked up in, by more than where it goes (the RPDB).
 *
 *      priority   selector                                      action
 *             0   everything                                    table local
 *         32766   everything                                    table main
 *         32767   everything                                    table default
 *
 * Rules are tried by priority; of those that fit, the first whose table has a way decides. Selectors are
 * source and destination prefix, TOS, mark, the interface that it came by (or the loopback, for what is
 * made here) and the one that its socket is bound to. An action is a table, or a refusal.
 *
 * The list is walked a packet only while it is not the one above: with that one the three tables are asked
 * directly, and an empty one costs one compare. Rules come from a pool (ROUTE_MAXRULES) and are few.
 */
import { EEXIST, EINVAL, ENOBUFS, ESRCH } from "../../kernel/abi/errno";
import { IFF_LOOPBACK } from "../../kernel/abi/if";
import { ROUTE_MAXRULES } from "rump/tunables";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { Pool, pool_getz, pool_init, pool_put } from "../../kernel/kern/pool";
import { if_byindex } from "../../kernel/net/ifnet";
import {
  RTF_BLACKHOLE, RTF_PROHIBIT, RTF_REJECT, RTF_UP, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, Rtentry,
} from "../../kernel/net/route";
import { Fibent, Fibtable, table_find, table_lookup, table_make, table_route } from "./fib_table";
import { rt_touch } from "./fib_gen";
import { rt_nowhere_ifp } from "./route_way";

/** Actions, by the numbers of fib_rules.h. */
export const FR_ACT_TO_TBL: i32 = 1;
export const FR_ACT_BLACKHOLE: i32 = 6;
export const FR_ACT_UNREACHABLE: i32 = 7;
export const FR_ACT_PROHIBIT: i32 = 8;

/** Priorities of the rules that are there from the start; the largest. */
const PRIO_MAIN: u32 = 32766;
const PRIO_DEFAULT: u32 = 32767;

/** What a packet is looked up by. */
@unmanaged
export class Rtkey {
  rk_dst: u32;
  rk_src: u32;
  rk_tos: i32;
  rk_iif: i32;
  rk_oif: i32;
  rk_mark: u32;
}

@unmanaged
export class Fibrule {
  ru_next: usize;
  ru_prio: u32;
  /* The selector: from ru_from up to ru_action. 0 in a mask or an index: anything. */
  ru_from: u32;
  ru_frommask: u32;
  ru_to: u32;
  ru_tomask: u32;
  ru_tos: i32;
  ru_iif: i32;
  ru_oif: i32;
  ru_mark: u32;
  ru_markmask: u32;
  /** 1: packets that do not fit are meant. */
  ru_not: i32;
  ru_action: i32;
  ru_tableid: i32;
  ru_table: Fibtable;
}

@unmanaged
class RuleState {
  pool: Pool;
  first: usize;
  /** The list is that of the start. */
  plain: bool;
  count: i32;
  /** Answers of rules that refuse: blackhole, unreachable, prohibit. */
  refusals: usize;
}

let rus: RuleState = changetype<RuleState>(0);

export function rule_boot(): void {
  rus = changetype<RuleState>(kmem_alloc(offsetof<RuleState>(), 64, "route"));
  rus.pool = pool_init("fibrule", <u32>offsetof<Fibrule>(), ROUTE_MAXRULES, 8);
  rus.refusals = kmem_alloc(3 * offsetof<Rtentry>(), 8, "route");
  refusal(0).rt_flags = RTF_UP | RTF_BLACKHOLE;
  refusal(1).rt_flags = RTF_UP | RTF_REJECT;
  refusal(2).rt_flags = RTF_UP | RTF_REJECT | RTF_PROHIBIT;
  rule_start(0, RT_TABLE_LOCAL);
  rule_start(PRIO_MAIN, RT_TABLE_MAIN);
  rule_start(PRIO_DEFAULT, RT_TABLE_DEFAULT);
}

function rule_start(prio: u32, table: i32): void {
  const ru = changetype<Fibrule>(pool_getz(rus.pool));
  ru.ru_prio = prio;
  ru.ru_action = FR_ACT_TO_TBL;
  ru.ru_tableid = table;
  ru.ru_table = table_find(table);
  rule_link(ru);
}

function refusal(i: i32): Rtentry {
  return changetype<Rtentry>(rus.refusals + <usize>i * offsetof<Rtentry>());
}

// ── look-up ──────────────────────────────────────────────────────────────────────────────────────

/** Is the list that of the start, so that rt_lookup answers what rules would? */
export function rule_plain(): bool {
  return rus.plain;
}

/** Did a packet with interface `iif` come by interface `want`? What is made here came by the loopback. */
function came_by(iif: i32, want: i32): bool {
  if (iif != 0) return iif == want;
  return (if_byindex(want).if_flags & IFF_LOOPBACK) != 0;
}

function rule_fits(ru: Fibrule, k: Rtkey): bool {
  let fits = ((k.rk_src ^ ru.ru_from) & ru.ru_frommask) == 0 && ((k.rk_dst ^ ru.ru_to) & ru.ru_tomask) == 0
    && ((k.rk_mark ^ ru.ru_mark) & ru.ru_markmask) == 0;
  if (ru.ru_tos != 0 && k.rk_tos != ru.ru_tos) fits = false;
  if (ru.ru_iif != 0 && !came_by(k.rk_iif, ru.ru_iif)) fits = false;
  if (ru.ru_oif != 0 && k.rk_oif != ru.ru_oif) fits = false;
  return fits != (ru.ru_not != 0);
}

/** The first rule from `ru` on that decides about `k`, or null. */
function rule_deciding(k: Rtkey): Fibrule {
  let ru = changetype<Fibrule>(rus.first);
  for (; ru; ru = changetype<Fibrule>(ru.ru_next)) {
    if (!rule_fits(ru, k)) continue;
    if (ru.ru_action != FR_ACT_TO_TBL || table_lookup(ru.ru_table, k.rk_dst)) break;
  }
  return ru;
}

/** The way of a packet like `k`, by the rules; null if none has one. */
export function rule_lookup(k: Rtkey): Rtentry {
  for (let ru = changetype<Fibrule>(rus.first); ru; ru = changetype<Fibrule>(ru.ru_next)) {
    if (!rule_fits(ru, k)) continue;
    if (ru.ru_action != FR_ACT_TO_TBL) return rule_refusal(ru);
    const rt = table_lookup(ru.ru_table, k.rk_dst);
    if (rt) return rt;
  }
  return changetype<Rtentry>(0);
}

function rule_refusal(ru: Fibrule): Rtentry {
  const rt = refusal(ru.ru_action - FR_ACT_BLACKHOLE);
  rt.rt_ifp = rt_nowhere_ifp();
  return rt;
}

/** The rule that decides about `k`, or null: for those who ask why. */
export function rule_of(k: Rtkey): Fibrule {
  return rule_deciding(k);
}

/** The route that `ru` leads packets to `dst` by; null when it refuses. */
export function rule_route(ru: Fibrule, dst: u32): Fibent {
  return ru.ru_action == FR_ACT_TO_TBL ? table_route(ru.ru_table, dst) : changetype<Fibent>(0);
}

// ── changes ──────────────────────────────────────────────────────────────────────────────────────

/** Behind the others of its priority. */
function rule_link(ru: Fibrule): void {
  let at = changetype<usize>(rus) + offsetof<RuleState>("first");
  for (let n = changetype<Fibrule>(load<usize>(at)); n && n.ru_prio <= ru.ru_prio; n = changetype<Fibrule>(load<usize>(at))) {
    at = changetype<usize>(n) + offsetof<Fibrule>("ru_next");
  }
  ru.ru_next = load<usize>(at);
  store<usize>(at, changetype<usize>(ru));
  if (ru.ru_table) ru.ru_table.tb_rules++;
  rule_changed(1);
}

function rule_unlink(ru: Fibrule): void {
  let at = changetype<usize>(rus) + offsetof<RuleState>("first");
  while (load<usize>(at) != changetype<usize>(ru)) at = load<usize>(at) + offsetof<Fibrule>("ru_next");
  store<usize>(at, ru.ru_next);
  if (ru.ru_table) ru.ru_table.tb_rules--;
  pool_put(rus.pool, changetype<usize>(ru));
  rule_changed(-1);
}

/** Is `ru` the rule that leads everything to `table`, at `prio`? */
function rule_is(ru: Fibrule, prio: u32, table: i32): bool {
  return ru && ru.ru_prio == prio && ru.ru_tableid == table && rule_selects(ru) == 0 && ru.ru_action == FR_ACT_TO_TBL;
}

/** Not 0 if `ru` does not take every packet. */
function rule_selects(ru: Fibrule): u32 {
  return ru.ru_frommask | ru.ru_tomask | ru.ru_markmask | <u32>(ru.ru_tos | ru.ru_iif | ru.ru_oif | ru.ru_not);
}

function rule_changed(by: i32): void {
  rus.count += by;
  const a = changetype<Fibrule>(rus.first);
  const b = changetype<Fibrule>(a ? a.ru_next : 0);
  const c = changetype<Fibrule>(b ? b.ru_next : 0);
  rus.plain = rus.count == 3 && rule_is(a, 0, RT_TABLE_LOCAL) && rule_is(b, PRIO_MAIN, RT_TABLE_MAIN)
    && rule_is(c, PRIO_DEFAULT, RT_TABLE_DEFAULT);
  rt_touch();
}

/** The priority of a rule that was given none: before the first but that of the local table, as ip-rule has it. */
function rule_freeprio(): u32 {
  const a = changetype<Fibrule>(rus.first);
  const b = changetype<Fibrule>(a ? a.ru_next : 0);
  return b && b.ru_prio > 0 ? b.ru_prio - 1 : 0;
}

/** Do selector and action of `a` and `b` agree? Of `b` only what is said counts, if `loose`. */
function rule_agrees(a: Fibrule, b: Fibrule, loose: bool): bool {
  const from = offsetof<Fibrule>("ru_from");
  for (let at = from; at <= offsetof<Fibrule>("ru_tableid"); at += 4) {
    const want = load<u32>(changetype<usize>(b) + at);
    if (load<u32>(changetype<usize>(a) + at) != want && !(loose && want == 0)) return false;
  }
  return true;
}

/**
 * Add a rule like `want` (its list fields are not looked at) at priority `prio`, -1: before those that there are.
 * 0, -EINVAL (no action), -EEXIST, -ENOBUFS.
 */
export function rule_add(want: Fibrule, prio: i64): i32 {
  if (want.ru_action == 0) return -EINVAL;
  const at = prio < 0 ? rule_freeprio() : <u32>prio;
  for (let ru = changetype<Fibrule>(rus.first); ru; ru = changetype<Fibrule>(ru.ru_next)) {
    if (ru.ru_prio == at && rule_agrees(ru, want, false)) return -EEXIST;
  }
  const tb = want.ru_action == FR_ACT_TO_TBL ? table_make(want.ru_tableid) : changetype<Fibtable>(0);
  if (want.ru_action == FR_ACT_TO_TBL && !tb) return -ENOBUFS;
  const ru = changetype<Fibrule>(pool_getz(rus.pool));
  if (!ru) return -ENOBUFS;
  memory.copy(changetype<usize>(ru), changetype<usize>(want), offsetof<Fibrule>());
  ru.ru_prio = at;
  ru.ru_table = tb;
  rule_link(ru);
  return 0;
}

/** Delete the first rule that agrees with what `want` and `prio` (-1: any) say. 0, -ESRCH. */
export function rule_delete(want: Fibrule, prio: i64): i32 {
  for (let ru = changetype<Fibrule>(rus.first); ru; ru = changetype<Fibrule>(ru.ru_next)) {
    if ((prio >= 0 && <i64>ru.ru_prio != prio) || !rule_agrees(ru, want, true)) continue;
    rule_unlink(ru);
    return 0;
  }
  return -ESRCH;
}

/** Delete all rules but those of priority 0, as ip-rule does. */
export function rule_flush(): void {
  let ru = changetype<Fibrule>(rus.first);
  while (ru) {
    const next = changetype<Fibrule>(ru.ru_next);
    if (ru.ru_prio != 0) rule_unlink(ru);
    ru = next;
  }
}

/** The first rule, the others by ru_next. */
export function rule_first(): Fibrule {
  return changetype<Fibrule>(rus.first);
}
