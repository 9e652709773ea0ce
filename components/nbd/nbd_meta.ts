/**
 * Metadata contexts: LIST_META_CONTEXT and SET_META_CONTEXT. There is one, base:allocation.
 *
 *      | length u32 | export | queries u32 | length u32 | query | …
 *
 * To list, no query at all and "base:" mean everything there is; to set, only the full name counts.
 */
import { kstr_eq } from "../../kernel/kern/kstring";
import { NC_META, NC_STRUCTURED } from "./nbd_check";
import { nbd_export_find, nbd_export_unit } from "./nbd_export";
import { hello_reply } from "./nbd_hello";
import {
  NBD_META_ALLOCATION, NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK, NBD_REP_ERR_INVALID, NBD_REP_ERR_UNKNOWN, NBD_REP_META_CONTEXT, be32,
  put32,
} from "./nbd_proto";
import { Conn } from "./nbd_state";

const NAME_LENGTH: i32 = 15;

/** Do the queries from `at` to `end` ask for base:allocation? 1, 0, or -1 if they are malformed. */
export function meta_wanted(at: usize, end: usize, setting: bool): i32 {
  if (end - at < 4) return -1;
  const n = be32(at);
  at += 4;
  let wanted = i32(n == 0 && !setting);
  for (let i: u32 = 0; i < n; i++) {
    if (end - at < 4) return -1;
    const len = be32(at);
    at += 4;
    if (len > <u32>(end - at)) return -1;
    if (kstr_eq(at, len, "base:allocation") || (!setting && kstr_eq(at, len, "base:"))) wanted = 1;
    at += len;
  }
  return at == end ? wanted : -1;
}

/** Answer the option. */
export function nbd_meta(c: Conn, option: u32, data: usize, len: i32): void {
  const setting = option == NBD_OPT_SET_META_CONTEXT;
  const namelen = len >= 8 ? be32(data) : 0;
  let wanted = -1;
  if (len >= 8 && namelen <= <u32>len - 8 && (c.c_may & NC_STRUCTURED) != 0) {
    wanted = meta_wanted(data + 4 + namelen, data + len, setting);
  }
  if (setting) c.c_may &= ~NC_META;
  if (wanted < 0) {
    hello_reply(c, option, NBD_REP_ERR_INVALID, 0);
    return;
  }
  const i = nbd_export_find(data + 4, namelen);
  if (i < 0) {
    hello_reply(c, option, NBD_REP_ERR_UNKNOWN, 0);
    return;
  }
  if (wanted > 0) {
    const at = put32(hello_reply(c, option, NBD_REP_META_CONTEXT, 4 + NAME_LENGTH), setting ? NBD_META_ALLOCATION : 0);
    name_put(at);
    if (setting) {
      c.c_may |= NC_META;
      c.c_metaunit = nbd_export_unit(i);
    }
  }
  hello_reply(c, option, NBD_REP_ACK, 0);
}

/** The 15 bytes of the context's name. */
function name_put(at: usize): void {
  const name = "base:allocation";
  for (let i = 0; i < NAME_LENGTH; i++) store<u8>(at + i, <u8>name.charCodeAt(i));
}
