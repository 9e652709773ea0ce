/**
 * Role `rtcache` in an image without one (components/rtcache): nothing is remembered, and the compiler makes
 * nothing of the calls.
 */
import { Rtentry } from "../../kernel/net/route";

export const RTC_NO_ROUTE: i32 = 0;
export const RTC_BRD: i32 = 1;
export const RTC_MARTIAN_DST: i32 = 2;
export const RTC_MARTIAN_SRC: i32 = 3;
export const RTC_IN_MC: i32 = 4;
export const RTC_OUT_MC: i32 = 5;

/** No way is remembered. */
export function rtcache_in(dst: u32, src: u32, tos: i32, iif: i32): Rtentry {
  return changetype<Rtentry>(0);
}

/** No way is remembered. */
export function rtcache_out(dst: u32, src: u32, tos: i32): Rtentry {
  return changetype<Rtentry>(0);
}

export function rtcache_put(dst: u32, src: u32, tos: i32, iif: i32, rt: Rtentry): void {}

export function rtcache_note(what: i32): void {}
