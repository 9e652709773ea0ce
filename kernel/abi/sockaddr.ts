/**
 * Socket addresses, NetBSD's layouts (a length byte first), shared by the image and the host.
 *
 *     sockaddr       | len u8 | family u8 | …
 *     sockaddr_in    | 16 | 2  | port u16 BE | addr 4 bytes | zero 8 |                        16 bytes
 *     sockaddr_in6   | 28 | 24 | port u16 BE | flowinfo u32 BE | addr 16 bytes | scope u32 |  28 bytes
 *     sockaddr_un    | n  | 1  | path, up to 104 bytes, need not end in a NUL |              2 to 106 bytes
 *     sockaddr_dl    | 20 | 18 | index u16 | type u8 | nlen u8 | alen u8 | slen u8 | 12 bytes |
 *
 * Compiled by asc and by tsc alike: constants only.
 */
export const SA_LEN: i32 = 0;
export const SA_FAMILY: i32 = 1;
export const SA_DATA: i32 = 2;
/** No sockaddr is longer: buffers for any of them. */
export const SOCK_MAXADDRLEN: i32 = 128;

export const SOCKADDR_IN_SIZE: i32 = 16;
export const SIN_PORT: i32 = 2;
export const SIN_ADDR: i32 = 4;
export const SIN_ZERO: i32 = 8;

export const SOCKADDR_IN6_SIZE: i32 = 28;
export const SIN6_PORT: i32 = 2;
export const SIN6_FLOWINFO: i32 = 4;
export const SIN6_ADDR: i32 = 8;
export const SIN6_SCOPE_ID: i32 = 24;

export const SOCKADDR_UN_MAX: i32 = 106;
export const SUN_PATH: i32 = 2;
export const SUN_PATHLEN: i32 = 104;

export const SOCKADDR_DL_SIZE: i32 = 20;
export const SDL_INDEX: i32 = 2;
export const SDL_TYPE: i32 = 4;
export const SDL_NLEN: i32 = 5;
export const SDL_ALEN: i32 = 6;
export const SDL_SLEN: i32 = 7;
export const SDL_DATA: i32 = 8;
