/**
 * The status page: what the server and the kernel under it are doing, as JSON and to be read.
 *
 *      /_status          HTML for whom it is acceptable, else JSON        /_status.json  /_status.html
 *
 * A page is rendered whole, into one of two buffers kept for it. While a slow reader still takes the
 * last rendering from a buffer, other readers get that one too (it is younger than the send timeout),
 * so no memory is needed per reader. Pools come from the kernel's own list of them, so whatever an
 * image is linked from shows up here by itself. Rendering costs about 10 µs.
 */
import { getmicrouptime } from "../../kernel/kern/clock";
import { fd_maxfiles, fd_nfiles } from "../../kernel/kern/file";
import { kmem_alloc, kmem_total, kmem_used } from "../../kernel/kern/kmem";
import { kput_bytes, kput_char, kput_i64, kput_str } from "../../kernel/kern/kstring";
import { Pool, pool_first } from "../../kernel/kern/pool";
import { HTTPD_MAXCONNS, HTTPD_MAXFILES } from "rump/tunables";
import { HTTP_DATE_LEN } from "./http_date";
import { file_count } from "./httpd_file";
import * as s from "./httpd_state";
import { STATUS_ROOM, hd, queue_of } from "./httpd_state";
import { status_text } from "./httpd_head";

/** Of the package; tests/httpd holds it against package.json. */
const VERSION: string = "0.1.0";

/** One rendering: how many are sending it, its length, and STATUS_ROOM octets. */
@unmanaged
export class StatusBuf {
  sb_refs: i32;
  sb_len: i32;
  sb_data: usize;
}

let sb_json: StatusBuf = changetype<StatusBuf>(0);
let sb_html: StatusBuf = changetype<StatusBuf>(0);

function status_alloc(): StatusBuf {
  const sb = changetype<StatusBuf>(kmem_alloc(offsetof<StatusBuf>(), 8, "httpd"));
  sb.sb_data = kmem_alloc(STATUS_ROOM, 64, "httpd.status");
  return sb;
}

export function status_init(): void {
  sb_json = status_alloc();
  sb_html = status_alloc();
}

/** The rendering whose octets are at `mem` is no longer being sent by one of its readers. */
export function status_release(mem: usize): void {
  const sb = sb_json.sb_data == mem ? sb_json : sb_html;
  assert(sb.sb_data == mem && sb.sb_refs > 0, "status_release: what");
  sb.sb_refs--;
}

/** A current rendering, one reader more. */
export function status_page(json: bool): StatusBuf {
  const sb = json ? sb_json : sb_html;
  if (sb.sb_refs == 0) {
    const end = sb.sb_data + <usize>STATUS_ROOM;
    const at = json ? json_put(sb.sb_data, end) : html_put(sb.sb_data, end);
    assert(at < end, "status_page: STATUS_ROOM is too small");
    sb.sb_len = <i32>(at - sb.sb_data);
  }
  sb.sb_refs++;
  return sb;
}

function pool_named(name: string): Pool {
  let p = pool_first();
  while (changetype<usize>(p) != 0 && p.pr_name != name) p = p.pr_next;
  return p;
}

// ── rows: the same numbers for both forms ────────────────────────────────────────────────────────

/** One row: `"name":v` and a comma, or a line of a table. */
function row(at: usize, end: usize, json: bool, name: string, v: i64): usize {
  at = kput_str(at, end, json ? "\"" : "<tr><td>");
  at = kput_str(at, end, name);
  at = kput_str(at, end, json ? "\":" : "<td>");
  at = kput_i64(at, end, v);
  return kput_str(at, end, json ? "," : "\n");
}

/** Begin a group of rows. */
function group(at: usize, end: usize, json: bool, name: string): usize {
  at = kput_str(at, end, json ? "\"" : "<h2>");
  at = kput_str(at, end, name);
  return kput_str(at, end, json ? "\":{" : "</h2>\n<table>\n");
}

/** End it: in JSON the last comma becomes the brace. */
function group_end(at: usize, end: usize, json: bool): usize {
  if (!json) return kput_str(at, end, "</table>\n");
  if (load<u8>(at - 1) == 44) at--;
  return kput_str(at, end, "},");
}

function connections_put(at: usize, end: usize, json: bool): usize {
  at = group(at, end, json, "connections");
  at = row(at, end, json, "open", hd.nconns);
  at = row(at, end, json, "max", HTTPD_MAXCONNS);
  at = row(at, end, json, "idle", queue_of(s.Q_IDLE).q_count + queue_of(s.Q_NEW).q_count);
  at = row(at, end, json, "reading", queue_of(s.Q_HEAD).q_count + queue_of(s.Q_BODY).q_count);
  at = row(at, end, json, "sending", queue_of(s.Q_SEND).q_count);
  at = row(at, end, json, "closing", queue_of(s.Q_LINGER).q_count);
  at = row(at, end, json, "accepted", hd.stat.accepted);
  at = row(at, end, json, "refused", hd.stat.refused);
  at = row(at, end, json, "timeouts", hd.stat.timeouts);
  at = row(at, end, json, "aborted", hd.stat.aborted);
  return group_end(at, end, json);
}

function files_put(at: usize, end: usize, json: bool): usize {
  at = group(at, end, json, "files");
  at = row(at, end, json, "cached", file_count());
  at = row(at, end, json, "max", HTTPD_MAXFILES);
  at = row(at, end, json, "hits", hd.stat.hits);
  at = row(at, end, json, "misses", hd.stat.misses);
  at = row(at, end, json, "stale", hd.stat.stale);
  return group_end(at, end, json);
}

function kernel_put(at: usize, end: usize, json: bool): usize {
  at = group(at, end, json, "sockets");
  const so = pool_named("socket");
  if (changetype<usize>(so) != 0) {
    at = row(at, end, json, "open", so.pr_nout);
    at = row(at, end, json, "hiwat", so.pr_hiwat);
    at = row(at, end, json, "max", so.pr_max);
  }
  at = group_end(at, end, json);
  at = group(at, end, json, "descriptors");
  at = row(at, end, json, "open", fd_nfiles());
  at = row(at, end, json, "max", fd_maxfiles());
  at = group_end(at, end, json);
  at = group(at, end, json, "memory");
  at = row(at, end, json, "used", kmem_used());
  at = row(at, end, json, "total", kmem_total());
  return group_end(at, end, json);
}

/** The answers by status: "404": 3. */
function codes_put(at: usize, end: usize, json: bool): usize {
  at = group(at, end, json, json ? "by_status" : "answers by status");
  for (let code = 100; code < 600; code++) {
    const n = load<u32>(hd.codes + (<usize>(code - 100) << 2));
    if (n == 0) continue;
    at = kput_str(at, end, json ? "\"" : "<tr><td>");
    at = kput_i64(at, end, code);
    if (json) {
      at = kput_str(at, end, "\":");
    } else {
      at = kput_char(at, end, 32);
      at = kput_str(at, end, status_text(code));
      at = kput_str(at, end, "<td>");
    }
    at = kput_i64(at, end, n);
    at = kput_str(at, end, json ? "," : "\n");
  }
  return group_end(at, end, json);
}

/** One field of a pool's line. */
function pool_field(at: usize, end: usize, json: bool, name: string, v: i64): usize {
  if (json) {
    at = kput_str(at, end, ",\"");
    at = kput_str(at, end, name);
    at = kput_str(at, end, "\":");
  } else {
    at = kput_str(at, end, "<td>");
  }
  return kput_i64(at, end, v);
}

function pools_put(at: usize, end: usize, json: bool): usize {
  const heading = "<h2>pools</h2>\n<table>\n<tr><th>name<th>size<th>max<th>in use<th>most<th>failed<th>gets<th>puts\n";
  at = kput_str(at, end, json ? "\"pools\":[" : heading);
  for (let p = pool_first(); changetype<usize>(p) != 0; p = p.pr_next) {
    at = kput_str(at, end, json ? "{\"name\":\"" : "<tr><td>");
    at = kput_str(at, end, p.pr_name);
    if (json) at = kput_char(at, end, 34);
    at = pool_field(at, end, json, "size", p.pr_size);
    at = pool_field(at, end, json, "max", p.pr_max);
    at = pool_field(at, end, json, "inuse", p.pr_nout);
    at = pool_field(at, end, json, "hiwat", p.pr_hiwat);
    at = pool_field(at, end, json, "fail", p.pr_fail);
    at = pool_field(at, end, json, "gets", p.pr_nget);
    at = pool_field(at, end, json, "puts", p.pr_nput);
    at = kput_str(at, end, json ? "}," : "\n");
  }
  if (!json) return kput_str(at, end, "</table>\n");
  return kput_str(at - 1, end, "]");
}

function json_put(at: usize, end: usize): usize {
  at = kput_str(at, end, "{\"server\":\"rumpwasm\",\"version\":\"");
  at = kput_str(at, end, VERSION);
  at = kput_str(at, end, "\",\"date\":\"");
  at = kput_bytes(at, end, hd.date, HTTP_DATE_LEN);
  at = kput_str(at, end, "\",");
  at = row(at, end, true, "uptime_us", getmicrouptime());
  at = row(at, end, true, "bytes_sent", hd.stat.sent);
  at = connections_put(at, end, true);
  at = group(at, end, true, "requests");
  at = row(at, end, true, "total", hd.stat.requests);
  at = codes_put(at, end, true);
  at = group_end(at, end, true);
  at = files_put(at, end, true);
  at = kernel_put(at, end, true);
  at = pools_put(at, end, true);
  return kput_str(at, end, "}\n");
}

function html_put(at: usize, end: usize): usize {
  at = kput_str(at, end, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>rumpwasm status</title>\n");
  at = kput_str(at, end, "<style>body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}");
  at = kput_str(at, end, "table{border-collapse:collapse}td,th{text-align:right;padding:.1em 1em .1em 0}");
  at = kput_str(at, end, "td:first-child,th:first-child{text-align:left}h2{font-size:1.1em;margin:1.2em 0 .3em}</style>\n");
  at = kput_str(at, end, "<h1>rumpwasm ");
  at = kput_str(at, end, VERSION);
  at = kput_str(at, end, "</h1>\n<p>");
  at = kput_bytes(at, end, hd.date, HTTP_DATE_LEN);
  at = kput_str(at, end, ", up for ");
  at = kput_i64(at, end, getmicrouptime() / 1000000);
  at = kput_str(at, end, " s. ");
  at = kput_i64(at, end, hd.stat.requests);
  at = kput_str(at, end, " requests, ");
  at = kput_i64(at, end, hd.stat.sent);
  at = kput_str(at, end, " bytes sent. Also as <a href=\"/_status.json\">JSON</a>.</p>\n");
  at = connections_put(at, end, false);
  at = codes_put(at, end, false);
  at = files_put(at, end, false);
  at = kernel_put(at, end, false);
  at = pools_put(at, end, false);
  return kput_str(at, end, "</html>\n");
}
