/*
 * A whole image in a C program: FS, a kernel with a file system in memory, and its host.
 *
 *     rumpwasm build FS
 *     wasm2c -n fs build/FS.wasm -o fs.wasm.c                       (wabt 1.0.32)
 *     cc -O2 -I. -I/usr/share/wabt/wasm2c examples/embed/fs.c fs.wasm.c \
 *        /usr/share/wabt/wasm2c/wasm-rt-impl.c -lm -o fs
 *     ./fs
 *
 * The host is the two import modules that the image names: rumpuser, and the part of WASI it uses.
 * Time is the caller's: rump_run(now) does what is due and answers when to be called next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/random.h>
#include "fs.wasm.h"

static Z_fs_instance_t fs;
static const char *const params[] = { "HOSTNAME=c" };
enum { NPARAMS = 1 };

struct Z_rumpuser_instance_t { int unused; };
struct Z_wasi_snapshot_preview1_instance_t { int unused; };

static uint8_t *at(u32 address) { return Z_fsZ_memory(&fs)->data + address; }
static void put32(u32 address, u32 value) { memcpy(at(address), &value, 4); }
static void put64(u32 address, u64 value) { memcpy(at(address), &value, 8); }

static u64 clock_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* ── rumpuser ───────────────────────────────────────────────────────────────────────────────────── */

u32 Z_rumpuserZ_hyp_init(struct Z_rumpuser_instance_t *h, u32 version) { return version == 1 ? 0 : (u32)-43; }
void Z_rumpuserZ_hyp_exit(struct Z_rumpuser_instance_t *h, u32 status) { printf("exit %u\n", status); }
void Z_rumpuserZ_hyp_log(struct Z_rumpuser_instance_t *h, u32 level, u32 ptr, u32 len) {
  printf("<%u> %.*s\n", level, (int)len, (char *)at(ptr));
}
void Z_rumpuserZ_hyp_panic(struct Z_rumpuser_instance_t *h, u32 ptr, u32 len) {
  fprintf(stderr, "panic: %.*s\n", (int)len, (char *)at(ptr));
  abort();
}

/* ── WASI ───────────────────────────────────────────────────────────────────────────────────────── */

typedef struct Z_wasi_snapshot_preview1_instance_t wasi;

u32 Z_wasi_snapshot_preview1Z_clock_time_get(wasi *w, u32 id, u64 precision, u32 time) {
  put64(time, clock_ns(id == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC));
  return 0;
}
u32 Z_wasi_snapshot_preview1Z_random_get(wasi *w, u32 buf, u32 len) {
  return getrandom(at(buf), len, 0) == (ssize_t)len ? 0 : 29;
}
u32 Z_wasi_snapshot_preview1Z_environ_sizes_get(wasi *w, u32 count, u32 size) {
  u32 bytes = 0;
  for (int i = 0; i < NPARAMS; i++) bytes += (u32)strlen(params[i]) + 1;
  put32(count, NPARAMS);
  put32(size, bytes);
  return 0;
}
u32 Z_wasi_snapshot_preview1Z_environ_get(wasi *w, u32 table, u32 buf) {
  for (int i = 0; i < NPARAMS; i++, table += 4) {
    put32(table, buf);
    strcpy((char *)at(buf), params[i]);
    buf += (u32)strlen(params[i]) + 1;
  }
  return 0;
}
/* Of the command form, _start, which is not used here. */
u32 Z_wasi_snapshot_preview1Z_poll_oneoff(wasi *w, u32 in, u32 out, u32 n, u32 nevents) { return 52; }
void Z_wasi_snapshot_preview1Z_proc_exit(wasi *w, u32 status) { exit((int)status); }

/* ── system calls ───────────────────────────────────────────────────────────────────────────────── */

enum { SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_close = 6, SYS_lseek = 199 };
enum { O_RDWR_ = 2, O_CREAT_ = 0x200 };

static s32 call(u32 nr, u32 a, u32 b, u32 c, u32 d) { return (s32)Z_fsZ_rump_syscall(&fs, nr, a, b, c, d, 0, 0); }

int main(void) {
  struct Z_rumpuser_instance_t rumpuser = { 0 };
  wasi w = { 0 };
  wasm_rt_init();
  Z_fs_init_module();
  Z_fs_instantiate(&fs, &rumpuser, &w);
  if (Z_fsZ_rump_abi(&fs) != 1) return 2;
  s32 e = (s32)Z_fsZ_rump_init(&fs);
  if (e < 0) {
    fprintf(stderr, "rump_init: errno %d\n", -e);
    return 1;
  }

  u32 buf = Z_fsZ_rump_hostbuf(&fs); /* arguments travel in the exchange area */
  const char path[] = "/greeting", text[] = "hello from a kernel";
  memcpy(at(buf), path, sizeof path - 1);
  s32 fd = call(SYS_open, buf, sizeof path - 1, O_RDWR_ | O_CREAT_, 0644);
  memcpy(at(buf), text, sizeof text - 1);
  s32 wrote = call(SYS_write, (u32)fd, buf, sizeof text - 1, 0);
  call(SYS_lseek, (u32)fd, 0, 0, 0);
  memset(at(buf), 0, 64);
  s32 got = call(SYS_read, (u32)fd, buf, 64, 0);
  printf("fd %d, wrote %d, read %d: %.*s\n", fd, wrote, got, (int)got, (char *)at(buf));
  call(SYS_close, (u32)fd, 0, 0, 0);
  printf("open of nothing: %d\n", call(SYS_open, buf, 5, 0, 0));

  f64 next = Z_fsZ_rump_run(&fs, (f64)(clock_ns(CLOCK_MONOTONIC) / 1000));
  printf("next deadline: %.0f\n", next);
  Z_fsZ_rump_shutdown(&fs);
  Z_fs_free(&fs);
  return 0;
}
