/**
 * "route get": which way a packet would take, and why.
 *
 *      get ADDR [from S] [iif IF] [oif IF] [tos N] [mark N]
 *          10.1.0.0/16 10.0.0.2 UGS virt0 …        the route, "-" if a rule refuses
 *          32766: from all lookup main             the rule that led to it
 *          10.0.0.2 virt0 10.0.0.1 1280 597 …      the way: path and exceptions looked at (route_show.ts)
 */
import { EINVAL, ENXIO, ERANGE, ESRCH } from "../../kernel/abi/errno";
import { kmem_alloc } from "../../kernel/kern/kmem";
import { kput_char, kput_str } from "../../kernel/kern/kstring";
import { getmicrouptime } from "../../kernel/kern/clock";
import { fib_path_of } from "./fib_nexthop";
import { Fibent } from "./fib_table";
import { Fibexc, exc_find } from "./route_exception";
import { Fibrule, Rtkey, rule_lookup, rule_of, rule_route } from "./route_rule";
import { kput_rule } from "./route_rule_text";
import { kput_route, kput_way } from "./route_show";
import { text_begin, word_accept, word_interface, word_ipv4, word_is, word_number, word_take } from "./route_text";

let rgk: Rtkey = changetype<Rtkey>(0);

export function rt_get_boot(): void {
  rgk = changetype<Rtkey>(kmem_alloc(offsetof<Rtkey>(), 8, "route"));
}

/** What follows the name just taken. 0 or -errno. */
function parse_key(): i32 {
  const from = word_is("from");
  const iif = word_is("iif");
  const oif = word_is("oif");
  const tos = word_is("tos");
  if ((!from && !iif && !oif && !tos && !word_is("mark")) || !word_take()) return -EINVAL;
  if (iif || oif) {
    const index = word_interface();
    if (iif) rgk.rk_iif = index;
    else rgk.rk_oif = index;
    return index == 0 ? -ENXIO : 0;
  }
  const v = from ? word_ipv4() : word_number();
  if (v < 0 || (tos && v > 255)) return -EINVAL;
  if (from) rgk.rk_src = <u32>v;
  else if (tos) rgk.rk_tos = <i32>v;
  else rgk.rk_mark = <u32>v;
  return 0;
}

/** Answer the question of `n` bytes at `p`. Bytes written, -ESRCH, -ERANGE, -EINVAL or -ENXIO. */
export function rt_question(buf: usize, len: i32, p: usize, n: i32): i32 {
  memory.fill(changetype<usize>(rgk), 0, offsetof<Rtkey>());
  text_begin(p, n);
  if (!word_accept("get") || !word_take()) return -EINVAL;
  const dst = word_ipv4();
  if (dst < 0) return -EINVAL;
  rgk.rk_dst = <u32>dst;
  while (word_take()) {
    const e = parse_key();
    if (e < 0) return e;
  }
  const ru = rule_of(rgk);
  if (!ru) return -ESRCH;
  return put_answer(buf, buf + <usize>len, ru, rule_route(ru, rgk.rk_dst));
}

function put_answer(buf: usize, end: usize, ru: Fibrule, fe: Fibent): i32 {
  let at = fe ? kput_route(buf, end, fe) : kput_str(buf, end, "-\n");
  at = kput_char(kput_rule(at, end, ru), end, 10);
  let rt = rule_lookup(rgk);
  if (rt.rt_paths != 0) rt = fib_path_of(rt, rgk.rk_dst, rgk.rk_src, 0);
  const x = rgk.rk_iif == 0 ? exc_find(rt, rgk.rk_dst) : changetype<Fibexc>(0);
  if (x) at = kput_way(at, end, x, max<i64>(x.ex_until_us - getmicrouptime(), 0) / 1000000);
  else at = kput_way(at, end, rt, -1);
  at = kput_char(at, end, 10);
  return at == end ? -ERANGE : <i32>(at - buf);
}
