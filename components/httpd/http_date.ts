/**
 * Dates as HTTP writes them (RFC 9110 §5.6.7), and as access logs do.
 *
 *      IMF-fixdate   Sun, 06 Nov 1994 08:49:37 GMT      29 octets; the only form we write
 *      RFC 850       Sunday, 06-Nov-94 08:49:37 GMT     read: a year over 50 years ahead is in the past
 *      asctime       Sun Nov  6 08:49:37 1994           read
 *      common log    06/Nov/1994:08:49:37 +0000         26 octets
 *
 * Days are turned into a civil date by counting from the 1st of March of the year 0, so that the leap
 * day is a year's last; the arithmetic is then free of tables and cases. Writing costs about 60 ns,
 * which is why the server does it once a second.
 */

export const HTTP_DATE_LEN: i32 = 29;
export const CLF_DATE_LEN: i32 = 26;

const SECONDS_DAY: i64 = 86400;
/** Days from 0000-03-01 to 1970-01-01. */
const EPOCH_DAYS: i64 = 719468;

const MONTHS: string = "JanFebMarAprMayJunJulAugSepOctNovDec";
const WEEKDAYS: string = "SunMonTueWedThuFriSat";

/** Days since 1970-01-01 of a civil date; month 1 to 12. */
export function days_from_civil(year: i32, month: i32, day: i32): i64 {
  const y = <i64>(month <= 2 ? year - 1 : year);
  const era = (y >= 0 ? y : y - 399) / 400;
  const yoe = y - era * 400;
  const doy = <i64>((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1);
  const doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - EPOCH_DAYS;
}

/** Year << 9 | month << 5 | day of `days` since 1970-01-01. */
export function civil_from_days(days: i64): i32 {
  const z = days + EPOCH_DAYS;
  const era = (z >= 0 ? z : z - 146096) / 146097;
  const doe = z - era * 146097;
  const yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const mp = (5 * doy + 2) / 153;
  const day = <i32>(doy - (153 * mp + 2) / 5 + 1);
  const month = <i32>(mp < 10 ? mp + 3 : mp - 9);
  const year = <i32>(yoe + era * 400) + (month <= 2 ? 1 : 0);
  return (year << 9) | (month << 5) | day;
}

function put2(at: usize, v: i32): void {
  store<u8>(at, <u8>(48 + v / 10));
  store<u8>(at + 1, <u8>(48 + (v % 10)));
}

function put3(at: usize, s: string, index: i32): void {
  for (let i = 0; i < 3; i++) store<u8>(at + i, <u8>s.charCodeAt(index * 3 + i));
}

function put_year(at: usize, v: i32): void {
  put2(at, (v / 100) % 100);
  put2(at + 2, v % 100);
}

function put_time(at: usize, second: i32): void {
  put2(at, second / 3600);
  store<u8>(at + 2, 58);
  put2(at + 3, (second / 60) % 60);
  store<u8>(at + 5, 58);
  put2(at + 6, second % 60);
}

function day_of(secs: i64): i64 {
  return (secs >= 0 ? secs : secs - SECONDS_DAY + 1) / SECONDS_DAY;
}

/** Write the 29 octets of second `secs` since 1970 as an IMF-fixdate. */
export function http_date_put(at: usize, secs: i64): void {
  const days = day_of(secs);
  const c = civil_from_days(days);
  put3(at, WEEKDAYS, <i32>((((days + 4) % 7) + 7) % 7));
  store<u16>(at + 3, 0x202c);
  put2(at + 5, c & 31);
  store<u8>(at + 7, 32);
  put3(at + 8, MONTHS, ((c >> 5) & 15) - 1);
  store<u8>(at + 11, 32);
  put_year(at + 12, c >> 9);
  store<u8>(at + 16, 32);
  put_time(at + 17, <i32>(secs - days * SECONDS_DAY));
  store<u32>(at + 25, 0x544d4720);
}

/** Write the 26 octets of the common log format's time, without its brackets. */
export function clf_date_put(at: usize, secs: i64): void {
  const days = day_of(secs);
  const c = civil_from_days(days);
  put2(at, c & 31);
  store<u8>(at + 2, 47);
  put3(at + 3, MONTHS, ((c >> 5) & 15) - 1);
  store<u8>(at + 6, 47);
  put_year(at + 7, c >> 9);
  store<u8>(at + 11, 58);
  put_time(at + 12, <i32>(secs - days * SECONDS_DAY));
  store<u16>(at + 20, 0x2b20);
  store<u32>(at + 22, 0x30303030);
}

/** `n` digits at `p` as a number; -1 if one is none. */
function digits(p: usize, n: i32): i32 {
  let v = 0;
  for (let i = 0; i < n; i++) {
    const d = <i32>load<u8>(p + i) - 48;
    if (<u32>d > 9) return -1;
    v = v * 10 + d;
  }
  return v;
}

/** Index of the three letters at `p` (case-sensitive, as the grammar is) in a table; -1 if not there. */
function index3(p: usize, s: string): i32 {
  for (let i = 0; i + 3 <= s.length; i += 3) {
    let j = 0;
    while (j < 3 && <i32>load<u8>(p + j) == s.charCodeAt(i + j)) j++;
    if (j == 3) return i / 3;
  }
  return -1;
}

/** "HH:MM:SS" at `p` as seconds of the day; -1 if malformed. A leap second counts as the next. */
function parse_time(p: usize): i32 {
  const h = digits(p, 2);
  const m = digits(p + 3, 2);
  const s = digits(p + 6, 2);
  if (load<u8>(p + 2) != 58 || load<u8>(p + 5) != 58) return -1;
  if (<u32>h > 23 || <u32>m > 59 || <u32>s > 60) return -1;
  return h * 3600 + m * 60 + s;
}

/** Days in `month` (1 to 12) of `year`. */
function month_days(year: i32, month: i32): i32 {
  return <i32>(days_from_civil(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - days_from_civil(year, month, 1));
}

function compose(year: i32, mon: i32, day: i32, time: i32): i64 {
  if (year < 0 || mon < 0 || time < 0 || day < 1 || day > month_days(year, mon + 1)) return -1;
  return days_from_civil(year, mon + 1, day) * SECONDS_DAY + time;
}

function is_gmt(p: usize): bool {
  return load<u32>(p) == 0x544d4720;
}

/** IMF-fixdate, `n` octets. The day's name must be one; that it be the right one is not required. */
function parse_imf(p: usize): i64 {
  const sep = load<u16>(p + 3) == 0x202c && load<u8>(p + 7) == 32 && load<u8>(p + 11) == 32 && load<u8>(p + 16) == 32;
  if (!sep || index3(p, WEEKDAYS) < 0 || !is_gmt(p + 25)) return -1;
  return compose(digits(p + 12, 4), index3(p + 8, MONTHS), digits(p + 5, 2), parse_time(p + 17));
}

/** RFC 850: `comma` octets of the day's name first. */
function parse_850(p: usize, n: i32, comma: i32, now: i64): i64 {
  const q = p + comma;
  if (n != comma + 24 || load<u16>(q) != 0x202c || load<u8>(q + 4) != 45 || load<u8>(q + 8) != 45) return -1;
  if (load<u8>(q + 11) != 32 || !is_gmt(q + 20) || index3(p, WEEKDAYS) < 0) return -1;
  const yy = digits(q + 9, 2);
  if (yy < 0) return -1;
  const thisyear = civil_from_days(day_of(now)) >> 9;
  let year = thisyear - (thisyear % 100) + yy;
  if (year > thisyear + 50) year -= 100;
  else if (year <= thisyear - 50) year += 100;
  return compose(year, index3(q + 5, MONTHS), digits(q + 2, 2), parse_time(q + 12));
}

/** asctime: the day of the month is padded with a space. */
function parse_asctime(p: usize): i64 {
  const sep = load<u8>(p + 3) == 32 && load<u8>(p + 7) == 32 && load<u8>(p + 10) == 32 && load<u8>(p + 19) == 32;
  if (!sep || index3(p, WEEKDAYS) < 0) return -1;
  const day = load<u8>(p + 8) == 32 ? digits(p + 9, 1) : digits(p + 8, 2);
  return compose(digits(p + 20, 4), index3(p + 4, MONTHS), day, parse_time(p + 11));
}

/** Seconds since 1970 of the date that `n` octets at `p` spell, in any of the three forms; -1 if none. */
export function http_date_parse(p: usize, n: i32, now: i64): i64 {
  if (n < 24 || n > 33) return -1;
  if (n == HTTP_DATE_LEN && load<u8>(p + 3) == 44) return parse_imf(p);
  for (let comma = 6; comma <= 9 && comma < n; comma++) {
    if (load<u8>(p + comma) == 44) return parse_850(p, n, comma, now);
  }
  return n == 24 ? parse_asctime(p) : -1;
}
