/**
 * sysctls from parameters: sysctl.NAME=VALUE (`-e sysctl.net.inet.ip.forwarding=1`) is written when all
 * components have booted, before the first run. So an image can have other defaults than its components
 * (kernel/conf/ROUTER.json), and a script needs no second command.
 *
 * A number is decimal; what a table takes is as it would be written to it. A name that is not there, or a
 * value that it does not take, ends the boot with a log record that quotes it.
 */
import { EINVAL } from "../abi/errno";
import { CTLTYPE_FUNC, CTLTYPE_INT, LOG_ERR } from "../abi/rump";
import { kmem_alloc } from "./kmem";
import { kparse_u64, kstr_eq } from "./kstring";
import { log_begin, log_bytes, log_end, log_str } from "./log";
import { param_at, param_count, param_len } from "./rumpuser";
import { sysctl_type, sysctl_write } from "./sysctl";

/** Length of "sysctl." */
const PREFIX: i32 = 7;

/** Write the text of `n` bytes at `p` to the sysctl called the `k` bytes at `name`. 0 or -errno. */
function write_text(name: usize, k: i32, p: usize, n: i32, scratch: usize): i32 {
  const type = sysctl_type(name, k);
  if (type < 0) return type;
  if (type == CTLTYPE_FUNC) return min(sysctl_write(name, k, p, n), 0);
  if (type != CTLTYPE_INT) return -EINVAL;
  const v = kparse_u64(p, n);
  if (v < 0 || v > 0x7fffffff) return -EINVAL;
  store<i32>(scratch, <i32>v);
  return sysctl_write(name, k, scratch, 4);
}

/** Obey all of them; 0 or the first -errno. Once, at the end of boot. */
export function sysctl_params(): i32 {
  const scratch = kmem_alloc(8, 8, "sysctl");
  for (let i = 0; i < param_count(); i++) {
    const s = param_at(i);
    const n = param_len(s);
    if (n <= PREFIX || !kstr_eq(s, PREFIX, "sysctl.")) continue;
    let eq = PREFIX;
    while (eq < n && load<u8>(s + eq) != 61) eq++;
    const e = eq < n ? write_text(s + PREFIX, eq - PREFIX, s + eq + 1, n - eq - 1, scratch) : -EINVAL;
    if (e >= 0) continue;
    log_begin(LOG_ERR, "boot");
    log_str("cannot set ");
    log_bytes(s, n);
    log_end();
    return e;
  }
  return 0;
}
