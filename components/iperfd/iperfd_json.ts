/**
 * As much JSON as iperf3's two messages need: one flat object is read by name, one is written.
 *
 * Reading looks for `"name":` outside of strings and takes the number or true/false behind it; names
 * in iperf3's parameters are unique, nested objects do not occur. Nothing is believed beyond its end.
 */
import { kput_char, kput_i64, kput_str, kput_u64 } from "../../kernel/kern/kstring";
import { IperfState, Stream, ip3, stream_at } from "./iperfd_state";

function name_at(p: usize, end: usize, name: string): bool {
  const n = name.length;
  if (p + <usize>n + 2 > end || load<u8>(p + 1 + n) != 34) return false;
  for (let i = 0; i < n; i++) if (<i32>load<u8>(p + 1 + i) != name.charCodeAt(i)) return false;
  return true;
}

/** The number (true = 1, false = 0) of member `name` in the `len` bytes at `json`; `absent` if it is not there. */
export function json_number(json: usize, len: i32, name: string, absent: f64): f64 {
  const end = json + <usize>len;
  for (let p = json; p < end; p++) {
    if (load<u8>(p) != 34) continue;
    const hit = name_at(p, end, name);
    // Over the string, whatever it is.
    for (p++; p < end && load<u8>(p) != 34; p++) if (load<u8>(p) == 92) p++;
    if (!hit) continue;
    for (p++; p < end && (load<u8>(p) == 32 || load<u8>(p) == 58 || load<u8>(p) == 9); ) p++;
    return json_value(p, end, absent);
  }
  return absent;
}

function json_value(p: usize, end: usize, absent: f64): f64 {
  if (p >= end) return absent;
  if (load<u8>(p) == 116) return 1;
  if (load<u8>(p) == 102) return 0;
  let v: f64 = 0;
  let digits = 0;
  let scale: f64 = 0;
  const neg = load<u8>(p) == 45;
  if (neg) p++;
  for (; p < end; p++) {
    const c = <i32>load<u8>(p);
    if (c == 46 && scale == 0) {
      scale = 1;
      continue;
    }
    if (c < 48 || c > 57) break;
    digits++;
    if (scale != 0) {
      scale /= 10;
      v += <f64>(c - 48) * scale;
    } else v = v * 10 + <f64>(c - 48);
  }
  if (digits == 0) return absent;
  return neg ? -v : v;
}

function put_member(at: usize, end: usize, name: string, v: i64): usize {
  return kput_i64(kput_str(at, end, name), end, v);
}

/** Seconds with six decimals, from µs. */
function put_seconds(at: usize, end: usize, us: i64): usize {
  at = kput_char(kput_u64(at, end, <u64>(us / 1000000)), end, 46);
  let div: i64 = 100000;
  for (; div > 0; div /= 10) at = kput_char(at, end, <i32>(48 + us / div % 10));
  return at;
}

function put_stream(at: usize, end: usize, s: Stream): usize {
  at = put_member(at, end, "{\"id\":", s.s_id);
  at = kput_u64(kput_str(at, end, ",\"bytes\":"), end, s.s_bytes);
  at = kput_str(at, end, ",\"retransmits\":-1,\"jitter\":");
  at = put_seconds(at, end, <i64>s.s_jitter_us);
  at = put_member(at, end, ",\"errors\":", s.s_lost > 0 ? s.s_lost : 0);
  at = kput_str(at, end, ",\"omitted_errors\":0,\"omitted_packets\":0");
  at = kput_u64(kput_str(at, end, ",\"packets\":"), end, s.s_sender != 0 ? s.s_pkts : s.s_highest);
  at = kput_str(at, end, ",\"start_time\":0,\"end_time\":");
  at = put_seconds(at, end, ip3.end_us - ip3.start_us);
  return kput_char(at, end, 125);
}

/** Our results of the test in `st`, at `p`, not beyond `end`; the address after them. */
export function json_results(st: IperfState, p: usize, end: usize): usize {
  let at = kput_str(p, end, "{\"cpu_util_total\":0,\"cpu_util_user\":0,\"cpu_util_system\":0,\"sender_has_retransmits\":0,");
  at = kput_str(at, end, "\"streams\":[");
  for (let i = 0; i < st.nstreams; i++) {
    if (i > 0) at = kput_char(at, end, 44);
    at = put_stream(at, end, stream_at(i));
  }
  return kput_str(at, end, "]}");
}
