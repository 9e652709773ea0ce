/**
 * Handles: small integers that name the host's sockets to the image, safe against reuse.
 *
 *      handle = | generation (11 bits) | index (20 bits) |
 *
 * A closed handle's index is used again, but with another generation, so that a stale handle (a bug
 * of the image, or memory restored from a snapshot) finds nothing instead of a stranger's socket.
 * Get is one array access and one comparison.
 */
const INDEX_BITS = 20;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const GENERATION_MASK = (1 << (31 - INDEX_BITS)) - 1;

/** What is kept in a table: it must remember its own handle. */
export interface Handled { handle: number }

export class HandleTable<T extends Handled> {
  private readonly slots: (T | null)[] = [];
  private readonly generations: number[] = [];
  private readonly free: number[] = [];
  private used = 0;

  /** @param max most entries at once, at most 2^20 */
  constructor(private readonly max: number) {
    if (max < 1 || max > INDEX_MASK + 1) throw new RangeError(`HandleTable of ${max}`);
  }

  get size(): number { return this.used; }

  get full(): boolean { return this.used >= this.max; }

  /** Enter `item`, setting its handle; -1 when the table is full. */
  add(item: T): number {
    if (this.full) return -1;
    const index = this.free.pop() ?? this.slots.length;
    const generation = this.generations[index] ?? 0;
    this.slots[index] = item;
    item.handle = (generation << INDEX_BITS) | index;
    this.used++;
    return item.handle;
  }

  /** What `handle` names, or undefined. */
  get(handle: number): T | undefined {
    const item = this.slots[handle & INDEX_MASK];
    return item && item.handle === handle ? item : undefined;
  }

  remove(item: T): void {
    const index = item.handle & INDEX_MASK;
    if (this.slots[index] !== item) return;
    this.slots[index] = null;
    this.generations[index] = ((this.generations[index] ?? 0) + 1) & GENERATION_MASK;
    this.free.push(index);
    this.used--;
    item.handle = -1;
  }

  /** All entries; the table may be changed meanwhile. */
  all(): T[] { return this.slots.filter((item): item is T => item !== null); }
}
