/*
 * The component lzo in a C program: no JavaScript, no WebAssembly at run time.
 *
 *     rumpwasm build --component lzo
 *     wasm2c -n lzo build/component-lzo.wasm -o lzo.wasm.c          (wabt 1.0.32)
 *     cc -O2 -I. -I/usr/share/wabt/wasm2c examples/embed/lzo.c lzo.wasm.c \
 *        /usr/share/wabt/wasm2c/wasm-rt-impl.c -lm -o lzo
 *     ./lzo < FILE
 *
 * Memory from lzo_arena() on is ours: work memory, then input, then output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "lzo.wasm.h"

/* The one import: a broken invariant. */
struct Z_rumpuser_instance_t { Z_lzo_instance_t *lzo; };

void Z_rumpuserZ_hyp_panic(struct Z_rumpuser_instance_t *host, u32 msg, u32 len) {
  fprintf(stderr, "panic: %.*s\n", (int)len, (char *)Z_lzoZ_memory(host->lzo)->data + msg);
  abort();
}

enum { WRKMEM = 16384, LENGTH = 200000, CAPACITY = LENGTH + LENGTH / 16 + 67 };

int main(void) {
  static Z_lzo_instance_t lzo;
  struct Z_rumpuser_instance_t host = { &lzo };

  wasm_rt_init();
  Z_lzo_init_module();
  Z_lzo_instantiate(&lzo, &host);

  uint8_t *memory = Z_lzoZ_memory(&lzo)->data;
  u32 wrkmem = Z_lzoZ_lzo_arena(&lzo);
  u32 in = wrkmem + WRKMEM, packed = in + LENGTH, out = packed + CAPACITY;
  u32 n = (u32)fread(memory + in, 1, LENGTH, stdin);

  s32 m = (s32)Z_lzoZ_lzo1x_1_compress(&lzo, in, n, packed, CAPACITY, wrkmem);
  s32 k = (s32)Z_lzoZ_lzo1x_decompress_safe(&lzo, packed, (u32)m, out, n, 0);
  if (m < 0 || k != (s32)n || memcmp(memory + in, memory + out, n) != 0) {
    fprintf(stderr, "lzo: %d, %d\n", m, k);
    return 1;
  }
  printf("%u bytes, %d compressed, the same again; adler32 %08x\n", n, m, Z_lzoZ_adler32(&lzo, 1, in, n));
  Z_lzo_free(&lzo);
  return 0;
}
