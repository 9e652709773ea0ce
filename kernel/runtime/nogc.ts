/**
 * The runtime of an image: none. Whatever would allocate a managed object is a compile error.
 *
 * AssemblyScript compiles a runtime function only when something reaches it, and `ERROR` in the body
 * of a function that is compiled is a diagnostic. So an image that compiles cannot allocate: this is
 * proved by the compiler, not tested. tools/mkimage/transform.mjs puts this file in the place of asc's
 * `stub` runtime (a runtime given by path would switch the shadow stack of the collector on), and
 * mkimage then looks up who it was that called.
 *
 * References kept in memory that the kernel carves need no bookkeeping, so linking, pinning and
 * visiting are nothing. The functions are global because the compiler looks them up by name.
 */

// @ts-ignore: decorator
@global @unsafe
function __new(size: usize, id: u32): usize {
  ERROR("__new is reached: an image has no garbage collector");
  return 0;
}

// @ts-ignore: decorator
@global @unsafe
function __renew(ptr: usize, size: usize): usize {
  ERROR("__renew is reached: an image has no garbage collector");
  return 0;
}

// @ts-ignore: decorator
@global @unsafe
function __alloc(size: usize): usize {
  ERROR("__alloc is reached: an image has no heap; take memory from kmem or a pool");
  return 0;
}

// @ts-ignore: decorator
@global @unsafe
function __realloc(ptr: usize, size: usize): usize {
  ERROR("__realloc is reached: an image has no heap; take memory from kmem or a pool");
  return 0;
}

// @ts-ignore: decorator
@global @unsafe
function __free(ptr: usize): void {
  ERROR("__free is reached: an image has no heap; give memory back to its pool");
}

// @ts-ignore: decorator
@global @unsafe
function __link(parent: usize, child: usize, many: bool): void {}

// @ts-ignore: decorator
@global @unsafe
function __pin(ptr: usize): usize {
  return ptr;
}

// @ts-ignore: decorator
@global @unsafe
function __unpin(ptr: usize): void {}

// @ts-ignore: decorator
@global @unsafe
function __visit(ptr: usize, cookie: u32): void {}

// @ts-ignore: decorator
@global @unsafe
function __collect(): void {}
